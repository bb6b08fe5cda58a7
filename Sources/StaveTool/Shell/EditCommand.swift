internal import Glibc
internal import Stave
internal import StaveDisk

extension CommandTable {
    static let editCommand = Command(
        "edit", "KEY", words: 1...1, .write, isForPeople: true,
        "change a value in your editor ($VISUAL, $EDITOR or vi)",
        details: [
            "The value lies in a file that is yours alone meanwhile. It is stored if you changed it"
                + " and the key is as it was; where the key was changed meanwhile, your text stays"
                + " in the file. A newline that the editor added at the end is left out.",
            "A key that is not there begins as an empty file.",
        ],
        examples: ["edit user:1", "edit note"]
    ) { session, invocation throws(CommandError) in try session.edit(invocation) }
}

extension Session {
    func edit(_ invocation: Invocation) throws(CommandError) {
        let word = invocation.words[1]
        try requireUsable(word)
        let old = try value(of: word)
        let file = try EditedFile(old ?? [])
        guard file.edit() else {
            file.remove()
            throw CommandError("the editor failed; nothing was stored")
        }
        var new = try file.contents()
        if new.last == Byte.newline, old?.last != Byte.newline { new.removeLast() }
        guard new != old ?? [] else {
            file.remove()
            return note("(unchanged)")
        }
        // Only this process writes, but the background of a shell may have stopped for long: `fg`.
        guard try value(of: word) == old else {
            throw CommandError("\(word.shown) was changed meanwhile; your text is in \(file.path)")
        }
        do throws(StoreError) {
            // SAFETY: both live through the call.
            unsafe try store.set(
                new.span.bytes, forKey: word.bytes.bytes, deferringSync: defersSync)
        } catch {
            let failure = CommandError(error, at: word)
            throw CommandError("\(failure.message); your text is in \(file.path)", at: word)
        }
        file.remove()
        didWrite()
        acknowledge("OK")
    }

    private func value(of key: Word) throws(CommandError) -> [UInt8]? {
        do throws(StoreError) {
            // SAFETY: the word and the value are used inside the call only.
            return unsafe try store.withValue(forKey: key.bytes.bytes) { value in
                unsafe value.withUnsafeBytes { unsafe Array($0) }
            }
        } catch {
            throw CommandError(error, at: key, key: key)
        }
    }
}

/// A value in a file of its own while the person changes it. Only its owner can read it.
private struct EditedFile {
    let path: String

    init(_ value: [UInt8]) throws(CommandError) {
        let folder = Environment.value("TMPDIR") ?? "/tmp"
        var template = Array("\(folder)/stave.XXXXXX".utf8CString)
        // SAFETY: mkstemp fills in the name, and makes the file with mode 0600.
        let descriptor = unsafe mkstemp(&template)
        guard descriptor >= 0 else {
            throw CommandError(SystemError("make a file in", folder, errno).message)
        }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let file = OutputWriter(descriptor: descriptor, name: path)
        file.write(value)
        file.flush()
        guard close(descriptor) == 0, file.failure == nil else {
            remove()
            throw CommandError(file.failure?.message ?? "cannot write to \(path)")
        }
    }

    /// False where the editor did not end well.
    func edit() -> Bool {
        let line = "\(PreferredPrograms.editor) \(Quoting.shellWord(path))"
        let terminal = isatty(STDOUT_FILENO) == 1 ? STDOUT_FILENO : STDIN_FILENO
        guard let process = Pager.spawn(line, input: STDIN_FILENO, output: terminal) else {
            return false
        }
        return Session.wait(for: process) == 0
    }

    func contents() throws(CommandError) -> [UInt8] {
        do throws(FileError) {
            return try File.opening(path).contents(limit: Format.maxValueLength)
        } catch {
            throw CommandError("cannot \(error.operation) \(error.path): \(error.reason)")
        }
    }

    func remove() { _ = unsafe unlink(path) }
}
