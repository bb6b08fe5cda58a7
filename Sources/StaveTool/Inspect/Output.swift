internal import Glibc

/// Lines and tables of the inspector on their way to standard output, as wide as its screen; or
/// kept, for tests.
final class Output {
    private var buffer: [UInt8] = []
    /// nil where it is kept.
    private let writer: OutputWriter?
    /// It is a session's, which looks at its failures itself.
    private let isBorrowed: Bool
    /// Of the terminal that it goes to; nil where a program reads it.
    private let columns: Int?
    /// Whether what is longer than the screen goes through the pager.
    private let isPaged: Bool

    /// What is printed goes where `writer` writes.
    init(into writer: OutputWriter) {
        (self.writer, isBorrowed, isPaged) = (writer, true, false)
        columns = isatty(STDOUT_FILENO) == 1 ? ScreenSize.of(STDOUT_FILENO).columns : nil
    }

    /// - Parameter columns: of the screen; where it is kept and nothing is said, lines may be of
    ///   any length.
    init(isKept: Bool = false, isPaged: Bool = false, columns: Int? = nil) {
        writer = isKept ? nil : OutputWriter(descriptor: STDOUT_FILENO, name: "stdout")
        isBorrowed = false
        let isTerminal = !isKept && isatty(STDOUT_FILENO) == 1
        self.columns = columns ?? (isTerminal ? ScreenSize.of(STDOUT_FILENO).columns : nil)
        self.isPaged = isPaged && Pager.isWanted
        if self.isPaged {
            writer?.beginPaging()
            // Ctrl-C is the pager's then; leaving it is seen by the next write.
            writer?.beforePaging = {
                for signal in [SIGINT, SIGPIPE] { _ = Glibc.signal(signal, SIG_IGN) }
            }
        }
        buffer.reserveCapacity(1 << 16)
    }

    /// What was printed and not written yet.
    var text: String { String(decoding: buffer, as: UTF8.self) }

    /// On a terminal a line that is longer than a row goes on in the next one, cut at a blank.
    /// (Lines with colors are as long as there is room.)
    func line(_ text: String = "") {
        if let columns, text.utf8.count > columns, !text.utf8.contains(0x1B) {
            for row in Cells.wrapped(text, room: columns, indent: "    ") { put(row.utf8) }
        } else {
            put(text.utf8)
        }
    }

    func line(_ line: Line) {
        if let columns, line.bytes.count > columns {
            // The last cell is the long one.
            let isCut = line.start > 0 && line.start <= columns
            let head = String(decoding: line.bytes[..<(isCut ? line.start : 0)], as: UTF8.self)
            if isCut { put(head.utf8.reversed().drop { $0 == UInt8(ascii: " ") }.reversed()) }
            let tail = String(decoding: line.bytes[(isCut ? line.start : 0)...], as: UTF8.self)
            let text = (isCut ? "    " : "") + tail
            for row in Cells.wrapped(text, room: columns, indent: "    ") { put(row.utf8) }
            return
        }
        put(line.bytes.reversed().drop { $0 == UInt8(ascii: " ") }.reversed())
    }

    private func put(_ line: some Sequence<UInt8>) {
        buffer.append(contentsOf: line)
        buffer.append(UInt8(ascii: "\n"))
        if buffer.count >= 1 << 16, writer != nil { flush() }
    }

    /// Rows as columns two spaces apart. Where a screen is too narrow, columns that can be done
    /// without are left out, then the last one is wrapped, and then each row becomes a paragraph.
    ///
    /// - Parameters:
    ///   - right: columns that are set flush right.
    ///   - optional: columns that can be done without, the first one first.
    func table(_ rows: [[String]], right: Set<Int> = [], optional: [Int] = []) {
        var widths = Self.widths(rows)
        guard let columns, let titles = rows.first else { return put(rows, widths, right) }
        func width(_ widths: [Int]) -> Int { widths.reduce(0, +) + 2 * (widths.count - 1) }
        var shown = Array(titles.indices)
        for column in optional where width(shown.map { widths[$0] }) > columns {
            shown.removeAll { $0 == column }
        }
        let rows = rows.map { row in shown.filter { $0 < row.count }.map { row[$0] } }
        let right = Set(shown.indices.filter { right.contains(shown[$0]) })
        widths = shown.map { widths[$0] }
        if width(widths) <= columns { return put(rows, widths, right) }
        let last = columns - width(widths.dropLast()) - 2
        guard last >= 30 else { return putParagraphs(rows) }
        widths[widths.count - 1] = last
        let indent = String(repeating: " ", count: columns - last)
        for row in rows {
            let text = row.count == widths.count ? row[row.count - 1] : ""
            let lines = Cells.wrapped(text, room: last)
            let first = row.count == widths.count ? row.dropLast() + [lines.first ?? ""] : row[...]
            put([Array(first)], widths, right)
            for line in lines.dropFirst() { put((indent + line).utf8) }
        }
    }

    /// The first column's cell, and below it the others behind their titles.
    private func putParagraphs(_ rows: [[String]]) {
        guard let titles = rows.first, let columns else { return }
        for row in rows.dropFirst() {
            line("\(titles[0]) \(row[0])")
            let cells = zip(titles, row).dropFirst().filter { !$0.1.isEmpty && $0.1 != "-" }
            let text = "  " + cells.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
            for row in Cells.wrapped(text, room: columns, indent: "  ") { put(row.utf8) }
        }
    }

    private static func widths(_ rows: [[String]]) -> [Int] {
        var widths: [Int] = []
        for row in rows {
            for (column, text) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], Cells.width(of: text))
            }
        }
        return widths
    }

    private func put(_ rows: [[String]], _ widths: [Int], _ right: Set<Int>) {
        for row in rows {
            let cells = row.enumerated().map { column, text in
                Cells.padded(text, widths[column], right: right.contains(column))
            }
            var text = cells.joined(separator: "  ")
            while text.last == " " { text.removeLast() }
            put(text.utf8)
        }
    }

    func json(_ members: [(String, JSON)]) { line(JSON.object(members).text) }

    /// Ends the program quietly where the reader has gone.
    func flush() {
        guard let writer else { return }
        writer.write(buffer)
        writer.flush()
        buffer.removeAll(keepingCapacity: true)
        guard !isBorrowed, writer.failure != nil else { return }
        // The person has left the pager.
        if writer.isPaging, writer.isBrokenPipe { Signals.raiseDefault(SIGPIPE) }
        exit(74)
    }

    /// Writes what there is so far: more will take a while. A pager wants all of a short text to
    /// see that it is one.
    func flushEarly() {
        if !isPaged, !buffer.isEmpty { flush() }
    }

    /// Waits, and says whether the output can still be read: a pipe's reader may have gone.
    func hasReader(waiting milliseconds: Int32) -> Bool {
        if isBorrowed, let writer {
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
        writer?.endPaging()
    }

    static func complain(_ text: String) { OutputWriter.complain("stave: \(text)") }
}
