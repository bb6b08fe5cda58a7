internal import Glibc
internal import Stave

// `stave DIR COMMAND`.
extension StaveCommand {
    func runOnce() -> Int32 {
        Signals.install(interactive: false)
        let words = argumentWords
        guard let access = usableAccess(words) else { return 64 }
        var store: Store?
        if access != .nothing {
            store = open(
                createsIfMissing: create ?? false, readOnly: readOnly || access == .read)
            if store == nil { return 2 }
        }
        let session = Session(store, place: .oneShot, settings: settings)
        if let store, access == .write { printNotices(of: store, session) }
        var status: Int32 = 0
        do throws(CommandError) {
            try session.execute(words)
            if session.reportedErrorCount > 0 { status = 2 }
        } catch {
            session.flush()
            session.note("stave: \(error.message)")
            status = error.isUsage ? 64 : 2
        }
        if status == 0, session.missCount > 0 { status = 1 }
        return close(store, session, status)
    }

    /// What the command needs of the store; nil, and said so, where the words make no command.
    private func usableAccess(_ words: [Word]) -> Command.Access? {
        guard let command = CommandTable.command(named: command[0]) else { return nil }
        do throws(CommandError) {
            return try Invocation(command, words).access
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
