internal import Stave

/// A command of the shell. Parsing, help, completion and the hint at the prompt all read this.
final class Command: Sendable {
    struct Option: Sendable {
        let name: String
        /// What its value is called; nil where it takes none.
        var value: String?
        /// The value is any word, and no number.
        var isText = false
        let help: String
    }

    /// What a command needs of the store.
    enum Access: Sendable { case nothing, read, write }

    let name: String
    let aliases: [String]
    /// What follows the name, as help shows it.
    let arguments: String
    /// How many words follow the name, options aside.
    let wordCount: ClosedRange<Int>
    let access: Access
    /// Whether `<` and `>` stand for files.
    let redirects: Bool
    /// It needs a person: no script has it.
    let isForPeople: Bool
    /// Whether its result may be longer than a screen.
    let isPaged: Bool
    /// With this option the command only reads.
    let readingOption: String?
    /// A word that begins with -- and is none of the options is a key or a value.
    let takesAnyWord: Bool
    let summary: String
    let details: [String]
    let options: [Option]
    let examples: [String]
    let run: @Sendable (Session, Invocation) throws(CommandError) -> Void

    init(
        _ name: String, aliases: [String] = [], _ arguments: String,
        words wordCount: ClosedRange<Int> = 0...0, _ access: Access, redirects: Bool = false,
        isPaged: Bool = false, isForPeople: Bool = false, _ summary: String,
        details: [String] = [], options: [Option] = [], readingOption: String? = nil,
        takesAnyWord: Bool = false, examples: [String],
        run: @escaping @Sendable (Session, Invocation) throws(CommandError) -> Void
    ) {
        self.name = name
        self.aliases = aliases
        self.arguments = arguments
        self.wordCount = wordCount
        self.access = access
        self.redirects = redirects
        self.isPaged = isPaged
        self.isForPeople = isForPeople
        self.readingOption = readingOption
        self.takesAnyWord = takesAnyWord || options.isEmpty
        self.summary = summary
        self.details = details
        self.options = options
        self.examples = examples
        self.run = run
    }

    var usage: String { arguments.isEmpty ? name : "\(name) \(arguments)" }
}

/// All commands, in the order in which help shows them.
enum CommandTable {
    static let all: [Command] = groups.flatMap(\.commands)

    static let groups: [(title: String, commands: [Command])] = [
        ("one key, or some", keyCommands + [undoCommand, editCommand] + changeCommands),
        ("many keys", rangeCommands), ("all or nothing", batchCommands),
        ("a look at what there is", lookCommands + watchCommands),
        ("in and out", transferCommands), ("the store", storeCommands),
        ("the shell", shellCommands),
    ]

    static let names: [String] = all.flatMap { [$0.name] + $0.aliases }

    static func command(named name: String) -> Command? {
        all.first { $0.name == name || $0.aliases.contains(name) }
    }

    /// Names have at most eight bytes, so that one comparison of integers tells two apart.
    private static let packed: [(name: UInt64, command: Command)] = all.flatMap { command in
        ([command.name] + command.aliases).map { (pack($0.utf8)!, command) }
    }

    static func command(for word: Word) -> Command? {
        // No name that could be completed.
        if word.isBare("?") { return command(named: "help") }
        // SAFETY: the word's bytes are only read.
        guard let name = unsafe pack(word.bytes) else { return nil }
        return packed.first { $0.name == name }?.command
    }

    private static func pack(_ bytes: some Collection<UInt8>) -> UInt64? {
        guard bytes.count <= 8 else { return nil }
        return bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Longer words are no slips of the finger, and comparing them takes memory and time.
    private static let longestSuggested = 32

    static func suggestion(for word: Word) -> String? {
        unsafe word.bytes.count > longestSuggested ? nil : suggestion(for: word.string)
    }

    /// The command name that is nearest to what was typed; nil where none is near.
    static func suggestion(for typed: String) -> String? {
        guard typed.utf8.count <= longestSuggested else { return nil }
        let begun = names.filter { $0.hasPrefix(typed) }
        if typed.count > 2, begun.count == 1 { return begun[0] }
        let limit = max(1, typed.count / 3 + (typed.count > 3 ? 1 : 0))
        let ranked = names.map { (name: $0, distance: editDistance(typed.lowercased(), $0)) }
        let best = ranked.min { $0.distance < $1.distance }
        if let best, best.distance <= limit { return best.name }
        return typed.count >= 2 ? begun.first : nil
    }

    /// Insertions, deletions, replacements and swaps of neighbours that lead from `a` to `b`
    /// (optimal string alignment distance).
    static func editDistance(_ a: String, _ b: String) -> Int {
        let (a, b) = (Array(a), Array(b))
        var rows = [[Int](0...b.count)]
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var least = min(
                    rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
                    least = min(least, rows[i - 1][j - 1] + 1)
                }
                row.append(least)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }
}
