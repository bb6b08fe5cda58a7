internal import Glibc
internal import StaveDisk

/// What a person has set for all their shells: `stave/config` under $XDG_CONFIG_HOME or ~/.config.
///
///     format table
///     color off
///     greeting off
///     pager less -R
///     editor vim
///     alias top "scan --limit 10"
///
/// A setting a line, in the grammar of the shell. Only the prompt reads it, unless --config names a
/// file: a script means the same on every machine.
struct Configuration {
    private(set) var format: OutputFormat?
    private(set) var hasColor = true
    private(set) var greets = true
    private(set) var pager: String?
    private(set) var editor: String?
    /// Lines of commands by their new names.
    private(set) var aliases: [String: String] = [:]
    /// What is wrong, with its place.
    private(set) var problems: [String] = []

    private static let settings = ["format", "color", "greeting", "pager", "editor", "alias"]
    private static let longest = 1 << 20

    static var defaultPath: String? {
        let folder =
            Environment.value("XDG_CONFIG_HOME")
            ?? Environment.value("HOME").map { $0 + "/.config" }
        return folder.map { $0 + "/stave/config" }
    }

    init() {}

    /// - Parameter isNamed: the person has named the file, so that it has to be there.
    init(path: String, isNamed: Bool) {
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try File.opening(path).contents(limit: Self.longest)
        } catch {
            if isNamed || error.code != ENOENT { problems = [error.description] }
            return
        }
        let parser = WordParser()
        for (index, line) in bytes.split(
            separator: Byte.newline, omittingEmptySubsequences: false
        ).enumerated() {
            // SAFETY: the slice lives through the call, and the words are not used behind it.
            let problem = unsafe line.withUnsafeBytes { text -> String? in
                do throws(SyntaxError) {
                    unsafe _ = try parser.parse(text)
                } catch {
                    return error.message
                }
                return take(parser.words)
            }
            if let problem { problems.append("\(path):\(index + 1): \(problem)") }
        }
    }

    /// Returns what is wrong with the setting.
    private mutating func take(_ words: [Word]) -> String? {
        guard let name = words.first else { return nil }
        let rest = words.dropFirst().map(\.string).joined(separator: " ")
        guard !rest.isEmpty || !Self.settings.contains(name.string) else {
            return "\(name.string) needs a value"
        }
        switch name.string {
        case "format":
            format = OutputFormat(rawValue: rest)
            let all = OutputFormat.allCases.map(\.rawValue).joined(separator: ", ")
            return format == nil ? "no format \(words[1].shown); there are \(all)" : nil
        case "color": return Self.set(&hasColor, rest, "color")
        case "greeting": return Self.set(&greets, rest, "greeting")
        case "pager": pager = rest
        case "editor": editor = rest
        case "alias":
            let alias = words[1].string
            guard words.count > 2 else { return "behind alias stand a name and a command" }
            if CommandTable.command(named: alias) != nil { return "\(alias) is a command already" }
            aliases[alias] = words.dropFirst(2).map(Self.source).joined(separator: " ")
        default:
            return "no setting \(name.shown); there are \(Self.settings.joined(separator: ", "))"
        }
        return nil
    }

    /// `alias top "scan --limit 10"` and `alias top scan --limit 10` mean the same.
    private static func source(_ word: Word) -> String {
        if word.kind == .quoted, unsafe word.bytes.contains(Byte.space) { return word.string }
        if word.kind == .bare { return word.string }
        return String(decoding: Quoting.quoted(word.array), as: UTF8.self)
    }

    private static func set(_ flag: inout Bool, _ text: String, _ name: String) -> String? {
        guard text == "on" || text == "off" else { return "\(name) is on or off" }
        flag = text == "on"
        return nil
    }
}

extension Session {
    /// A command under a name of the person's own, with the words that were given to it.
    func execute(alias text: String, _ words: [Word]) throws(CommandError) {
        let parser = WordParser()
        parser.takesPrograms = place == .prompt || settings.allowsShell
        let bytes = Array(text.utf8)
        // SAFETY: the array lives through the call, and the words are not used behind it.
        let failure = unsafe bytes.withUnsafeBytes { line -> CommandError? in
            do throws(SyntaxError) {
                unsafe _ = try parser.parse(line)
            } catch {
                return CommandError("the alias \(words[0].shown): \(error.message)", at: words[0])
            }
            guard let first = parser.words.first, CommandTable.command(for: first) != nil else {
                return CommandError(
                    "the alias \(words[0].shown) begins with no command", at: words[0])
            }
            do throws(CommandError) {
                try execute(parser.words + words.dropFirst())
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }
}
