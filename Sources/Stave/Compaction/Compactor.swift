internal import StaveDisk
internal import Synchronization

/// Decides what is rewritten, and runs it: one compaction at a time, beside readers and writers.
///
/// It changes log and index only through their calls. What it decides is kept in `state`; how a
/// compaction goes is `Compaction`'s.
@safe final class Compactor: @unchecked Sendable {
    // @unchecked: constants, atomics, objects that guard themselves, and what `stateLock` guards.

    let log: Log
    let index: Index
    let policy: CompactionPolicy
    /// How long deletions stay for followers, in seconds.
    let keptSeconds: UInt32
    /// What others may say to the compaction that runs.
    let gate = CompactionGate()
    /// Compacts without being asked.
    let thread = Worker()
    /// One compaction at a time.
    let lock = Lock(.compaction)
    /// Guards `state`.
    private let stateLock = Lock(.compactorState)
    private let state = GuardedState(State())

    /// The MANIFEST's revision at which no segment held enough tombstones that nothing needs.
    let revisionWithoutIdleTombstones = Atomic<UInt64>(0)
    /// The MANIFEST's revision at which the directory was above its bound and no segment was worth
    /// a compaction.
    let revisionWithoutVictims = Atomic<UInt64>(0)

    struct State {
        /// Neither a segment nor a compaction was begun: the first segment may take records of
        /// others along.
        var mayAbsorb = true
        /// Why the background's last compaction failed, and from when on it may try again, as
        /// `Clock.monotonicNanoseconds` says.
        var failure: (error: StoreError, nextTry: Int)?
        /// Bytes that the background's compaction copies, at most; 0 where none runs.
        var bytesInFlight = 0
        var counters = Counters()
        /// Up to which number each follower in this process has the changes.
        var followers: [Int: UInt64] = [:]
    }

    /// Since the store was opened.
    struct Counters {
        var compactionCount = 0
        var copiedBytes = 0
        var freedBytes = 0
        /// Seconds since 1970; nil before the first.
        var lastCompaction: UInt32?
    }

    init(_ log: Log, _ index: Index, _ options: StoreOptions) {
        self.log = log
        self.index = index
        policy = options.compaction
        keptSeconds = UInt32(clamping: options.keptDeletions.components.seconds)
    }

    // MARK: State

    func withState<Result>(_ body: (inout State) -> Result) -> Result {
        stateLock.withLock { body(&state.value) }
    }

    var mayAbsorb: Bool { withState { $0.mayAbsorb } }

    func forbidAbsorbing() { withState { $0.mayAbsorb = false } }

    /// A compaction has ended its work on the segments.
    func noteEnd(copying count: Int) {
        withState {
            $0.counters.compactionCount += 1
            $0.counters.copiedBytes += count
        }
    }

    // MARK: On request

    /// Rewrites all that keeps the store from being small and in key order; see `Store.compact`.
    func compactAll(progress: ((Double) -> Void)?) throws(StoreError) -> CompactionReport {
        let ticket = gate.ticket
        let bytesBefore = log.bytesOnDisk()
        try index.withLock { () throws(StoreError) in
            try log.requireWritable()
            try log.endActiveSegment()
        }
        try log.sealFull()
        lock.lock()
        defer { lock.unlock() }
        try log.requireOpen()
        let (inputs, others) = candidates()
        guard !inputs.isEmpty else { return CompactionReport() }
        return try run(
            Compaction(of: inputs, others: others, in: self, makesSequence: true), ticket: ticket,
            bytesPerSecond: 0, bytesBefore: bytesBefore, progress: progress)
    }

    /// What `compactAll` would do now.
    func plan() throws(StoreError) -> CompactionReport {
        lock.lock()
        defer { lock.unlock() }
        let (inputs, others) = candidates(withActive: true)
        guard !inputs.isEmpty else { return CompactionReport() }
        return try Compaction(of: inputs, others: others, in: self, makesSequence: true).plan()
    }

    /// Segments worth rewriting, and those that are not, among the sealed ones and on request the
    /// others, as if they were sealed.
    private func candidates(
        withActive: Bool = false
    ) -> (inputs: [Segment], others: [Segment]) {
        let all = index.withLock {
            log.visibleSegments.filter { $0.isSealed || (withActive && $0.sequences != nil) }
                .map { (segment: $0, end: $0.end) }
        }
        var images: [ObjectIdentifier: HintImage] = [:]
        for (segment, end) in all {
            let entries = log.sortedRun(of: segment, upTo: end)
            if entries.unreadable.isEmpty { images[ObjectIdentifier(segment)] = entries.image }
        }
        let inputs = index.withLock {
            all.map(\.segment).worthRewriting(segmentSize: log.segmentSize) {
                images[ObjectIdentifier($0)]
            }
        }
        let others = all.map(\.segment).filter { segment in !inputs.contains { $0 === segment } }
        return (inputs, others)
    }

    // MARK: Running one

    /// Under `lock`.
    private func run(
        _ compaction: Compaction, ticket: Int, bytesPerSecond: Int, bytesBefore: Int,
        progress: ((Double) -> Void)? = nil
    ) throws(StoreError) -> CompactionReport {
        var copied = 0
        repeat {
            guard compaction.isCancellable else { continue }
            let step = compaction.report.copiedBytes - copied
            copied += step
            let nanoseconds = CompactionPolicy.nanoseconds(
                toCopy: step, bytesPerSecond: bytesPerSecond)
            do throws(StoreError) {
                try gate.pass(ticket, waiting: nanoseconds)
            } catch {
                compaction.abandon(error)
                throw error
            }
            LockOrder.forgettingHeld { progress?(compaction.fractionDone) }
        } while try compaction.step()
        LockOrder.forgettingHeld { progress?(1) }
        var report = compaction.report
        report.freedBytes = max(0, bytesBefore - log.bytesOnDisk())
        withState {
            $0.counters.freedBytes += report.freedBytes
            $0.counters.lastCompaction = Clock.seconds()
            $0.failure = nil
        }
        // It may have used what is kept for a full disk.
        log.storeLock?.keepReserve()
        gate.signal()
        return report
    }

    /// Runs `body` where no compaction runs, and none may begin meanwhile; else does nothing.
    func unlessRunning(_ body: () -> Void) {
        guard lock.tryLock() else { return }
        defer { lock.unlock() }
        body()
    }
}

// MARK: - In the background

extension Compactor {
    /// Nanoseconds between a compaction that failed and the next one.
    private static let rest = 60_000_000_000

    /// Compacts until nothing is due. An error, a full disk for one, ends it: it is kept for
    /// `statistics`, told as an event, and tried again no sooner than a minute later.
    func compactAsNeeded() {
        while !log.isClosing, !gate.isHeld {
            let now = Clock.monotonicNanoseconds()
            let isResting = withState { state -> Bool in
                guard let failure = state.failure else { return false }
                if now >= failure.nextTry { state.failure = nil }
                return state.failure != nil
            }
            if isResting { return }
            do throws(StoreError) {
                let report = try log.freeingSpace { () throws(StoreError) in try compactOnce() }
                if let report { log.events.tell(.compacted(report)) }
                if report?.segmentsBefore ?? 0 == 0 { return endWriteStall() }
            } catch {
                switch error {
                case .cancelled, .closed: return
                default: break
                }
                withState { $0.failure = (error, now + Self.rest) }
                gate.signal()
                log.events.tell(.compactionFailed(error))
                return
            }
        }
    }

    /// One compaction of the most worthwhile segments; nil where nothing is due.
    func compactOnce() throws(StoreError) -> CompactionReport? {
        let ticket = gate.ticket
        try endActiveSegmentEarly()
        lock.lock()
        defer { lock.unlock() }
        if log.isClosing { return nil }
        var (sealed, inputs, isDue) = index.withLock {
            let visible = log.visibleSegments
            return (
                visible.filter(\.isSealed), nextRewrite(visible), SpaceUse(visible).isDue(policy)
            )
        }
        if isDue, inputs.isEmpty { inputs = try segmentWithIdleTombstones(sealed) }
        guard !inputs.isEmpty else { return nil }
        let others = sealed.filter { segment in !inputs.contains { $0 === segment } }
        let bytes = index.withLock { inputs.reduce(0) { $0 + $1.copiedBytes } }
        withState { $0.bytesInFlight = bytes }
        defer { withState { $0.bytesInFlight = 0 } }
        return try run(
            Compaction(of: inputs, others: others, in: self), ticket: ticket,
            bytesPerSecond: policy.bytesPerSecond, bytesBefore: log.bytesOnDisk())
    }

    private func nextRewrite(_ segments: [Segment]) -> [Segment] {
        segments.nextRewrite(policy, segmentSize: log.segmentSize)
    }

    private func endActiveSegmentEarly() throws(StoreError) {
        try index.withLock { () throws(StoreError) in
            guard isActiveWorthEnding(spaceUse) else { return }
            try log.requireWritable()
            try log.endActiveSegment()
        }
        try log.sealFull()
    }

    /// A segment that is worth rewriting because nothing needs its tombstones any more.
    private func segmentWithIdleTombstones(
        _ sealed: [Segment]
    ) throws(StoreError) -> [Segment] {
        let revision = log.manifest.current.revision
        guard revision != revisionWithoutIdleTombstones.load(ordering: .relaxed) else { return [] }
        for segment in index.withLock({ sealed.withTombstones }) {
            let others = sealed.filter { $0 !== segment }
            let plan = try Compaction(of: [segment], others: others, in: self).plan()
            if segment.isMostlyFreed(copying: plan.copiedBytes) { return [segment] }
        }
        revisionWithoutIdleTombstones.store(revision, ordering: .relaxed)
        return []
    }

    // MARK: Write stalls

    /// Does a writer have to wait, because the directory is above its bound and a compaction can do
    /// something about it?
    var isWriteStallDue: Bool {
        guard policy.isAutomatic, !log.isClosing, !gate.isHeld else { return false }
        let (isFull, hasFailed) = index.withLock {
            (isOverBound, log.failure != nil || withState { $0.failure != nil })
        }
        let isHopeless =
            revisionWithoutVictims.load(ordering: .acquiring) == log.manifest.current.revision
        return isFull && !hasFailed && !isHopeless
    }

    /// Nothing is left that a compaction could do now: writers do not wait for it. Segments that
    /// are sealed later may change that.
    private func endWriteStall() {
        if index.withLock({ isOverBound }) {
            revisionWithoutVictims.store(log.manifest.current.revision, ordering: .releasing)
            gate.signal()
        }
    }

    // MARK: Under the log's lock (`Index.withLock`)

    var spaceUse: SpaceUse { SpaceUse(log.visibleSegments) }

    /// Would a compaction in the background do something now?
    var isNeeded: Bool {
        guard policy.isAutomatic else { return false }
        let use = spaceUse
        return use.isDue(policy) || isActiveWorthEnding(use)
    }

    /// Whether a compaction in the background would find something to do among `segments`.
    func hasWorthwhileSegment(_ segments: [Segment]) -> Bool {
        !nextRewrite(segments).isEmpty || isActiveWorthEnding(SpaceUse(segments))
    }

    private func isActiveWorthEnding(_ use: SpaceUse) -> Bool {
        guard let active = log.activeSegment else { return false }
        return use.isWorthEnding(active, policy)
    }

    private var isOverBound: Bool {
        spaceUse.isOverBound(
            policy, segmentSize: log.segmentSize, inFlight: withState { $0.bytesInFlight })
    }
}
