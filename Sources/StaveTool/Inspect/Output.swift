internal import Glibc

/// Standard output, written in large pieces; or kept, for tests.
final class Output {
    private var buffer: [UInt8] = []
    private let isKept: Bool
    /// Whether what is longer than the screen goes through the pager.
    private let isPaged: Bool
    private var pager: Pager?
    /// Where it all goes instead.
    private var writer: OutputWriter?

    /// What is printed goes where `writer` writes.
    init(into writer: OutputWriter) {
        isKept = false
        isPaged = false
        self.writer = writer
    }

    init(isKept: Bool = false, isPaged: Bool = false) {
        self.isKept = isKept
        self.isPaged = isPaged && Pager.isWanted
        buffer.reserveCapacity(1 << 16)
    }

    /// What was printed and not written yet.
    var text: String { String(decoding: buffer, as: UTF8.self) }

    func line(_ text: String = "") {
        buffer.append(contentsOf: text.utf8)
        buffer.append(UInt8(ascii: "\n"))
        if buffer.count >= 1 << 16, !isKept { flush() }
    }

    func line(_ line: Line) {
        buffer.append(contentsOf: line.bytes)
        while buffer.last == UInt8(ascii: " ") { buffer.removeLast() }
        buffer.append(UInt8(ascii: "\n"))
        if buffer.count >= 1 << 16, !isKept { flush() }
    }

    /// Rows as columns two spaces apart; `right` names the columns that are set flush right.
    func table(_ rows: [[String]], right: Set<Int> = []) {
        var widths: [Int] = []
        for row in rows {
            for (column, text) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], text.count)
            }
        }
        for row in rows {
            let cells = row.enumerated().map { column, text in
                Units.padded(text, widths[column], right: right.contains(column))
            }
            var text = cells.joined(separator: "  ")
            while text.last == " " { text.removeLast() }
            line(text)
        }
    }

    func json(_ members: [(String, JSON)]) { line(JSON.object(members).text) }

    /// Ends the program quietly where nobody reads any more.
    func flush() {
        if let writer {
            writer.write(buffer)
            writer.flush()
            return buffer.removeAll(keepingCapacity: true)
        }
        if isPaged, pager == nil { beginPaging() }
        var done = 0
        while done < buffer.count {
            // SAFETY: the write stays inside the array.
            let count = unsafe buffer.withUnsafeBytes {
                unsafe write(STDOUT_FILENO, $0.baseAddress! + done, $0.count - done)
            }
            if count < 0, errno == EINTR { continue }
            if count <= 0 {
                // The person has left the pager.
                if pager != nil, errno == EPIPE { Signals.raiseDefault(SIGPIPE) }
                exit(74)
            }
            done += count
        }
        buffer.removeAll(keepingCapacity: true)
    }

    /// Writes what there is so far: more will take a while. A pager wants all of a short text to see
    /// that it is one.
    func flushEarly() {
        if !isKept, !isPaged, !buffer.isEmpty { flush() }
    }

    /// Waits, and says whether there is still somebody who could read: a pipe's reader may have gone.
    func hasReader(waiting milliseconds: Int32) -> Bool {
        if let writer {
            _ = Signals.waitToRead(-1, milliseconds: milliseconds)
            return writer.failure == nil && !Signals.isInterrupted
        }
        var wait = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
        // SAFETY: one entry.
        return unsafe poll(&wait, 1, milliseconds) <= 0
    }

    /// Writes what is left, and waits until the person has read it.
    func finish() {
        flush()
        pager?.finish()
        pager = nil
    }

    private func beginPaging() {
        // SAFETY: the array lives through the call.
        pager = unsafe buffer.withUnsafeBytes { unsafe Pager.start(for: $0) }
        guard pager != nil else { return }
        // Ctrl-C is the pager's; leaving it is seen by the next write.
        for signal in [SIGINT, SIGPIPE] { _ = Glibc.signal(signal, SIG_IGN) }
    }

    static func complain(_ text: String) {
        let bytes = Array("stave: \(text)\n".utf8)
        // SAFETY: the write stays inside the array. Where it fails there is nobody to tell.
        unsafe bytes.withUnsafeBytes { _ = unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
