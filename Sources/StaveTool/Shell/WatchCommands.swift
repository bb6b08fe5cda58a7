internal import Glibc
internal import Stave
internal import StaveDisk

extension CommandTable {
    /// Commands that go on until Ctrl-C.
    static let watchCommands: [Command] = [
        Command(
            "watch", "PREFIX  (or: watch SECONDS COMMAND...)", words: 1...Int.max - 1, .read,
            isForPeople: true, "show what becomes of keys; or repeat a command, changes marked",
            details: [
                "One word is a prefix: each key that begins with it is shown when it is set or"
                    + " deleted and that is durable; \"\" is all keys.",
                "More words are SECONDS and a command, which is carried out again and again; what"
                    + " is new in its replies is marked. A read-only shell sees each time what was"
                    + " written meanwhile.",
                "Ctrl-C ends it.",
            ],
            examples: ["watch user:", "watch 2 count user:"]
        ) { session, invocation throws(CommandError) in try session.watch(invocation) },
        Command(
            "tail", "[PREFIX]", words: 0...1, .read, isForPeople: true,
            "print what is written from now on, until Ctrl-C",
            details: [
                "It reads the store's files, so that it shows what another process writes:"
                    + " stave DIR tail."
            ],
            examples: ["tail", "tail user:"]
        ) { session, invocation throws(CommandError) in try session.tail(invocation) },
    ]
}

extension Session {
    func watch(_ invocation: Invocation) throws(CommandError) {
        let words = invocation.words
        if words.count == 2 { return try watch(prefix: words[1]) }
        guard let seconds = Double(words[1].string), seconds >= 0.1, seconds <= 86_400 else {
            throw .usage(
                "the seconds lie between 0.1 and 86400; one word alone is a prefix", at: words[1])
        }
        let command = Array(words[2...])
        let name = try self.command(for: command[0])
        guard name.name != "watch", name.name != "tail", name.name != "edit" else {
            throw .usage("\(name.name) cannot be watched", at: command[0])
        }
        isWatching = true
        defer { isWatching = false }
        var before: [Substring]?
        while true {
            let bytes = try output.capture { () throws(CommandError) in try execute(command) }
            let text = String(decoding: bytes, as: UTF8.self)
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
            show(Array(lines), before, title: words)
            before = Array(lines)
            let end = ContinuousClock.now + .seconds(seconds)
            while ContinuousClock.now < end, !isInterrupted(), output.failure == nil {
                let left = (end - ContinuousClock.now) / .milliseconds(1)
                _ = Signals.waitToRead(-1, milliseconds: Int32(max(1, min(left, 1000))))
            }
            guard !isInterrupted(), output.failure == nil else { return }
            do throws(StoreError) {
                if store.isReadOnly { try reopenStore() }
            } catch {
                throw CommandError(error, at: words[0])
            }
        }
    }

    /// On a terminal the screen anew, with lines that were not there before in bold; else the
    /// lines.
    private func show(_ lines: [Substring], _ before: [Substring]?, title: [Word]) {
        guard outputIsTerminal, !Environment.isDumbTerminal else {
            for line in lines { output.write(line: String(line)) }
            output.flush()
            return
        }
        let screen = ScreenSize.of(STDOUT_FILENO)
        let command = title[2...].map(\.shown).joined(separator: " ")
        let heading = "every \(title[1].shown) s: \(command)  (Ctrl-C ends)"
        output.write("\u{1B}[H\u{1B}[2J")
        output.write(
            line: Palette.colored(
                Cells.cut(heading, to: screen.columns - 1), Palette.label, settings.hasColor))
        let shown = lines.prefix(max(1, screen.rows - 3))
        for (index, line) in shown.enumerated() {
            let isNew = before.map { index >= $0.count || $0[index] != line } ?? false
            let mark = isNew ? (settings.hasColor ? "" : "* ") : ""
            output.write(
                line: isNew && settings.hasColor
                    ? "\u{1B}[\(Palette.match)m\(line)\u{1B}[0m" : mark + String(line))
        }
        if lines.count > shown.count {
            output.write(line: "... \(Units.count(lines.count - shown.count)) more")
        }
        output.flush()
    }

    func tail(_ invocation: Invocation) throws(CommandError) {
        let words = invocation.words
        flush()
        var key: KeyPattern?
        if words.count > 1 { key = KeyPattern(prefix: words[1].array) }
        var inspection = Inspection(
            path: store.path, segment: nil,
            filter: RecordFilter(from: nil, to: nil, key: key, kind: nil, values: .preview),
            limit: .max, hex: false, json: settings.format == .json, stats: false, verify: false,
            output: Output(into: output))
        inspection.columns = [.time, .kind, .key, .value]
        do throws(FileError) {
            let directory = try Directory(path: store.path)
            do throws(InspectError) {
                var tail = try Tail(directory, inspection)
                try tail.run()
            } catch {
                throw FileError("follow", store.path, reason: error.text)
            }
        } catch {
            throw CommandError(error.description, at: words[0])
        }
    }
}
