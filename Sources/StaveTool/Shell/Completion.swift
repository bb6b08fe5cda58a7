internal import CEditline
internal import Glibc
internal import Stave

/// What Tab offers: commands, their options, and keys of the store.
struct Completion {
    struct Result {
        /// Byte offset in the text at which the word begins that the candidates stand for.
        var wordStart = 0
        /// In the form in which they would be typed, sorted.
        var candidates: [String] = []
        /// What takes the word's place: the one candidate, or what all have in common.
        var replacement: String?
        /// There are more keys than were looked at.
        var hasMore = false
    }

    /// Keys that are looked at; a store may have millions under one prefix.
    private static let keyLimit = 200

    let store: Store

    init(_ store: Store) { self.store = store }

    /// - Parameter text: the line up to the cursor.
    func candidates(for text: String) -> Result {
        let bytes = Array(text.utf8)
        let (words, last, start) = Self.split(bytes)
        guard let name = words.first else {
            return Self.offer(CommandTable.names.sorted(), last, start)
        }
        guard let command = CommandTable.command(named: name) else { return Result() }
        if last.starts(with: "--".utf8), !command.options.isEmpty {
            return Self.offer(command.options.map(\.name).sorted(), last, start)
        }
        if command.redirects, let sign = words.last, sign == "<" || sign == ">" {
            return Self.files(last, start)
        }
        if let option = command.options.first(where: { $0.name == words.last }) {
            let values = CompletionScript.values(of: option, of: command)
            if !values.isEmpty { return Self.offer(values, last, start) }
            // A name of one's own.
            if option.isText { return option.value == "FILE" ? Self.files(last, start) : Result() }
        }
        switch command.name {
        case "import": return words.count == 1 ? Self.files(last, start) : Result()
        case "help": return Self.offer(CommandTable.names.sorted(), last, start)
        case "format": return Self.offer(OutputFormat.allCases.map(\.rawValue), last, start)
        case "timing": return Self.offer(["off", "on"], last, start)
        case "compact": return Self.offer(["pause", "resume"], last, start)
        default: break
        }
        guard command.access != .nothing, last != [Byte.less], last != [Byte.greater],
            command.wordCount.upperBound > 0,
            !(command.name == "set" && words.count > 1)
        else { return Result() }
        return keys(last, start)
    }

    /// The whole words, the bytes of the last one as far as it goes, and where it begins.
    private static func split(_ bytes: [UInt8]) -> (words: [String], last: [UInt8], start: Int) {
        let parser = WordParser()
        // A quote that is still open is closed for the look.
        for ending in [[], [Byte.double], [Byte.single]] as [[UInt8]] {
            let line = bytes + ending
            let found: (words: [String], last: [UInt8], start: Int)? =
                // SAFETY: the array lives through the call, and the words are copied.
                unsafe line.withUnsafeBytes { buffer in
                    guard let _ = unsafe try? parser.parse(buffer, multiline: true) else {
                        return nil
                    }
                    let words = parser.words
                    let isBlank = bytes.last == Byte.space || bytes.last == Byte.tab
                    guard let last = words.last, !isBlank || !ending.isEmpty else {
                        return (words.map(\.string), [], bytes.count)
                    }
                    return (words.dropLast().map(\.string), last.array, last.offset)
                }
            if let found { return found }
        }
        return (["?"], [], bytes.count)
    }

    private static func offer(_ names: [String], _ typed: [UInt8], _ start: Int) -> Result {
        let prefix = String(decoding: typed, as: UTF8.self)
        let hits = names.filter { $0.hasPrefix(prefix) }
        var common = hits.first ?? ""
        for hit in hits { while !hit.hasPrefix(common) { common.removeLast() } }
        if hits.count == 1 { common += " " }
        return Result(
            wordStart: start, candidates: hits, replacement: common.isEmpty ? nil : common)
    }

    private static func files(_ typed: [UInt8], _ start: Int) -> Result {
        let (paths, hasMore) = FileCompletion.paths(for: String(decoding: typed, as: UTF8.self))
        guard let first = paths.first else { return Result() }
        func quoted(_ path: String) -> String {
            String(decoding: Quoting.quoted(Array(path.utf8)), as: UTF8.self)
        }
        var common = first
        for path in paths { while !path.hasPrefix(common) { common.removeLast() } }
        var replacement = quoted(common)
        let isWhole = paths.count == 1 && !hasMore && !common.hasSuffix("/")
        // Where the word goes on, so does its quote.
        if !isWhole, replacement.hasSuffix("\"") || replacement.hasSuffix("'") {
            replacement.removeLast()
        }
        return Result(
            wordStart: start, candidates: paths.map(quoted),
            replacement: !isWhole && common.utf8.elementsEqual(typed)
                ? nil : replacement + (isWhole ? " " : ""),
            hasMore: hasMore)
    }

    private func keys(_ prefix: [UInt8], _ start: Int) -> Result {
        var keys: [[UInt8]] = []
        if var cursor = try? store.entries(in: KeyRange(prefix: prefix)) {
            while keys.count <= Self.keyLimit, let key = try? cursor.nextKey() { keys.append(key) }
        }
        guard let first = keys.first else { return Result() }
        let hasMore = keys.count > Self.keyLimit
        if hasMore { keys.removeLast() }
        let candidates = keys.map { String(decoding: Quoting.quoted($0), as: UTF8.self) }
        if keys.count == 1, !hasMore {
            return Result(
                wordStart: start, candidates: candidates, replacement: candidates[0] + " ")
        }
        // Keys are sorted, so what the first and the last share, all share.
        var common = zip(first, keys.last!).prefix { $0 == $1 }.map(\.0)
        if hasMore { common = prefix }
        while !common.isEmpty, String(validating: common, as: UTF8.self) == nil {
            common.removeLast()
        }
        guard common.count > prefix.count else {
            return Result(wordStart: start, candidates: candidates, hasMore: hasMore)
        }
        var quoted = Quoting.quoted(common)
        // The word goes on, so its quote stays open.
        if quoted.last == Byte.double || quoted.last == Byte.single { quoted.removeLast() }
        return Result(
            wordStart: start, candidates: candidates,
            replacement: String(decoding: quoted, as: UTF8.self), hasMore: hasMore)
    }

    // MARK: What is shown

    /// The candidates in columns, at most as many as leave the prompt on the screen.
    static func list(_ result: Result, on screen: ScreenSize) -> String {
        let cell = result.candidates.map(width).max()! + 2
        let columns = max(1, screen.columns / cell)
        let limit = max(1, screen.rows - 3) * columns
        let shown = result.candidates.prefix(limit)
        var text = ""
        for (index, candidate) in shown.enumerated() {
            text += candidate
            let endsRow = index % columns == columns - 1 || index == shown.count - 1
            text += endsRow ? "\r\n" : String(repeating: " ", count: cell - width(candidate))
        }
        let left = result.candidates.count - shown.count
        if left > 0 || result.hasMore {
            text += "… \(result.hasMore ? "more than " : "")\(max(left, 1)) more\r\n"
        }
        return text
    }

    private static func width(_ text: String) -> Int { TextCells.width(of: text) }

    /// The arguments of the command that `line` begins with, once a space follows its name.
    static func hint(for line: String) -> String {
        guard let space = line.firstIndex(of: " "),
            let command = CommandTable.command(named: String(line[..<space]))
        else { return "" }
        return command.usage
    }
}
