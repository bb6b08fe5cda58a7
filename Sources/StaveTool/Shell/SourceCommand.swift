internal import Glibc
internal import Stave
internal import StaveDisk

extension CommandTable {
    static let sourceCommand = Command(
        "source", "FILE", words: 1...1, .nothing, "carry out the commands of a file",
        details: [
            "A command a line, as in a script; the first error ends it. It may have 64 MiB."
        ],
        examples: ["source commands", "source \"my commands\""]
    ) { session, invocation throws(CommandError) in try session.source(invocation.words[1]) }
}

extension Session {
    private static let deepestSource = 16

    func source(_ file: Word) throws(CommandError) {
        guard sourceDepth < Self.deepestSource else {
            throw CommandError("files of commands lead to each other in a circle", at: file)
        }
        sourceDepth += 1
        defer { sourceDepth -= 1 }
        let path = try Self.path(file)
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try File.opening(path).contents(limit: 64 << 20)
        } catch {
            throw CommandError("cannot \(error.operation) \(error.path): \(error.reason)", at: file)
        }
        let parser = WordParser()
        parser.takesPrograms = place == .prompt || settings.allowsShell
        var (start, line) = (0, 1)
        while start < bytes.count, !isDone, !isInterrupted(), output.failure == nil {
            let end = bytes[start...].firstIndex(of: Byte.newline) ?? bytes.count
            // SAFETY: the array lives through the call, and the words are not used behind it.
            let failure = unsafe bytes[start..<end].withUnsafeBytes { unsafe execute($0, parser) }
            if var failure {
                let column = failure.offset.map { ":\($0 + 1)" } ?? ""
                failure.message = "\(Quoting.message(path)):\(line)\(column): \(failure.message)"
                failure.offset = file.offset
                throw failure
            }
            (start, line) = (end + 1, line + 1)
        }
    }

    /// What went wrong with a line.
    private func execute(_ line: UnsafeRawBufferPointer, _ parser: WordParser) -> CommandError? {
        do throws(SyntaxError) {
            // SAFETY: the line outlives the words.
            unsafe _ = try parser.parse(line)
        } catch {
            return CommandError(message: error.message, offset: error.offset)
        }
        do throws(CommandError) {
            try execute(parser.words)
            return nil
        } catch {
            return error
        }
    }
}
