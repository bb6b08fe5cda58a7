internal import Glibc
internal import Stave
internal import StaveDisk

extension CommandTable {
    /// Commands about single keys.
    static let keyCommands: [Command] = [
        Command(
            "get",
            "[--exact | --pretty | --version] [--at N] [--missing WORD] KEY...  (or: get KEY > FILE)",
            words: 1...Int.max - 1, .read,
            redirects: true, isPaged: true, "print the value of each key",
            details: [
                "`get KEY > FILE` writes the bytes of the value to FILE, whatever the format.",
                "From a command line: stave DIR get --exact KEY > FILE.",
            ],
            options: [
                .init(name: "--exact", help: "the bytes alone: no format, no newline"),
                .init(name: "--version", help: "the number of the key's newest write instead"),
                .init(name: "--at", value: "N", help: "the value as of the write with this number"),
                .init(
                    name: "--missing", value: "WORD", isText: true,
                    help: "print WORD for a key that is not there"),
                .init(name: "--pretty", help: "JSON indented, other bytes in hexadecimal digits"),
            ],
            takesAnyWord: true, examples: ["get --pretty user:1", "get photo > cat.jpg"]
        ) { session, invocation throws(CommandError) in try session.get(invocation) },
        Command(
            "set", aliases: ["put"], "KEY VALUE  (or: set KEY < FILE)", words: 2...2, .write,
            redirects: true, "store a value under a key",
            details: [
                "With a condition that does not hold, nothing is written and the answer is 0.",
                "`set KEY < FILE` stores the bytes of FILE.",
                "From a command line: stave DIR set KEY - < FILE, or a pipe in its place.",
                "The value - itself is written '-' here.",
            ],
            options: [
                .init(name: "--if-absent", help: "only where the key is not there"),
                .init(name: "--if-present", help: "only where the key is there"),
                .init(
                    name: "--if-value", value: "OLD", isText: true,
                    help: "only where the key has this value"),
                .init(
                    name: "--if-version", value: "N",
                    help: "only where get --version prints N"),
            ],
            takesAnyWord: true,
            examples: ["set photo < cat.jpg", "set lock me --if-absent"]
        ) { session, invocation throws(CommandError) in try session.set(invocation) },
        deleteCommand,
        Command(
            "exists", "KEY...", words: 1...Int.max - 1, .read,
            "print how many of the keys are there",
            examples: ["exists user:1", "exists a b c"]
        ) { session, invocation throws(CommandError) in try session.exists(invocation) },
    ]
}

extension Session {
    func get(_ invocation: Invocation) throws(CommandError) {
        let words = invocation.words
        let missing = invocation.word("--missing")
        if let file = try redirection(words, ">") {
            try refuseInBatch("get KEY > FILE", at: file)
            if let missing { throw .usage("--missing and > do not go together", at: missing) }
            if invocation.has("--at") { throw .usage("--at and > do not go together", at: file) }
            return try get(words[1], intoFile: file)
        }
        let moment = invocation.number("--at")
        if moment != nil { try refuseInBatch("get --at", at: words[0]) }
        if invocation.has("--version") {
            if moment != nil { throw .usage("--at and --version do not go together", at: words[0]) }
            return try printVersions(invocation)
        }
        let isExact = invocation.has("--exact")
        if isExact, outputIsTerminal {
            throw CommandError("--exact is for files and pipes; at a terminal use get KEY > FILE")
        }
        let pretty =
            invocation.has("--pretty")
            ? Pretty(hasColor: settings.hasColor && outputIsTerminal) : nil
        if isExact, pretty != nil {
            throw .usage("--exact and --pretty do not go together", at: words[0])
        }
        var printer = printer
        // What takes a minute to scroll by is not read.
        if outputIsTerminal, settings.format == .quoted { printer.longestValue = 1 << 20 }
        for word in words.dropFirst() {
            try requireUsable(word)
            let printer = printer
            let print = { (value: UnsafeRawBufferPointer) in
                // SAFETY: the word and the value are only read.
                if isExact { return unsafe self.output.write(value) }
                if let pretty {
                    return self.output.write(unsafe pretty.text(of: Array(value)))
                }
                unsafe printer.printValue(value, forKey: word.bytes)
            }
            unsafe try get(word, at: moment, missing, print)
        }
    }

    /// Prints a key's value, or what stands for it where it is not there.
    ///
    /// - Parameter moment: the number of the write after which it is looked at; nil: now.
    private func get(
        _ word: Word, at moment: Int?, _ missing: Word?, _ print: (UnsafeRawBufferPointer) -> Void
    ) throws(CommandError) {
        if let moment, let value = try value(of: word, at: UInt64(moment)) {
            // SAFETY: the bytes are used inside the call only.
            return unsafe value.withUnsafeBytes { unsafe print($0) }
        }
        do throws(StoreError) {
            // SAFETY: the word and the value are used inside the call only.
            if moment == nil,
                unsafe try withValue(
                    forKey: word.bytes.bytes, { unsafe $0.withUnsafeBytes { unsafe print($0) } })
                    != nil
            {
                return
            }
            if let missing {
                unsafe print(missing.bytes)
            } else {
                unsafe reportMissing(word.bytes)
            }
        } catch {
            try stepOver(CommandError(error, at: word, key: word))
        }
    }

    /// Looks a key up, in the batch first.
    private func withValue<Result>(
        forKey key: RawSpan, _ body: (RawSpan) -> Result
    ) throws(StoreError) -> Result? {
        guard isInBatch else { return try store.withValue(forKey: key, body) }
        guard let value = try batch?.value(forKey: key) else { return nil }
        return unsafe body(value.span.bytes)
    }

    private func printVersions(_ invocation: Invocation) throws(CommandError) {
        for word in invocation.words.dropFirst() {
            try requireUsable(word)
            do throws(StoreError) {
                // SAFETY: the word lives until the next line is parsed.
                let key = unsafe word.bytes.bytes
                if isInBatch, try batch?.contains(key: key) == true {
                    let version = try batch?.version(forKey: key)
                    reply(version.map { "\($0)" } ?? "not committed yet")
                } else if !isInBatch, let version = try store.version(forKey: key) {
                    reply("\(version)")
                } else {
                    unsafe reportMissing(word.bytes)
                }
            } catch {
                try stepOver(CommandError(error, at: word, key: word))
            }
        }
    }

    func set(_ invocation: Invocation) throws(CommandError) {
        let words = invocation.words
        let condition = try condition(of: invocation)
        if let file = try redirection(words, "<") {
            let value = try contents(of: file)
            // SAFETY: the array lives through the call.
            return unsafe try set(value.span.bytes, forKey: words[1], condition)
        }
        // What means stdin on a command line would be another value here.
        if words[2].isBare("-") {
            throw .usage(
                "- is stdin on a command line only; quote it to store it: '-'", at: words[2])
        }
        // SAFETY: the word lives until the next line is parsed.
        unsafe try set(words[2].bytes.bytes, forKey: words[1], condition)
    }

    private func set(
        _ value: RawSpan, forKey key: Word, _ condition: WriteCondition?
    ) throws(CommandError) {
        guard let condition else {
            do throws(StoreError) {
                // SAFETY: both live through the call.
                return unsafe try set(value, forKey: key.bytes.bytes)
            } catch {
                throw CommandError(error, at: key)
            }
        }
        let isSet = try change(at: key) { (batch) throws(StoreError) in
            // SAFETY: both live through the call.
            unsafe try batch.set(value, forKey: key.bytes.bytes, if: condition)
        }
        if isSet { acknowledge("OK") } else { refuse() }
    }

    private func condition(of invocation: Invocation) throws(CommandError) -> WriteCondition? {
        var conditions: [WriteCondition] = []
        if invocation.has("--if-absent") { conditions.append(.absent) }
        if invocation.has("--if-present") { conditions.append(.present) }
        if let word = invocation.word("--if-value") { conditions.append(.value(word.array)) }
        if let number = invocation.number("--if-version") {
            conditions.append(.version(UInt64(number)))
        }
        if conditions.count > 1 {
            throw .usage("set takes one condition", at: invocation.words[0])
        }
        return conditions.first
    }

    /// Stores a value and answers OK.
    @inline(__always)
    func set(_ value: UnsafeRawBufferPointer, forKey key: UnsafeRawBufferPointer)
        throws(StoreError)
    {
        // SAFETY: the caller's bytes outlive the call.
        unsafe try set(value.bytes, forKey: key.bytes)
    }

    private func set(_ value: RawSpan, forKey key: RawSpan) throws(StoreError) {
        if isInBatch {
            try batch?.set(value, forKey: key)
        } else {
            try store.set(value, forKey: key, deferringSync: defersSync)
            didWrite()
        }
        acknowledge("OK")
    }

    func delete(_ invocation: Invocation) throws(CommandError) {
        var count = 0
        for word in invocation.words.dropFirst() {
            do throws(StoreError) {
                // SAFETY: the word lives until the next line is parsed.
                let key = unsafe word.bytes.bytes
                if isInBatch {
                    if try batch?.removeValue(forKey: key) == true { count += 1 }
                    continue
                }
                if try store.removeValue(forKey: key, deferringSync: defersSync) { count += 1 }
                didWrite()
            } catch {
                throw CommandError(error, at: word)
            }
        }
        acknowledge(count: count)
    }

    func exists(_ invocation: Invocation) throws(CommandError) {
        var count = 0
        for word in invocation.words.dropFirst() {
            try requireUsable(word)
            do throws(StoreError) {
                // SAFETY: the word lives until the next line is parsed.
                let key = unsafe word.bytes.bytes
                let isThere =
                    isInBatch ? try batch?.contains(key: key) == true : try store.contains(key: key)
                if isThere { count += 1 }
            } catch {
                throw CommandError(error, at: word, key: word)
            }
        }
        missCount += invocation.words.count - 1 - count
        reply(count: count)
    }

    /// What can be no key is an error to ask for, as it is to set.
    func requireUsable(_ key: Word) throws(CommandError) {
        if key.canBeKey { return }
        let count = unsafe key.bytes.count
        throw CommandError(count == 0 ? .emptyKey : .keyTooLong(length: count), at: key)
    }

    /// The file of `COMMAND KEY < FILE`; nil where the words hold no such sign.
    private func redirection(_ words: [Word], _ sign: StaticString) throws(CommandError) -> Word? {
        for other in ["<", ">"] as [StaticString] {
            guard let index = words.firstIndex(where: { $0.isBare(other) }) else { continue }
            guard index == 2, words.count == 4, words[2].isBare(sign) else {
                throw .usage(
                    "\(other) does not fit here; quote it if it is meant as a word",
                    at: words[index])
            }
            return words[3]
        }
        return nil
    }
}
