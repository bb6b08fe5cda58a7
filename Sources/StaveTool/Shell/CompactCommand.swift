internal import Stave
internal import Synchronization

extension CommandTable {
    static let compactCommand = Command(
        "compact", "[--dry-run | pause | resume]", words: 0...1, .write,
        "rewrite what is live and free the rest",
        details: [
            "Afterwards the store is one sorted sequence, which scans read fastest.",
            "Ctrl-C stops it, and the store is as it was before.",
            "The background compacts by itself; pause and resume say when it may.",
        ],
        options: [.init(name: "--dry-run", help: "only say what would be done")],
        readingOption: "--dry-run",
        examples: ["compact --dry-run", "compact pause"]
    ) { session, invocation throws(CommandError) in try session.compact(invocation) }
}

extension Session {
    func compact(_ invocation: Invocation) throws(CommandError) {
        let isDry = invocation.has("--dry-run")
        if invocation.words.count > 1 {
            return try steerCompaction(invocation.words[1], isDry: isDry)
        }
        if isCompactionPaused, !isDry {
            throw CommandError(
                "compaction is paused; compact resume lets it go on", at: invocation.words[0])
        }
        do throws(StoreError) {
            let report = try isDry ? store.compactionPlan() : compactWithProgress()
            reply(Self.text(of: report, isDry: isDry))
            for damage in report.damage { note("note: \(damage)") }
        } catch {
            throw CommandError(error, at: invocation.words[0])
        }
    }

    private static func text(of report: CompactionReport, isDry: Bool) -> String {
        guard report.segmentsBefore > 0 else { return "nothing to compact" }
        let (copied, freed) = (Units.bytes(report.copiedBytes), Units.bytes(report.freedBytes))
        return (isDry ? "would compact" : "compacted")
            + " \(Units.count(report.segmentsBefore, "segment")) into"
            + " \(Units.count(report.segmentsAfter)):"
            + (isDry ? " copies \(copied), frees \(freed)" : " copied \(copied), freed \(freed)")
    }

    /// `compact pause` and `compact resume`.
    private func steerCompaction(_ word: Word, isDry: Bool) throws(CommandError) {
        if isDry { throw .usage("--dry-run stands alone", at: word) }
        guard word.equals("pause") || word.equals("resume") else {
            throw .usage("what follows compact is pause, resume or --dry-run", at: word)
        }
        if place == .oneShot {
            throw CommandError("pause and resume last as long as a shell does", at: word)
        }
        if store.isReadOnly {
            throw CommandError("the store is open read-only; only its writer compacts", at: word)
        }
        isCompactionPaused = word.equals("pause")
        if isCompactionPaused { store.pauseCompaction() } else { store.resumeCompaction() }
        acknowledge("OK")
    }

    /// The store works on a thread of its own. This one notices a signal and draws the bar, also
    /// while the other waits for a compaction of the background or for a sync.
    private func compactWithProgress() throws(StoreError) -> CompactionReport {
        // Earlier replies do not wait for it, and they stand above the bar.
        flush()
        var bar: ProgressBar?
        if ProgressBar.isWanted {
            let segments = try store.statistics().segments
            let wasteful = segments.filter { $0.deadBytes + $0.tombstoneBytes > 0 }
            let bytes = (wasteful.isEmpty ? segments : wasteful).reduce(0) { $0 + $1.bytes }
            bar = ProgressBar("compacting", bytes: bytes, on: errors)
        }
        defer { bar?.erase() }
        let state = CompactionState()
        state.isCancelled.store(isInterrupted(), ordering: .relaxed)
        let call = LongCall { [store, state] () throws(StoreError) in
            try store.compact { fraction in
                state.millionths.store(Int(fraction * 1e6), ordering: .relaxed)
                if state.isCancelled.load(ordering: .relaxed) { store.cancelCompaction() }
            }
        }
        // A sync cannot be cancelled, and a person does not wait for one.
        var patience = place == .prompt ? 20 : Int.max
        let report = try call.wait { [self] in
            bar?.show(Double(state.millionths.load(ordering: .relaxed)) / 1e6)
            guard isInterrupted() else { return false }
            state.isCancelled.store(true, ordering: .relaxed)
            store.cancelCompaction()
            patience -= 1
            return patience < 0
        }
        guard let report else { throw StoreError.cancelled }
        return report
    }
}

/// What the two threads of `compact` tell each other.
private final class CompactionState: Sendable {
    let millionths = Atomic<Int>(0)
    let isCancelled = Atomic<Bool>(false)
}
