internal import Glibc
internal import Stave
internal import StaveDisk

extension CommandTable {
    /// Commands about single keys.
    static let keyCommands: [Command] = [
        Command(
            "get", "[--exact | --pretty] KEY...  (or: get KEY > FILE)", words: 1...Int.max - 1,
            .read,
            redirects: true, isPaged: true, "print the value of each key",
            details: [
                "`get KEY > FILE` writes the bytes of the value to FILE, whatever the format.",
                "From a command line: stave DIR get --exact KEY > FILE.",
            ],
            options: [
                .init(name: "--exact", help: "the bytes alone: no format, no newline"),
                .init(name: "--pretty", help: "JSON indented, other bytes in hexadecimal digits"),
            ],
            takesAnyWord: true, examples: ["get --pretty user:1", "get photo > cat.jpg"]
        ) { session, invocation throws(CommandError) in try session.get(invocation) },
        Command(
            "set", aliases: ["put"], "KEY VALUE  (or: set KEY < FILE)", words: 2...2, .write,
            redirects: true,
            "store a value under a key",
            details: [
                "`set KEY < FILE` stores the bytes of FILE.",
                "From a command line: stave DIR set KEY - < FILE, or a pipe in its place.",
                "The value - itself is written '-' here.",
            ],
            examples: ["set user:1 \"Ada Lovelace\"", "set photo < cat.jpg"]
        ) { session, invocation throws(CommandError) in try session.set(invocation) },
        Command(
            "delete", aliases: ["del", "rm", "remove"], "KEY...", words: 1...Int.max - 1, .write,
            "remove keys; prints how many were there",
            examples: ["delete user:1", "rm a b c"]
        ) { session, invocation throws(CommandError) in try session.delete(invocation) },
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
        if let file = try redirection(words, ">") { return try get(words[1], intoFile: file) }
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
            do throws(StoreError) {
                // SAFETY: the word and the value are used inside the call only.
                let found: Void? = unsafe try store.withValue(forKey: word.bytes.bytes) { value in
                    unsafe value.withUnsafeBytes { value in
                        if isExact { return unsafe output.write(value) }
                        if let pretty { return output.write(unsafe pretty.text(of: Array(value))) }
                        unsafe printer.printValue(value, forKey: word.bytes)
                    }
                }
                if found == nil { unsafe reportMissing(word.bytes) }
            } catch {
                try stepOver(CommandError(error, at: word, key: word))
            }
        }
    }

    func set(_ invocation: Invocation) throws(CommandError) {
        let words = invocation.words
        if let file = try redirection(words, "<") {
            try set(words[1], toContentsOf: file)
        } else {
            // What means stdin on a command line would be another value here.
            if words[2].isBare("-") {
                throw .usage(
                    "- is stdin on a command line only; quote it to store it: '-'", at: words[2])
            }
            do throws(StoreError) {
                return unsafe try set(words[2].bytes, forKey: words[1].bytes)
            } catch {
                throw CommandError(error, at: words[1])
            }
        }
        didWrite()
        acknowledge("OK")
    }

    /// Stores a value and answers OK.
    func set(_ value: UnsafeRawBufferPointer, forKey key: UnsafeRawBufferPointer)
        throws(StoreError)
    {
        // SAFETY: the caller's bytes outlive the call.
        unsafe try store.set(value.bytes, forKey: key.bytes, deferringSync: defersSync)
        didWrite()
        acknowledge("OK")
    }

    func delete(_ invocation: Invocation) throws(CommandError) {
        var count = 0
        for word in invocation.words.dropFirst() {
            do throws(StoreError) {
                // SAFETY: the word lives until the next line is parsed.
                let key = unsafe word.bytes.bytes
                if try store.removeValue(forKey: key, deferringSync: defersSync) { count += 1 }
                didWrite()
            } catch {
                throw CommandError(error, at: word)
            }
        }
        acknowledge("\(count)")
    }

    func exists(_ invocation: Invocation) throws(CommandError) {
        var count = 0
        for word in invocation.words.dropFirst() {
            try requireUsable(word)
            do throws(StoreError) {
                // SAFETY: the word lives until the next line is parsed.
                if unsafe try store.contains(key: word.bytes.bytes) { count += 1 }
            } catch {
                throw CommandError(error, at: word, key: word)
            }
        }
        missCount += invocation.words.count - 1 - count
        reply("\(count)")
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
