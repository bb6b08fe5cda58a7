internal import StaveDisk
internal import Synchronization

/// The writing end of the active segment: appends records to its mapped file.
///
/// Space is reserved ahead with fallocate(2), in steps that grow with the file, so that a full disk
/// is an error of that call and never a fault of a store into the mapping. Where a file system
/// cannot reserve, the file grows sparse and the same append goes through pwrite(2); only that
/// differs.
///
/// Guarded by the store's writer lock, except for `sync`, which may run beside appends.
final class Appender: @unchecked Sendable {
    private static let firstStep = 64 << 10
    private static let largestStep = 16 << 20
    private static let populateStep = 256 << 10
    /// How far ahead of the records the background makes pages ready: as far as a writer comes
    /// while a thread waits for a processor.
    static let populateAhead = 8 << 20

    let segment: Segment
    let output: SegmentFile
    /// Bytes that records may fill.
    let capacity: Int
    private let tail: GuardedState<Tail>
    /// Pages up to here are ready by the background's doing.
    private let populatedAhead = Atomic<Int>(0)
    /// A record on its way to pwrite(2), where space cannot be reserved.
    private let pending = GrowingBytes()
    /// Where the batch begins whose records wait in `pending` for its last one.
    private var heldFrom: Int?

    /// - Parameters:
    ///   - capacity: what the segment's mapping covers; of a segment that another process wrote
    ///     where it ends: it is only synced and trimmed.
    ///   - canReserve: the file is ours, and its space can be reserved.
    init(_ output: SegmentFile, capacity: Int, canReserve: Bool) {
        self.output = output
        self.capacity = capacity
        segment = output.segment
        tail = GuardedState(Tail(populated: output.segment.end, canReserve: canReserve))
    }

    private struct Tail {
        var populated: Int
        var canReserve: Bool
    }

    /// Everything below is durable. Under the sync lock.
    var synced: Int { output.synced }

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
    /// - Parameter unboundValueChecksum: the checksum that the value was first written with,
    ///   without its binding; nil computes a new one.
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

    /// Makes sure that the appends of a batch cannot fail, one by one: its room is reserved, or
    /// nothing is written before `endBatch`.
    ///
    /// - Parameter length: bytes of all its records.
    func beginBatch(_ length: Int) throws(StoreError) {
        let end = segment.end + length
        if end > populated { try makeRoom(end) }
        if canReserve { return }
        heldFrom = segment.end
        pending.count = 0
    }

    /// Behind the last append of a batch. Where it throws, none was made.
    func endBatch() throws(StoreError) {
        guard let start = heldFrom else { return }
        heldFrom = nil
        do throws(FileError) {
            unsafe try output.write(pending.bytes.bytes, at: start)
        } catch {
            // What a part of them left in the file are records that say that more follow: no batch.
            segment.end = start
            throw StoreError(error)
        }
    }

    /// Appends a copy of a record.
    ///
    /// - Returns: the offset at which it lies.
    func append(_ copy: RecordCopy) throws(StoreError) -> Int {
        unsafe try append(
            copy.header, key: copy.key.bytes, value: copy.value.bytes,
            unboundValueChecksum: copy.unboundValueChecksum)
    }

    /// Does the segment have room for a record of this length?
    @inline(__always)
    func hasRoom(_ recordLength: Int) -> Bool { capacity &- segment.end >= recordLength }

    @inline(never)
    private func makeRoom(_ end: Int) throws(StoreError) {
        if end > output.size { try reserve(end) }
        if !canReserve {
            populated = output.size
            return
        }
        let ahead = min(output.size, populatedAhead.load(ordering: .acquiring))
        if ahead >= end {
            populated = ahead
            return
        }
        let next = min(output.size, max(end, populated + Self.populateStep))
        segment.mapping.populateForWriting(populated..<next)
        populated = next
    }

    /// What the background should make ready now: a first touch of a page costs more than a record.
    /// Under the writer lock.
    func pagesAhead() -> Range<Int>? {
        guard canReserve else { return nil }
        let start = max(populated, populatedAhead.load(ordering: .acquiring))
        let end = min(output.size, segment.end + Self.populateAhead)
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
        let size = output.size
        let step = min(max(size, Self.firstStep), largest)
        let pages = (end + 4095) & ~4095
        var target = min(max(size + step, pages), max(capacity, pages))
        while true {
            do throws(FileError) {
                return try output.grow(to: target, reserving: canReserve)
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
    }

    private func write(
        _ header: RecordHeader, key: RawSpan, value: RawSpan, valueChecksum: UInt32?,
        binding: UInt64, at offset: Int
    ) throws(StoreError) {
        let length = RecordHeader.recordLength(key: key.byteCount, value: value.byteCount)
        if heldFrom == nil { pending.count = 0 }
        pending.reserve(length)
        // SAFETY: the buffer has room for the whole record behind what it holds.
        unsafe Record.encode(
            header, key: key, value: value, valueChecksum: valueChecksum, binding: binding,
            into: pending.base + pending.count)
        pending.count += length
        if heldFrom != nil { return }
        try withFileErrors { () throws(FileError) in
            unsafe try output.write(pending.bytes.bytes, at: offset)
        }
    }

    // MARK: Its end

    /// Makes everything below `end` durable and says so in the segment's header. The caller makes
    /// sure that only one thread does this at a time; appends may be made meanwhile.
    ///
    /// - Parameter isLast: the store is being closed, so that hardly any thread reads the pages any
    ///   more.
    func sync(upTo end: Int, isLast: Bool = false) throws(FileError) {
        guard output.needsSync(upTo: end) else { return }
        try output.makeInheritedDurable()
        let pages = dropWrittenPages(upTo: end)
        try output.sync(upTo: end, isMapped: canReserve)
        if let pages, !isLast { segment.mapping.populateForReading(pages) }
    }

    /// Takes pages that are full out of the mapping, if they are many. The kernel would
    /// write-protect each of them before it goes to the disk, and interrupt every processor that
    /// runs a reader or the writer for each.
    private func dropWrittenPages(upTo end: Int) -> Range<Int>? {
        let (start, end) = ((synced + 4095) & ~4095, end & ~4095)
        guard canReserve, end - start >= Self.populateStep else { return nil }
        segment.mapping.dropPages(start..<end)
        return start..<end
    }

    /// Does the segment's name still lead to its file? Under the sync lock.
    func isInPlace(in directory: borrowing Directory) -> Bool {
        output.isInPlace(in: directory)
    }

    /// Ends the file behind its last record, durably, once nothing is appended any more.
    func trim() throws(FileError) {
        try output.trim()
        populated = min(populated, output.size)
    }
}
