/// What a person sees: a small terminal that understands what the shell sends (ECMA-48 and xterm), and
/// takes down what it does not.
package struct Screen {
    package let columns: Int
    package let rows: Int
    /// A cell is a character, empty behind a wide one.
    private var cells: [[String]]
    package private(set) var row = 0
    package private(set) var column = 0
    private var saved = (row: 0, column: 0)
    private var pending: [UInt8] = []
    /// Sequences and control characters that a terminal would not have understood.
    package private(set) var unknown: [String] = []
    /// Whether colors or other styles were set.
    package private(set) var hasStyles = false
    package private(set) var hasSequences = false
    package private(set) var bellCount = 0

    package init(columns: Int, rows: Int) {
        self.columns = columns
        self.rows = rows
        cells = Array(repeating: Array(repeating: " ", count: columns), count: rows)
    }

    /// The rows without blanks at their ends, down to the one of the cursor.
    package var lines: [String] { (0...row).map(line) }
    package var allLines: [String] { (0..<rows).map(line) }
    package var cursorLine: String { line(row) }
    /// What stands before the cursor in its row.
    package var beforeCursor: String { cells[row][..<min(column, columns)].joined() }

    private func line(_ row: Int) -> String {
        var text = cells[row].joined()
        while text.last == " " { text.removeLast() }
        return text
    }

    package mutating func feed(_ bytes: some Sequence<UInt8>) {
        pending += bytes
        var rest = pending[...]
        while let length = unitLength(rest) {
            act(on: rest.prefix(length))
            rest = rest.dropFirst(length)
        }
        pending = Array(rest)
    }

    /// The length of the first character or sequence; nil where it has not come in full.
    private func unitLength(_ bytes: ArraySlice<UInt8>) -> Int? {
        guard let first = bytes.first else { return nil }
        if first == 0x1B {
            guard bytes.count > 1 else { return nil }
            guard bytes[bytes.startIndex + 1] == UInt8(ascii: "[") else { return 2 }
            return bytes.dropFirst(2).firstIndex { (0x40...0x7E).contains($0) }
                .map { $0 - bytes.startIndex + 1 }
        }
        let length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
        return bytes.count >= length ? length : nil
    }

    private mutating func act(on unit: ArraySlice<UInt8>) {
        let text = String(decoding: unit, as: UTF8.self)
        switch unit.first! {
        case 0x1B: actOnSequence(text)
        case 0x0A: lineFeed()
        case 0x0D: column = 0
        case 0x08: column = max(0, min(column, columns - 1) - 1)
        case 0x07: bellCount += 1
        case 0x09: column = min(columns - 1, (column / 8 + 1) * 8)
        case 0x20...0x7E, 0x80...: put(text)
        default: unknown.append(text.debugDescription)
        }
    }

    private mutating func actOnSequence(_ text: String) {
        hasSequences = true
        if text == "\u{1B}7" { return saved = (row, column) }
        if text == "\u{1B}8" { return (row, column) = saved }
        let body = text.dropFirst(2)
        guard text.hasPrefix("\u{1B}["), let final = body.last else {
            return unknown.append(text.debugDescription)
        }
        let number = Int(body.dropLast()) ?? 0
        switch final {
        case "A": row = max(0, row - max(1, number))
        case "B": row = min(rows - 1, row + max(1, number))
        case "C": column = min(columns - 1, column + max(1, number))
        case "D": column = max(0, min(column, columns - 1) - max(1, number))
        case "G": column = max(0, number - 1)
        case "H": (row, column) = (0, 0)
        case "J" where number == 0:
            erase(row, min(column, columns)..<columns)
            for below in (row + 1)..<max(rows, row + 1) { erase(below, 0..<columns) }
        case "J": for all in 0..<rows { erase(all, 0..<columns) }
        case "K": erase(row, min(column, columns)..<columns)
        case "P":
            let count = min(max(1, number), columns - column)
            cells[row].removeSubrange(column..<(column + count))
            cells[row] += Array(repeating: " ", count: count)
        case "@":
            let count = min(max(1, number), columns - column)
            cells[row].insert(contentsOf: Array(repeating: " ", count: count), at: column)
            cells[row].removeLast(count)
        case "m": hasStyles = hasStyles || !["", "0"].contains(body.dropLast())
        case "h" where body == "?2004h", "l" where body == "?2004l": break
        default: unknown.append(text.debugDescription)
        }
    }

    private mutating func erase(_ row: Int, _ range: Range<Int>) {
        for column in range { cells[row][column] = " " }
    }

    private mutating func lineFeed() {
        if row < rows - 1 { return row += 1 }
        cells.removeFirst()
        cells.append(Array(repeating: " ", count: columns))
    }

    /// The cursor waits behind the last column until something more comes, as terminals do.
    private mutating func put(_ text: String) {
        let width = Self.width(of: text.unicodeScalars.first!)
        if width == 0 {
            if column > 0 { cells[row][column - 1] += text }
            return
        }
        if column + width > columns {
            column = 0
            lineFeed()
        }
        cells[row][column] = text
        if width == 2 { cells[row][column + 1] = "" }
        column += width
    }

    private static func width(of scalar: Unicode.Scalar) -> Int {
        switch scalar.value {
        case 0x300...0x36F, 0x200D, 0xFE0F: 0
        case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
            0xFF00...0xFF60, 0x1F300...0x1FAFF:
            2
        default: 1
        }
    }
}
