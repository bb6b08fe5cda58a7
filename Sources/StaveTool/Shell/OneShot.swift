internal import Glibc
internal import Stave
internal import StaveDisk

// `stave DIR COMMAND`.
extension StaveCommand {
    func runOnce(_ settings: SessionSettings) -> Int32 {
        Signals.install(interactive: false)
        var words = argumentWords
        guard let invocation = usableInvocation(words) else { return 64 }
        var value: [UInt8] = []
        let takesInput = Self.takesValueFromInput(invocation)
        if takesInput {
            guard readValue(into: &value) else { return 2 }
        }
        let last = unsafe invocation.words.last?.bytes.baseAddress
        let place = words.firstIndex { unsafe $0.bytes.baseAddress == last }
        return unsafe value.withUnsafeBytes { bytes in
            // SAFETY: the words live as long as the arguments and the value, which is this call.
            if takesInput, let place {
                words[place] = unsafe Word(bytes: bytes, kind: .quoted, offset: 0)
            }
            return runOnce(words, invocation.access, settings)
        }
    }

    /// `stave DIR set KEY -`. Never without the sign: in a loop over lines, a value that is missing
    /// would be the rest of the loop's input.
    private static func takesValueFromInput(_ invocation: Invocation) -> Bool {
        let words = invocation.words
        return invocation.command.name == "set" && words.count == 3 && words[2].equals("-")
    }

    /// Reads stdin to its end; false, and said so, where that is not possible.
    private func readValue(into value: inout [UInt8]) -> Bool {
        var piece = [UInt8](repeating: 0, count: 256 << 10)
        while true {
            guard Signals.waitToRead(STDIN_FILENO) else {
                guard let signal = Signals.endingSignal else { continue }
                Signals.raiseDefault(signal)
            }
            // SAFETY: reads into the array.
            let count = unsafe read(STDIN_FILENO, &piece, piece.count)
            if count == 0 { return true }
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard count > 0 else {
                Self.complain("stave: \(SystemError("read", "stdin", errno).message)")
                return false
            }
            value += piece[..<count]
            if value.count > Format.maxValueLength {
                Self.complain("stave: the value on stdin is longer than 1 GiB")
                return false
            }
        }
    }

    private func runOnce(
        _ words: [Word], _ access: Command.Access, _ settings: SessionSettings
    ) -> Int32 {
        let session: Session
        if access == .nothing {
            session = Session(nil, place: .oneShot, settings: settings)
        } else {
            guard let opened = openOnce(access, settings) else { return 2 }
            session = opened
        }
        if access != .nothing { printNotices(of: session.store, session) }
        var status: Int32 = 0
        do throws(CommandError) {
            try session.execute(words)
            if session.reportedErrorCount > 0 { status = 2 }
        } catch {
            session.replyError(error.message)
            session.flush()
            session.note("stave: \(error.message)")
            session.advise(on: error)
            status = error.isUsage ? 64 : 2
        }
        if status == 0, session.missCount > 0 { status = 1 }
        return close(session, status)
    }

    /// A command that only reads takes no lock, unless it is to make the store first.
    private func openOnce(_ access: Command.Access, _ settings: SessionSettings) -> Session? {
        if access == .read, create == true, isMissing {
            return openSession(.oneShot, settings, creates: true, readOnly: false)
        }
        return openSession(
            .oneShot, settings, creates: create ?? false, readOnly: readOnly || access == .read)
    }

    private var isMissing: Bool {
        var options = StoreOptions()
        options.access = .readOnly
        do throws(StoreError) {
            try Store(path: directory, options: options).close()
            return false
        } catch {
            switch error {
            case .noSuchDirectory, .notAStore: return true
            default: return false
            }
        }
    }

    /// nil, and said so, where the words make no command.
    private func usableInvocation(_ words: [Word]) -> Invocation? {
        guard let command = CommandTable.command(named: command[0]) else { return nil }
        // `set -- v` may be meant as a key without a value; `set -- -- v` says that -- is the key.
        let isBehindDashes = words.count == 3 && words[1].equals("--")
        if command.name == "set", words.count == 2 || isBehindDashes {
            Self.complain(
                "stave: set needs a value: set KEY VALUE, or set KEY - to take it from stdin")
            return nil
        }
        do throws(CommandError) {
            return try Invocation(command, words)
        } catch {
            Self.complain("stave: \(error.message)")
            return nil
        }
    }

    /// The command's words as the bytes that the process was given, UTF-8 or not.
    private var argumentWords: [Word] {
        let first = ArgumentSplit(CommandLine.arguments).commandIndex ?? 0
        return (first..<first + command.count).compactMap { index in
            // SAFETY: the arguments live as long as the process, and nothing changes them.
            guard let text = unsafe CommandLine.unsafeArgv[index] else { return nil }
            let bytes = unsafe UnsafeRawBufferPointer(start: text, count: strlen(text))
            return unsafe Word(bytes: bytes, kind: .argument, offset: 0)
        }
    }
}
