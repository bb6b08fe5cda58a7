internal import StaveDisk
internal import Synchronization

// What happens without being asked. One thread syncs, once a second and after so many bytes, and seals
// full segments; another one compacts, so that a long compaction holds neither up; a third makes pages
// ready that a writer comes to next. Each starts when there is first something to do. Where no thread can be
// had, the writer does its work, and tries again when it is needed next.

extension Store {
    /// Called by a writer after each `tendingStep` and each new segment, without locks: wakes whoever has
    /// work now, and holds the writer up where the background cannot keep up.
    ///
    /// - Throws: only what ends writing. The write itself was made, so other errors are not its caller's; the
    ///   background meets them again.
    @inline(never)
    func tend() throws(StoreError) {
        let (fullCount, needsCompactor, isSyncDue) = withWriterLock {
            (writer.full.count, isCompactorNeeded(), takeSyncDue())
        }
        startPopulator()
        populator.wake()
        if fullCount > 0 || isSyncDue {
            startWorker()
            worker.wake()
        }
        if needsCompactor {
            startCompactor()
            compactor.wake()
        }
        if fullCount > 2 {
            do throws(StoreError) {
                try sealFull()
            } catch {
                if error.endsWriting { throw error }
            }
        }
        waitForSpace()
    }

    /// Has so much been written since one was asked for because of it, at `interval`, that a sync should not
    /// wait for its second? Then a sync or a close that somebody waits for has little left to do.
    private func takeSyncDue() -> Bool {
        let written = writer.counters.writtenBytes
        guard durability == .interval, written - writer.syncedBytes >= Self.syncStep else {
            return false
        }
        writer.syncedBytes = written
        return true
    }

    private static let syncStep = 16 << 20

    /// Holds a writer up while the directory is above its bound and a compaction can do something
    /// about it.
    private func waitForSpace() {
        guard options.compaction.isAutomatic else { return }
        var patience = 12_000
        while patience > 0, !isClosing, !gate.isHeld {
            let (isFull, hasFailed) = withWriterLock {
                (isOverBound, writer.compactionFailure != nil || writer.failure != nil)
            }
            let isHopeless =
                revisionWithoutVictims.load(ordering: .acquiring) == manifest.current.revision
            guard isFull, !hasFailed, !isHopeless else { return }
            guard startCompactor() else { return compactAsNeeded() }
            compactor.wake()
            gate.waitForChange()
            patience -= 1
        }
    }

    private func populateAhead() {
        let next = withWriterLock { () -> (appender: Appender, pages: Range<Int>)? in
            guard let appender = writer.appender, let pages = appender.pagesAhead() else {
                return nil
            }
            return (appender, pages)
        }
        if let next, !isClosing { next.appender.populate(next.pages) }
    }

    /// After a write at `interval`: makes sure that it is durable within a second. Without a thread it
    /// must be now, as nobody knows when the next call comes.
    @inline(never)
    func ensureSync(of sequence: UInt64) throws(StoreError) {
        if !startWorker() { try makeDurable(sequence) }
    }

    @discardableResult
    private func startWorker() -> Bool { start(worker, for: .syncing) { $0.syncAndSeal() } }

    @discardableResult
    private func startCompactor() -> Bool {
        start(compactor, for: .compacting) { $0.compactAsNeeded() }
    }

    private func startPopulator() {
        _ = start(populator, for: .preparingPages) { $0.populateAhead() }
    }

    /// - Returns: false where no thread could be had, which is told as an event once.
    private func start(
        _ worker: Worker, for work: BackgroundWork, _ body: @escaping @Sendable (Store) -> Void
    ) -> Bool {
        if worker.isStarted.load(ordering: .relaxed) { return true }
        guard case .failed(let error, let isNews) = worker.start(for: path, task(body)) else {
            return true
        }
        if isNews { options.onEvent?(.threadFailed(work, StoreError(error))) }
        return false
    }

    /// Why a thread that is needed could not be started.
    var threadFailure: String? {
        let workers: [(Worker, BackgroundWork)] = [
            (worker, .syncing), (compactor, .compacting), (populator, .preparingPages),
        ]
        return workers.lazy.compactMap { worker, work in
            worker.failure.map { work.message(of: StoreError($0)) }
        }.first
    }

    /// What a background thread runs, which `close` ends before the store does. A weak reference would say
    /// the same, and make each retain and release of the store several times as slow from then on.
    private func task(_ body: @escaping @Sendable (Store) -> Void) -> @Sendable () -> Void {
        let unretained = unsafe Unmanaged.passUnretained(self)
        return {
            // SAFETY: `Store.deinit` waits for the thread, unless it runs in the thread itself: a handler of
            // events may let go of the store. Then this reference keeps it until the body has ended, and
            // no other task follows.
            let store = unsafe unretained.takeUnretainedValue()
            withExtendedLifetime(store) { body(store) }
        }
    }

    private func syncAndSeal() {
        if isClosing { return }
        // Errors here are met again by the next write, sync or close.
        if durability == .interval { try? syncNow() }
        try? sealFull()
        writeMissingHints()
        withWriterLock { writer.limbo.collect(for: path) }
    }

    /// Nanoseconds between a compaction that failed and the next one.
    private static let rest = 60_000_000_000

    /// Compacts until nothing is due. An error, a full disk for one, ends it: it is kept for
    /// `statistics`, told as an event, and tried again no sooner than a minute later.
    private func compactAsNeeded() {
        while !isClosing, !gate.isHeld {
            let now = Clock.monotonicNanoseconds()
            let isResting = withWriterLock { () -> Bool in
                guard let failure = writer.compactionFailure else { return false }
                if now >= failure.nextTry { writer.compactionFailure = nil }
                return writer.compactionFailure != nil
            }
            if isResting { return }
            do throws(StoreError) {
                let report = try freeingSpace { () throws(StoreError) in try compactOnce() }
                if let report { options.onEvent?(.compacted(report)) }
                if report?.segmentsBefore ?? 0 == 0 { return letWritersGo() }
            } catch {
                switch error {
                case .cancelled, .closed: return
                default: break
                }
                withWriterLock { writer.compactionFailure = (error, now + Self.rest) }
                gate.signal()
                options.onEvent?(.compactionFailed(error))
                return
            }
        }
    }

    /// Nothing is left that a compaction could do now: writers do not wait for it. Segments that are
    /// sealed later may change that.
    private func letWritersGo() {
        if withWriterLock({ isOverBound }) {
            revisionWithoutVictims.store(manifest.current.revision, ordering: .releasing)
            gate.signal()
        }
    }

    /// One compaction of the most worthwhile segments; nil where nothing is due.
    func compactOnce() throws(StoreError) -> CompactionReport? {
        let ticket = gate.ticket
        try endActiveSegmentEarly()
        compactionLock.lock()
        defer { compactionLock.unlock() }
        if isClosing { return nil }
        var (sealed, inputs, isDue) = withWriterLock {
            let visible = table.visibleSegments
            let isDue = SpaceUse(visible).isDue(options.compaction)
            return (visible.filter(\.isSealed), nextRewrite(visible), isDue)
        }
        if isDue, inputs.isEmpty { inputs = try segmentWithIdleTombstones(sealed) }
        guard !inputs.isEmpty else { return nil }
        let others = sealed.filter { segment in !inputs.contains { $0 === segment } }
        withWriterLock { writer.bytesInFlight = inputs.reduce(0) { $0 + $1.copiedBytes } }
        defer { withWriterLock { writer.bytesInFlight = 0 } }
        return try run(
            Compaction(of: inputs, others: others, in: self), ticket: ticket,
            bytesPerSecond: options.compaction.bytesPerSecond, bytesBefore: bytesOnDisk())
    }

    private func nextRewrite(_ segments: [Segment]) -> [Segment] {
        segments.nextRewrite(options.compaction, segmentSize: options.segmentSize)
    }

    private func endActiveSegmentEarly() throws(StoreError) {
        try withWriterLock { () throws(StoreError) in
            guard isActiveWorthEnding(spaceUse()) else { return }
            try requireWritable()
            try endActiveSegment()
        }
        try sealFull()
    }

    /// A segment that is worth rewriting because nothing needs its tombstones any more.
    private func segmentWithIdleTombstones(
        _ sealed: [Segment]
    ) throws(StoreError) -> [Segment] {
        let revision = manifest.current.revision
        guard revision != revisionWithoutIdleTombstones.load(ordering: .relaxed) else { return [] }
        for segment in withWriterLock({ sealed.withTombstones }) {
            let others = sealed.filter { $0 !== segment }
            let plan = try Compaction(of: [segment], others: others, in: self).plan()
            if segment.isMostlyFreed(copying: plan.copiedBytes) { return [segment] }
        }
        revisionWithoutIdleTombstones.store(revision, ordering: .relaxed)
        return []
    }

    // Under the writer lock:

    private func isActiveWorthEnding(_ use: SpaceUse) -> Bool {
        guard let active = writer.appender?.segment else { return false }
        return use.isWorthEnding(active, options.compaction)
    }

    private var isOverBound: Bool {
        spaceUse().isOverBound(
            options.compaction, segmentSize: options.segmentSize, inFlight: writer.bytesInFlight)
    }

    private func isCompactorNeeded() -> Bool {
        guard options.compaction.isAutomatic else { return false }
        let use = spaceUse()
        return use.isDue(options.compaction) || isActiveWorthEnding(use)
    }

    /// Whether a compaction in the background would find something to do among `segments`.
    func hasWorthwhileSegment(_ segments: [Segment]) -> Bool {
        !nextRewrite(segments).isEmpty || isActiveWorthEnding(SpaceUse(segments))
    }

    func spaceUse() -> SpaceUse { SpaceUse(table.visibleSegments) }
}
