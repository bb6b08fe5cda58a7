internal import StaveDisk
internal import Synchronization

/// The segments of an open store by index, so that 15 bits of a location name one.
///
/// Readers look segments up without a lock: an entry is filled in before the first location that
/// names it is published, and its index is used again only when no reader can hold such a location.
@safe final class SegmentTable: @unchecked Sendable {
    // @unchecked: readers see entries through the keydir's releasing stores; see above.
    @safe struct Entry: ~Copyable {
        var base: UnsafeRawPointer?
        /// Bytes that may be read; grows with the active segment's file.
        let limit = Atomic<Int>(0)
        var identity: UInt64 = 0
        /// `segments` keeps it alive.
        var segment: Unmanaged<Segment>?
    }

    let entries: UnsafeMutablePointer<Entry>
    // Guarded by the store's writer lock:
    private(set) var segments: [Segment?] = []
    private var freeIndices: [Int] = []
    private var hidden: Set<Int> = []
    /// For the next snapshot, while no segment comes or goes: nothing keeps one longer than it
    /// must.
    var lastSources: SortedSources?

    init() {
        // Reserved, not touched: the kernel backs only the entries in use.
        unsafe entries = .allocate(capacity: Location.maxSegments)
    }

    deinit {
        for index in segments.indices { unsafe (entries + index).deinitialize(count: 1) }
        unsafe entries.deallocate()
    }

    /// The segments that make up the store: without the outputs of a compaction that is not
    /// committed, and without its inputs afterwards.
    var visibleSegments: [Segment] {
        segments.compactMap { $0 }.filter { !hidden.contains($0.index) }
    }

    func hide(_ segment: Segment) {
        hidden.insert(segment.index)
        lastSources = nil
    }

    func show(_ segment: Segment) {
        hidden.remove(segment.index)
        lastSources = nil
    }

    /// The next snapshot begins anew. Returns what is to be freed outside the lock.
    func dropSources() -> SortedSources? {
        defer { lastSources = nil }
        return lastSources
    }

    /// Gives `segment` an index. Throws where all are taken.
    func add(_ segment: Segment, limit: Int, isHidden: Bool = false) throws(StoreError) {
        let index: Int
        if let free = freeIndices.popLast() {
            index = free
        } else {
            guard segments.count < Location.maxSegments else { throw .tooManySegments }
            index = segments.count
            segments.append(nil)
            unsafe (entries + index).initialize(to: Entry())
        }
        fill(index, with: segment, limit: limit)
        if isHidden { hidden.insert(index) }
    }

    /// Frees its index. No reader may hold a location in it any more.
    func remove(_ segment: Segment) {
        lastSources = nil
        segments[segment.index] = nil
        unsafe entries[segment.index].segment = nil
        hidden.remove(segment.index)
        freeIndices.append(segment.index)
    }

    /// Gives `segment` the index that it had in a checkpoint, which is free.
    func restore(_ segment: Segment, index: Int, limit: Int) {
        while segments.count <= index {
            unsafe (entries + segments.count).initialize(to: Entry())
            freeIndices.append(segments.count)
            segments.append(nil)
        }
        freeIndices.removeAll { $0 == index }
        fill(index, with: segment, limit: limit)
    }

    private func fill(_ index: Int, with segment: Segment, limit: Int) {
        lastSources = nil
        unsafe entries[index].base = unsafe segment.mapping.bytes.baseAddress
        unsafe entries[index].identity = segment.identity
        unsafe entries[index].segment = unsafe Unmanaged.passUnretained(segment)
        unsafe entries[index].limit.store(limit, ordering: .releasing)
        segments[index] = segment
        segment.index = index
    }

    /// The segment with an index, without the cost of a reference. Under the writer lock.
    @inline(__always)
    func withSegment(_ index: Int, _ body: (Segment) -> Void) {
        // SAFETY: `segments` holds the reference while the entry names the segment.
        unsafe entries[index].segment?._withUnsafeGuaranteedRef(body)
    }

    func setLimit(_ limit: Int, of segment: Segment) {
        unsafe entries[segment.index].limit.store(limit, ordering: .releasing)
    }

    /// The record at `location`, in a segment that has one there.
    @inline(__always)
    func record(at location: Location) -> RecordPointer {
        // SAFETY: a location is only ever made of an index in use and an offset inside its segment.
        let entry = unsafe entries + location.segmentIndex
        return unsafe RecordPointer(
            segment: entry.pointee.base.unsafelyUnwrapped, offset: location.offset,
            limit: entry.pointee.limit.load(ordering: .relaxed), identity: entry.pointee.identity)
    }
}
