internal import CEditline
internal import Glibc

/// Keeps libedit inside its own memory.
///
/// libedit draws into two pictures of the screen that have as many rows as it takes the screen to
/// have. Where a line has more, it writes behind them. Rules:
///
/// 1. While a line is edited, libedit is told of more rows than the line takes, and of some to
///    spare for what it inserts by itself before the next key is read, such as a macro.
/// 2. Telling it replaces the pictures, but libedit still believes the cursor to be where it was
///    in the old ones: all is drawn anew at once, from the line's first row.
/// 3. Before each key the cursor is put back into the line: `$` in vi's mode moves it in front
///    of an empty one, and what is typed next would be written there.
///
/// libedit's movements between rows end at the edge of the true screen, so a line that is taller is
/// shown right only while it is typed at its end.
extension LineEditor {
    /// Cells in the rows to spare.
    private static let spareCells = 8192

    /// Rule 1, for the line with `text` added to it.
    func makeRoom(for text: String = "") {
        let columns = max(2, Int(unsafe stave_el_columns(handle)))
        let needed =
            neededRows(columns)
            + Self.rows(of: text.unicodeScalars.lazy.map(\.value), columns: columns)
        let spare = 64 + Self.spareCells / columns
        guard room < needed + spare / 2 else { return }
        // `edit off` in ~/.editrc: libedit draws nothing but the prompt.
        let draws = unsafe stave_el_number(handle, EL_EDITMODE) != 0
        if room > 0 {
            guard draws else { return }
            eraseRows()
        }
        room = min(needed + max(spare, needed / 4), 9_999_999)
        if draws { unsafe _ = stave_el_set_rows(handle, Int32(room)) }
        // Rule 2.
        unsafe _ = stave_el_refresh(handle)
    }

    /// After the screen's size has changed, with the cursor in the line's first row.
    func takeSize() {
        unsafe el_resize(handle)
        room = 0
        makeRoom()
    }

    /// Rule 3.
    func mendCursor() {
        // SAFETY: the pointers are compared, not followed.
        guard let line = unsafe el_wline(handle)?.pointee else { return }
        let distance = unsafe line.buffer - line.cursor
        if distance > 0 { unsafe _ = el_cursor(handle, Int32(distance)) }
    }

    /// Characters in the line.
    var lineLength: Int {
        // SAFETY: the pointers are compared, not followed.
        guard let line = unsafe el_wline(handle)?.pointee else { return 0 }
        return unsafe line.lastchar - line.buffer
    }

    private func neededRows(_ columns: Int) -> Int {
        guard let line = unsafe el_wline(handle)?.pointee, let start = unsafe line.buffer else {
            return 1
        }
        // SAFETY: libedit's own line, which nothing changes meanwhile.
        let text = unsafe UnsafeBufferPointer(start: start, count: line.lastchar - start)
        return unsafe Self.rows(of: text.lazy.map { UInt32(bitPattern: $0) }, columns: columns)
            + Self.rows(of: promptText.unicodeScalars.lazy.map(\.value), columns: columns)
    }

    /// No fewer than the text takes: most characters take fewer columns than are counted here, and
    /// a wide one that does not fit into a row leaves one column empty.
    private static func rows(of text: some Sequence<UInt32>, columns: Int) -> Int {
        var rows = 1
        var cells = 0
        for scalar in text {
            switch scalar {
            case 0x0A: rows += 1
            case 0x20..<0x7F: cells += 1
            // As \U+10FFFF, or up to the next tab stop.
            default: cells += 8
            }
        }
        return rows + cells / (columns - 1)
    }
}
