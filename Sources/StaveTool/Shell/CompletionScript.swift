internal import ArgumentParser

/// What an outer shell needs to complete stave's arguments, made from the table of commands and
/// from what --help says of the options.
enum CompletionScript {
    static let shells = ["bash", "zsh", "fish"]

    /// nil for another shell.
    static func text(for shell: String) -> String? {
        switch shell {
        case "bash": bash
        case "zsh": zsh
        case "fish": fish
        default: nil
        }
    }

    /// An option as --help tells of it.
    struct Option {
        var name: String
        var help: String
        var takesValue: Bool
        /// The words that the value may be, where they are a few.
        var values: [String]
    }

    /// A word that may stand in the place of DIR.
    struct Subcommand {
        let name: String
        let summary: String
        /// Files may follow, and not only directories.
        var takesFiles = false
        let options: [Option]
    }

    static let options = options(of: StaveCommand.helpMessage())

    static let subcommands: [Subcommand] = [
        .init(
            name: "inspect", summary: "look at segments, records and hint files", takesFiles: true,
            options: options(of: InspectCommand.helpMessage())),
        .init(
            name: "verify", summary: "check every byte of a store",
            options: options(of: VerifyCommand.helpMessage())),
        .init(
            name: "why", summary: "every version of a key, and what frees it",
            options: options(of: WhyCommand.helpMessage())),
        .init(
            name: "repair", summary: "write what can be read into a new store",
            options: options(of: RepairCommand.helpMessage())),
        .init(
            name: "diff", summary: "the keys in which two stores differ",
            options: options(of: DiffCommand.helpMessage())),
        .init(
            name: "backup", summary: "the store as it is now, beside its writer",
            options: options(of: BackupCommand.helpMessage())),
        .init(
            name: "changes", summary: "what was written since a number, and from now on",
            options: options(of: ChangesCommand.helpMessage())),
        .init(
            name: "import", summary: "take keys and values from another format", takesFiles: true,
            options: options(of: ImportCommand.helpMessage())),
        .init(
            name: "export", summary: "write keys and values in another format",
            options: exportOptions),
    ]

    /// --to may be a key as well, so that the parser lists no formats.
    private static let exportOptions = options(of: ExportCommand.helpMessage()).map { option in
        var option = option
        if option.name == "--to" {
            option.values = TransferFormat.allCases.filter(\.isWritten).map(\.rawValue)
        }
        return option
    }

    /// Of all of stave, those that take a value as a word of its own.
    static var optionsWithValue: [String] {
        Set((options + subcommands.flatMap(\.options)).filter(\.takesValue).map(\.name)).sorted()
    }

    /// Those whose value is one of a few words, each once.
    static var optionsWithWords: [Option] {
        var seen: Set<String> = []
        return (options + subcommands.flatMap(\.options)).filter {
            !$0.values.isEmpty && seen.insert($0.name).inserted
        }
    }

    /// An option begins a line that is indented by two; what it does follows on that line or,
    /// indented further, on the next ones.
    static func options(of help: String) -> [Option] {
        var options: [Option] = []
        // How many options the text that comes next is of: --create and --no-create share theirs.
        var group = 0
        for line in help.split(separator: "\n", omittingEmptySubsequences: false) {
            var text = line.drop { $0 == " " }
            let indent = line.count - text.count
            if indent == 2, text.first == "-" {
                let names = text.prefix { $0 != "<" }
                    .split { " ,/".contains($0) }.prefix { $0.hasPrefix("-") }
                    .filter { $0.hasPrefix("--") }.map(String.init)
                let takesValue = text.contains("<")
                options += names.map {
                    Option(name: $0, help: "", takesValue: takesValue, values: [])
                }
                group = names.count
                let gap = takesValue ? "> " : "  "
                text = text.firstRange(of: gap).map { text[$0.upperBound...] } ?? ""
            } else if indent < 8 {
                group = 0
            }
            for index in options.indices.suffix(group) {
                let rest = text.drop { $0 == " " }
                options[index].help += (options[index].help.isEmpty ? "" : " ") + rest
            }
        }
        return options.map(withValues)
    }

    /// Cuts "(values: a, b; default: c)" off the end of the help, and its first sentence out of the
    /// rest.
    private static func withValues(_ option: Option) -> Option {
        var option = option
        if let list = option.help.firstRange(of: " (values: ") {
            let words = option.help[list.upperBound...].prefix { $0 != ";" && $0 != ")" }
            option.values = words.split { ", ".contains($0) }.map(String.init)
        }
        if let remark = option.help.firstRange(of: " (") {
            option.help = String(option.help[..<remark.lowerBound])
        }
        option.help = String(option.help.prefix { $0 != ";" && $0 != ":" && $0 != "." })
        if option.name == "--no-create" { option.help = "Never make DIR" }
        if option.name == "--segment-size" { option.values = ["1M", "16M", "64M", "256M"] }
        return option
    }

    // MARK: The shell's commands

    /// What may stand behind a command's name, besides keys, values and options.
    static func words(of command: Command) -> [String] {
        switch command.name {
        case "format": OutputFormat.allCases.map(\.rawValue)
        case "timing": ["on", "off"]
        case "help": CommandTable.names
        case "compact": ["pause", "resume"]
        default: []
        }
    }

    /// The words that the value of an option may be, where they are a few.
    static func values(of option: Command.Option, of command: Command) -> [String] {
        switch (command.name, option.name) {
        case ("import", "--from"): TransferFormat.allCases.map(\.rawValue)
        case ("export", "--to"): TransferFormat.allCases.filter(\.isWritten).map(\.rawValue)
        default: []
        }
    }

    /// All names of the commands whose words are keys of the store, or prefixes of them.
    static var namesWithKeys: [String] {
        CommandTable.all.filter {
            $0.access != .nothing && $0.wordCount.upperBound > 0 && words(of: $0).isEmpty
                && $0.name != "import"
        }.flatMap { [$0.name] + $0.aliases }
    }

    /// The commands that other words or options may follow.
    static var commandsWithWords: [(names: [String], words: [String], options: [Option])] {
        CommandTable.all.map { command in
            let options = command.options.map {
                Option(name: $0.name, help: $0.help, takesValue: $0.value != nil, values: [])
            }
            return ([command.name] + command.aliases, words(of: command), options)
        }.filter { !$0.words.isEmpty || !$0.options.isEmpty }
    }

    static func joined(_ words: [String]) -> String { words.joined(separator: " ") }

    /// For the inside of single quotes.
    static func quotedForShell(_ text: String) -> String {
        text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''")
    }
}
