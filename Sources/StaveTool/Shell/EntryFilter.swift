internal import Stave

/// Which entries `keys`, `scan` and `count` are to show, besides the range of keys.
struct EntryFilter {
    private let glob: Glob?
    private let search: TextSearch?
    private let isInverted: Bool

    static let options: [Command.Option] = [
        .init(
            name: "--match", value: "GLOB", isText: true,
            help: "only keys like GLOB, as user:*:name; it has * ? [a-z] [!a-z] \\"),
        .init(
            name: "--grep", value: "TEXT", isText: true,
            help: "only entries with TEXT in the key or the value"),
        .init(name: "-i", help: "with --grep: upper and lower case are the same"),
        .init(name: "--regex", help: "with --grep: TEXT is an expression, as for grep -E"),
        .init(name: "--invert", help: "with --match or --grep: only the others"),
    ]

    init(_ invocation: Invocation) throws(CommandError) {
        let (pattern, text) = (invocation.word("--match"), invocation.word("--grep"))
        glob = pattern.flatMap { Glob($0.array) }
        if let pattern, glob == nil {
            throw .usage("a [ is not closed in this pattern; \\[ stands for itself", at: pattern)
        }
        isInverted = invocation.has("--invert")
        let name = invocation.words[0]
        for option in ["-i", "--regex"] where invocation.has(option) && text == nil {
            throw .usage("\(option) needs --grep TEXT", at: name)
        }
        if isInverted, pattern == nil, text == nil {
            throw .usage("--invert needs --match GLOB or --grep TEXT", at: name)
        }
        guard let text else {
            search = nil
            return
        }
        do throws(InvalidExpression) {
            search = try TextSearch(
                text.array, isExpression: invocation.has("--regex"),
                ignoresCase: invocation.has("-i"))
        } catch {
            throw .usage("this is no expression: \(error.reason)", at: text)
        }
    }

    var isSet: Bool { glob != nil || search != nil }
    var needsValue: Bool { search != nil }

    /// Keys that begin otherwise need not be looked at.
    var head: [UInt8] { isInverted ? [] : glob?.head ?? [] }

    func includes(key: UnsafeRawBufferPointer) -> Bool {
        // SAFETY: the key is only read.
        (glob.map { unsafe $0.matches(key) } ?? true) != isInverted
    }

    func includes(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) -> Bool {
        guard let search else { return unsafe includes(key: key) }
        // SAFETY: both are only read.
        let isLike = glob.map { unsafe $0.matches(key) } ?? true
        let isFound =
            unsafe isLike
            && (search.firstMatch(in: key) != nil || search.firstMatch(in: value) != nil)
        return isFound != isInverted
    }
}
