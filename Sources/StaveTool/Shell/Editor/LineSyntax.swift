/// A line as it is typed, cut into words: where a color begins, which quote is open, and which word
/// the cursor is in. Takes what `WordParser` refuses, too: a line is wrong most of the time while
/// it grows.
struct LineSyntax {
    enum Kind {
        case bare
        case quoted
        /// Its closing quote is missing.
        case open
        case comment
    }

    struct Token {
        var range: Range<Int>
        var kind: Kind
        /// Number in its command; 0 is the command's name.
        var place: Int
        /// Of the command that it belongs to: where in `tokens` the name stands.
        var name: Int
    }

    let text: Scalars
    private(set) var tokens: [Token] = []
    /// The quote that is left open.
    private(set) var openQuote: Unicode.Scalar?

    init(_ text: Scalars) {
        self.text = text
        var index = 0
        var place = 0
        var name = 0
        while index < text.count {
            let scalar = text[index]
            if scalar == "\n" { place = 0 }
            guard !Self.isBlank(scalar) else {
                index += 1
                continue
            }
            if place == 0 { name = tokens.count }
            let (end, kind) = Self.word(in: text, from: index)
            if kind == .open { openQuote = scalar }
            tokens.append(Token(range: index..<end, kind: kind, place: place, name: name))
            if kind != .comment { place += 1 }
            index = end
        }
    }

    private static func isBlank(_ scalar: Unicode.Scalar) -> Bool {
        scalar == " " || scalar == "\t" || scalar == "\n"
    }

    /// The end of what begins at `start`.
    private static func word(in text: Scalars, from start: Int) -> (end: Int, kind: Kind) {
        let first = text[start]
        var index = start + 1
        if first == "#" {
            while index < text.count, text[index] != "\n" { index += 1 }
            return (index, .comment)
        }
        if first == "'" || first == "\"" {
            while index < text.count, text[index] != first {
                index += first == "\"" && text[index] == "\\" ? 2 : 1
            }
            guard index < text.count else { return (text.count, .open) }
            return (index + 1, .quoted)
        }
        while index < text.count, !isBlank(text[index]) { index += 1 }
        return (index, .bare)
    }

    // MARK: What the words are

    /// Of a long word, which may be a value, only the beginning: no name and no option is as long.
    func string(_ token: Token) -> String { Scalars(text[token.range].prefix(40)).string }

    func command(of token: Token) -> Command? {
        let name = tokens[token.name]
        guard name.kind == .bare, name.range.count <= 8 else { return nil }
        return CommandTable.command(named: string(name))
    }

    /// Whether what stands at each place is inside quotes.
    var quoted: [Bool] {
        var quoted = [Bool](repeating: false, count: text.count)
        for token in tokens where token.kind == .quoted || token.kind == .open {
            for place in token.range { quoted[place] = true }
        }
        return quoted
    }

    /// A style for each code point.
    ///
    /// - Parameter aliases: names that the person gave to commands.
    func styles(aliases: [String] = []) -> [CellStyle] {
        var styles = [CellStyle](repeating: .plain, count: text.count)
        var command: Command?
        var words: Usage.Words?
        for token in tokens {
            // What is still typed may become right.
            let isTyped = token.range.upperBound == text.count
            var style = CellStyle.plain
            if token.kind == .comment {
                style = .ghost
            } else if token.place == 0 {
                command = self.command(of: token)
                words = command.map { Usage.Words(Usage($0)) }
                style =
                    command != nil
                    ? .command : Self.style(ofName: string(token), aliases, isTyped: isTyped)
            } else if let command {
                let slot = words?.slot(of: token, self)
                style = self.style(of: token, slot, command, isTyped: isTyped)
            }
            if token.kind == .open { style = .open }
            for place in token.range { styles[place] = style }
        }
        return styles
    }

    /// Of what begins a command and is no name of one.
    private static func style(
        ofName word: String, _ aliases: [String], isTyped: Bool
    ) -> CellStyle {
        if word == "?" || word.hasPrefix("!") || aliases.contains(word) { return .command }
        let names = CommandTable.names + aliases
        return isTyped && names.contains { $0.hasPrefix(word) } ? .plain : .unknown
    }

    private func style(
        of token: Token, _ slot: Usage.Slot?, _ command: Command, isTyped: Bool
    ) -> CellStyle {
        guard token.kind == .bare else { return .string }
        let word = string(token)
        if command.redirects, word == "<" || word == ">" { return .option }
        if word.hasPrefix("--"), !command.options.isEmpty {
            let name = word.prefix { $0 != "=" }
            let isOption = command.options.contains { $0.name == name }
            if isOption || word == "--" { return .option }
            let mayBecome = isTyped && command.options.contains { $0.name.hasPrefix(word) }
            if !command.takesAnyWord { return mayBecome ? .plain : .unknown }
        }
        return slot?.isKey == true ? .key : .plain
    }
}

/// What a command takes, as its help shows it, word by word.
struct Usage {
    struct Slot {
        /// Where it stands among the slots.
        var index: Int
        var text: String

        /// Also of several that exclude each other.
        var isOption: Bool {
            text.hasPrefix("[-")
                && text.split(separator: "|").allSatisfy { alternative in
                    alternative.drop { $0 == " " || $0 == "[" }.hasPrefix("-")
                }
        }
        var isKey: Bool {
            let names = ["KEY", "PREFIX", "FROM", "TO", "OLD", "NEW"]
            return names.contains { text.drop { $0 == "[" }.hasPrefix($0) }
        }
    }

    /// A way to show it.
    struct Form {
        var text: String
        /// The characters of each slot.
        var ranges: [Range<Int>] = []
    }

    let command: Command
    /// The longest first: all of it; without the other ways that stand in brackets behind; without
    /// the names of the options.
    let forms: [Form]
    private let slots: [Slot]

    init(_ command: Command) {
        self.command = command
        let characters = Array(command.usage)
        var end = characters.count
        var texts: [String] = []
        var ranges: [Range<Int>] = []
        var depth = 0
        var start = 0
        for (index, character) in (characters + [" "]).enumerated() {
            if character == "[" { depth += 1 }
            if character == "]" { depth -= 1 }
            guard character == " ", depth == 0 else { continue }
            let text = String(characters[start..<index])
            if text.hasPrefix("(") || text.isEmpty {
                end = min(end, index - text.count)
                break
            }
            texts.append(text)
            ranges.append(start..<index)
            start = index + 1
        }
        slots = texts.dropFirst().enumerated().map { Slot(index: $0, text: $1) }
        let short = String(characters[..<end]).trimmingBlanks
        forms = [
            Form(text: command.usage, ranges: Array(ranges.dropFirst())),
            Form(text: short, ranges: Array(ranges.dropFirst())),
            Self.brief(texts[0], slots),
        ]
    }

    private static func brief(_ name: String, _ slots: [Slot]) -> Form {
        let options = "[--...]"
        let words = slots.filter { !$0.isOption }
        var form = Form(text: name)
        var ranges: [Int: Range<Int>] = [:]
        func append(_ text: String) -> Range<Int> {
            let start = form.text.count + 1
            form.text += " " + text
            return start..<(start + text.count)
        }
        for word in words { ranges[word.index] = append(word.text) }
        let rest = words.count < slots.count ? append(options) : 0..<0
        form.ranges = slots.map { ranges[$0.index] ?? rest }
        return form
    }

    /// The words behind a command's name, one after the other.
    struct Words {
        let usage: Usage
        /// Options and their values aside.
        private var count = 0
        private var option: String?

        init(_ usage: Usage) { self.usage = usage }

        /// The slot that the next word fills; nil where it is one too many.
        mutating func slot(of token: LineSyntax.Token?, _ syntax: LineSyntax) -> Slot? {
            let word = token.map { $0.kind == .bare ? syntax.string($0) : "" } ?? ""
            let options = usage.command.options
            if let name = option {
                option = nil
                return usage.slots.first { $0.text.contains(name) }
            }
            if word.hasPrefix("--"), options.contains(where: { $0.name.hasPrefix(word) }) {
                if options.contains(where: { $0.name == word && $0.value != nil }) { option = word }
                return usage.slots.first { $0.text.contains(word) }
            }
            let positional = usage.slots.filter { !$0.isOption }
            defer { count += 1 }
            guard count < usage.command.wordCount.upperBound else { return nil }
            return count < positional.count ? positional[count] : positional.last
        }
    }

    /// For the right edge: with the part lit that the word at `cursor` fills. nil where `columns`
    /// are too few.
    static func hint(at cursor: Int, in syntax: LineSyntax, columns: Int) -> StyledText? {
        let before = syntax.tokens.filter { $0.range.lowerBound < cursor && $0.kind != .comment }
        guard let last = before.last, let command = syntax.command(of: last) else { return nil }
        let name = syntax.tokens[last.name]
        guard syntax.text.count > name.range.upperBound else { return nil }
        let usage = Usage(command)
        guard let form = usage.forms.first(where: { $0.text.utf8.count <= columns }) else {
            return nil
        }
        var words = Words(usage)
        var slot: Slot?
        for token in before where token.name == last.name && token.place > 0 {
            slot = words.slot(of: token, syntax)
        }
        if cursor > last.range.upperBound { slot = words.slot(of: nil, syntax) }
        if cursor <= name.range.upperBound { slot = nil }
        let characters = Array(form.text)
        guard let slot else { return [(form.text, .ghost)] }
        let range = form.ranges[slot.index]
        return [
            (String(characters[..<range.lowerBound]), .ghost),
            (String(characters[range]), .lit),
            (String(characters[range.upperBound...]), .ghost),
        ]
    }
}

extension String {
    fileprivate var trimmingBlanks: String {
        var text = self
        while text.last == " " { text.removeLast() }
        return text
    }
}
