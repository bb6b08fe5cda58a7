internal import StaveDisk
internal import Synchronization

/// The writing end of the active segment: appends records to its mapped file.
///
/// Space is reserved ahead with fallocate(2), in steps that grow with the file, so that a full disk is
/// an error of that call and never a fault of a store into the mapping. Where a file system cannot
/// reserve, the file grows sparse and the same append goes through pwrite(2); only that differs.
///
/// Guarded by the store's writer lock, but for `sync`, which may run beside appends.
final class Appender: @unchecked Sendable {
    private static let firstStep = 64 << 10
    private static let largestStep = 16 << 20
    private static let populateStep = 256 << 10
    /// How far ahead of the records the background makes pages ready: as far as a writer comes while a thread
    /// waits for a processor.
    static let populateAhead = 8 << 20
    private static let writebackStep = 4 << 20
    /// Written at multiples of this, a file ends up in the page cache as huge pages, and a mapping of it
    /// as well: half the cost of a read at random.
    private static let block = 2 << 20

    let segment: Segment
    private let file: File
    /// Bytes that records may fill.
    let capacity: Int
    private let tail: GuardedState<Tail>
    /// Pages up to here are ready by the background's doing.
    private let populatedAhead = Atomic<Int>(0)
    private var writtenBack = 0
    /// Records on their way to pwrite(2), and where the first of them belongs.
    private let pending = GrowingBytes()
    private var pendingStart = 0
    private let isBuffered: Bool
    private let table: SegmentTable
    private let name: String
    /// Guarded by the store's sync lock.
    private var knownIdentity: FileIdentity?
    /// Everything below is durable. Guarded by the store's sync lock, as the next two.
    private(set) var synced: Int
    /// Records that another process left unsynced, until they are written again.
    private var inherited: Range<Int>?
    /// Of the mark that was written last.
    private var markTurn: Int?

    /// Of a segment that was just made: `file` is its header.
    ///
    /// - Parameters:
    ///   - capacity: what the segment's mapping covers.
    ///   - isBuffered: records go through a buffer and pwrite(2), and are in the file only after
    ///     `sync`. For a compaction's output, which nobody reads before: when pages that are mapped
    ///     for writing go to the disk, every processor that runs a reader is interrupted for each.
    init(
        segment: Segment, file: consuming File, capacity: Int, table: SegmentTable,
        isBuffered: Bool = false
    ) {
        self.isBuffered = isBuffered
        self.segment = segment
        name = FileName.segment(segment.number).name
        self.capacity = capacity
        self.table = table
        synced = segment.end
        markTurn = 0
        let canReserve = !isBuffered && !file.copiesOnWrite
        tail = GuardedState(
            Tail(reserved: segment.end, populated: segment.end, canReserve: canReserve))
        self.file = file
    }

    /// Of a segment that another process wrote and did not seal: it is only synced and trimmed.
    ///
    /// - Parameters:
    ///   - synced: what lies behind, and the file's size, may be known to the kernel only.
    ///   - markTurn: of the mark that counts; nil where marks are not to be written.
    init(
        takingOver segment: Segment, file: consuming File, fileSize: Int, synced: Int,
        markTurn: Int?, table: SegmentTable
    ) {
        let end = segment.end
        isBuffered = false
        self.segment = segment
        name = FileName.segment(segment.number).name
        self.file = file
        capacity = end
        self.table = table
        self.synced = min(synced, end)
        self.markTurn = markTurn
        inherited = min(max(synced, SegmentHeader.byteCount), end)..<end
        tail = GuardedState(Tail(reserved: fileSize, populated: end, canReserve: false))
    }

    private struct Tail {
        var reserved: Int
        var populated: Int
        var canReserve: Bool
    }

    /// Size of the file.
    private(set) var reserved: Int {
        get { tail.value.reserved }
        set { tail.value.reserved = newValue }
    }

    /// Pages up to here are in memory, ready to be written.
    private var populated: Int {
        get { tail.value.populated }
        set { tail.value.populated = newValue }
    }

    private var canReserve: Bool {
        get { tail.value.canReserve }
        set { tail.value.canReserve = newValue }
    }

    /// Appends a record. Throws before anything is written.
    ///
    /// - Parameter unboundValueChecksum: the checksum that the value was first written with, without
    ///   its binding; nil computes a new one.
    /// - Returns: the offset at which it lies.
    @inline(__always)
    func append(
        _ header: RecordHeader, key: RawSpan, value: RawSpan, unboundValueChecksum: UInt32? = nil
    ) throws(StoreError) -> Int {
        let offset = segment.end
        let end = offset &+ RecordHeader.recordLength(key: key.byteCount, value: value.byteCount)
        if end > populated { try makeRoom(end) }
        let binding = Checksum.binding(identity: segment.identity, offset: offset)
        let valueChecksum = unboundValueChecksum.map { $0 ^ UInt32(truncatingIfNeeded: binding) }
        if canReserve {
            // SAFETY: the file is reserved up to `end`, and the bytes behind the records are ours.
            unsafe Record.encode(
                header, key: key, value: value, valueChecksum: valueChecksum, binding: binding,
                into: segment.mapping.base + offset)
        } else {
            try write(
                header, key: key, value: value, valueChecksum: valueChecksum, binding: binding,
                at: offset)
        }
        segment.end = end
        return offset
    }

    /// Appends a copy of a record. Its value's checksum travels along, and so still proves what was first
    /// written.
    ///
    /// - Returns: the offset at which it lies; nil, and nothing is appended, where the value does not
    ///   check out.
    func append(
        copyOf record: RecordPointer, _ header: RecordHeader, key: UnsafeRawBufferPointer
    ) throws(StoreError) -> Int? {
        var value = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        if header.isValue {
            guard let whole = unsafe record.value(isVerified: true) else { return nil }
            unsafe value = unsafe whole
        }
        let oldBinding = Checksum.binding(identity: record.identity, offset: record.offset)
        return unsafe try append(
            header, key: key.bytes, value: value.bytes,
            unboundValueChecksum: header.valueChecksum ^ UInt32(truncatingIfNeeded: oldBinding))
    }

    /// Does the segment have room for a record of this length?
    @inline(__always)
    func hasRoom(_ recordLength: Int) -> Bool { capacity &- segment.end >= recordLength }

    @inline(never)
    private func makeRoom(_ end: Int) throws(StoreError) {
        if isBuffered {
            populated = capacity
            return
        }
        if end > reserved { try reserve(end) }
        if !canReserve {
            populated = reserved
            return
        }
        let ahead = min(reserved, populatedAhead.load(ordering: .acquiring))
        if ahead >= end {
            populated = ahead
            return
        }
        let next = min(reserved, max(end, populated + Self.populateStep))
        segment.mapping.populateForWriting(populated..<next)
        populated = next
    }

    /// What the background should make ready now: a first touch of a page costs more than a record. Under
    /// the writer lock.
    func pagesAhead() -> Range<Int>? {
        guard canReserve else { return nil }
        let start = max(populated, populatedAhead.load(ordering: .acquiring))
        let end = min(reserved, segment.end + Self.populateAhead)
        return start < end ? start..<end : nil
    }

    /// Makes them ready, beside appends. Where the file is cut meanwhile, nothing happens.
    func populate(_ pages: Range<Int>) {
        for start in stride(from: pages.lowerBound, to: pages.upperBound, by: Self.populateStep) {
            let end = min(start + Self.populateStep, pages.upperBound)
            segment.mapping.populateForWriting(start..<end)
            populatedAhead.store(end, ordering: .releasing)
        }
    }

    private func reserve(_ end: Int) throws(StoreError) {
        // Small beside the segment, so that it counts little in the directory's bound.
        let largest = max(Self.firstStep, min(Self.largestStep, capacity / 16))
        let step = min(max(reserved, Self.firstStep), largest)
        let pages = (end + 4095) & ~4095
        var target = min(max(reserved + step, pages), max(capacity, pages))
        while true {
            do throws(FileError) {
                if canReserve {
                    try file.reserve(target - reserved, at: reserved)
                } else {
                    try file.truncate(to: target)
                }
                break
            } catch {
                if canReserve, error.isUnsupported {
                    canReserve = false
                    continue
                }
                // Less may still fit on a disk that is nearly full.
                guard error.isNoSpace, target > pages else { throw StoreError(error) }
                target = pages
            }
        }
        reserved = target
        table.setLimit(reserved, of: segment)
    }

    private func write(
        _ header: RecordHeader, key: RawSpan, value: RawSpan, valueChecksum: UInt32?,
        binding: UInt64, at offset: Int
    ) throws(StoreError) {
        let length = RecordHeader.recordLength(key: key.byteCount, value: value.byteCount)
        if pending.isEmpty { pendingStart = offset }
        pending.reserve(length)
        // SAFETY: the buffer has room for the whole record behind what it holds.
        unsafe Record.encode(
            header, key: key, value: value, valueChecksum: valueChecksum, binding: binding,
            into: pending.base + pending.count)
        pending.count += length
        let end = pendingStart + pending.count
        do throws(FileError) {
            if !isBuffered {
                try writePending(upTo: end)
            } else if pending.count >= Self.block {
                try writePending(upTo: end / Self.block * Self.block)
            }
        } catch {
            // The record was not appended: the next one takes its place.
            pending.count = 0
            throw StoreError(error)
        }
    }

    /// Writes what the buffer holds below `end`.
    private func writePending(upTo end: Int) throws(FileError) {
        guard end > pendingStart else { return }
        let count = end - pendingStart
        unsafe try file.write(pending.bytes.bytes.extracting(first: count), at: pendingStart)
        pending.removeFirst(count)
        pendingStart = end
        reserved = max(reserved, end)
        table.setLimit(reserved, of: segment)
    }

    /// Makes everything below `end` durable and says so in the segment's header. The caller makes sure
    /// that only one thread does this at a time.
    ///
    /// - Parameter isLast: the store is being closed, so that hardly anybody reads the pages any more.
    func sync(upTo end: Int, isLast: Bool = false) throws(FileError) {
        guard end > synced || inherited != nil else { return }
        // Unbuffered, it is empty here; and appends, which run beside this, use it.
        if isBuffered { try writePending(upTo: pendingStart + pending.count) }
        try makeInheritedDurable()
        let pages = dropWrittenPages(upTo: end)
        try file.syncData()
        try writeMark(end)
        synced = end
        if let pages, !isLast { segment.mapping.populateForReading(pages) }
    }

    /// Makes the file of a new segment durable, before MANIFEST names it.
    func syncNew() throws(FileError) {
        try file.sync()
        synced = segment.end
    }

    /// Takes pages that are full out of the mapping, if they are many. The kernel would write-protect each
    /// of them before it goes to the disk, and interrupt every processor that runs a reader or the writer
    /// for each.
    private func dropWrittenPages(upTo end: Int) -> Range<Int>? {
        let (start, end) = ((synced + 4095) & ~4095, end & ~4095)
        guard canReserve, end - start >= Self.populateStep else { return nil }
        segment.mapping.dropPages(start..<end)
        return start..<end
    }

    /// A process that ended may have had a sync fail, after which the kernel takes pages for clean that
    /// never reached the disk: what was read from them is written again before a sync can mean anything.
    /// And its file may have grown in memory only.
    private func makeInheritedDurable() throws(FileError) {
        guard let range = inherited else { return }
        if !range.isEmpty {
            // SAFETY: the file reaches to the segment's end, and the mapping as far.
            unsafe try file.write(
                segment.mapping.bytes.bytes.extracting(range), at: range.lowerBound)
        }
        try file.sync()
        inherited = nil
    }

    /// The marks are written in turn, so that a write of one that goes wrong leaves the other.
    private func writeMark(_ end: Int) throws(FileError) {
        guard let turn = markTurn.map({ $0 + 1 }) else { return }
        if canReserve {
            // SAFETY: the header is mapped and its file range exists.
            unsafe SegmentHeader.writeMark(
                end, identity: segment.identity, turn: turn, into: segment.mapping.base)
        } else {
            let mark = SegmentHeader.encodedMark(end, identity: segment.identity)
            unsafe try file.write(mark.span.bytes, at: SegmentHeader.markOffset(turn: turn))
        }
        markTurn = turn
    }

    /// Begins to write what was appended since the last call, if that is a few megabytes: the sync at
    /// the end of a compaction's output then does not hold a closing store up.
    func startWriteback() {
        guard reserved - writtenBack >= Self.writebackStep else { return }
        file.startWriteback(writtenBack..<reserved)
        writtenBack = reserved
    }

    /// Which file it is, from when that was first asked. Under the sync lock.
    func identity() throws(FileError) -> FileIdentity {
        if let known = knownIdentity { return known }
        let identity = try file.identity()
        knownIdentity = identity
        return identity
    }

    /// Does the segment's name still lead to its file? Also true where that cannot be seen. Under the
    /// sync lock.
    func isInPlace(in directory: borrowing Directory) -> Bool {
        guard let identity = try? identity() else { return true }
        return directory.holds(identity, as: name, segment.path)
    }

    /// Ends the file behind its last record, durably. Nothing is appended any more: the segment is full,
    /// or its store is closed.
    func trim() throws(FileError) {
        guard reserved > segment.end else { return }
        guard try file.truncateUnlessShared(to: segment.end) else {
            // A reader in another process may have mapped what lies behind: then it stays. Of a torn tail
            // nothing may be left, because a sealed segment keeps what is not zero there.
            if !segment.mapping.isWritable {
                try file.zero(segment.end..<reserved)
                try file.sync()
            }
            return
        }
        populated = min(populated, segment.end)
        table.setLimit(segment.end, of: segment)
        try file.sync()
        // Last: a sync that fails is made again, or told.
        reserved = segment.end
    }
}
