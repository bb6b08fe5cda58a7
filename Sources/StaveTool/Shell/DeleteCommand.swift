internal import Stave

extension CommandTable {
    static let deleteCommand = Command(
        "delete", aliases: ["del", "rm"], "KEY... | --prefix P | --from A --to B",
        words: 0...Int.max - 1, .write, "remove keys; prints how many were there",
        details: [
            "Many keys at once are deleted in batches; at the prompt the command asks first, elsewhere"
                + " it needs --yes.",
            "--from and --to stand together: A is deleted, B is not; an empty B (\"\") means to the end.",
        ],
        options: [
            .init(
                name: "--prefix", value: "P", isText: true,
                help: "all keys that begin with P"),
            .init(name: "--from", value: "A", isText: true, help: "all keys from A on"),
            .init(name: "--to", value: "B", isText: true, help: "up to B"),
            .init(name: "--dry-run", help: "only print how many keys there are"),
            .init(name: "--yes", help: "do not ask"),
        ],
        readingOption: "--dry-run", takesAnyWord: true,
        examples: ["delete user:1", "delete --prefix session: --dry-run"]
    ) { session, invocation throws(CommandError) in
        if let range = try session.range(of: invocation) {
            try session.delete(range, invocation)
        } else {
            try session.delete(invocation)
        }
    }
}

extension Session {
    /// The range that the options name, and how to tell of it; nil where keys are named.
    fileprivate func range(
        of invocation: Invocation
    ) throws(CommandError) -> (keys: KeyRange, text: String)? {
        let words = invocation.words
        let (prefix, from, to) = (
            invocation.word("--prefix"), invocation.word("--from"), invocation.word("--to")
        )
        guard prefix != nil || from != nil || to != nil else {
            if words.count == 1 {
                throw .usage("too few words; usage: \(invocation.command.usage)", at: words[0])
            }
            if invocation.has("--dry-run") {
                throw .usage("--dry-run goes with --prefix or --from", at: words[0])
            }
            return nil
        }
        if words.count > 1 {
            throw .usage("either keys or a range of them", at: words[1])
        }
        if let prefix {
            if from != nil || to != nil {
                throw .usage("either --prefix or --from and --to", at: words[0])
            }
            // A variable that is empty by mistake would delete everything.
            if unsafe prefix.bytes.isEmpty {
                throw .usage(
                    "an empty prefix would be all keys; write --from \"\" --to \"\"", at: prefix)
            }
            return (KeyRange(prefix: prefix.array), "that begin with \(prefix.shown)")
        }
        guard let from, let to else { throw .usage("--from and --to stand together", at: words[0]) }
        let end = to.array.isEmpty ? nil : to.array
        let text = "from \(from.shown) " + (end == nil ? "to the end" : "up to \(to.shown)")
        return (KeyRange(from: from.array, to: end), text)
    }

    fileprivate func delete(
        _ range: (keys: KeyRange, text: String), _ invocation: Invocation
    ) throws(CommandError) {
        let word = invocation.words[0]
        try refuseInBatch("delete of a range", at: word)
        let isAsked = !invocation.has("--yes") && !settings.assumesYes
        if isAsked, confirm == nil, !invocation.has("--dry-run") {
            throw .usage(
                "a range is deleted with --yes only; --dry-run says how many keys it has", at: word)
        }
        let count: Int
        do throws(StoreError) {
            count = try store.count(in: range.keys)
        } catch {
            throw CommandError(error, at: word)
        }
        if invocation.has("--dry-run") { return reply("\(count)") }
        let question = "delete \(Units.count(count, "key")) \(range.text)?"
        if count > 0, isAsked, !isConfirmed(question) { return }
        try deleteAll(range.keys, count, at: word)
    }

    private func deleteAll(
        _ range: KeyRange, _ count: Int, at word: Word
    ) throws(CommandError) {
        var deleted = 0
        if place != .script { bar = makeBar("delete", total: count, unit: .count("key")) }
        defer { if place != .script { endBar() } }
        do throws(StoreError) {
            deleted = try store.removeAll(in: range, deferringSync: defersSync) { done in
                deleted = done
                bar?.show(done: done)
                return !isInterrupted()
            }
            didWrite()
        } catch {
            if deleted > 0 { didWrite() }
            var failure = CommandError(error, at: word)
            failure.message += " (\(Units.count(deleted, "key")) deleted before)"
            throw failure
        }
        acknowledge("\(deleted)")
        reportStop()
    }
}
