internal import StaveDisk

/// A segment of an open store: its mapped file and what is known of its records.
///
/// The mapping's address never changes while the object lives, sealed or not, so that locations stay
/// good. Readers reach it through the segment table; cursors hold on to the object itself.
final class Segment: CompactionCandidate, @unchecked Sendable {
    // @unchecked: `mapping` and what is `let` never change; the rest is guarded as its comment says.

    let number: UInt64
    let identity: UInt64
    let mapping: Mapping
    let path: String
    /// Bytes of the file when it was opened; no more than these may be read of a sealed segment.
    let fileSize: Int
    /// It was sealed when the store was opened: `end` is fixed, and a hint file may be there.
    let wasSealed: Bool
    /// Open only where a read-only store must keep the writer from cutting the file.
    private let sharedFile: File?

    // Guarded by the store's writer lock:
    /// The segment's place in the segment table.
    var slot = -1
    /// Where its records end, in bytes from the start of the file.
    var end: Int
    /// Lowest and highest sequence number of its records; nil where it has none.
    var sequences: ClosedRange<UInt64>?
    /// Values that the keydir points at.
    var liveBytes = 0
    /// Tombstones that are the newest record of their key.
    var tombstoneBytes = 0
    var isSealed = false
    /// Bytes behind `end` that a recovery left in place because whole records are among them. A
    /// compaction never takes such a segment as its input.
    var keepsCutBytes = false
    /// A compaction found damage in it: the background does not try it again.
    var isDamaged = false

    /// Guards `cached`.
    private let imageLock = Lock()
    private var cached: SortedEntries?

    init(
        number: UInt64, identity: UInt64, mapping: Mapping, path: String, end: Int,
        fileSize: Int = .max, wasSealed: Bool = false, sharedFile: consuming File? = nil
    ) {
        self.wasSealed = wasSealed
        self.fileSize = fileSize
        self.sharedFile = sharedFile
        self.number = number
        self.identity = identity
        self.mapping = mapping
        self.path = path
        self.end = end
    }

    /// Bytes of the file up to `end`, or as many as a file that was cut has.
    func bytes(upTo end: Int) -> UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(rebasing: mapping.bytes[..<min(end, fileSize, mapping.count)])
    }

    func remember(_ image: HintImage) {
        imageLock.withLock { cached = SortedEntries(image: image, unreadable: []) }
    }

    /// The sealed segment's hint, or nil where it was not read yet.
    var hint: HintImage? { imageLock.withLock { cached?.image } }

    /// The segment's entries sorted by key, up to `end`: its hint, or made from its records, which
    /// `end` must not cut.
    func sortedEntries(upTo end: Int) -> SortedEntries {
        if let cached = imageLock.withLock({ cached }), cached.image.segmentLength == end {
            return cached
        }
        var records = RecordList()
        var unreadable: [StoreError] = []
        // SAFETY: the mapping lives as long as this object, and `end` lies inside the file.
        let bytes = unsafe bytes(upTo: end)
        var offset = SegmentHeader.byteCount
        scan: while true {
            switch unsafe SegmentScan.step(in: bytes.bytes, at: offset, identity: identity) {
            case .record(let header):
                records.append(header, at: offset)
                offset += header.recordLength
            case .unreadable(let until, _):
                unreadable.append(unreadableRecords(offset..<until))
                offset = until
            case .zeros, .end: break scan
            }
        }
        if offset < end { unreadable.append(unreadableRecords(offset..<end)) }
        let image = unsafe records.image(of: bytes, identity: identity, segmentLength: end)
        let entries = SortedEntries(image: image, unreadable: unreadable)
        imageLock.withLock { cached = entries }
        return entries
    }

    private func unreadableRecords(_ range: Range<Int>) -> StoreError {
        damaged(
            at: range.lowerBound, length: range.count,
            "no whole record is here, and nothing tells which keys it is about")
    }

    /// The bytes of an entry's value, where they lie.
    ///
    /// - Parameter end: of the bytes that may be read.
    /// - Throws: `damaged` where the record is not whole, or not the entry's.
    @inline(__always)
    func value(
        of entry: HintEntry, upTo end: Int, isVerified: Bool
    ) throws(StoreError) -> UnsafeRawBufferPointer {
        let record = unsafe RecordPointer(
            segment: mapping.bytes.baseAddress!, offset: entry.offset, limit: min(end, fileSize),
            identity: identity)
        if unsafe record.hasKey(entry.key.bytes),
            let value = unsafe record.value(isVerified: isVerified)
        {
            return unsafe value
        }
        throw damagedRecord(of: entry)
    }

    private func damagedRecord(of entry: HintEntry) -> StoreError {
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

/// A segment's entries sorted by key.
struct SortedEntries {
    let image: HintImage
    /// Stretches that could not be read when the image was made from the segment's records. A key that
    /// was there is missing in the image.
    let unreadable: [StoreError]
}
