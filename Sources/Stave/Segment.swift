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

    /// Guards `cachedImage`.
    private let imageLock = Lock()
    private var cachedImage: HintImage?

    init(
        number: UInt64, identity: UInt64, mapping: Mapping, path: String, end: Int,
        fileSize: Int = .max, sharedFile: consuming File? = nil
    ) {
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

    func remember(_ image: HintImage) { imageLock.withLock { cachedImage = image } }

    /// The sealed segment's hint, or nil.
    var hint: HintImage? { imageLock.withLock { cachedImage } }

    /// The segment's entries sorted by key, up to `end`: its hint, or made from its records, which
    /// `end` must not cut and which must be whole in header and key.
    func image(upTo end: Int) -> HintImage {
        if let image = hint, image.segmentLength == end { return image }
        var records = RecordList()
        // SAFETY: the mapping lives as long as this object, and `end` lies inside the file.
        let bytes = unsafe bytes(upTo: end)
        var offset = SegmentHeader.byteCount
        scan: while true {
            switch unsafe SegmentScan.step(in: bytes.bytes, at: offset, identity: identity) {
            case .record(let header):
                records.append(header, at: offset)
                offset += header.recordLength
            case .unreadable(let until, _): offset = until
            case .zeros, .end: break scan
            }
        }
        let image = unsafe records.image(of: bytes, identity: identity, segmentLength: end)
        remember(image)
        return image
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
