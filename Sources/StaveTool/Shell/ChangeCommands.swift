internal import Stave

extension CommandTable {
    private static let replace = Command.Option(
        name: "--replace", help: "also where the second key is there")

    /// Commands that change a key by what is there.
    static let changeCommands: [Command] = [
        Command(
            "incr", "KEY [N]", words: 1...2, .write,
            "add N, or 1, to the number under a key; prints the sum",
            details: [
                "The value is a whole number of 64 bits in decimal digits; an absent key counts as 0."
            ],
            examples: ["incr visits", "incr stock:17 -3"]
        ) { session, invocation throws(CommandError) in try session.increment(invocation) },
        Command(
            "append", "KEY TEXT", words: 2...2, .write,
            "add text behind the value of a key, or set it where it is absent",
            examples: ["append log:today \"; started\"", "append name -2"]
        ) { session, invocation throws(CommandError) in
            let words = invocation.words
            let (bytes, key) = (words[2].array, words[1].array)
            try session.change(at: words[1]) { (batch) throws(StoreError) in
                _ = try batch.append(bytes, toKey: key)
            }
            session.acknowledge("OK")
        },
        Command(
            "rename", "OLD NEW [--replace]", words: 2...2, .write, "give a value another key",
            details: ["Where NEW is there already, nothing is done and the answer is 0."],
            options: [replace], takesAnyWord: true,
            examples: ["rename user:1 user:9", "rename a b --replace"]
        ) { session, invocation throws(CommandError) in try session.move(invocation) },
        Command(
            "copy", "FROM TO [--replace]", words: 2...2, .write,
            "give a second key the value of a first",
            details: ["Where TO is there already, nothing is done and the answer is 0."],
            options: [replace], takesAnyWord: true,
            examples: ["copy user:1 backup:1", "copy user:1 backup:1 --replace"]
        ) { session, invocation throws(CommandError) in try session.move(invocation) },
    ]
}

extension Session {
    /// Makes one change, or adds it to the batch that was begun.
    func change<Result>(
        at word: Word, _ body: (inout Batch) throws(StoreError) -> Result
    ) throws(CommandError) -> Result {
        do throws(StoreError) {
            if isInBatch { return try body(&batch!) }
            while true {
                var batch = store.makeBatch()
                let result = try body(&batch)
                if try store.commit(batch, deferringSync: defersSync) {
                    didWrite()
                    return result
                }
            }
        } catch {
            throw CommandError(error, at: word)
        }
    }

    fileprivate func increment(_ invocation: Invocation) throws(CommandError) {
        let words = invocation.words
        var difference: Int64 = 1
        if words.count > 2 {
            guard let number = Int64(words[2].string) else {
                throw .usage("incr adds a whole number of 64 bits", at: words[2])
            }
            difference = number
        }
        let key = words[1].array
        let sum = try change(at: words[1]) { (batch) throws(StoreError) in
            try batch.increment(key, by: difference)
        }
        reply("\(sum)")
    }

    /// `rename` and `copy`.
    fileprivate func move(_ invocation: Invocation) throws(CommandError) {
        let words = invocation.words
        let (old, new, replacing) = (words[1].array, words[2].array, invocation.has("--replace"))
        let isRename = invocation.command.name == "rename"
        let obstacle = try change(at: words[1]) { (batch) throws(StoreError) in
            isRename
                ? try batch.rename(old, to: new, replacing: replacing)
                : try batch.copy(old, to: new, replacing: replacing)
        }
        switch obstacle {
        case nil: acknowledge("OK")
        // SAFETY: the word lives until the next line is parsed.
        case .sourceIsAbsent: unsafe reportMissing(words[1].bytes)
        case .targetIsPresent: refuse()
        }
    }

    /// The answer where a condition does not hold.
    func refuse() {
        missCount += 1
        reply("0")
    }
}
