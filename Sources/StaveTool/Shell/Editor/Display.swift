internal import Glibc

/// A row and a column, counted from the first of our rows.
struct DisplayPlace: Equatable {
    var row = 0
    var column = 0
}

/// What is to stand on the terminal: prompt, line and what belongs to it.
struct Frame {
    var rows: [CellRow]
    var cursor: DisplayPlace
}

/// The rows of prompt and line on the terminal. Knows what stands there and writes what differs.
///
/// Rules, each of them something that terminals differ about:
///
/// 1. Places count from the first of our rows; where on the screen that is, is never asked.
/// 2. Only what a VT100 has: CR, LF, BS, cursor by a distance, EL, ED, SGR.
/// 3. The cursor never waits behind the last column, and EL is not written there: some terminals
///    clear the last cell then.
/// 4. A row that goes on in the next one is made by writing: behind a full row the terminal wraps
///    by itself and knows that the two are one line, for its copies and resizes.
/// 5. One write a frame. A large one is put between marks, where the terminal is known to hold back
///    what it shows until the second.
/// 6. Our rows are cleared from behind their first column. From the first, at the top of its
///    screen, tmux takes it for a cleared screen and brings the rows back in a resize.
final class Display {
    let descriptor: Int32
    let hasColor: Bool
    private(set) var columns = 80
    var height = 24
    /// What stands there, from our first row.
    var shown: [CellRow] = []
    /// Rows that exist, ours or blank, from our first one: below them, a newline makes one more.
    var made = 1
    var at = DisplayPlace()
    /// Of a frame that is taller than the screen, the first row that is shown.
    var top = 0
    private var style = CellStyle.plain
    /// From this column on, the row that is drawn is blank.
    private var blankStart = 0
    private var out: [UInt8] = []
    private let holdsBack = Display.terminalHoldsBack
    private var hasFailed = false
    private let size: () -> ScreenSize

    /// - Parameter size: nil asks the terminal.
    init(descriptor: Int32, hasColor: Bool, size: (() -> ScreenSize)? = nil) {
        self.descriptor = descriptor
        self.hasColor = hasColor
        self.size = size ?? { ScreenSize.of(descriptor) }
        measure()
    }

    func measure() {
        let size = size()
        (columns, height) = (max(2, size.columns), size.rows)
    }

    /// Whether the terminal is known to have synchronized output (mode 2026). Others take the marks
    /// for nothing, but they are bytes.
    private static var terminalHoldsBack: Bool {
        let term = Environment.value("TERM") ?? ""
        let known = ["xterm-kitty", "foot", "alacritty", "wezterm", "ghostty", "contour", "rio"]
        if known.contains(where: { term.contains($0) }) { return true }
        let program = Environment.value("TERM_PROGRAM") ?? ""
        if ["iTerm.app", "WezTerm", "ghostty", "vscode", "mintty"].contains(program) {
            return true
        }
        return (Environment.value("VTE_VERSION").flatMap { Int($0) } ?? 0) >= 6800
    }

    // MARK: Frames

    /// Draws `frame`, or as much around the cursor as the screen has room for.
    func show(_ frame: Frame) {
        var (rows, cursor) = (frame.rows, frame.cursor)
        if rows.count > height {
            // Above the cursor's row another is shown: it may end with what was just typed.
            let highest = max(0, height > 2 ? cursor.row - 1 : cursor.row)
            top = min(max(top, cursor.row - height + 1), highest, rows.count - height)
            rows = Array(rows[top..<top + height])
            cursor.row -= top
        } else {
            top = 0
        }
        for index in rows.indices {
            draw(rows[index], index, previous: index > 0 ? rows[index - 1] : nil)
        }
        if rows.count < shown.count {
            move(rows.count, 0)
            set(.plain)
            put("\u{1B}[J")
        }
        shown = rows
        move(cursor.row, cursor.column)
        set(.plain)
        flush(isFrame: true)
    }

    private func draw(_ new: CellRow, _ index: Int, previous: CellRow?) {
        let old = index < shown.count ? shown[index] : CellRow()
        if index >= made, let previous, previous.isWrapped {
            return wrap(to: new, index, previous)
        }
        if old == new, index < made { return }
        var first = 0
        var column = 0
        while first < old.cells.count, first < new.cells.count,
            old.cells[first] == new.cells[first]
        {
            column += new.cells[first].width
            first += 1
        }
        // What stood behind an uncertain cell may have cut it.
        while first > 0, new.cells[first - 1].isUncertain {
            first -= 1
            column -= new.cells[first].width
        }
        let last = commonEnd(new, old, from: first)
        guard first < last || old.width > new.width || index >= made else { return }
        move(index, column)
        var blank = old.width
        // All that follows is written anew, on cleared cells.
        if last == new.cells.count, column < min(columns, old.width),
            (old.cells[first...] + new.cells[first...]).contains(where: \.isUncertain)
        {
            set(.plain)
            put("\u{1B}[K")
            blank = column
        }
        write(new.cells[first..<last], isToEnd: last == new.cells.count, blankFrom: blank)
        if old.width > new.width, new.width < columns, !isBlank(from: new.width) {
            move(index, new.width)
            set(.plain)
            put("\u{1B}[K")
        }
    }

    /// The end of the cells of `new` that are to be written: those behind it stand there already.
    private func commonEnd(_ new: CellRow, _ old: CellRow, from first: Int) -> Int {
        guard old.width == new.width else { return new.cells.count }
        var last = new.cells.count
        var other = old.cells.count
        while last > first, other > first, new.cells[last - 1] == old.cells[other - 1] {
            last -= 1
            other -= 1
        }
        // An uncertain cell may reach into what is behind it.
        let isUncertain =
            new.cells[first..<last].contains(where: \.isUncertain)
            || old.cells[first..<other].contains(where: \.isUncertain)
        return isUncertain ? new.cells.count : last
    }

    /// Makes a row by writing, behind a full one: rule 4.
    private func wrap(to new: CellRow, _ index: Int, _ previous: CellRow) {
        if at != DisplayPlace(row: index - 1, column: columns) {
            let last = previous.cells.last!
            move(index - 1, columns - last.width)
            write(last)
        }
        made = index + 1
        at = DisplayPlace(row: index, column: 0)
        if new.cells.isEmpty {
            set(.plain)
            put(" \r")
        }
        write(new.cells[...], isToEnd: true, blankFrom: 0)
    }

    /// Blanks that stand there already, or are cheaper to clear than to write, are passed over.
    ///
    /// - Parameter start: from this column on, the row is blank.
    private func write(_ cells: ArraySlice<Cell>, isToEnd: Bool, blankFrom start: Int) {
        blankStart = start
        var index = cells.startIndex
        while index < cells.endIndex {
            let blanks = cells[index...].prefix { $0 == .blank }.count
            let isCleared = at.column >= blankStart
            if blanks > 8, isCleared || isToEnd {
                if !isCleared {
                    set(.plain)
                    put("\u{1B}[K")
                    blankStart = at.column
                }
                move(at.row, at.column + blanks)
                index += blanks
            } else {
                write(cells[index])
                index += 1
            }
        }
    }

    private func isBlank(from column: Int) -> Bool { blankStart <= column }

    private func write(_ cell: Cell) {
        // A blank looks the same in every color, and stands between any two words.
        if cell.text != " " || cell.style.marksBlanks || style.marksBlanks { set(cell.style) }
        let end = at.column + cell.width
        if cell.isUncertain {
            put(String(repeating: " ", count: cell.width) + "\r" + right(at.column))
            put(cell.text + "\r" + right(end))
        } else {
            put(cell.text)
        }
        at.column = end
    }

    private func right(_ count: Int) -> String {
        count == 0 ? "" : "\u{1B}[\(min(count, columns - 1))C"
    }

    func move(_ row: Int, _ column: Int) {
        guard row != at.row || column != at.column else { return }
        if row < at.row { put(row == at.row - 1 ? "\u{1B}[A" : "\u{1B}[\(at.row - row)A") }
        let reached = min(row, made - 1)
        if reached > at.row {
            put(reached == at.row + 1 ? "\u{1B}[B" : "\u{1B}[\(reached - at.row)B")
        }
        if row > reached {
            set(.plain)
            put("\r" + String(repeating: "\n", count: row - reached))
            at.column = 0
            made = row + 1
        }
        at.row = row
        let distance = column - at.column
        if distance == 0 { return }
        if at.column >= columns || column == 0 {
            put("\r" + right(column))
        } else if distance == -1 {
            put("\u{8}")
        } else {
            put(distance > 0 ? right(distance) : "\u{1B}[\(-distance)D")
        }
        at.column = column
    }

    func set(_ new: CellStyle) {
        let code = hasColor ? new.code : ""
        let old = hasColor ? style.code : ""
        style = new
        guard code != old else { return }
        put(code.isEmpty ? "\u{1B}[m" : old.isEmpty ? "\u{1B}[\(code)m" : "\u{1B}[0;\(code)m")
    }

    // MARK: Bytes

    func put(_ text: String) { out.append(contentsOf: text.utf8) }

    func flush(isFrame: Bool = false) {
        guard !out.isEmpty else { return }
        if isFrame, holdsBack, out.count > 48 {
            out.insert(contentsOf: "\u{1B}[?2026h".utf8, at: 0)
            put("\u{1B}[?2026l")
        }
        var rest = out[...]
        while !rest.isEmpty, !hasFailed {
            // SAFETY: stays inside the slice.
            let count = unsafe rest.withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress!, $0.count)
            }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN || errno == EINTR {
                // A terminal that was stopped with Ctrl-S may never take it.
                hasFailed = !Signals.waitToWrite(descriptor)
            } else {
                hasFailed = true
            }
        }
        out.removeAll(keepingCapacity: true)
    }
}
