internal import Glibc

/// A line that the terminal itself edits: on a dumb terminal, or with `edit off` in ~/.editrc.
final class PlainReader {
    private let terminal: Int32
    private var pending: [UInt8] = []

    /// nil where there is no terminal to write to.
    init?() {
        guard let terminal = LineEditor.openTerminal() else { return nil }
        self.terminal = terminal
    }

    func readLine(prompt: String) -> LineEditor.Reading {
        Signals.clearInterruption()
        put(prompt)
        while Signals.endingSignal == nil {
            if let end = pending.firstIndex(of: Byte.newline) {
                defer { pending.removeFirst(end + 1) }
                return Self.reading(of: pending[..<end])
            }
            if Signals.isInterrupted {
                Signals.clearInterruption()
                pending = []
                put("\n")
                return .cancelled
            }
            guard Signals.waitToRead(STDIN_FILENO) else { continue }
            var piece = [UInt8](repeating: 0, count: 4096)
            // SAFETY: reads into the array.
            let count = unsafe read(STDIN_FILENO, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            pending += piece[..<count]
        }
        put("\n")
        return .end
    }

    private static func reading(of bytes: ArraySlice<UInt8>) -> LineEditor.Reading {
        if let text = String(validating: bytes, as: UTF8.self) { return .line(text) }
        return .refused(
            "nothing was done: the line is not UTF-8; write other bytes as \\xHH in double quotes",
            line: "")
    }

    private func put(_ text: String) {
        let output = OutputWriter(descriptor: terminal, name: "the terminal")
        output.write(text)
        output.flush()
    }
}
