internal import CEditline

/// An error with its place in a script: `stdin:12:5: message`, the line, and a caret under the
/// column.
enum LineReport {
    /// Columns of the line that are shown; a longer one is cut on both sides.
    private static let width = 76

    /// - Parameter offset: byte offset of the culprit in `line`.
    static func text(
        _ message: String, line: UnsafeRawBufferPointer, number: Int, offset: Int?
    ) -> String {
        // Without a locale, wcwidth knows ASCII only.
        _ = stave_use_utf8()
        let message = Quoting.message(message)
        guard let offset else { return "stdin:\(number): \(message)\n" }
        // SAFETY: the slices are clamped to the line.
        let start = min(offset, line.count)
        let column = unsafe column(of: offset, in: line)
        let before = unsafe shown(
            UnsafeRawBufferPointer(rebasing: line[..<start].suffix(4 * width)))
        let after = unsafe shown(UnsafeRawBufferPointer(rebasing: line[start...].prefix(4 * width)))
        var left = before
        var shortened = false
        while left.reduce(0, { $0 + $1.width }) > width / 2 {
            left.removeFirst()
            shortened = true
        }
        let lead = shortened ? "…" : ""
        let indent = left.reduce(0) { $0 + $1.width } + lead.count
        var room = width - indent
        var right = ""
        for cell in after {
            room -= cell.width
            guard room >= 0 else {
                right += "…"
                break
            }
            right += cell.text
        }
        return "stdin:\(number):\(column): \(message)\n"
            + "  \(lead)\(left.map(\.text).joined())\(right)\n"
            + "  \(String(repeating: " ", count: indent))^\n"
    }

    /// Counted from 1.
    static func column(of offset: Int, in line: UnsafeRawBufferPointer) -> Int {
        // SAFETY: the slice is clamped to the line.
        unsafe columnCount(.init(rebasing: line[..<min(offset, line.count)])) + 1
    }

    /// Characters as people count them; a byte that is not UTF-8 counts as one.
    static func columnCount(_ bytes: UnsafeRawBufferPointer) -> Int {
        // SAFETY: the bytes are only read.
        if unsafe bytes.allSatisfy({ $0 < 0x80 }) { return bytes.count }
        return unsafe String(decoding: bytes, as: UTF8.self).count
    }

    /// Scalars with the columns they take; what a terminal must not get is a question mark.
    private static func shown(_ bytes: UnsafeRawBufferPointer) -> [(text: String, width: Int)] {
        var cells: [(text: String, width: Int)] = []
        var index = 0
        while index < bytes.count {
            // SAFETY: index < count.
            guard let (scalar, length) = unsafe UTF8Scan.scalar(bytes, index) else {
                cells.append(("?", 1))
                index += 1
                continue
            }
            index += length
            if scalar == "\t" {
                cells.append((" ", 1))
            } else if UTF8Scan.isPrintable(scalar) {
                cells.append((String(Character(scalar)), max(0, Int(stave_width(scalar.value)))))
            } else {
                cells.append(("?", 1))
            }
        }
        return cells
    }
}
