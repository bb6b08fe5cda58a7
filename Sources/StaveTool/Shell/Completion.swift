internal import Stave

/// What Tab offers: commands, their options, files, keys of the store, and the present value.
struct Completion {
    struct Candidate: Equatable {
        /// As it would be typed.
        var text: String
        /// Of a beginning that several keys share, how many; nil where it is a whole word.
        var keyCount: Int?
        /// There are more keys than were counted.
        var hasMore = false
    }

    struct Result {
        /// Byte offset in the text at which the word begins that the candidates stand for.
        var wordStart = 0
        /// Sorted.
        var candidates: [Candidate] = []
        /// What takes the word's place: the one candidate, or what all have in common.
        var replacement: String?
        /// Words that are not among the candidates.
        var restCount = 0
        /// There are more than were counted.
        var restHasMore = false
        /// Looked up in the file system, which may take its time.
        var areFiles = false
        /// Why there is nothing to offer.
        var note: String?
    }

    /// The first scan of a store puts its keys in order, which takes a second for some millions.
    private static let mostKeysToSort = 20_000
    /// Bytes of a value that is put into the line.
    private static let longestValue = 4096

    let store: Store
    /// Names that the person gave to commands.
    var aliases: [String] = []
    /// Nothing is looked for but the one way to go on, and no keys where that takes long.
    private var findsOne = false

    init(_ store: Store) { self.store = store }

    /// What goes on from `text` where there is one way to: the rest of the one command, option or
    /// key. It is asked at each key that is typed, so it looks for keys only where they are soon in
    /// order.
    static func only(for text: String, _ store: Store) -> String? {
        guard let last = text.utf8.last, last != Byte.space, last != Byte.newline else {
            return nil
        }
        var completion = Completion(store)
        completion.findsOne = true
        let result = completion.candidates(for: text)
        let typed = text.utf8.dropFirst(result.wordStart)
        guard result.candidates.count == 1, !result.areFiles,
            let whole = result.replacement?.utf8, whole.starts(with: typed)
        else { return nil }
        let rest = whole.dropFirst(typed.count).prefix { $0 != Byte.space }
        return rest.isEmpty ? nil : String(Substring(rest))
    }

    /// - Parameter text: the line up to the cursor.
    func candidates(for text: String) -> Result {
        let bytes = Array(text.utf8)
        let (words, last, start) = Self.split(bytes)
        let names = words.map { String(decoding: $0, as: UTF8.self) }
        guard let name = names.first else {
            return Self.offer((CommandTable.names + aliases).sorted(), last, start)
        }
        guard let command = CommandTable.command(named: name) else { return Result() }
        if last.starts(with: "--".utf8), !command.options.isEmpty {
            return Self.offer(command.options.map(\.name).sorted(), last, start)
        }
        if let sign = names.last, sign == ">" || sign == ">>" || command.redirects && sign == "<" {
            return Self.files(last, start)
        }
        if let option = command.options.first(where: { $0.name == names.last }) {
            let values = CompletionScript.values(of: option, of: command)
            if !values.isEmpty { return Self.offer(values, last, start) }
            if option.name == "--if-value", let key = Self.words(words.dropLast(), command).first {
                return last.isEmpty ? value(of: key, start) : Result()
            }
            // A name of one's own.
            if option.isText { return option.value == "FILE" ? Self.files(last, start) : Result() }
        }
        switch command.name {
        case "import", "source": return words.count == 1 ? Self.files(last, start) : Result()
        case "help":
            return Self.offer((CommandTable.names + Help.topics.map(\.name)).sorted(), last, start)
        case "format": return Self.offer(OutputFormat.allCases.map(\.rawValue), last, start)
        case "timing": return Self.offer(["off", "on"], last, start)
        case "compact": return Self.offer(["pause", "resume"], last, start)
        case "set":
            let rest = Self.words(words, command)
            if rest.count == 1, last.isEmpty { return value(of: rest[0], start) }
            if !rest.isEmpty { return Result() }
        default: break
        }
        guard command.access != .nothing, last != [Byte.less], last != [Byte.greater],
            command.wordCount.upperBound > 0
        else { return Result() }
        return keys(last, start)
    }

    /// What stands behind the command's name, without options that take no value.
    private static func words(_ words: [[UInt8]], _ command: Command) -> [[UInt8]] {
        let options = command.options.filter { $0.value == nil }.map { Array($0.name.utf8) }
        return words.dropFirst().filter { !options.contains($0) }
    }

    /// The whole words, the bytes of the last one as far as it goes, and where it begins.
    private static func split(
        _ bytes: [UInt8]
    ) -> (words: [[UInt8]], last: [UInt8], start: Int) {
        let parser = WordParser()
        // A quote that is still open is closed for the look.
        for ending in [[], [Byte.double], [Byte.single]] as [[UInt8]] {
            let line = bytes + ending
            let found: (words: [[UInt8]], last: [UInt8], start: Int)? =
                // SAFETY: the array lives through the call, and the words are copied.
                unsafe line.withUnsafeBytes { buffer in
                    guard let _ = unsafe try? parser.parse(buffer, multiline: true) else {
                        return nil
                    }
                    let words = parser.words
                    let isBlank = bytes.last == Byte.space || bytes.last == Byte.tab
                    guard let last = words.last, !isBlank || !ending.isEmpty else {
                        return (words.map(\.array), [], bytes.count)
                    }
                    return (words.dropLast().map(\.array), last.array, last.offset)
                }
            if let found { return found }
        }
        return ([[UInt8(ascii: "?")]], [], bytes.count)
    }

    private static func offer(_ names: [String], _ typed: [UInt8], _ start: Int) -> Result {
        let prefix = String(decoding: typed, as: UTF8.self)
        let hits = names.filter { $0.hasPrefix(prefix) }
        var common = hits.first ?? ""
        for hit in hits { while !hit.hasPrefix(common) { common.removeLast() } }
        if hits.count == 1 { common += " " }
        return Result(
            wordStart: start, candidates: hits.map { Candidate(text: $0) },
            replacement: common.isEmpty ? nil : common)
    }

    private static func files(_ typed: [UInt8], _ start: Int) -> Result {
        let (paths, rest) = FileCompletion.paths(for: String(decoding: typed, as: UTF8.self))
        guard let first = paths.first else { return Result(areFiles: true) }
        func quoted(_ path: String) -> String { Self.quoted(Array(path.utf8)) }
        var common = first
        for path in paths { while !path.hasPrefix(common) { common.removeLast() } }
        let isWhole = paths.count == 1 && !common.hasSuffix("/")
        let replacement = isWhole ? quoted(common) : begun(Array(common.utf8))
        return Result(
            wordStart: start, candidates: paths.map { Candidate(text: quoted($0)) },
            replacement: !isWhole && common.utf8.elementsEqual(typed)
                ? nil : replacement + (isWhole ? " " : ""),
            restCount: rest, areFiles: true)
    }

    // MARK: Keys and values

    /// First what all keys have in common, then their next level.
    private func keys(_ prefix: [UInt8], _ start: Int) -> Result {
        if findsOne, store.count > Self.mostKeysToSort { return Result() }
        guard var level = KeyLevel(store, prefix: prefix) else { return Result() }
        if level.isOneKey {
            let key = Self.quoted(level.common)
            return Result(
                wordStart: start, candidates: [Candidate(text: key)], replacement: key + " ")
        }
        if findsOne { return Result() }
        var common = level.common
        while !common.isEmpty, String(validating: common, as: UTF8.self) == nil {
            common.removeLast()
        }
        if common.count > prefix.count {
            return Result(wordStart: start, replacement: Self.begun(common))
        }
        level.readGroups(store)
        let candidates = level.groups.map { group in
            group.keyCount == 1
                ? Candidate(text: Self.quoted(group.bytes))
                : Candidate(
                    text: Self.begun(group.bytes), keyCount: group.keyCount, hasMore: group.hasMore)
        }
        return Result(
            wordStart: start, candidates: candidates, restCount: level.restCount,
            restHasMore: level.restHasMore)
    }

    /// Behind `set KEY `: the present value, so that the line would store it again.
    private func value(of key: [UInt8], _ start: Int) -> Result {
        var value: [UInt8]?
        do throws(StoreError) {
            value = try store.value(forKey: key)
        } catch {
            return Result(note: CommandError.text(of: error))
        }
        guard let value else { return Result() }
        let size = Units.bytes(value.count)
        guard Self.isText(value) else {
            return Result(
                note: "the value is binary (\(size)): get KEY > FILE, then set KEY < FILE")
        }
        guard value.count <= Self.longestValue else {
            return Result(note: "the value is too long for a line (\(size)): edit KEY changes it")
        }
        return Result(wordStart: start, replacement: Self.quoted(value))
    }

    /// UTF-8 with no other control characters than those of text.
    private static func isText(_ value: [UInt8]) -> Bool {
        let blanks: [Unicode.Scalar] = ["\n", "\r", "\t"]
        return String(validating: value, as: UTF8.self)?.unicodeScalars.allSatisfy {
            blanks.contains($0) || UTF8Scan.isPrintable($0)
        } ?? false
    }

    private static func quoted(_ bytes: [UInt8]) -> String {
        String(decoding: Quoting.quoted(bytes), as: UTF8.self)
    }

    /// The beginning of a word: its quote stays open.
    private static func begun(_ bytes: [UInt8]) -> String {
        var quoted = quoted(bytes)
        if quoted.hasSuffix("\"") || quoted.hasSuffix("'") { quoted.removeLast() }
        return quoted
    }
}
