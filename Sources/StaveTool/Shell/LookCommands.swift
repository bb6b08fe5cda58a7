internal import Stave

extension CommandTable {
    /// Commands for a look at a store of which nothing is known yet.
    static let lookCommands: [Command] = [
        Command(
            "first", "[PREFIX]", words: 0...1, .read, "print the entry with the first key",
            examples: ["first", "first user:"]
        ) { session, invocation throws(CommandError) in try session.end(invocation, isLast: false)
        },
        Command(
            "last", "[PREFIX]", words: 0...1, .read, "print the entry with the last key",
            examples: ["last", "last user:"]
        ) { session, invocation throws(CommandError) in try session.end(invocation, isLast: true) },
        Command(
            "random", "[N]", words: 0...1, .read, isPaged: true,
            "print entries that are chosen by chance, each as likely",
            details: [
                "One, or N, in the order of their keys; it reads the keys up to the last one."
            ],
            examples: ["random", "random 5"]
        ) { session, invocation throws(CommandError) in try session.random(invocation) },
        treeCommand,
    ]
}

extension Session {
    func end(_ invocation: Invocation, isLast: Bool) throws(CommandError) {
        let printer = printer
        let count = try visit(invocation.words, nil, 1, isReversed: isLast) {
            (cursor) throws(StoreError) in
            // SAFETY: both are borrowed while they are printed.
            try cursor.withNext { key, value in
                unsafe key.withUnsafeBytes { key in
                    unsafe value.withUnsafeBytes { unsafe printer.printEntry(key: key, value: $0) }
                }
                return .shown
            } ?? .end
        }
        if count == 0 { reportNone(invocation.words) }
    }

    func random(_ invocation: Invocation) throws(CommandError) {
        let words = invocation.words
        let wanted = words.count > 1 ? words[1].number ?? -1 : 1
        guard wanted >= 0 else {
            throw .usage("random needs a whole number, not negative", at: words[1])
        }
        do throws(StoreError) {
            // Number of keys and keys of one moment.
            let snapshot = try store.snapshot()
            var cursor = try snapshot.entries()
            var (left, rest) = (min(wanted, snapshot.count), snapshot.count)
            if left == 0, wanted > 0 { reportNone([words[0]]) }
            // Selection sampling (Knuth, volume 2, 3.4.2, algorithm S).
            while left > 0, rest > 0, !isInterrupted(), output.failure == nil {
                let isChosen = Int.random(in: 0..<rest) < left
                rest -= 1
                guard let key = try cursor.nextKey() else { break }
                guard isChosen else { continue }
                left -= 1
                try printEntry(key, in: snapshot)
            }
        } catch {
            throw CommandError(error, at: words[0])
        }
        reportStop()
    }

    private func printEntry(_ key: [UInt8], in snapshot: Snapshot) throws(StoreError) {
        let printer = printer
        // SAFETY: the key and the value are used inside the calls only.
        _ = unsafe try snapshot.withValue(forKey: key.span.bytes) { value in
            unsafe key.withUnsafeBytes { key in
                unsafe value.withUnsafeBytes { unsafe printer.printEntry(key: key, value: $0) }
            }
        }
    }
}
