/// Makes a hint image, entry by entry in key order: compaction's way, whose output is sorted already,
/// and the last step of `RecordList.image`.
@safe package struct HintBuilder: ~Copyable {
    private let storage: GrowingBytes
    // What `storage` has, without the run-time checks of a class's properties:
    private var base: UnsafeMutableRawPointer
    private var room: Int
    private var length = HintImage.headerLength
    private var offsets: [UInt32] = []
    private var sequences: ClosedRange<UInt64>?
    private var recordCount = 0
    private var tombstoneCount = 0
    private var isInKeyOrder = true
    /// Where the record of the last entry lies.
    private var place = 0

    /// - Parameter expectedKeyBytes: of all keys together; room is made once where it is right.
    package init(expectedCount: Int = 0, expectedKeyBytes: Int = 0) {
        let entries = expectedCount * (HintImage.entryHeaderLength + 4) + expectedKeyBytes
        storage = GrowingBytes(capacity: HintImage.emptyLength + entries)
        storage.reserve(HintImage.headerLength)
        unsafe base = storage.base
        room = storage.capacity
        offsets.reserveCapacity(expectedCount)
    }

    /// Keys so far.
    package var count: Int { offsets.count }

    /// Counts a record of the segment, whether or not its key's entry names it.
    package mutating func count(sequence: UInt64, kind: RecordKind) {
        recordCount += 1
        if kind == .tombstone { tombstoneCount += 1 }
        sequences.include(sequence)
    }

    /// Counts the records that another image counts.
    package mutating func addCounts(of image: HintImage) {
        recordCount += image.recordCount
        tombstoneCount += image.tombstoneCount
        sequences.include(image.sequences)
    }

    /// Adds the entry of a key above all before it.
    package mutating func append(_ entry: HintEntry) {
        let keyLength = unsafe entry.key.count
        let start = length
        length += HintImage.entryHeaderLength + keyLength
        if length > room { makeRoom(start) }
        // SAFETY: there is room for the entry behind `start`.
        let target = unsafe base + start
        unsafe target.store(entry.sequence, at: 0)
        unsafe target.store(UInt32(entry.offset / Format.alignment), at: 8)
        unsafe target.store(UInt32(entry.valueLength), at: 12)
        unsafe target.store(UInt16(keyLength), at: 16)
        unsafe target.store(entry.kind.rawValue, at: 18)
        unsafe target.store(entry.flags, at: 19)
        unsafe target.copy(entry.key.bytes, to: HintImage.entryHeaderLength)
        offsets.append(UInt32(start))
        if entry.offset < place { isInKeyOrder = false }
        place = entry.offset
    }

    private mutating func makeRoom(_ filled: Int) {
        storage.count = filled
        storage.reserve(length - filled)
        unsafe base = storage.base
        room = storage.capacity
    }

    /// The finished image of the segment with `identity`, which is `segmentLength` bytes long.
    package consuming func finish(identity: UInt64, segmentLength: Int) -> HintImage {
        let indexStart = self.length
        storage.count = indexStart
        let length = indexStart + offsets.count * 4 + HintImage.footerLength
        storage.reserve(length - indexStart)
        // SAFETY: `reserve` made room for the index and the footer.
        let base = unsafe storage.base
        unsafe base.store(HintImage.magic, at: 0)
        unsafe base.store(Format.version, at: 8)
        unsafe base.store(UInt32(0), at: 12)
        unsafe base.store(identity, at: 16)
        unsafe base.store(UInt64(segmentLength), at: 24)
        unsafe base.store(sequences?.lowerBound ?? 0, at: 32)
        unsafe base.store(sequences?.upperBound ?? 0, at: 40)
        unsafe base.store(UInt32(offsets.count), at: 48)
        unsafe base.store(UInt32(recordCount), at: 52)
        unsafe base.store(UInt32(tombstoneCount), at: 56)
        unsafe base.store(UInt32(0), at: 60)
        for (index, offset) in offsets.enumerated() {
            unsafe base.store(offset, at: indexStart + index * 4)
        }
        let covered = length - HintImage.footerLength
        let hash = unsafe Checksum.hash(UnsafeRawBufferPointer(start: base, count: covered).bytes)
        let binding = Checksum.binding(identity: identity, offset: segmentLength)
        unsafe base.store(hash ^ binding, at: covered)
        storage.count = length
        return unsafe HintImage(
            trusting: UnsafeRawBufferPointer(start: base, count: length), keeping: storage,
            isInKeyOrder: isInKeyOrder)
    }
}
