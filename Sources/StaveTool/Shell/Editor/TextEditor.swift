internal import Glibc
internal import StaveDisk

/// The person's editor, for the line that they type.
enum TextEditor {
    /// What they make of `text`; nil where that cannot be done or the editor says that it failed.
    /// The terminal is to have its own settings meanwhile.
    static func edit(_ text: String) -> String? {
        let folder = Environment.value("TMPDIR") ?? "/tmp"
        var path = Array("\(folder)/stave.XXXXXX".utf8CString)
        // SAFETY: mkstemp fills in the name; the file is for this user alone.
        let descriptor = unsafe mkstemp(&path)
        guard descriptor >= 0 else { return nil }
        let name = String(decoding: path.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { unsafe unlink(name) }
        let file = OutputWriter(descriptor: descriptor, name: name)
        file.write(text + "\n")
        file.flush()
        guard close(descriptor) == 0, file.failure == nil, run(on: name) else { return nil }
        return contents(of: name)
    }

    private static func run(on path: String) -> Bool {
        // A stop with Ctrl-Z stops both.
        Signals.endEditing()
        defer { Signals.beginEditing() }
        let output = isatty(STDOUT_FILENO) == 1 ? STDOUT_FILENO : STDIN_FILENO
        guard
            let process = Pager.spawn(
                "\(PreferredPrograms.editor) \(Quoting.shellWord(path))", input: STDIN_FILENO,
                output: output)
        else { return false }
        var status: Int32 = 0
        // SAFETY: fills in the status.
        while unsafe waitpid(process, &status, 0) < 0, errno == EINTR {
            if Signals.endingSignal != nil { kill(process, SIGTERM) }
        }
        Signals.clearInterruption()
        return status == 0
    }

    private static func contents(of path: String) -> String? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            // SAFETY: reads into the array.
            let count = unsafe read(descriptor, &piece, piece.count)
            guard count >= 0 else { return nil }
            if count == 0 { break }
            bytes += piece[..<count]
            guard bytes.count <= 64 << 20 else { return nil }
        }
        while bytes.last == Byte.newline { bytes.removeLast() }
        let isText = bytes.allSatisfy {
            $0 >= 0x20 && $0 != 0x7F || $0 == Byte.newline || $0 == Byte.tab
        }
        return isText ? String(validating: bytes, as: UTF8.self) : nil
    }
}
