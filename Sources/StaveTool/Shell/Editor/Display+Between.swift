/// What happens between frames: messages, clears, resizes, the end of a line.
extension Display {
    /// Text above the line, which comes again with the next frame.
    func interrupt(_ text: String) {
        erase()
        put(text)
    }

    /// The screen is cleared, and the line stands at its top.
    func clear() {
        set(.plain)
        put("\u{1B}[H\u{1B}[2J")
        (shown, made, at) = ([], 1, DisplayPlace())
    }

    /// The cursor stands at the start of a row that is ours from now on.
    func forget() {
        (shown, made, at, top) = ([], 1, DisplayPlace(), 0)
    }

    /// The last frame of a line: all of it, also what the screen had no room for, and then a new
    /// row.
    func finish(_ frame: Frame, _ ending: String = "") {
        if frame.rows.count > height {
            erase()
            let screenHeight = height
            height = .max
            show(frame)
            height = screenHeight
        } else {
            show(frame)
        }
        put(ending + "\r\n")
        flush()
        forget()
    }

    func beep() { raw("\u{7}") }

    /// What moves no cursor, or comes before the first frame.
    func raw(_ text: String) {
        put(text)
        flush()
    }

    /// Asks where the cursor stands behind each of `samples`, each written at the start of a row,
    /// which is clear behind them.
    func ask(_ samples: [String]) {
        erase()
        put(samples.map { "\r\($0)\u{1B}[6n" }.joined() + "\r\u{1B}[K")
    }

    /// Puts the cursor on the first of our rows and clears them all: rule 6.
    func erase() {
        move(0, 0)
        set(.plain)
        put("\r \u{1B}[J\r")
        forget()
    }

    /// The terminal has a new size. Most wrap anew what stands there and keep the cursor on its
    /// cell: the same is done here, to know how far up our first row is now. Where the line just
    /// fills its rows, terminals differ by one; a row too many stays then, rather than to clear a
    /// foreign one.
    func resize() {
        measure()
        var above = 0
        var line: [Cell] = []
        for (index, row) in shown.enumerated() {
            let cursor = index == at.row ? line.count + cells(before: at.column, in: row) : nil
            line += row.cells
            if let cursor {
                // What follows in the same line of the terminal moves nothing that is above.
                var rows = CellRows(columns: columns)
                for cell in line.prefix(cursor + 1) { rows.append(cell) }
                above += rows.row
                break
            }
            if row.isWrapped { continue }
            var rows = CellRows(columns: columns)
            for cell in line { rows.append(cell) }
            above += rows.rows.count
            line = []
        }
        put(above > 0 ? "\u{1B}[\(above)A" : "")
        at = DisplayPlace()
        set(.plain)
        put("\r \u{1B}[J\r")
        forget()
    }

    private func cells(before column: Int, in row: CellRow) -> Int {
        var width = 0
        return row.cells.prefix {
            width += $0.width
            return width <= column
        }.count
    }
}
