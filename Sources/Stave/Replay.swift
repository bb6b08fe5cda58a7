internal import StaveDisk

/// Brings the keydir up to date at open with all that recovery read: the records of unsealed segments
/// one by one, as they were written, and the sorted entries of the others in one merge.
///
/// Rules:
/// 1. Of two records of a key the one with the higher sequence number stays, whichever comes first: no
///    order of segments is believed, least of all MANIFEST's, where a compaction's output comes behind
///    the segment that was active meanwhile.
/// 2. Records come before entries. The key of an entry is then compared only in a record that was just
///    read, never in a sealed segment, whose pages would have to be fetched one by one.
/// 3. A tombstone gets a slot as every record does, so that no older value takes its key, and leaves it
///    at the end.
/// 4. Behind a checkpoint the keydir names other records too, which are older than all of these.
struct Replay: ~Copyable {
    /// A record or entry on its way into the keydir.
    private struct Item {
        /// The key's. An entry leaves its index in the bits that the keydir does not look at: it has 25
        /// bytes, and an image less than 1.4 GB.
        var hash: UInt64
        var location: Location

        var index: Int { Int(hash & ~Keydir.hashMask) }
    }

    /// Items between asking for a slot's cache line and looking at it: their places in the keydir are
    /// random, and each would be a wait.
    private static let window = 32

    private let store: Store
    private let keydir: Keydir
    private let table: SegmentTable
    /// By slot: records from this offset on were put in as such.
    private var starts: [Int]
    /// Items whose hash the keydir has already, until the records that it names are at hand.
    private var meeting: [Item] = []
    private var tombstones: [(item: Item, length: Int)] = []

    init(into store: Store) {
        self.store = store
        keydir = store.keydir
        table = store.table
        starts = [Int](repeating: .max, count: store.table.segments.count)
        meeting.reserveCapacity(Self.window)
    }

    consuming func run(_ recovered: RecoveredStore) throws(StoreError) {
        for (segment, records) in recovered.logs { starts[segment.slot] = records.start }
        for (segment, records) in recovered.logs { try putRecords(records, of: segment) }
        try putEntries(of: recovered)
        try dropTombstones()
    }

    // MARK: Records

    private mutating func putRecords(
        _ records: LogRecords, of segment: Segment
    ) throws(StoreError) {
        let slot = segment.slot
        segment.liveBytes += records.valueBytes
        for index in 0..<min(Self.window, records.count) { keydir.prefetch(records.hash(index)) }
        for index in 0..<records.count {
            if index + Self.window < records.count {
                keydir.prefetch(records.hash(index + Self.window))
            }
            let item = Item(
                hash: records.hash(index),
                location: Location(slot: slot, offset: records.offset(index)))
            if records.isTombstone(index) {
                tombstones.append((item, table.record(at: item.location).header?.recordLength ?? 0))
            }
            if try insertIfFirst(item) { continue }
            table.record(at: item.location).prefetch()
            meeting.append(item)
            if meeting.count == Self.window { try meetRecords() }
        }
        try meetRecords()
    }

    private mutating func meetRecords() throws(StoreError) {
        for item in meeting {
            let record = table.record(at: item.location)
            let sequence = record.header?.sequence ?? 0
            if unsafe try !meet(item, key: record.key, sequence: sequence) { forget(item.location) }
        }
        meeting.removeAll(keepingCapacity: true)
    }

    // MARK: Entries

    private mutating func putEntries(of recovered: RecoveredStore) throws(StoreError) {
        let firstSequence = recovered.saved?.checkpoint.nextSequence ?? 0
        let hashSeed = store.hashSeed
        let images = recovered.entries.map(\.image)
        let slots = recovered.entries.map(\.segment.slot)
        // Told to the segments at the end: an object an entry would cost more.
        var liveBytes = [Int](repeating: 0, count: table.segments.count)
        var waiting = InlineArray<32, Item>(repeating: Item(hash: 0, location: Location(bits: 0)))
        var count = 0
        var merge = SortedMerge(images)
        while let (source, entry) = merge.next() {
            guard entry.sequence >= firstSequence else { continue }
            // SAFETY: `images` keeps the entry's bytes.
            let hash = unsafe Checksum.hash(entry.key.bytes, seed: hashSeed)
            keydir.prefetch(hash)
            let item = Item(
                hash: hash & Keydir.hashMask | UInt64(truncatingIfNeeded: merge.index),
                location: Location(slot: slots[source], offset: entry.offset))
            if entry.isValue {
                liveBytes[slots[source]] &+= entry.recordLength
            } else {
                tombstones.append((item, entry.recordLength))
            }
            let place = count % waiting.count
            if count >= waiting.count, try !insertIfFirst(waiting[place]) {
                meeting.append(waiting[place])
                if meeting.count == Self.window { try meetEntries(of: recovered, &liveBytes) }
            }
            waiting[place] = item
            count += 1
        }
        for place in 0..<min(count, waiting.count) where try !insertIfFirst(waiting[place]) {
            meeting.append(waiting[place])
        }
        try meetEntries(of: recovered, &liveBytes)
        for (segment, _) in recovered.entries { segment.liveBytes += liveBytes[segment.slot] }
    }

    private mutating func meetEntries(
        of recovered: RecoveredStore, _ liveBytes: inout [Int]
    ) throws(StoreError) {
        for item in meeting {
            let slot = item.location.slot
            guard let source = recovered.entries.first(where: { $0.segment.slot == slot }) else {
                continue
            }
            let entry = source.image[item.index]
            let isNewest = unsafe try meet(item, key: entry.key, sequence: entry.sequence)
            if !isNewest, entry.isValue { liveBytes[slot] -= entry.recordLength }
        }
        meeting.removeAll(keepingCapacity: true)
    }

    // MARK: Slots

    /// Puts an item in if the keydir has nothing of its hash; else asks for the record that it names.
    @inline(__always)
    private func insertIfFirst(_ item: Item) throws(StoreError) -> Bool {
        var search = keydir.search(item.hash, descriptor: try keydir.descriptor(item.hash))
        if let candidate = unsafe search.next() {
            unsafe table.record(at: candidate.location).prefetch()
            return false
        }
        try insert(item)
        return true
    }

    @inline(__always)
    private func insert(_ item: Item) throws(StoreError) {
        try keydir.makeRoom(item.hash)
        keydir.insert(item.hash, item.location)
    }

    /// Puts an item in beside others of its hash. Returns false where its key has a newer record.
    private func meet(
        _ item: Item, key: UnsafeRawBufferPointer, sequence: UInt64
    ) throws(StoreError) -> Bool {
        var search = keydir.search(item.hash, descriptor: try keydir.descriptor(item.hash))
        while let candidate = unsafe search.next() {
            let old = unsafe candidate.location
            let isRecord = old.offset >= starts[old.slot]
            // Another entry is another key's, because the merge hands each over once.
            guard isRecord || keydir.saved != nil, unsafe hasKey(key, at: old) else { continue }
            if isRecord, let header = table.record(at: old).header, header.sequence > sequence {
                return false
            }
            forget(old)
            unsafe keydir.replace(candidate.slot, hash: item.hash, with: item.location)
            return true
        }
        try insert(item)
        return true
    }

    private func hasKey(_ key: UnsafeRawBufferPointer, at location: Location) -> Bool {
        // Somebody may have cut the file meanwhile.
        if unsafe key.isEmpty { return false }
        // SAFETY: the record or image that has the key lives as long as this replay.
        return unsafe table.record(at: location).hasKey(key.bytes)
            || store.isDamagedRecord(of: key.bytes, at: location)
    }

    /// Takes a record that is superseded out of its segment's live bytes.
    private func forget(_ location: Location) {
        if table.record(at: location).header?.isValue == true { store.forget(location) }
    }

    /// Takes out the tombstones that are their key's newest record.
    private func dropTombstones() throws(StoreError) {
        for (item, length) in tombstones {
            guard let slot = unsafe try keydir.slot(item.hash, at: item.location) else { continue }
            unsafe keydir.remove(slot, hash: item.hash)
            table.withSegment(item.location.slot) { $0.tombstoneBytes += length }
        }
    }
}
