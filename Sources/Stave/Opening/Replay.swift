internal import StaveDisk

/// Brings the keydir up to date at open with all that recovery read: the records of unsealed
/// segments one by one, as they were written, and the sorted entries of the others in one merge.
///
/// Rules:
/// 1. Of two records of a key the one with the higher sequence number stays, whichever comes first:
///    no order of segments is believed, least of all MANIFEST's, where a compaction's output comes
///    behind the segment that was active meanwhile.
/// 2. Records come before entries. The key of an entry is then compared only in a record that was
///    just read, never in a sealed segment, whose pages would have to be fetched one by one.
/// 3. A tombstone gets a slot as every record does, so that no older value takes its key, and
///    leaves it at the end.
/// 4. Behind a checkpoint the keydir names other records too, which are older than all of these.
struct Replay: ~Copyable {
    /// A record or entry on its way into the keydir.
    struct Item {
        /// The key's. An entry leaves its index in the bits that the keydir does not look at: it
        /// has 25 bytes, and an image less than 1.4 GB.
        var hash: UInt64
        var location: Location

        var index: Int { Int(hash & ~Keydir.hashMask) }
    }

    /// With the bytes of its record.
    typealias Tombstone = (item: Item, length: Int)

    private let keydir: Keydir
    private let log: Log
    private let table: SegmentTable
    private let hashSeed: UInt64
    private let mergeBatch: Int
    /// By index: the segment's records were put in as such, one by one.
    private var isLog: [Bool]
    /// By index: the entries of segments that are not read record by record.
    private var images: [HintImage?]
    /// By index: bytes of values among these entries, told to the segments at the end. An object an
    /// entry would cost more.
    private var liveBytes: [Int]
    /// Items go to random places of the keydir: each is put in some items after its cache line was
    /// asked for.
    private var waiting = InlineArray<32, Item>(
        repeating: Item(hash: 0, location: Location(bits: 0)))
    private var addedCount = 0
    /// Items whose hash the keydir has already, until the records that it names are at hand.
    private var meeting: [Item] = []
    private var tombstones: [Tombstone] = []

    /// - Parameter mergeBatch: see `StoreOptions.mergeBatch`.
    init(into keydir: Keydir, _ log: Log, hashSeed: UInt64, mergeBatch: Int) {
        self.keydir = keydir
        self.log = log
        self.hashSeed = hashSeed
        self.mergeBatch = mergeBatch
        table = log.table
        let count = table.segments.count
        isLog = [Bool](repeating: false, count: count)
        images = [HintImage?](repeating: nil, count: count)
        liveBytes = [Int](repeating: 0, count: count)
        meeting.reserveCapacity(waiting.count)
    }

    consuming func run(_ recovered: RecoveredStore) throws(StoreError) {
        for (segment, _) in recovered.logs { isLog[segment.index] = true }
        for (segment, records) in recovered.logs { try addRecords(records, of: segment) }
        try putWaiting()
        try addEntries(recovered)
        try putWaiting()
        for (segment, _) in recovered.entries { segment.liveBytes += liveBytes[segment.index] }
        try dropTombstones()
    }

    private mutating func addRecords(
        _ records: LogRecords, of segment: Segment
    ) throws(StoreError) {
        let segmentIndex = segment.index
        segment.liveBytes += records.valueBytes
        for index in 0..<records.count {
            let item = Item(
                hash: records.hash(index),
                location: Location(segmentIndex: segmentIndex, offset: records.offset(index)))
            if records.isTombstone(index) {
                tombstones.append((item, table.record(at: item.location).header?.recordLength ?? 0))
            }
            try add(item)
        }
    }

    private mutating func addEntries(_ recovered: RecoveredStore) throws(StoreError) {
        for (segment, image) in recovered.entries { images[segment.index] = image }
        let merge = EntryMerge(recovered, hashSeed: hashSeed, batch: mergeBatch)
        let done = try ReadAhead.reading(
            merge, hasThread: merge.left >= mergeBatch / 2, for: log.directory.path
        ) {
            (merge) throws(StoreError) in
            while let items = merge.next() {
                for item in items { try add(item) }
            }
        }
        for ((segment, _), bytes) in zip(recovered.entries, done.liveBytes) {
            liveBytes[segment.index] += bytes
        }
        tombstones += done.tombstones
    }

    // MARK: Putting in

    @inline(__always)
    private mutating func add(_ item: Item) throws(StoreError) {
        keydir.prefetch(item.hash)
        let position = addedCount % waiting.count
        if addedCount >= waiting.count { try put(waiting[position]) }
        waiting[position] = item
        addedCount += 1
    }

    private mutating func putWaiting() throws(StoreError) {
        for position in 0..<min(addedCount, waiting.count) { try put(waiting[position]) }
        addedCount = 0
        try meetAll()
    }

    @inline(__always)
    private mutating func put(_ item: Item) throws(StoreError) {
        if try insertIfFirst(item) { return }
        meeting.append(item)
        if meeting.count == waiting.count { try meetAll() }
    }

    private mutating func meetAll() throws(StoreError) {
        for item in meeting {
            let (segmentIndex, record) = (
                item.location.segmentIndex, table.record(at: item.location)
            )
            if isRecord(item.location) {
                let sequence = record.header?.sequence ?? 0
                if unsafe try !meet(item, key: record.key, sequence: sequence) {
                    markDead(item.location)
                }
            } else if let entry = images[segmentIndex]?[item.index] {
                let isNewest = unsafe try meet(item, key: entry.key, sequence: entry.sequence)
                if !isNewest, entry.isValue { liveBytes[segmentIndex] -= entry.recordLength }
            }
        }
        meeting.removeAll(keepingCapacity: true)
    }

    /// Is this of a log, and not an entry's or the checkpoint's?
    private func isRecord(_ location: Location) -> Bool { isLog[location.segmentIndex] }

    // MARK: Slots

    /// Puts an item in if the keydir has nothing of its hash; else asks for the record that it
    /// names.
    @inline(__always)
    private func insertIfFirst(_ item: Item) throws(StoreError) -> Bool {
        var search = keydir.search(item.hash, descriptor: try keydir.descriptor(item.hash))
        if let candidate = unsafe search.next() {
            unsafe table.record(at: candidate.location).prefetch()
            if isRecord(item.location) { table.record(at: item.location).prefetch() }
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
        var damaged: (slot: Keydir.Slot, location: Location)?
        // The key is empty where its file was cut meanwhile.
        while let candidate = unsafe search.next(), unsafe !key.isEmpty {
            let old = unsafe candidate.location
            let isRecord = isRecord(old)
            // Another entry is another key's, because the merge hands each over once.
            guard isRecord || keydir.checkpointTables != nil else { continue }
            // SAFETY: the record or image that has the key lives as long as this replay.
            guard unsafe table.record(at: old).hasKey(key.bytes) else {
                if unsafe log.mayBeDamagedRecord(of: key.bytes, at: old) {
                    unsafe damaged = candidate
                }
                continue
            }
            if isRecord, let header = table.record(at: old).header, header.sequence > sequence {
                return false
            }
            unsafe replace(candidate, with: item)
            return true
        }
        if let damaged = unsafe damaged {
            unsafe replace(damaged, with: item)
        } else {
            try insert(item)
        }
        return true
    }

    private func replace(_ old: (slot: Keydir.Slot, location: Location), with item: Item) {
        markDead(unsafe old.location)
        unsafe keydir.replace(old.slot, hash: item.hash, with: item.location)
    }

    /// Takes a record that is superseded out of its segment's live bytes.
    private func markDead(_ location: Location) {
        if table.record(at: location).header?.isValue == true { log.markDead(location) }
    }

    /// Takes out the tombstones that are their key's newest record.
    private func dropTombstones() throws(StoreError) {
        for (item, length) in tombstones {
            guard let slot = unsafe try keydir.slot(item.hash, at: item.location) else { continue }
            unsafe keydir.remove(slot, hash: item.hash)
            table.withSegment(item.location.segmentIndex) { $0.tombstoneBytes += length }
        }
    }
}
