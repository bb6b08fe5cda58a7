internal import Stave

extension CommandTable {
    private static let limit = Command.Option(
        name: "--limit", value: "N", help: "stop after N entries")
    private static let reverse = Command.Option(
        name: "--reverse", help: "from the last key to the first")

    /// Commands about many keys, in the order of their bytes.
    static let rangeCommands: [Command] = [
        Command(
            "count", "[PREFIX]", words: 0...1, .read, "print how many keys there are",
            examples: ["count", "count user:"]
        ) { session, invocation throws(CommandError) in try session.count(invocation) },
        Command(
            "keys", "[PREFIX] [--limit N] [--reverse]", words: 0...1, .read,
            isPaged: true, "print keys, one a line", options: [limit, reverse],
            examples: ["keys user:", "keys --limit 10"]
        ) { session, invocation throws(CommandError) in try session.keys(invocation) },
        Command(
            "scan", "[PREFIX | FROM TO] [--limit N] [--reverse]", words: 0...2, .read,
            isPaged: true, "print keys with their values, one entry a line",
            details: [
                "With two words: from FROM up to, but not including, TO. An empty TO (\"\") means"
                    + " to the end."
            ],
            options: [limit, reverse],
            examples: ["scan user: --limit 10", "scan 2024-01 2024-07 --reverse"]
        ) { session, invocation throws(CommandError) in try session.scan(invocation) },
    ]
}

extension Session {
    func count(_ invocation: Invocation) throws(CommandError) {
        var count = 0
        if invocation.words.count == 1 {
            tellOfBatch()
            do throws(StoreError) {
                count = try store.count(in: .all)
            } catch {
                throw CommandError(error, at: invocation.words[0])
            }
            return reply(count: count)
        }
        try visit(invocation) { (cursor) throws(StoreError) in
            guard try cursor.nextKey() != nil else { return false }
            count += 1
            return true
        }
        reply(count: count)
    }

    func keys(_ invocation: Invocation) throws(CommandError) {
        let printer = printer
        try visit(invocation) { (cursor) throws(StoreError) in
            guard let key = try cursor.nextKey() else { return false }
            // SAFETY: the array lives through the call.
            unsafe key.withUnsafeBytes { unsafe printer.printKey($0) }
            return true
        }
    }

    func scan(_ invocation: Invocation) throws(CommandError) {
        let printer = printer
        try visit(invocation) { (cursor) throws(StoreError) in
            // SAFETY: both are borrowed while they are printed.
            try cursor.withNext { key, value in
                unsafe key.withUnsafeBytes { key in
                    unsafe value.withUnsafeBytes { unsafe printer.printEntry(key: key, value: $0) }
                }
            } != nil
        }
    }

    /// Calls `visitNext` until it returns false, the limit is reached, Ctrl-C is pressed or nobody
    /// reads any more. Steps over damage where the settings allow it.
    private func visit(
        _ invocation: Invocation, _ visitNext: (inout EntryCursor) throws(StoreError) -> Bool
    ) throws(CommandError) {
        tellOfBatch()
        let words = invocation.words
        let limit = invocation.number("--limit") ?? Int.max
        var cursor: EntryCursor
        do throws(StoreError) {
            cursor = try store.entries(
                in: range(words), direction: invocation.has("--reverse") ? .descending : .ascending)
        } catch {
            throw CommandError(error, at: words[0])
        }
        var visited = 0
        // How many keys a prefix or range has is not known. A script has a bar of its own.
        let total = words.count == 1 ? min(limit, store.count) : nil
        if place != .script {
            bar = makeBar(words[0].string, total: total, unit: .count("key"))
        }
        defer { if place != .script { endBar() } }
        while visited < limit {
            if visited & 1023 == 1023, place != .script { bar?.show(done: visited) }
            if isInterrupted() { return reportStop() }
            if output.failure != nil { return }
            do throws(StoreError) {
                guard try visitNext(&cursor) else { return }
                visited += 1
            } catch {
                try stepOver(CommandError(error, at: words[0]))
            }
        }
    }

    private func range(_ words: [Word]) -> KeyRange {
        switch words.count {
        case 1: .all
        case 2: KeyRange(prefix: words[1].array)
        default:
            KeyRange(from: words[1].array, to: words[2].array.isEmpty ? nil : words[2].array)
        }
    }

    /// What is shown does not have the writes that wait for `commit`.
    private func tellOfBatch() {
        guard let batch, batch.count > 0 else { return }
        note("note: without the batch that was begun (\(Units.count(batch.count, "write")))")
    }

    /// Says so where the person has stopped the command.
    func reportStop() {
        guard place == .prompt, isInterrupted() else { return }
        output.flush()
        note("(stopped)")
    }
}
