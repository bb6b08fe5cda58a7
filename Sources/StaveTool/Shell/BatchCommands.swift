internal import Stave

extension CommandTable {
    /// Commands that put writes together.
    static let batchCommands: [Command] = [
        Command(
            "begin", "", .write, "collect the writes that follow, to make them all or none",
            details: [
                "Until commit or abort, set, delete, incr, append, rename and copy only prepare"
                    + " their writes; get and exists see them, count, keys and scan do not.",
                "A script that ends or fails before commit has written nothing of it.",
                "From a command line: stave DIR --atomic < SCRIPT.",
            ],
            examples: ["begin", "begin  # then: set a 1, set b 2, commit"]
        ) { session, invocation throws(CommandError) in try session.begin(invocation) },
        Command(
            "commit", "", .write, "make the writes since begin, all of them or none",
            details: ["Answers OK once all of them are as durable as a single write would be."],
            examples: ["commit", "commit  # nothing is written where it fails"]
        ) { session, invocation throws(CommandError) in try session.commit(invocation) },
        Command(
            "abort", "", .write, "forget the writes since begin",
            examples: ["abort", "abort  # as if begin had never been"]
        ) { session, invocation throws(CommandError) in
            try session.requireBatch(invocation)
            session.forgetBatch()
            session.acknowledge("OK")
        },
    ]
}

extension Session {
    func begin(_ invocation: Invocation) throws(CommandError) {
        let word = invocation.words[0]
        if place == .oneShot {
            throw .usage(
                "a batch is for the shell and for scripts; see stave DIR --atomic", at: word)
        }
        if settings.isAtomic { throw CommandError("the whole script is a batch", at: word) }
        if batch != nil {
            throw CommandError("a batch has begun already; commit or abort it first", at: word)
        }
        if store.isReadOnly { throw CommandError("the store is open read-only", at: word) }
        beginBatch()
        acknowledge("OK")
    }

    func commit(_ invocation: Invocation) throws(CommandError) {
        try requireBatch(invocation)
        try commitBatch(at: invocation.words[0])
        acknowledge("OK")
    }

    /// Makes the writes of the batch. Where that fails it stays, to be tried again or aborted.
    func commitBatch(at word: Word? = nil) throws(CommandError) {
        guard let batch else { return }
        if hasFailedInBatch {
            forgetBatch()
            throw CommandError("a command of the batch failed; nothing of it was written", at: word)
        }
        let isMade: Bool
        do throws(StoreError) {
            isMade = try store.commit(batch, deferringSync: defersSync)
        } catch {
            throw CommandError(error, at: word)
        }
        guard isMade else {
            throw CommandError(
                "a key that the batch depends on has changed; nothing was written", at: word)
        }
        didWrite()
        forgetBatch()
    }

    fileprivate func requireBatch(_ invocation: Invocation) throws(CommandError) {
        let word = invocation.words[0]
        if settings.isAtomic { throw CommandError("the whole script is a batch", at: word) }
        if batch == nil { throw CommandError("there is no batch; begin starts one", at: word) }
    }

    /// What is in the way of a command that would not see the batch, or undo it.
    func refuseInBatch(_ what: String, at word: Word) throws(CommandError) {
        guard isInBatch else { return }
        throw CommandError("\(what) takes no part in a batch; commit or abort it first", at: word)
    }

    /// Says what was given up where a session ends in a batch.
    ///
    /// - Returns: whether it did.
    func giveUpBatch() -> Bool {
        guard let batch, !settings.isAtomic || batch.count > 0 else { return false }
        forgetBatch()
        note(
            "\(place == .script ? "stdin: " : "")the batch was not committed:"
                + " nothing of its \(Units.count(batch.count, "write")) was written")
        return true
    }
}
