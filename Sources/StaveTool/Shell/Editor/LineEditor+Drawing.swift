/// What stands on the terminal while a line is edited.
extension LineEditor {
    func draw() {
        ghost = search == nil ? suggestion : []
        askWidths()
        display.show(frame(isLast: false))
    }

    /// The line as it stays on the screen: without dim text, hint and list.
    func finish(_ ending: String) {
        takeSize()
        let cursor = last.cursor
        defer { last.cursor = cursor }
        (ghost, list, last.cursor) = ([], nil, last.text.count)
        display.finish(frame(isLast: true, hasEnding: !ending.isEmpty), ending)
    }

    private func frame(isLast: Bool, hasEnding: Bool = false) -> Frame {
        var rows = CellRows(columns: display.columns, widths: widths)
        var (text, cursor) = (last.text, last.cursor)
        var lit = 0..<0
        if let search {
            text = search.find.line.scalars
            cursor = search.find.cursor
            let count = search.pattern.count
            if !search.hasFailed { lit = cursor..<min(cursor + count, text.count) }
        }
        let isQuestion = isQuestion(text)
        if isQuestion, text.first == "\n" {
            // The question stands in place of the line.
            text.removeFirst()
            cursor = max(0, cursor - 1)
        } else {
            for part in prompt { rows.append(part.text, part.style) }
        }
        var place = append(text, cursor, lit, to: &rows)
        if place == nil, !ghost.isEmpty { place = appendGhost(to: &rows) }
        if place == nil {
            // A line that just fills its last row has no empty one below it when it is done.
            place =
                isLast && !hasEnding
                ? DisplayPlace(row: rows.row, column: min(rows.column, rows.columns - 1))
                : rows.place()
        }
        if !isLast, !isQuestion { appendBelow(cursor, to: &rows) }
        return Frame(rows: rows.rows, cursor: place!)
    }

    /// Returns where the cursor stands; nil where that is behind the text.
    private func append(
        _ text: Scalars, _ cursor: Int, _ lit: Range<Int>, to rows: inout CellRows
    ) -> DisplayPlace? {
        let syntax = search == nil && text == self.syntax.text ? self.syntax : LineSyntax(text)
        let styles = isCommand ? syntax.styles(aliases: aliases) : []
        let quoted = isCommand && text.contains("\n") ? syntax.quoted : []
        var place: DisplayPlace?
        var index = 0
        for end in TextCells.ends(text) {
            let isHere = place == nil && cursor < end
            if text[index] == "\n" {
                if isHere { place = rows.place() }
                rows.newline()
                if index < quoted.count, quoted[index], let quote = quote(at: index, syntax) {
                    rows.append("\(quote)> ", .dim)
                }
            } else {
                if text[index] == "\t" {
                    rows.tab()
                } else {
                    let style = index < styles.count ? styles[index] : .plain
                    let cell = text[index..<end]
                    rows.append(Cell(cell, lit.contains(index) ? .match : style, widths))
                }
                if isHere { place = rows.lastCell }
            }
            index = end
        }
        return place
    }

    /// The quote around the newline at `index`.
    private func quote(at index: Int, _ syntax: LineSyntax) -> Unicode.Scalar? {
        var (low, high) = (0, syntax.tokens.count)
        while low < high {
            let middle = (low + high) / 2
            if syntax.tokens[middle].range.upperBound > index {
                high = middle
            } else {
                low = middle + 1
            }
        }
        return low < syntax.tokens.count ? syntax.text[syntax.tokens[low].range.lowerBound] : nil
    }

    /// Dim text behind the line, at most to the end of the screen; returns where it begins.
    private func appendGhost(to rows: inout CellRows) -> DisplayPlace? {
        var place: DisplayPlace?
        var index = 0
        for end in TextCells.ends(ghost) {
            let isNewline = ghost[index] == "\n"
            rows.append(
                isNewline || ghost[index] == "\t"
                    ? Cell(text: isNewline ? "…" : " ", width: 1, style: .ghost)
                    : Cell(ghost[index..<end], .ghost, widths))
            place = place ?? rows.lastCell
            if isNewline || rows.row >= display.height { break }
            index = end
        }
        return place
    }

    /// The hint at the right edge of a line of one row, where there is room, and below the line
    /// what is searched for or what Tab has found.
    private func appendBelow(_ cursor: Int, to rows: inout CellRows) {
        if let search {
            rows.newline()
            return rows.append(search.question, .plain)
        }
        let free = rows.columns - 1 - rows.column
        if isCommand, rows.row == 0,
            let hint = Usage.hint(at: cursor, in: syntax, columns: free - 2)
        {
            rows.append(blanks: free - hint.reduce(0) { $0 + $1.text.utf8.count })
            for part in hint { rows.append(part.text, part.style) }
        }
        if let list { append(list, to: &rows) }
    }

    /// The candidates in columns, at most as many as leave the line on the screen.
    private func append(_ result: Completion.Result, to rows: inout CellRows) {
        if let note = result.note {
            return append(note, to: &rows)
        }
        let counts = result.candidates.map(Self.count)
        let widest = zip(result.candidates, counts).reduce(0) {
            max($0, TextCells.width(of: $1.0.text) + $1.1.utf8.count)
        }
        let cell = min(widest + 2, rows.columns)
        let across = max(1, rows.columns / cell)
        let free = max(1, display.height - rows.rows.count - 1)
        let shown = result.candidates.prefix(free * across)
        for (index, candidate) in shown.enumerated() {
            if index % across == 0 { rows.newline() }
            let start = rows.row
            rows.append(candidate.text, .plain)
            rows.append(counts[index], .ghost)
            let isInside = index % across < across - 1 && rows.row == start
            let width = TextCells.width(of: candidate.text) + counts[index].utf8.count
            if isInside { rows.append(blanks: cell - width) }
        }
        let hidden = result.candidates.dropFirst(shown.count)
        let left = hidden.reduce(result.restCount) { $0 + ($1.keyCount ?? 1) }
        guard left > 0 else { return }
        let hasMore = result.restHasMore || hidden.contains(where: \.hasMore)
        let advice = rows.columns >= 50 ? "; type on to narrow" : ""
        append("… \(hasMore ? "more than " : "")\(Units.count(left)) more\(advice)", to: &rows)
    }

    /// Below the line, cut at blanks.
    private func append(_ note: String, to rows: inout CellRows) {
        for row in Cells.wrapped(note, room: rows.columns) {
            rows.newline()
            rows.append(row, .ghost)
        }
    }

    /// ` (1,234)` behind what several keys begin with.
    private static func count(_ candidate: Completion.Candidate) -> String {
        candidate.keyCount.map { " (\(Units.count($0))\(candidate.hasMore ? "+" : ""))" } ?? ""
    }

    // MARK: Dim text

    /// What may come next: the latest line of the history that begins with this one, or the one way
    /// to complete it. Without color it could not be told from what is typed.
    private var suggestion: Scalars {
        guard display.hasColor, isCommand, !last.text.isEmpty, last.cursor == last.text.count,
            !isQuestion(last.text)
        else { return [] }
        let text = last.text.string
        let found = history.suggestion(for: text) ?? onlyCompletion(text).map { text + $0 }
        guard let whole = found?.scalars, whole.count > last.text.count else {
            return []
        }
        // Not within a cluster: what follows would change the character before the cursor.
        let isEdge = TextCells.ends(whole).contains(last.text.count)
        return isEdge ? Scalars(whole[last.text.count...]) : []
    }

    // MARK: Widths

    /// Asks the terminal how wide it draws what terminals draw differently, once such a character
    /// comes. The answers come between keys, in their own time; without one, `Cell` makes do with
    /// guesses.
    private func askWidths() {
        guard !hasAskedWidths, display.columns > 10,
            last.text.contains(where: { $0.value > 0x2000 }),
            frame(isLast: true).rows.contains(where: { $0.cells.contains(where: \.isUncertain) })
        else { return }
        hasAskedWidths = true
        keys.awaitedPlaces = CellWidths.samples.count
        display.ask(CellWidths.samples)
    }

    func takeWidth(column: Int) {
        let sample = CellWidths.samples.count - 1 - keys.awaitedPlaces
        widths.set(sample: sample, width: column - 1)
    }
}
