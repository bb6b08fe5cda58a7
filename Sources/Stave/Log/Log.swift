internal import StaveDisk
internal import Synchronization

/// The store's records on disk, as all its parts share them: the directory, MANIFEST, the segments,
/// the end that grows, and what is durable. It knows nothing of the index.
///
/// Rules:
/// 1. Records are appended under `lock`, in the order of their numbers.
/// 2. A segment is active (it grows), then full (nothing more is appended), then sealed (durable).
///    MANIFEST names a segment before anything is appended to it.
/// 3. No segment is durable further than the ones before it (`makeDurable`).
/// 4. After a sync that failed nothing more is written: the kernel may have dropped the pages, so
///    that a second try would succeed without them.
@safe final class Log: @unchecked Sendable {
    // @unchecked: constants, atomics, objects that guard themselves, and what the locks guard as
    // their comments say.

    let directory: Directory
    /// Keeps other writers out; nil where the store is read-only.
    let storeLock: StoreLock?
    let manifest: ManifestFile
    let table = SegmentTable()
    /// Bytes of a segment, unless a record needs more.
    let segmentSize: Int
    /// Why nothing may be written; nil where it may.
    let readOnlyReason: String?
    let events: EventHub
    /// No record of this store has this number as recovery found it, or a higher one.
    let firstUnknownSequence: UInt64
    /// The store is closed, or on its way there.
    let isClosed = Atomic<Bool>(false)
    /// Writes with lower numbers are durable.
    let durableSequence = Atomic<UInt64>(0)
    /// Sealed segments without a usable hint file.
    let withoutHint = HintBacklog()
    /// Guards `mayHaveLeftovers`.
    let leftoversLock = Lock(.leftovers)
    var mayHaveLeftovers = true

    /// One sealing at a time.
    let sealLock = Lock(.sealing)
    /// Guards syncing: one at a time, so that those who wait share the next one.
    let syncLock = Lock(.syncing)
    /// The writer lock: guards `writer`, the segments' counters, and all that is written to the
    /// index and the segment table.
    let lock = Lock(.writing)
    private let writerState = GuardedState(WriterState())
    var writer: WriterState {
        @inline(__always) unsafeAddress { unsafe UnsafePointer(writerState.memory) }
        @inline(__always) unsafeMutableAddress { unsafe writerState.memory }
    }

    init(
        _ directory: consuming Directory, lock: consuming StoreLock?, _ manifest: ManifestFile,
        firstUnknownSequence: UInt64, readOnlyReason: String?, options: StoreOptions
    ) {
        self.directory = directory
        storeLock = lock
        self.manifest = manifest
        self.firstUnknownSequence = firstUnknownSequence
        self.readOnlyReason = readOnlyReason
        segmentSize = options.segmentSize
        events = EventHub(options.onEvent)
    }

    /// What opening found: the next write's number, segments that no process sealed, and those that
    /// lack a hint.
    ///
    /// - Parameter durable: writes with lower numbers are durable.
    func begin(
        at nextSequence: UInt64, durable: UInt64, full: [Appender], withoutHint segments: [Segment]
    ) {
        writer.nextSequence = nextSequence
        writer.firstNewSequence = nextSequence
        writer.full = full
        durableSequence.store(durable, ordering: .releasing)
        withoutHint.add(segments)
    }

    var path: String { directory.path }

    var isClosing: Bool { isClosed.load(ordering: .relaxed) }

    @inline(__always)
    func requireOpen() throws(StoreError) {
        if isClosed.load(ordering: .relaxed) { throw .closed }
    }

    // MARK: The lock

    /// Runs `body` under the lock. The index may lack the newest sets meanwhile: what asks it, or
    /// wants live bytes, takes `Index.withLock`.
    @inline(__always)
    func withLock<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try lock.withLock(body)
    }

    // MARK: Under it

    /// The next write's number.
    var nextSequence: UInt64 { writer.nextSequence }

    /// The segments that make up the store.
    var visibleSegments: [Segment] { table.visibleSegments }

    /// Numbers that this process took.
    var newCount: Int { Int(clamping: writer.nextSequence - writer.firstNewSequence) }

    var activeSegment: Segment? { writer.appender?.segment }

    /// Why no more writes are taken; nil where they are.
    var failure: StoreError? { writer.failure }

    /// All that was written is in sealed segments.
    var isSealed: Bool { writer.full.isEmpty && writer.appender == nil }

    func segment(withIdentity identity: UInt64) -> Segment? {
        table.segments.lazy.compactMap { $0 }.first { $0.identity == identity }
    }

    @inline(__always)
    func requireWritable() throws(StoreError) {
        try requireOpen()
        if let readOnlyReason { throw .readOnly(path: path, reason: readOnlyReason) }
        if let failure = writer.failure { throw failure }
        try manifest.requireCertain()
        // 2^64 writes are never made; a made-up file may claim that they were.
        if writer.nextSequence >= .max - 1 {
            throw .readOnly(path: path, reason: "its sequence numbers are used up")
        }
    }

    /// Has the active segment room for a record of this length?
    @inline(__always)
    func hasRoom(_ recordLength: Int) -> Bool {
        guard let active = unsafe writer.active else { return false }
        return unsafe active._withUnsafeGuaranteedRef { $0.hasRoom(recordLength) }
    }

    /// Appends a record to the active segment, which has room for it. Throws before anything is
    /// written.
    @inline(__always)
    func append(
        _ kind: RecordKind, _ value: RawSpan, forKey key: RawSpan
    ) throws(StoreError) -> (sequence: UInt64, location: Location) {
        let sequence = writer.nextSequence
        let header = RecordHeader(
            kind: kind, sequence: sequence, time: Clock.seconds(), keyLength: key.byteCount,
            valueLength: value.byteCount)
        let length = RecordHeader.recordLength(key: key.byteCount, value: value.byteCount)
        var location = Location(bits: 0)
        // SAFETY: `writer.appender` holds the reference while the lock is held.
        let failure = unsafe writer.active.unsafelyUnwrapped._withUnsafeGuaranteedRef {
            appender -> StoreError? in
            do throws(StoreError) {
                let offset = try appender.append(header, key: key, value: value)
                location = Location(segmentIndex: appender.segment.index, offset: offset)
                appender.segment.note(sequence: sequence)
                // Not `==`, which is a call of a generic function.
                if case .value = kind {
                    appender.segment.liveBytes &+= length
                } else {
                    appender.segment.tombstoneBytes &+= length
                }
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
        writer.nextSequence = sequence &+ 1
        writer.writtenBytes &+= length
        return (sequence, location)
    }

    /// Takes a record that is superseded out of its segment's live bytes.
    @inline(__always)
    func markDead(_ location: Location) {
        guard let header = table.record(at: location).header else { return }
        table.withSegment(location.segmentIndex) { segment in
            // The header is not checked here; a damaged one may make the figure wrong, not
            // negative.
            segment.liveBytes = max(0, segment.liveBytes - header.recordLength)
        }
    }

    /// Bytes of records that this process appended.
    var writtenBytes: Int { writer.writtenBytes }

    /// Full segments that are not sealed yet.
    var fullCount: Int { writer.full.count }

    /// Have so many bytes been written since this was last true?
    func takeSyncDue(every step: Int) -> Bool {
        guard writer.writtenBytes - writer.syncedBytes >= step else { return false }
        writer.syncedBytes = writer.writtenBytes
        return true
    }

    /// Takes note of an error after which nothing more may be written. Of others it takes none.
    func note(_ error: StoreError) {
        if case .syncFailed = error { writer.failure = error }
    }

    /// What its segments hold now, for a snapshot; the same as last time if nothing was written and
    /// no segment came or went.
    ///
    /// - Parameter replaced: what is to be freed outside the lock.
    func sources(replaced: inout SortedSources?) -> SortedSources {
        if let last = table.lastSources, last.nextSequence == writer.nextSequence { return last }
        replaced = table.lastSources
        let sources = SortedSources(
            visibleSegments.map { (segment: $0, end: $0.end) }, nextSequence: writer.nextSequence)
        table.lastSources = sources
        return sources
    }

    // MARK: Without the lock

    /// What the background should make ready now for the writer.
    func pagesAhead() -> (appender: Appender, pages: Range<Int>)? {
        withLock {
            guard let appender = writer.appender, let pages = appender.pagesAhead() else {
                return nil
            }
            return (appender, pages)
        }
    }

    /// Bytes of all segments' files and their hint files.
    func bytesOnDisk() -> Int {
        manifest.current.segments.reduce(0) { $0 + bytesOnDisk(of: $1.number) }
    }

    /// Bytes of a segment's file and its hint file.
    func bytesOnDisk(of number: UInt64) -> Int {
        (directory.size(of: FileName.segment(number).name) ?? 0)
            + (directory.size(of: FileName.hint(number).name) ?? 0)
    }

    /// Runs what frees space; on a full disk once more with the space that is kept for it.
    func freeingSpace<Result>(
        _ body: () throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        do throws(StoreError) {
            return try body()
        } catch {
            guard case .noSpace = error, storeLock?.releaseReserve(for: .compacting) == true else {
                throw error
            }
        }
        return try body()
    }
}

/// What the writer lock guards, besides the index and the segment table.
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
    var nextSequence: UInt64 = 1
    /// The first number that this process writes.
    var firstNewSequence: UInt64 = 1
    /// Bytes of records that were appended.
    var writtenBytes = 0
    /// Why no more writes are taken, once a sync has failed or the directory is lost.
    var failure: StoreError?
    /// `writtenBytes` when a writer last looked whether the background has work.
    var wokenAtBytes = 0
    /// `writtenBytes` when a writer last asked for a sync because of their number.
    var syncedBytes = 0
    /// Segments that were replaced, until no reader can be inside.
    var limbo = Limbo()
}
