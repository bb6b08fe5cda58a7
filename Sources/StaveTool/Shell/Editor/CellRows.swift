/// A row of the terminal.
struct CellRow: Equatable {
    var cells: [Cell] = []
    /// Columns.
    var width = 0
    /// Its text goes on in the next row: the terminal is made to wrap by itself, so that what is
    /// copied with the mouse, or wrapped anew in a resize, is one line.
    var isWrapped = false

    mutating func append(_ cell: Cell) {
        cells.append(cell)
        width += cell.width
    }
}

/// Text cut into rows of a terminal's width.
struct CellRows {
    let columns: Int
    let widths: CellWidths
    private(set) var rows = [CellRow()]

    init(columns: Int, widths: CellWidths = CellWidths()) {
        self.columns = max(2, columns)
        self.widths = widths
    }

    var row: Int { rows.count - 1 }
    var column: Int { rows[rows.count - 1].width }
    /// Where the last cell begins.
    var lastCell: DisplayPlace {
        DisplayPlace(row: row, column: column - (rows[row].cells.last?.width ?? 0))
    }

    mutating func append(_ cell: Cell) {
        var cell = cell
        if max(cell.width, cell.worst) > columns {
            cell = Cell(text: "?", width: 1, style: .control)
        }
        if column + max(cell.width, cell.worst) > columns { wrap() }
        rows[rows.count - 1].append(cell)
    }

    private mutating func wrap() {
        let last = rows[rows.count - 1]
        // The terminal wraps where its row is full; about an uncertain cell it may think otherwise.
        rows[rows.count - 1].isWrapped =
            last.width == columns && last.cells.last?.isUncertain == false
        rows.append(CellRow())
    }

    mutating func newline() { rows.append(CellRow()) }

    /// A cell each, so that what stands behind them is not written anew when one of them goes.
    mutating func append(blanks: Int) {
        for _ in 0..<max(0, blanks) { append(.blank) }
    }

    /// To the next multiple of eight columns, or the end of the row.
    mutating func tab() {
        if column >= columns { wrap() }
        let width = min(8 - column % 8, columns - column)
        append(Cell(text: String(repeating: " ", count: width), width: width, style: .plain))
    }

    /// Where a cursor stands behind what is there: never behind the last column.
    mutating func place() -> DisplayPlace {
        if column >= columns { wrap() }
        return DisplayPlace(row: row, column: column)
    }

    mutating func append(_ text: String, _ style: CellStyle) {
        for character in text {
            append(Cell(ArraySlice(Scalars(character.unicodeScalars)), style, widths))
        }
    }
}
