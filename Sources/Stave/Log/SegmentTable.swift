internal import StaveDisk
internal import Synchronization

/// The segments of an open store by slot, so that 15 bits of a location name one.
///
/// Readers look segments up without a lock: an entry is filled in before the first location that names
/// it is published, and its slot is used again only when no reader can hold such a location.
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

    private let entries: UnsafeMutablePointer<Entry>
    // Guarded by the store's writer lock:
    private(set) var segments: [Segment?] = []
    private var freeSlots: [Int] = []
    private var hiddenSlots: Set<Int> = []
    /// For the next snapshot, while no segment comes or goes: nothing keeps one longer than it must.
    var lastSources: SortedSources?

    init() {
        // Reserved, not touched: the kernel backs only the entries in use.
        unsafe entries = .allocate(capacity: Location.maxSlots)
    }

    deinit {
        for slot in segments.indices { unsafe (entries + slot).deinitialize(count: 1) }
        unsafe entries.deallocate()
    }

    /// The segments that make up the store: without the outputs of a compaction that is not committed,
    /// and without its inputs afterwards.
    var visibleSegments: [Segment] {
        segments.compactMap { $0 }.filter { !hiddenSlots.contains($0.slot) }
    }

    func hide(_ segment: Segment) {
        hiddenSlots.insert(segment.slot)
        lastSources = nil
    }

    func show(_ segment: Segment) {
        hiddenSlots.remove(segment.slot)
        lastSources = nil
    }

    /// The next snapshot begins anew. Returns what is to be freed outside the lock.
    func forgetSources() -> SortedSources? {
        defer { lastSources = nil }
        return lastSources
    }

    /// Gives `segment` a slot. Throws where all are taken.
    func add(_ segment: Segment, limit: Int, isHidden: Bool = false) throws(StoreError) {
        let slot: Int
        if let free = freeSlots.popLast() {
            slot = free
        } else {
            guard segments.count < Location.maxSlots else { throw .tooManySegments }
            slot = segments.count
            segments.append(nil)
            unsafe (entries + slot).initialize(to: Entry())
        }
        fill(slot, with: segment, limit: limit)
        if isHidden { hiddenSlots.insert(slot) }
    }

    /// Frees the slot. No reader may hold a location in it any more.
    func remove(_ segment: Segment) {
        lastSources = nil
        segments[segment.slot] = nil
        unsafe entries[segment.slot].segment = nil
        hiddenSlots.remove(segment.slot)
        freeSlots.append(segment.slot)
    }

    /// Gives `segment` the slot that it had in a checkpoint, which is free.
    func restore(_ segment: Segment, slot: Int, limit: Int) {
        while segments.count <= slot {
            unsafe (entries + segments.count).initialize(to: Entry())
            freeSlots.append(segments.count)
            segments.append(nil)
        }
        freeSlots.removeAll { $0 == slot }
        fill(slot, with: segment, limit: limit)
    }

    private func fill(_ slot: Int, with segment: Segment, limit: Int) {
        lastSources = nil
        unsafe entries[slot].base = unsafe segment.mapping.bytes.baseAddress
        unsafe entries[slot].identity = segment.identity
        unsafe entries[slot].segment = unsafe Unmanaged.passUnretained(segment)
        unsafe entries[slot].limit.store(limit, ordering: .releasing)
        segments[slot] = segment
        segment.slot = slot
    }

    /// The segment in a slot, without the cost of a reference. Under the writer lock.
    @inline(__always)
    func withSegment(_ slot: Int, _ body: (Segment) -> Void) {
        // SAFETY: `segments` holds the reference while the entry names the segment.
        unsafe entries[slot].segment?._withUnsafeGuaranteedRef(body)
    }

    func setLimit(_ limit: Int, of segment: Segment) {
        unsafe entries[segment.slot].limit.store(limit, ordering: .releasing)
    }

    /// The record at `location`, in a segment that has one there.
    @inline(__always)
    func record(at location: Location) -> RecordPointer {
        // SAFETY: a location is only ever made of a slot in use and an offset inside its segment.
        let entry = unsafe entries + location.slot
        return unsafe RecordPointer(
            segment: entry.pointee.base.unsafelyUnwrapped, offset: location.offset,
            limit: entry.pointee.limit.load(ordering: .relaxed), identity: entry.pointee.identity)
    }
}
