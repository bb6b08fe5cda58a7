/// Help, made from the table of commands. Where a terminal shows it, lines are cut between words.
enum Help {
    static func overview(columns: Int? = nil) -> String {
        let width = CommandTable.all.map { title($0).count }.max()! + 2
        var text = ""
        for command in CommandTable.all {
            text += line(Units.padded(title(command), width), command.summary, columns)
        }
        return text + "\n"
            + line("", "help COMMAND says more. Words with blanks are put in quotes.", columns)
    }

    private static func title(_ command: Command) -> String {
        ([command.name] + command.aliases).joined(separator: ", ")
    }

    static func text(for command: Command, columns: Int? = nil) -> String {
        var text = line("usage: ", command.usage, columns) + "\n"
        for sentence in [command.summary] + command.details {
            text += line("  ", sentence, columns)
        }
        if !command.aliases.isEmpty {
            text += line("  Also written: ", command.aliases.joined(separator: ", ") + ".", columns)
        }
        if !command.options.isEmpty {
            text += "\noptions:\n"
            let names = command.options.map { $0.name + ($0.value.map { " " + $0 } ?? "") }
            let width = max(14, names.map(\.count).max()! + 2)
            for (name, option) in zip(names, command.options) {
                text += line("  " + Units.padded(name, width), option.help, columns)
            }
        }
        text += "\nexamples:\n"
        for example in command.examples { text += "  \(example)\n" }
        return text
    }

    private static func line(_ label: String, _ text: String, _ columns: Int?) -> String {
        guard let columns else { return label + text + "\n" }
        return Units.wrapped(text, behind: label, columns: columns) + "\n"
    }
}
