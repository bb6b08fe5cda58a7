internal import StaveDisk

/// A segment of an open store: its mapped file and what is known of its records.
///
/// The mapping's address never changes while the object lives, sealed or not, so that locations
/// stay good. Readers reach it through the segment table; cursors hold on to the object itself.
final class Segment: CompactionCandidate, @unchecked Sendable {
    // @unchecked: `mapping` and what is `let` never change; the rest is guarded as its comment
    // says.

    let number: UInt64
    let identity: UInt64
    let mapping: Mapping
    let path: String
    /// Bytes of the file when it was opened; no more than these may be read of a sealed segment.
    let fileSize: Int
    /// It was sealed when the store was opened: `end` is fixed, and a hint file that proves to be
    /// this segment's may be there.
    let mayHaveHint: Bool
    /// Open only where a read-only store must keep the writer from cutting the file.
    private let sharedFile: File?

    /// What changes with each record; guarded by the store's writer lock, as the rest below.
    private let counts: GuardedState<Counts>
    /// What only appending changes, and its index, which stays: both are read beside a writer that
    /// changes the counts, and the thread sanitizer takes a change of one field for one of all.
    private let extent: GuardedState<Extent>
    private let tableIndex = GuardedState(-1)
    var isSealed = false
    /// Bytes behind `end` that a recovery left in place because whole records are among them. A
    /// compaction never takes such a segment as its input.
    var keepsCutBytes = false
    /// Its records lie in the order of their numbers.
    var isLog = true
    /// A compaction found damage in it: the background does not try it again.
    var isDamaged = false

    /// Guards `runs`.
    let runsLock = Lock(.segmentRuns)
    /// Entries that were sorted already, see `sortedRuns`.
    var runs: [SortedRun] = []

    init(
        number: UInt64, identity: UInt64, mapping: Mapping, path: String, end: Int,
        fileSize: Int = .max, mayHaveHint: Bool = false, sharedFile: consuming File? = nil
    ) {
        self.mayHaveHint = mayHaveHint
        self.fileSize = fileSize
        self.sharedFile = sharedFile
        self.number = number
        self.identity = identity
        self.mapping = mapping
        self.path = path
        counts = GuardedState(Counts())
        extent = GuardedState(Extent(end: end))
    }

    struct Extent {
        var end: Int
        var sequences: ClosedRange<UInt64>?
    }

    struct Counts {
        var liveBytes = 0
        var tombstoneBytes = 0
    }

    /// Of the segment in the segment table; -1 before it is there.
    var index: Int {
        get { tableIndex.value }
        set { tableIndex.value = newValue }
    }

    /// Where its records end, in bytes from the start of the file.
    var end: Int {
        get { extent.value.end }
        set { extent.value.end = newValue }
    }

    /// Lowest and highest sequence number of its records; nil where it has none.
    var sequences: ClosedRange<UInt64>? {
        get { extent.value.sequences }
        set { extent.value.sequences = newValue }
    }

    /// Values that the keydir points at, once it has all sets (`Index.withLock`).
    var liveBytes: Int {
        get { counts.value.liveBytes }
        set { counts.value.liveBytes = newValue }
    }

    /// Tombstones that are the newest record of their key.
    var tombstoneBytes: Int {
        get { counts.value.tombstoneBytes }
        set { counts.value.tombstoneBytes = newValue }
    }

    /// Bytes of the file up to `end`, or as many as a file that was cut has.
    func bytes(upTo end: Int) -> UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(rebasing: mapping.bytes[..<min(end, fileSize, mapping.count)])
    }

    /// The bytes of an entry's value, where they lie.
    ///
    /// - Parameter end: of the bytes that may be read.
    /// - Throws: `damaged` where the record is not whole, or not the entry's.
    @inline(__always)
    func value(
        of entry: HintEntry, upTo end: Int, verifying: Bool
    ) throws(StoreError) -> UnsafeRawBufferPointer {
        let record = record(at: entry.offset, upTo: end)
        if unsafe record.hasKey(entry.key.bytes),
            let value = unsafe record.value(verifying: verifying)
        {
            return unsafe value
        }
        throw damagedRecord(of: entry)
    }

    /// The record at `offset`, of which no more is read than lies below `end`.
    @inline(__always)
    func record(at offset: Int, upTo end: Int) -> RecordPointer {
        // SAFETY: the file has `end` bytes, or `fileSize`, and they are mapped.
        unsafe RecordPointer(
            segment: mapping.bytes.baseAddress!, offset: offset, limit: min(end, fileSize),
            identity: identity)
    }

    func damagedRecord(of entry: HintEntry) -> StoreError {
        let key = unsafe String(decoding: entry.key.prefix(200), as: UTF8.self)
        return damaged(
            at: entry.offset, length: entry.recordLength,
            "the record of key \(key.debugDescription) does not check out")
    }

    func note(sequence: UInt64) {
        guard let range = sequences else {
            sequences = sequence...sequence
            return
        }
        sequences = min(range.lowerBound, sequence)...max(range.upperBound, sequence)
    }

    func damaged(at offset: Int, length: Int, _ reason: String) -> StoreError {
        .damaged(file: path, offset: offset, length: length, reason: reason)
    }
}
