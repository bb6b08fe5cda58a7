internal import StaveDisk
internal import Synchronization

/// A key-value store in one directory: an append-only log of segments and a hash index in memory.
///
///     let store = try Store(path: "data", options: options)
///     try store.set("Ada", forKey: "user:1")
///     try store.value(forKey: "user:1")
///
/// Keys are 1 to 65,535 bytes, values up to 1 GiB, both any bytes. One process writes; its threads may
/// all use the same store at the same time. Readers never wait. Other processes open it read-only.
///
/// What is acknowledged is not lost: not when the process dies, and, as `Durability` says, not when the
/// power fails. What is read was checked: damage is an error, never a wrong value.
public final class Store: @unchecked Sendable {
    // @unchecked: constants, atomics, and what the four locks guard as their comments say.

    public let path: String
    public let durability: Durability
    /// What opening found worth telling, a sentence each: a torn tail that was cut, damage, a hint
    /// file that had to be made again. Empty for a store that was closed cleanly.
    public let notices: [String]

    let options: StoreOptions
    let storeLock: StoreLock?
    let log: Log
    /// The log's.
    let manifest: ManifestFile
    let table: SegmentTable
    let keydir: Keydir
    let queue = KeydirQueue()
    /// The keydir's hash is keyed by the store's id, so that nobody can choose keys that collide.
    let hashSeed: UInt64
    let uncertainties: [Uncertainty]
    /// Entries older than this may not be the newest; see `Uncertainty`. 0 where all is certain.
    let certainFrom: UInt64
    /// Records and entries that opening read because no checkpoint knew them.
    let replayedCount: Int
    /// The first number that this process writes.
    let firstNewSequence: UInt64
    /// Segments to which the background writes a hint file, once it has started.
    let withoutHint: HintBacklog
    /// Bytes after which a writer looks whether the background has work: small beside a segment, so
    /// that the directory's bound holds for small ones too.
    let tendingStep: Int
    private let isClosed = Atomic<Bool>(false)
    let durableSequence: Atomic<UInt64>
    let worker = Worker()
    let compactor = Worker()
    let populator = Worker(isPeriodic: false)
    let gate = CompactionGate()
    /// The MANIFEST's revision at which no segment held enough tombstones that nothing needs.
    let revisionWithoutIdleTombstones = Atomic<UInt64>(0)

    /// The MANIFEST's revision at which the directory was above its bound and no segment was worth a
    /// compaction.
    let revisionWithoutVictims = Atomic<UInt64>(0)

    // The locks, outermost first. Nobody takes an earlier one while holding a later one.
    /// One compaction at a time.
    let compactionLock = Lock()
    /// One sealing at a time.
    let sealLock = Lock()
    /// Guards syncing: one at a time, so that those who wait share the next one.
    let syncLock = Lock()
    /// Guards `writer` and all that is written to the keydir and the segment table. All but a set take it
    /// through `withWriterLock`.
    let writerLock = Lock()
    private let writerState: GuardedState<WriterState>
    var writer: WriterState {
        @inline(__always) unsafeAddress { unsafe UnsafePointer(writerState.memory) }
        @inline(__always) unsafeMutableAddress { unsafe writerState.memory }
    }

    /// Opens the store in the directory `path`.
    ///
    /// - Throws: `StoreError`, as its first group says; nothing is changed on disk then.
    public convenience init(
        path: String, options: StoreOptions = StoreOptions()
    ) throws(StoreError) {
        self.init(try Opening.run(path: path, options: options))
    }

    init(_ parts: consuming StoreParts) {
        path = parts.path
        options = parts.options
        tendingStep = min(1 << 20, parts.options.segmentSize / 8)
        durability = parts.options.durability
        log = parts.log
        manifest = parts.log.manifest
        table = parts.log.table
        keydir = parts.keydir
        hashSeed = parts.hashSeed
        uncertainties = parts.uncertainties
        certainFrom = parts.uncertainties.map(\.sequence).max() ?? 0
        replayedCount = parts.replayedCount
        firstNewSequence = parts.writer.nextSequence
        durableSequence = Atomic(parts.durableSequence)
        notices = parts.notices
        withoutHint = HintBacklog(parts.withoutHint)
        writerState = GuardedState(parts.writer)
        storeLock = parts.lock.take()
    }

    deinit { try? close() }

    public var isReadOnly: Bool { readOnlyReason != nil }

    /// Why a store that was opened to be written may not be; nil where it may.
    var readOnlyReason: String? { log.readOnlyReason }

    /// It holds the lock, even where damage keeps it from writing.
    var isWriter: Bool { options.access == .readWrite }

    /// Keys with a value. May wait for a write that is being made.
    public var count: Int { withWriterLock { keydir.count } }

    var isClosing: Bool { isClosed.load(ordering: .relaxed) }

    func requireOpen() throws(StoreError) {
        if isClosed.load(ordering: .relaxed) { throw .closed }
    }

    /// Makes everything durable, seals all segments, saves the keydir where that makes the next open
    /// faster, and lets the lock go. Later calls do nothing; other uses of a closed store throw
    /// `StoreError.closed`.
    public func close() throws(StoreError) {
        if isClosed.exchange(true, ordering: .sequentiallyConsistent) { return }
        // A compaction stops at its next step, or ends if it has committed: nothing may be committed
        // once the lock is let go.
        gate.close()
        compactor.stop()
        worker.stop()
        populator.stop()
        defer { compactionLock.withLock { storeLock?.release() } }
        guard !isReadOnly else { return }
        try syncNow()
        do throws(StoreError) {
            try sealAll()
        } catch {
            // All is durable, and a full disk keeps MANIFEST from saying so: the next open finds the end
            // of the log by itself.
            guard case .noSpace = error else { throw error }
        }
        compactionLock.withLock { saveCheckpoint() }
    }

    /// Ends the active segment and seals it: MANIFEST then says where the log ends, so that no byte of it
    /// can go unnoticed. What is written next goes to a segment of its own.
    private func sealAll() throws(StoreError) {
        try sealFull()
        withWriterLock {
            if let appender = writer.appender { writer.full.append(appender) }
            writer.appender = nil
        }
        // Without its hint, which takes as long as reading the segment: the checkpoint knows the entries,
        // or they are few.
        try sealFull(withHints: false)
    }
}

/// What the writer lock guards, besides the keydir and the segment table.
@safe struct WriterState {
    /// The active segment; nil until the first write needs one.
    var appender: Appender? {
        didSet { unsafe active = appender.map { unsafe .passUnretained($0) } }
    }
    /// The same for each write, without the cost of a reference.
    private(set) var active: Unmanaged<Appender>?
    /// Full segments that are not sealed yet, oldest first.
    var full: [Appender] = []
    /// Whatever is not known to be durable lies in one of these, oldest first.
    var openAppenders: [Appender] { full + (appender.map { [$0] } ?? []) }
    var nextSequence: UInt64
    /// Neither a segment nor a compaction was begun: the first segment may take records of others along.
    var mayAbsorb = true
    /// Why no more writes are taken, once a sync has failed or the directory is lost.
    var failure: StoreError?
    /// Why the background's last compaction failed, and from when on it may try again, as
    /// `Clock.monotonicNanoseconds` says.
    var compactionFailure: (error: StoreError, nextTry: Int)?
    /// Bytes that the background's compaction copies, at most; 0 where none runs.
    var bytesInFlight = 0
    /// Bytes appended when a writer last looked whether the background has work.
    var tendedBytes = 0
    /// Bytes appended when a writer last asked for a sync because of their number.
    var syncedBytes = 0
    /// A compaction is between its commit and its end: entries name records of inputs and of outputs.
    var isSwitching = false
    /// Segments that a compaction replaced, until no reader can be inside.
    var limbo = Limbo()
    var counters = Counters()

    init(nextSequence: UInt64) { self.nextSequence = nextSequence }

    struct Counters {
        var compactionCount = 0
        var copiedBytes = 0
        var freedBytes = 0
        var writtenBytes = 0
        /// Seconds since 1970; nil before the first.
        var lastCompaction: UInt32?
    }
}
