/// Makes a hint image, entry by entry in key order: compaction's way, whose output is sorted
/// already, and the last step of `RecordList.image`.
@safe package struct HintBuilder: ~Copyable {
    private let storage: GrowingBytes
    /// Of `storage`, where no access is checked for exclusivity at run time.
    private(set) var base: UnsafeMutableRawPointer
    private var capacity: Int
    /// Bytes made so far: the header's place and the entries.
    private(set) var length = HintImage.headerLength
    /// Keys so far.
    package private(set) var count = 0
    private var sequences: ClosedRange<UInt64>?
    private var recordCount = 0
    private var tombstoneCount = 0
    private var isInKeyOrder = true
    /// Where the record of the last entry lies.
    private var place = 0

    /// - Parameter capacity: bytes to make room for; more is made where that is not enough.
    package init(capacity: Int = HintImage.emptyLength) {
        storage = GrowingBytes(capacity: capacity)
        unsafe base = storage.base
        self.capacity = storage.capacity
    }

    /// Counts a record of the segment, whether or not its key's entry names it.
    package mutating func count(sequence: UInt64, kind: RecordKind) {
        addCounts(
            records: 1, tombstones: kind == .tombstone ? 1 : 0, sequences: sequence...sequence)
    }

    /// Counts the records that another image counts.
    package mutating func addCounts(of image: HintImage) {
        addCounts(
            records: image.recordCount, tombstones: image.tombstoneCount,
            sequences: image.sequences)
    }

    mutating func addCounts(records: Int, tombstones: Int, sequences: ClosedRange<UInt64>?) {
        recordCount += records
        tombstoneCount += tombstones
        self.sequences.include(sequences)
    }

    /// Adds the entry of a key above all before it.
    @inline(__always)
    package mutating func append(_ entry: HintEntry) {
        let keyLength = unsafe entry.key.count
        let end = length &+ HintImage.entryHeaderLength &+ keyLength
        if end > capacity { grow(to: end) }
        // SAFETY: there is room for the entry behind `length`.
        let target = unsafe base + length
        unsafe target.store(entry.sequence, at: 0)
        unsafe target.store(UInt32(entry.offset / Format.alignment), at: 8)
        unsafe target.store(UInt32(entry.valueLength), at: 12)
        unsafe target.store(UInt16(keyLength), at: 16)
        unsafe target.store(entry.kind.rawValue, at: 18)
        unsafe target.store(entry.flags, at: 19)
        unsafe target.copy(entry.key.bytes, to: HintImage.entryHeaderLength)
        length = end
        count &+= 1
        if entry.offset < place { isInKeyOrder = false }
        place = entry.offset
    }

    @inline(never)
    private mutating func grow(to end: Int) {
        storage.count = length
        storage.reserve(end - length)
        unsafe base = storage.base
        capacity = storage.capacity
    }

    /// Hands over what was made since the last call.
    mutating func drain() -> UnsafeRawBufferPointer {
        defer { length = 0 }
        return unsafe UnsafeRawBufferPointer(start: base, count: length)
    }

    /// The finished image of the segment with `identity`, which is `segmentLength` bytes long.
    package consuming func finish(identity: UInt64, segmentLength: Int) -> HintImage {
        let indexStart = length
        let covered = indexStart + count * 4
        grow(to: covered + HintImage.footerLength)
        unsafe writeHeader(to: base, identity: identity, segmentLength: segmentLength)
        var entry = HintImage.headerLength
        // SAFETY: there is room for the index and the checksum.
        unsafe Self.writeIndex(
            to: base + indexStart, count: count,
            of: UnsafeRawBufferPointer(start: base, count: indexStart), &entry)
        let checksum = unsafe HintImage.checksum(
            UnsafeRawBufferPointer(start: base, count: covered), identity: identity,
            segmentLength: segmentLength)
        unsafe base.store(checksum, at: covered)
        storage.count = covered + HintImage.footerLength
        return unsafe HintImage(
            trusting: storage.bytes, keeping: storage, isInKeyOrder: isInKeyOrder)
    }

    /// - Parameter target: `HintImage.headerLength` writable bytes.
    func writeHeader(to target: UnsafeMutableRawPointer, identity: UInt64, segmentLength: Int) {
        unsafe target.store(HintImage.magic, at: 0)
        unsafe target.store(HintImage.version, at: 8)
        unsafe target.store(UInt32(0), at: 12)
        unsafe target.store(identity, at: 16)
        unsafe target.store(UInt64(segmentLength), at: 24)
        unsafe target.store(sequences?.lowerBound ?? 0, at: 32)
        unsafe target.store(sequences?.upperBound ?? 0, at: 40)
        unsafe target.store(UInt32(count), at: 48)
        unsafe target.store(UInt32(recordCount), at: 52)
        unsafe target.store(UInt32(tombstoneCount), at: 56)
        unsafe target.store(UInt32(0), at: 60)
    }

    /// Writes the offsets of the next `count` entries.
    ///
    /// - Parameters:
    ///   - target: 4 writable bytes for each.
    ///   - entries: the image up to where its entries end.
    ///   - entry: where the first of them begins; afterwards, where the next one does.
    static func writeIndex(
        to target: UnsafeMutableRawPointer, count: Int, of entries: UnsafeRawBufferPointer,
        _ entry: inout Int
    ) {
        let last = entries.count - HintImage.entryHeaderLength
        for index in 0..<count {
            unsafe target.store(UInt32(truncatingIfNeeded: entry), at: index * 4)
            // SAFETY: no entry begins behind `last`; in a file that changes, none is read there.
            let keyLength = unsafe UInt16(
                littleEndian: entries.loadUnaligned(
                    fromByteOffset: min(entry, last) + 16, as: UInt16.self))
            entry += HintImage.entryHeaderLength + Int(keyLength)
        }
    }
}
