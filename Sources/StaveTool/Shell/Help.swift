/// Help, made from the table of commands. Where a terminal shows it, lines are cut between words.
enum Help {
    static func overview(columns: Int? = nil) -> String {
        let width = CommandTable.all.map { title($0).count }.max()! + 4
        var text = ""
        for group in CommandTable.groups {
            text += (text.isEmpty ? "" : "\n") + group.title + "\n"
            for command in group.commands {
                text += line(Units.padded("  " + title(command), width), command.summary, columns)
            }
        }
        return text + "\n"
            + line(
                "",
                "help COMMAND says more; so does help \(topicNames). Words with blanks are put"
                    + " in quotes.", columns)
    }

    static let topicNames = topics.map(\.name).joined(separator: ", ")

    static func topic(_ name: String) -> Topic? { topics.first { $0.name == name } }

    static func text(_ topic: Topic, _ columns: Int?) -> String {
        topic.lines.map { label, text in
            line(Units.padded(label, label.isEmpty ? 0 : topic.width), text, columns)
        }.joined()
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
