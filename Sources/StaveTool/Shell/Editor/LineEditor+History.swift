internal import CEditline
internal import Glibc

// The lines entered before: Up and Down, Alt-., Ctrl-R.
extension LineEditor {
    /// Up and Down: between the rows of a line that has several, and else through the earlier lines
    /// that begin with what was typed.
    func walk(_ direction: HistorySearch.Direction) -> UInt8 {
        let now = line
        if !history.isWalking, let cursor = now.cursor(aRow: direction == .older ? -1 : 1) {
            moveCursor(by: cursor - now.cursor)
            return UInt8(CC_REFRESH)
        }
        guard isCommand, let text = history.walk(direction, from: now) else {
            return UInt8(CC_ERROR)
        }
        replace(with: text)
        return UInt8(CC_REFRESH)
    }

    /// Alt-.: the last word of the line before; again, of the one before that.
    func insertLastWord() -> UInt8 {
        let now = line
        guard let (word, old) = history.lastWord(for: now) else { return UInt8(CC_ERROR) }
        deleteBack(old)
        insert(word.scalars)
        wasReplaced = true
        history.didInsertLastWord(line)
        return UInt8(CC_REFRESH)
    }

    /// Ctrl-R and Ctrl-S: keys go to the search until one ends it, which then does what it always
    /// does.
    func find(_ direction: HistorySearch.Direction) {
        let before = line
        keys.isSearching = true
        search = HistorySearch(
            history.lines, from: .init(line: before.text.string, cursor: before.cursor), direction,
            lastPattern: lastPattern)
        defer {
            keys.isSearching = false
            search = nil
        }
        while true {
            guard case .character(let key, _) = keys.next() else { return }
            guard let step = search?.take(key), step != .goesOn else { continue }
            // ESC alone is no more than the end of the search; with more behind it, it begins a
            // key.
            if step == .endsBefore, !(key == "\u{1B}" && !keys.hasInput) { keys.putBack(key) }
            break
        }
        guard let search else { return }
        if !search.pattern.isEmpty { lastPattern = String(search.pattern) }
        replace(with: Line(text: search.find.line.scalars, cursor: search.find.cursor))
    }
}

extension LineEditor.Line {
    /// Where the cursor gets to in the line of text above or below, in the same place or at its
    /// end; nil where there is none.
    func cursor(aRow distance: Int) -> Int? {
        let start = (text[..<cursor].lastIndex(of: "\n") ?? -1) + 1
        if distance < 0 {
            guard start > 0 else { return nil }
            let above = (text[..<(start - 1)].lastIndex(of: "\n") ?? -1) + 1
            return min(above + cursor - start, start - 1)
        }
        guard let end = text[cursor...].firstIndex(of: "\n") else { return nil }
        let below = text[(end + 1)...].firstIndex(of: "\n") ?? text.count
        return min(end + 1 + cursor - start, below)
    }
}

/// The lines entered before, and where in them a person is.
struct LineHistory {
    /// Oldest first.
    private(set) var lines: [String] = []

    private struct Walk {
        /// What was typed, and comes back behind the newest line.
        var typed: LineEditor.Line
        var index: Int
        /// The line as the walk has left it.
        var shown: LineEditor.Line
    }

    private var walk: Walk?
    /// Alt-.: the line that the last word came from, how long that is, and the line that it made.
    private var word: (index: Int, count: Int, line: LineEditor.Line)?

    mutating func add(_ line: String) {
        lines.append(line)
        if lines.count > History.capacity { lines.removeFirst() }
    }

    var isWalking: Bool { walk != nil }

    mutating func endWalk() {
        walk = nil
        word = nil
    }

    /// What was not done by a walk ends it.
    mutating func didChange(to line: LineEditor.Line) {
        if let walk, walk.shown.text != line.text { self.walk = nil }
    }

    /// The next line that begins with what was typed before the walk and reads otherwise than the
    /// last one; nil at the end.
    mutating func walk(_ direction: HistorySearch.Direction, from line: LineEditor.Line)
        -> LineEditor.Line?
    {
        var step = walk ?? Walk(typed: line, index: lines.count, shown: line)
        let prefix = step.typed.text.string
        let shown = step.shown.text.string
        func fits(_ index: Int) -> Bool {
            lines[index].utf8.starts(with: prefix.utf8) && lines[index] != shown
        }
        let found =
            direction == .older
            ? lines[..<step.index].indices.last(where: fits)
            : step.index < lines.count
                ? lines[(step.index + 1)...].indices.first(where: fits) ?? lines.count : nil
        guard let found else { return nil }
        step.index = found
        if found == lines.count {
            step.shown = step.typed
        } else {
            let text = lines[found].scalars
            step.shown = LineEditor.Line(text: text, cursor: text.count)
        }
        walk = found == lines.count ? nil : step
        return step.shown
    }

    /// The latest line that goes on from `text`.
    func suggestion(for text: String) -> String? {
        lines.last { $0.utf8.count > text.utf8.count && $0.utf8.starts(with: text.utf8) }
    }

    /// A word to insert, and how many code points of the last one it replaces.
    mutating func lastWord(for line: LineEditor.Line) -> (word: String, old: Int)? {
        let isAgain = word.map { $0.line == line } ?? false
        var index = (isAgain ? word!.index : lines.count) - 1
        let old = isAgain ? word!.count : 0
        while index >= 0 {
            let syntax = LineSyntax(lines[index].scalars)
            if let token = syntax.tokens.last(where: { $0.kind != .comment }) {
                let text = Scalars(syntax.text[token.range])
                word = (index, text.count, line)
                return (text.string, old)
            }
            index -= 1
        }
        return nil
    }

    mutating func didInsertLastWord(_ line: LineEditor.Line) { word?.line = line }
}

/// The states of a line that Ctrl-_ brings back: emacs' mode of libedit has no undo.
struct UndoList {
    private var states: [LineEditor.Line] = []
    /// Where the last character was typed: a run of them is one step.
    private var typedAt: Int?
    private var isTakingBack = false

    mutating func note(_ old: LineEditor.Line, _ new: LineEditor.Line) {
        if isTakingBack {
            isTakingBack = false
            typedAt = nil
            return
        }
        let isTyped = new.text.count == old.text.count + 1 && new.cursor == old.cursor + 1
        let goesOn = isTyped && typedAt == old.cursor && new.text[old.cursor] != " "
        typedAt = isTyped ? new.cursor : nil
        guard !goesOn else { return }
        states.append(old)
        // Long lines are kept less often: each state is a copy.
        let most = max(10, (1 << 20) / max(1, new.text.count))
        if states.count > min(most, 1000) { states.removeFirst() }
    }

    mutating func takeBack() -> LineEditor.Line? {
        guard let state = states.popLast() else { return nil }
        isTakingBack = true
        return state
    }
}
