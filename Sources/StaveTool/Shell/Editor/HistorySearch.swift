/// Ctrl-R: looks for a line of the history while its text is typed.
///
/// libedit's own search takes a character for the control key with the same low byte: 一 (U+4E00)
/// would end it. Keys:
///
///     a character          is added to what is searched for
///     Ctrl-R, Ctrl-S       the next older or newer line; with nothing typed, the last search
///     Backspace            takes the last character back, with what it has found
///     Ctrl-U               takes all of them back
///     Ctrl-G               gives up: the line is as it was before
///     any other            ends the search on what was found, and does what it always does
struct HistorySearch {
    typealias Scalars = String.UnicodeScalarView

    enum Direction { case older, newer }

    enum Step {
        case goesOn
        /// The key that ended the search is the search's own.
        case ends
        /// The key is still to be done.
        case endsBefore
    }

    /// A line, and how many of its characters stand before what was found.
    struct Find: Equatable {
        var line: String
        var cursor: Int
    }

    private(set) var pattern = Scalars()
    private(set) var hasFailed = false
    /// What stands in the line.
    private(set) var find: Find
    private let original: Find
    /// Oldest first; the line that was edited is the last one.
    private let lines: [String]
    private var index: Int
    private var direction: Direction
    private let lastPattern: String
    /// What each typed character has changed.
    private var earlier: [(count: Int, find: Find, index: Int, hasFailed: Bool)] = []

    init(_ lines: [String], from line: Find, _ direction: Direction, lastPattern: String) {
        self.lines = lines + [line.line]
        original = line
        find = line
        index = lines.count
        self.direction = direction
        self.lastPattern = lastPattern
    }

    /// A row for below the line: what is searched for.
    var question: String {
        (hasFailed ? "not in the history: " : "history: ") + String(pattern)
    }

    mutating func take(_ scalar: Unicode.Scalar) -> Step {
        switch scalar {
        case "\u{12}", "\u{13}":
            direction = scalar == "\u{12}" ? .older : .newer
            if pattern.isEmpty { add(lastPattern.unicodeScalars) } else { goOn() }
        case "\u{7F}", "\u{8}": takeBack()
        case "\u{15}": while !pattern.isEmpty { takeBack() }
        case "\u{7}":
            find = original
            return .ends
        case _ where scalar.value < 0x20 || (0x80...0x9F).contains(scalar.value):
            return .endsBefore
        default: add(Scalars([scalar]))
        }
        return .goesOn
    }

    private mutating func add(_ text: Scalars) {
        guard !text.isEmpty else { return }
        earlier.append((pattern.count, find, index, hasFailed))
        pattern += text
        // What could not be found is not found with more behind it.
        if !hasFailed { look(from: index) }
    }

    private mutating func takeBack() {
        guard let last = earlier.popLast() else { return }
        pattern = Scalars(pattern.prefix(last.count))
        (find, index, hasFailed) = (last.find, last.index, last.hasFailed)
    }

    private mutating func goOn() {
        hasFailed = false
        look(from: direction == .older ? index - 1 : index + 1, isOther: true)
    }

    /// - Parameter isOther: only for a line that reads otherwise.
    private mutating func look(from start: Int, isOther: Bool = false) {
        var candidate = start
        while lines.indices.contains(candidate) {
            let line = lines[candidate]
            if !(isOther && line == find.line), let cursor = Self.place(of: pattern, in: line) {
                find = Find(line: line, cursor: cursor)
                index = candidate
                return
            }
            candidate += direction == .older ? -1 : 1
        }
        hasFailed = true
    }

    /// By code points: as characters, e is not in é.
    private static func place(of pattern: Scalars, in line: String) -> Int? {
        let text = Array(line.unicodeScalars)
        let pattern = Array(pattern)
        guard pattern.count <= text.count else { return nil }
        return (0...(text.count - pattern.count)).first {
            text[$0..<($0 + pattern.count)].elementsEqual(pattern)
        }
    }
}
