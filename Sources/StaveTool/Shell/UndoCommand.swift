internal import Stave
internal import StaveDisk

extension CommandTable {
    static let undoCommand = Command(
        "undo", "KEY", words: 1...1, .write, "write the value again that a key had before",
        details: [
            "The newest write of the key is taken back by another one: its value before, or none"
                + " where it was not there. A second undo takes the first one back.",
            "A compaction frees what was superseded: then it is an error that says so.",
        ],
        examples: ["undo user:1", "undo user:1  # why user:1 shows what there is"]
    ) { session, invocation throws(CommandError) in try session.undo(invocation) }
}

extension Session {
    fileprivate func undo(_ invocation: Invocation) throws(CommandError) {
        let word = invocation.words[1]
        try refuseInBatch("undo", at: invocation.words[0])
        let history = try history(of: word)
        guard let newest = history.versions.first, let previous = history.previous else {
            // SAFETY: the word lives until the next line is parsed.
            return unsafe reportMissing(word.bytes)
        }
        guard newest.isWhole else {
            throw CommandError("the newest version of \(word.shown) is damaged", at: word)
        }
        let value = try value(previous, of: history, word, "before \(newest.sequence)")
        let key = word.array
        let expected = newest.kind == .value ? newest.sequence : nil
        let isAsFound = try change(at: word) { (batch) throws(StoreError) in
            guard unsafe try batch.version(forKey: key.span.bytes) == expected else { return false }
            if let value {
                try batch.set(value, forKey: key)
            } else {
                try batch.removeValue(forKey: key)
            }
            return true
        }
        guard isAsFound else {
            throw CommandError("\(word.shown) was written to meanwhile; nothing was done", at: word)
        }
        acknowledge("OK")
    }

    /// What a key had once the write with this number was made; nil where it was absent.
    func value(of word: Word, at number: UInt64) throws(CommandError) -> [UInt8]? {
        let history = try history(of: word)
        return try value(history.past(at: number), of: history, word, "at \(number)")
    }

    private func value(
        _ past: KeyHistory.Past, of history: KeyHistory, _ word: Word, _ moment: String
    ) throws(CommandError) -> [UInt8]? {
        switch past {
        case .absent: return nil
        case .freed:
            throw CommandError(
                "what \(word.shown) was \(moment) may have been freed by a compaction;"
                    + " why \(word.shown) shows what is left", at: word)
        case .version(let version):
            if version.kind != .value, version.isWhole { return nil }
            guard let value = history.value(of: version) else {
                throw CommandError(
                    "version \(version.sequence) of \(word.shown) is damaged"
                        + " (\(version.segment.name), offset \(version.offset))", at: word)
            }
            return value
        }
    }

    private func history(of word: Word) throws(CommandError) -> KeyHistory {
        try requireUsable(word)
        let history: KeyHistory
        do throws(FileError) {
            history = KeyHistory(
                of: word.array, in: try StoreSurvey(ofStoreAt: store.path, to: "look into"))
        } catch {
            throw CommandError(error.description, at: word)
        }
        guard history.findings.worst != .damage else {
            throw CommandError("damage may concern \(word.shown); see why", at: word)
        }
        return history
    }
}
