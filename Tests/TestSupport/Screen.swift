/// What a person sees: a small terminal that understands what the shell sends (ECMA-48 and xterm),
/// and takes down what it does not.
package struct Screen {
    /// How it draws what terminals draw differently.
    package struct Manner: Sendable {
        /// Emoji that are joined, flags and skin tones take the columns of one.
        package var joins = false
        /// It says where its cursor is when it is asked.
        package var answers = true

        package init() {}
    }

    package private(set) var columns: Int
    package private(set) var rows: Int
    package var manner = Manner()
    /// A cell is a character, empty behind a wide one.
    private var cells: [[String]]
    package private(set) var row = 0
    package private(set) var column = 0
    /// Rows whose text goes on in the next one.
    private var wrapped: [Bool]
    private var saved = (row: 0, column: 0)
    private var pending: [UInt8] = []
    /// Sequences and control characters that a terminal would not have understood.
    package private(set) var unknown: [String] = []
    /// Whether colors or other styles were set.
    package private(set) var hasStyles = false
    package private(set) var hasSequences = false
    package private(set) var bellCount = 0
    /// What the terminal has to say to the program.
    package var replies = ""
    /// How often it was cleared, and what it showed before the last time.
    package private(set) var clearCount = 0
    package private(set) var cleared: Picture?

    package init(columns: Int, rows: Int) {
        self.columns = columns
        self.rows = rows
        cells = Array(repeating: Array(repeating: Self.unwritten, count: columns), count: rows)
        wrapped = Array(repeating: false, count: rows)
    }

    /// Its rows, blanks at their ends included, and its cursor.
    package struct Picture: Equatable, Sendable {
        package var rows: [String]
        package var row: Int
        package var column: Int
    }

    package var picture: Picture {
        Picture(rows: allLines, row: row, column: min(column, columns - 1))
    }

    /// The rows without blanks at their ends, down to the one of the cursor.
    package var lines: [String] { (0...row).map(line) }
    package var allLines: [String] { (0..<rows).map(line) }
    package var cursorLine: String { line(row) }
    /// What stands before the cursor in its row.
    package var beforeCursor: String { Self.text(cells[row][..<min(column, columns)]) }

    /// A blank that nothing was written to; a resize does not keep it at the end of a line.
    private static let unwritten = "\0"

    private static func text(_ cells: some Sequence<String>) -> String {
        cells.map { $0 == unwritten ? " " : $0 }.joined()
    }

    private func line(_ row: Int) -> String {
        var text = Self.text(cells[row])
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
        if text == "\u{1B}[6n" {
            if manner.answers { replies += "\u{1B}[\(row + 1);\(min(column, columns - 1) + 1)R" }
            return
        }
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
        case "H":
            cleared = picture
            (row, column) = (0, 0)
        case "J" where number == 0:
            erase(row, min(column, columns)..<columns)
            for below in (row + 1)..<max(rows, row + 1) { erase(below, 0..<columns) }
        case "J":
            clearCount += 1
            for all in 0..<rows { erase(all, 0..<columns) }
        case "K": erase(row, min(column, columns)..<columns)
        case "P":
            let count = min(max(1, number), columns - column)
            cells[row].removeSubrange(column..<(column + count))
            cells[row] += Array(repeating: Self.unwritten, count: count)
        case "@":
            let count = min(max(1, number), columns - column)
            cells[row].insert(
                contentsOf: Array(repeating: Self.unwritten, count: count), at: column)
            cells[row].removeLast(count)
        case "m": hasStyles = hasStyles || !["", "0"].contains(body.dropLast())
        case "h" where ["?2004h", "?2026h"].contains(body): break
        case "l" where ["?2004l", "?2026l"].contains(body): break
        default: unknown.append(text.debugDescription)
        }
    }

    private mutating func erase(_ row: Int, _ range: Range<Int>) {
        if let first = range.first { splitWide(row, first) }
        for column in range { cells[row][column] = Self.unwritten }
        if range.upperBound == columns { wrapped[row] = false }
    }

    private mutating func lineFeed() {
        if row < rows - 1 { return row += 1 }
        cells.removeFirst()
        cells.append(Array(repeating: Self.unwritten, count: columns))
        wrapped.removeFirst()
        wrapped.append(false)
    }

    /// The cursor waits behind the last column until something more comes, as terminals do.
    private mutating func put(_ text: String) {
        let scalar = text.unicodeScalars.first!
        let width = Self.width(of: scalar)
        if width == 0 || (manner.joins && joinsLast(scalar)) { return join(text) }
        if column + width > columns {
            wrapped[row] = true
            column = 0
            lineFeed()
        }
        splitWide(row, column)
        cells[row][column] = text
        if width == 2 { cells[row][column + 1] = "" }
        let behind = column + width
        if behind < columns, cells[row][behind].isEmpty { cells[row][behind] = " " }
        column += width
    }

    /// A wide character whose second half is written over becomes a blank.
    private mutating func splitWide(_ row: Int, _ column: Int) {
        if column > 0, cells[row][column].isEmpty { cells[row][column - 1] = " " }
    }

    /// To the character before the cursor.
    private mutating func join(_ text: String) {
        guard column > 0 else { return }
        let last = cells[row][column - 1].isEmpty ? column - 2 : column - 1
        guard last >= 0 else { return }
        cells[row][last] += text
        // A narrow character that becomes an emoji, or a flag.
        let isLetter = (0x1F1E6...0x1F1FF).contains(text.unicodeScalars.first!.value)
        if manner.joins, text == "\u{FE0F}" || isLetter, last == column - 1, column < columns {
            cells[row][column] = ""
            column += 1
        }
    }

    private func joinsLast(_ scalar: Unicode.Scalar) -> Bool {
        guard column > 0 else { return false }
        let place = cells[row][column - 1].isEmpty ? column - 2 : column - 1
        guard place >= 0, let before = cells[row][place].unicodeScalars.last else { return false }
        if before == "\u{200D}" || (0x1F3FB...0x1F3FF).contains(scalar.value) {
            return cells[row][place] != " "
        }
        let letters: ClosedRange<UInt32> = 0x1F1E6...0x1F1FF
        return letters.contains(scalar.value) && letters.contains(before.value)
            && cells[row][place].unicodeScalars.count == 1
    }

    private static func width(of scalar: Unicode.Scalar) -> Int {
        switch scalar.value {
        case 0x300...0x36F, 0x200B...0x200F, 0x202A...0x202E, 0xFE00...0xFE0F, 0x941...0x948,
            0x94D, 0xE31, 0xE34...0xE3A, 0xE47...0xE4E, 0x591...0x5C7:
            0
        case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
            0xFF00...0xFF60, 0x1F300...0x1FAFF:
            2
        default: 1
        }
    }

    // MARK: Resizes

    /// Wraps what stands there anew, as most terminals do; the cursor stays on its character, and
    /// what no longer fits is gone at the top.
    package mutating func resize(columns newColumns: Int, rows newRows: Int) {
        if newColumns == columns, newRows == rows { return }
        var lines: [[String]] = []
        var cursor = (line: 0, cell: 0)
        var line: [String] = []
        for index in 0..<rows {
            if index == row { cursor = (lines.count, line.count + min(column, columns)) }
            line += cells[index]
            if wrapped[index] { continue }
            lines.append(line)
            line = []
        }
        if !line.isEmpty { lines.append(line) }
        // Blank rows below the cursor are not text.
        while lines.count > cursor.line + 1, lines.last!.allSatisfy({ $0 == Self.unwritten }) {
            lines.removeLast()
        }
        var next = Screen(columns: newColumns, rows: newRows)
        var place = (row: 0, column: 0)
        var made: [[String]] = []
        var marks: [Bool] = []
        for (index, cells) in lines.enumerated() {
            var text = cells
            let kept = index == cursor.line ? cursor.cell : 0
            while text.count > kept, text.last == Self.unwritten { text.removeLast() }
            var rowCells: [String] = []
            for (position, cell) in text.enumerated() {
                let isWide = position + 1 < text.count && text[position + 1].isEmpty
                if rowCells.count + (isWide ? 2 : 1) > newColumns, !cell.isEmpty {
                    made.append(rowCells)
                    marks.append(true)
                    rowCells = []
                }
                if index == cursor.line, position == cursor.cell {
                    place = (made.count, rowCells.count)
                }
                rowCells.append(cell)
            }
            if index == cursor.line, cursor.cell >= text.count {
                place = (made.count, min(rowCells.count, newColumns - 1))
            }
            made.append(rowCells)
            marks.append(false)
        }
        let dropped = max(0, min(made.count - newRows, place.row), place.row - newRows + 1)
        for (index, cells) in made.dropFirst(dropped).prefix(newRows).enumerated() {
            for (column, cell) in cells.enumerated() where column < newColumns {
                next.cells[index][column] = cell
            }
            next.wrapped[index] = marks[dropped + index]
        }
        (columns, rows, cells, wrapped) = (newColumns, newRows, next.cells, next.wrapped)
        (row, column) = (min(newRows - 1, max(0, place.row - dropped)), place.column)
    }
}
