internal import CEditline
internal import Glibc

// Ctrl-R. Each key of a search becomes `KeyReader.Key.search`: what it does is done before libedit
// is asked, and libedit only draws the line again, with a question in the row below.
extension LineEditor {
    func beginSearch(_ direction: HistorySearch.Direction) -> UInt8 {
        let line = HistorySearch.Find(
            line: textBeforeCursor(wholeLine: true),
            cursor: textBeforeCursor().unicodeScalars.count)
        search = HistorySearch(remembered, from: line, direction, lastPattern: lastPattern)
        keys.isSearching = true
        return showSearch()
    }

    /// What a key means in a search; returns the key that libedit is to get for it.
    func searchKey(_ key: Unicode.Scalar) -> Unicode.Scalar {
        guard key != KeyReader.Key.wake.scalar, let step = search?.take(key) else { return key }
        if step != .goesOn { keys.isSearching = false }
        // ESC alone is no more than the end of the search; with more behind it, it begins a key.
        if step == .endsBefore, !(key == "\u{1B}" && keys.isEmpty) { keys.putBack(key) }
        return KeyReader.Key.search.scalar
    }

    func showSearch() -> UInt8 {
        guard let search else { return UInt8(CC_NORM) }
        let find = search.find
        if keys.isSearching {
            replaceLine(with: find.line + "\n" + search.question, cursor: find.cursor)
        } else {
            if !search.pattern.isEmpty { lastPattern = String(search.pattern) }
            self.search = nil
            replaceLine(with: find.line, cursor: find.cursor)
        }
        return UInt8(CC_REFRESH)
    }

    /// - Parameter cursor: how many characters stand before it.
    private func replaceLine(with text: String, cursor: Int) {
        makeRoom(for: text)
        let count = Int32(clamping: lineLength)
        unsafe _ = el_cursor(handle, count)
        unsafe el_deletestr(handle, count)
        if !text.isEmpty { unsafe _ = el_insertstr(handle, text) }
        unsafe _ = el_cursor(handle, Int32(clamping: cursor - lineLength))
    }
}
