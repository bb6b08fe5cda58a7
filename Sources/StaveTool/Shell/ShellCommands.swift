internal import Glibc
extension CommandTable {
    /// Commands about the shell itself.
    static let shellCommands: [Command] = [
        Command(
            "echo", "WORD...", words: 0...Int.max - 1, .nothing, "print the words",
            details: ["A program that drives the shell can tell by it how far it has come."],
            examples: ["echo done", "echo \"two words\""]
        ) { session, invocation throws(CommandError) in session.echo(invocation) },
        Command(
            "format", "[MODE]", words: 0...1, .nothing,
            "show or set how keys and values are printed",
            details: ["Modes: \(OutputFormat.allCases.map(\.rawValue).joined(separator: ", "))."],
            examples: ["format json", "format raw"]
        ) { session, invocation throws(CommandError) in try session.format(invocation) },
        Command(
            "timing", "[on|off]", words: 0...1, .nothing, "print how long each command takes",
            examples: ["timing on", "timing off"]
        ) { session, invocation throws(CommandError) in try session.timing(invocation) },
        Command(
            "history", "", .nothing, isPaged: true, "print the lines entered so far",
            examples: ["history", "history  # Ctrl-R searches it"]
        ) { session, _ throws(CommandError) in
            for line in session.historyLines() { session.reply(line) }
        },
        Command(
            "clear", "", .nothing, "clear the screen", examples: ["clear", "clear  # as Ctrl-L"]
        ) { session, _ throws(CommandError) in
            if session.outputIsTerminal, !Environment.isDumbTerminal {
                session.output.write("\u{1B}[H\u{1B}[2J")
            }
        },
        sourceCommand,
        Command(
            "help", "[COMMAND | TOPIC]", words: 0...1, .nothing, isPaged: true,
            "list the commands, or explain one, or a topic",
            details: ["Topics: \(Help.topicNames)."], examples: ["help scan", "help quoting"]
        ) { session, invocation throws(CommandError) in try session.help(invocation) },
        Command(
            "quit", aliases: ["exit", "q"], "", .nothing, "leave the shell (also Ctrl-D)",
            examples: ["quit", "exit"]
        ) { session, _ throws(CommandError) in session.isDone = true },
    ]
}

extension Session {
    /// Words as they are; at a terminal without control characters.
    func echo(_ invocation: Invocation) {
        if settings.format == .json {
            let words = invocation.words.dropFirst().map(\.array)
            return reply(
                .object([JSON.bytes("echo", Array(words.joined(separator: [Byte.space])))]))
        }
        for (index, word) in invocation.words.dropFirst().enumerated() {
            if index > 0 { output.write(Byte.space) }
            // SAFETY: the word lives until the next line is parsed.
            if outputIsTerminal {
                unsafe Quoting.writeEscaped(word.bytes) { output.write($0) }
            } else {
                unsafe output.write(word.bytes)
            }
        }
        output.write(Byte.newline)
    }

    func format(_ invocation: Invocation) throws(CommandError) {
        guard invocation.words.count > 1 else { return reply(settings.format.rawValue) }
        guard let format = OutputFormat(rawValue: invocation.words[1].string) else {
            let modes = OutputFormat.allCases.map(\.rawValue).joined(separator: ", ")
            throw .usage(
                "no format \(invocation.words[1].shown); there are \(modes)",
                at: invocation.words[1])
        }
        settings.format = format
        settings.formatIsChosen = true
    }

    func timing(_ invocation: Invocation) throws(CommandError) {
        guard invocation.words.count > 1 else {
            return reply(settings.showsTiming ? "on" : "off")
        }
        switch invocation.words[1].string {
        case "on": settings.showsTiming = true
        case "off": settings.showsTiming = false
        default: throw .usage("timing is on or off", at: invocation.words[1])
        }
    }

    func help(_ invocation: Invocation) throws(CommandError) {
        // A program may read it elsewhere.
        let columns = outputIsTerminal ? ScreenSize.of(STDOUT_FILENO).columns : nil
        guard invocation.words.count > 1 else {
            return reply(text: Help.overview(columns: columns))
        }
        let word = invocation.words[1]
        if let topic = Help.topic(word.string) { return reply(text: Help.text(topic, columns)) }
        reply(text: Help.text(for: try command(for: word), columns: columns))
    }
}
