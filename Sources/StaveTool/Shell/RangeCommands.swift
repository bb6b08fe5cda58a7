internal import Stave

extension CommandTable {
    static let limit = Command.Option(name: "--limit", value: "N", help: "stop after N entries")
    private static let reverse = Command.Option(
        name: "--reverse", help: "from the last key to the first")
    private static let filters = "[--match GLOB] [--grep TEXT [-i] [--regex]] [--invert]"
    private static let range = [
        "With two words: from FROM up to, but not including, TO."
            + " An empty TO (\"\") means to the end."
    ]

    /// Commands about many keys, in the order of their bytes.
    static let rangeCommands: [Command] = [
        Command(
            "count", aliases: ["size"], "[PREFIX | FROM TO] \(filters)", words: 0...2, .read,
            "print how many keys there are", details: range, options: EntryFilter.options,
            examples: ["count user:", "count --match '*:name'"]
        ) { session, invocation throws(CommandError) in try session.count(invocation) },
        Command(
            "keys", aliases: ["ls"], "[PREFIX | FROM TO] [--limit N] [--reverse] \(filters)",
            words: 0...2, .read,
            isPaged: true, "print keys, one a line", details: range,
            options: [limit, reverse] + EntryFilter.options,
            examples: ["keys user: --limit 10", "keys --match 'user:[0-9]*'"]
        ) { session, invocation throws(CommandError) in try session.keys(invocation) },
        Command(
            "scan", aliases: ["find"], "[PREFIX | FROM TO] [--limit N] [--reverse] \(filters)",
            words: 0...2, .read,
            isPaged: true, "print keys with their values, one entry a line", details: range,
            options: [limit, reverse] + EntryFilter.options,
            examples: ["scan 2024-01 2024-07 --reverse", "scan user: --grep ada -i --limit 10"]
        ) { session, invocation throws(CommandError) in try session.scan(invocation) },
    ]
}

extension Session {
    /// What came of going on to the next entry.
    enum Step { case shown, skipped, end }

    func count(_ invocation: Invocation) throws(CommandError) {
        let filter = try EntryFilter(invocation)
        var count = 0
        if invocation.words.count == 1, !filter.isSet {
            tellOfBatch()
            do throws(StoreError) {
                count = try store.count(in: .all)
            } catch {
                throw CommandError(error, at: invocation.words[0])
            }
            return reply(count: count)
        }
        count = unsafe try visit(invocation, filter) { (cursor) throws(StoreError) in
            guard let key = try cursor.nextKey() else { return .end }
            // SAFETY: the array lives through the call.
            return unsafe key.withUnsafeBytes { unsafe filter.includes(key: $0) }
                ? .shown : .skipped
        } withValue: { _, _ in
        }
        reply(count: count)
    }

    func keys(_ invocation: Invocation) throws(CommandError) {
        let printer = printer
        let filter = try EntryFilter(invocation)
        let isFiltered = filter.isSet
        let count = unsafe try visit(invocation, filter) { (cursor) throws(StoreError) in
            guard let key = try cursor.nextKey() else { return .end }
            // SAFETY: the array lives through the call.
            return unsafe key.withUnsafeBytes { key in
                if isFiltered, unsafe !filter.includes(key: key) { return .skipped }
                unsafe printer.printKey(key)
                return .shown
            }
        } withValue: { key, _ in
            unsafe printer.printKey(key)
        }
        if count == 0 { reportNone(invocation.words, filter) }
    }

    func scan(_ invocation: Invocation) throws(CommandError) {
        var printer = printer
        if outputIsTerminal, settings.format == .quoted { printer.longestValue = 1000 }
        let filter = try EntryFilter(invocation)
        let isFiltered = filter.isSet
        let count = unsafe try visit(invocation, filter) { (cursor) throws(StoreError) in
            // SAFETY: both are borrowed while they are printed.
            try cursor.withNext { key, value in
                unsafe key.withUnsafeBytes { key in
                    if isFiltered, unsafe !filter.includes(key: key) { return .skipped }
                    unsafe value.withUnsafeBytes { unsafe printer.printEntry(key: key, value: $0) }
                    return .shown
                }
            } ?? .end
        } withValue: { key, value in
            unsafe printer.printEntry(key: key, value: value)
        }
        if count == 0 { reportNone(invocation.words, filter) }
    }

    /// Goes on until the end, the limit, Ctrl-C, or until the reader has gone; returns how many
    /// entries were shown. Steps over damage where the settings allow it.
    ///
    /// - Parameters:
    ///   - step: the way without a look at values.
    ///   - show: what to do with an entry of which key and value were looked at.
    private func visit(
        _ invocation: Invocation, _ filter: EntryFilter,
        _ step: (inout EntryCursor) throws(StoreError) -> Step,
        withValue show: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void
    ) throws(CommandError) -> Int {
        let limit = invocation.number("--limit") ?? Int.max
        guard filter.needsValue else {
            return try visit(
                invocation.words, filter, limit, isReversed: invocation.has("--reverse"), step)
        }
        return try visit(
            invocation.words, filter, limit, isReversed: invocation.has("--reverse")
        ) { (cursor) throws(StoreError) in
            // SAFETY: both are borrowed while they are looked at.
            try cursor.withNext { key, value in
                unsafe key.withUnsafeBytes { key in
                    unsafe value.withUnsafeBytes { value in
                        guard unsafe filter.includes(key: key, value: value) else {
                            return .skipped
                        }
                        unsafe show(key, value)
                        return .shown
                    }
                }
            } ?? .end
        }
    }

    /// - Parameter words: the command's name, and PREFIX, or FROM and TO.
    @discardableResult
    func visit(
        _ words: [Word], _ filter: EntryFilter? = nil, _ limit: Int = .max,
        isReversed: Bool = false,
        _ step: (inout EntryCursor) throws(StoreError) -> Step
    ) throws(CommandError) -> Int {
        tellOfBatch()
        var cursor: EntryCursor
        do throws(StoreError) {
            cursor = try store.entries(
                in: range(words, filter?.head ?? []),
                direction: isReversed ? .descending : .ascending)
        } catch {
            throw CommandError(error, at: words[0])
        }
        var (visited, shown) = (0, 0)
        // How many keys a prefix or range has is not known. A script has a bar of its own.
        let isAll = words.count == 1 && filter?.isSet != true
        let total = isAll ? min(limit, store.count) : nil
        if place != .script {
            bar = makeBar(words[0].string, total: total, unit: .count("key"))
        }
        defer { if place != .script { endBar() } }
        while shown < limit {
            if visited & 1023 == 1023, place != .script { bar?.show(done: visited) }
            if isInterrupted() {
                reportStop()
                break
            }
            if output.failure != nil { break }
            do throws(StoreError) {
                let step = try step(&cursor)
                if step == .end { break }
                visited += 1
                if step == .shown { shown += 1 }
            } catch {
                try stepOver(CommandError(error, at: words[0]))
            }
        }
        return shown
    }

    private func range(_ words: [Word], _ head: [UInt8]) -> KeyRange {
        switch words.count {
        case 1: head.isEmpty ? .all : KeyRange(prefix: head)
        case 2:
            // The longer one, where both can hold.
            KeyRange(prefix: head.starts(with: words[1].array) ? head : words[1].array)
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

    /// A person who sees nothing cannot tell whether the command ran.
    func reportNone(_ words: [Word], _ filter: EntryFilter? = nil) {
        guard outputIsTerminal, place != .script, !settings.quiet, output.failure == nil,
            !isInterrupted(), reportedErrorCount == 0
        else { return }
        let words = words.dropFirst().map(\.shown)
        let place =
            switch words.count {
            case 0: ""
            case 1: " with \(words[0])"
            default: " from \(words[0]) to \(words[1])"
            }
        output.write(line: "(no \(filter?.isSet == true ? "such " : "")keys\(place))")
    }
}
