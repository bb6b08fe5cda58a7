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
        /// Looked up in the file system, which may take its time.
        var areFiles = false
    }

    /// Keys that are looked at; a store may have millions under one prefix.
    private static let keyLimit = 200
    /// The first scan of a store puts its keys in order, which takes a second for some millions.
    private static let mostKeysToSort = 20_000

    let store: Store
    private let keyLimit: Int

    init(_ store: Store) { self.init(store, keyLimit: Self.keyLimit) }

    private init(_ store: Store, keyLimit: Int) {
        self.store = store
        self.keyLimit = keyLimit
    }

    /// What goes on from `text` where there is one way to: the rest of the one command, option or
    /// key. It is asked at each key that is typed, so it looks for keys only where they are soon in
    /// order.
    static func only(for text: String, _ store: Store) -> String? {
        guard let last = text.utf8.last, last != Byte.space, last != Byte.newline else {
            return nil
        }
        let limit = store.count <= mostKeysToSort ? 1 : 0
        let result = Completion(store, keyLimit: limit).candidates(for: text)
        let typed = text.utf8.dropFirst(result.wordStart)
        guard result.candidates.count == 1, !result.hasMore, !result.areFiles,
            let whole = result.replacement?.utf8, whole.starts(with: typed)
        else { return nil }
        let rest = whole.dropFirst(typed.count).prefix { $0 != Byte.space }
        return rest.isEmpty ? nil : String(Substring(rest))
    }

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
        guard let first = paths.first else { return Result(areFiles: true) }
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
            hasMore: hasMore, areFiles: true)
    }

    private func keys(_ prefix: [UInt8], _ start: Int) -> Result {
        guard keyLimit > 0 else { return Result() }
        var keys: [[UInt8]] = []
        if var cursor = try? store.entries(in: KeyRange(prefix: prefix)) {
            while keys.count <= keyLimit, let key = try? cursor.nextKey() { keys.append(key) }
        }
        guard let first = keys.first else { return Result() }
        let hasMore = keys.count > keyLimit
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
}
