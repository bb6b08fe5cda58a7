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
/// 3. A tombstone has a slot as every record has, so that no older value takes its key; the last step
///    takes it out.
/// 4. Behind a checkpoint the keydir names older records too, and these are all older than what is
///    replayed.
struct Replay: ~Copyable {
    private let keydir: Keydir
    private let table: SegmentTable
    private let hashSeed: UInt64
    private let store: Store
    /// By slot: records from there on were put in by this replay.
    private var starts: [Int]
    private var tombstones: [(hash: UInt64, location: Location)] = []

    init(into store: Store) {
        self.store = store
        keydir = store.keydir
        table = store.table
        hashSeed = store.hashSeed
        starts = [Int](repeating: .max, count: store.table.segments.count)
    }

    consuming func run(_ recovered: RecoveredStore) throws(StoreError) {
        for (segment, log) in recovered.logs { starts[segment.slot] = log.start }
        for (segment, log) in recovered.logs { try put(log, of: segment) }
        try putEntries(of: recovered)
        try dropTombstones()
    }

    // MARK: Records

    /// How many records ahead a slot's cache line is asked for.
    private static let window = 24

    private mutating func put(_ log: LogRecords, of segment: Segment) throws(StoreError) {
        segment.liveBytes += log.valueBytes
        let slot = segment.slot
        for index in 0..<min(Self.window, log.count) { keydir.prefetch(log.hash(index)) }
        for index in 0..<log.count {
            if index + Self.window < log.count { keydir.prefetch(log.hash(index + Self.window)) }
            let hash = log.hash(index)
            let location = Location(slot: slot, offset: log.offset(index))
            if log.isTombstone(index) { tombstones.append((hash, location)) }
            try put(location, hash: hash)
        }
    }

    @inline(__always)
    private func put(_ location: Location, hash: UInt64) throws(StoreError) {
        var search = keydir.search(hash, descriptor: try keydir.descriptor(hash))
        while let candidate = unsafe search.next() {
            let (record, old) = unsafe (table.record(at: location), candidate.location)
            guard unsafe isRecord(at: old, ofKey: record.key) else { continue }
            if isReplayed(old), sequence(at: old) > record.header?.sequence ?? 0 {
                forget(location)
            } else {
                forget(old)
                unsafe keydir.replace(candidate.slot, hash: hash, with: location)
            }
            return
        }
        try keydir.makeRoom(hash)
        keydir.insert(hash, location)
    }

    // MARK: Entries

    private func putEntries(of recovered: RecoveredStore) throws(StoreError) {
        let firstSequence = recovered.saved?.checkpoint.nextSequence ?? 0
        var merge = SortedMerge(recovered.entries.map(\.image))
        var counts = recovered.entries.map { Counts(slot: $0.segment.slot) }
        // Sorted by key, entries go to random places of the keydir: each is put in some entries after
        // its cache line was asked for.
        var waiting = InlineArray<16, Waiting?>(repeating: nil)
        var position = 0
        while let (source, entry) = merge.next() {
            guard entry.sequence >= firstSequence else { continue }
            // SAFETY: the image behind the entry lives in `recovered`.
            let hash = unsafe Checksum.hash(entry.key.bytes, seed: hashSeed)
            keydir.prefetch(hash)
            if let before = waiting[position] { try put(before, &counts[before.source]) }
            waiting[position] = Waiting(hash: hash, entry: entry, source: source)
            position = (position + 1) % waiting.count
        }
        for index in waiting.indices {
            if let before = waiting[index] { try put(before, &counts[before.source]) }
        }
        // Told to the segments at the end: an object an entry would cost more.
        for (source, counts) in zip(recovered.entries, counts) {
            source.segment.liveBytes += counts.liveBytes
            source.segment.tombstoneBytes += counts.tombstoneBytes
        }
    }

    private struct Waiting {
        var hash: UInt64
        var entry: HintEntry
        var source: Int
    }

    private struct Counts {
        let slot: Int
        var liveBytes = 0
        var tombstoneBytes = 0
    }

    @inline(__always)
    private func put(_ new: Waiting, _ counts: inout Counts) throws(StoreError) {
        let (hash, entry) = (new.hash, new.entry)
        let isValue = entry.kind == .value
        let location = Location(slot: counts.slot, offset: entry.offset)
        var search = keydir.search(hash, descriptor: try keydir.descriptor(hash))
        while let candidate = unsafe search.next() {
            let old = unsafe candidate.location
            guard isReplayed(old) || keydir.saved != nil else {
                // Another entry's, and the merge hands each key over once.
                continue
            }
            guard unsafe isRecord(at: old, ofKey: entry.key) else { continue }
            if isReplayed(old), sequence(at: old) > entry.sequence { return }
            forget(old)
            if isValue {
                unsafe keydir.replace(candidate.slot, hash: hash, with: location)
                counts.liveBytes += entry.recordLength
            } else {
                unsafe keydir.remove(candidate.slot, hash: hash)
                counts.tombstoneBytes += entry.recordLength
            }
            return
        }
        guard isValue else {
            counts.tombstoneBytes += entry.recordLength
            return
        }
        try keydir.makeRoom(hash)
        keydir.insert(hash, location)
        counts.liveBytes += entry.recordLength
    }

    // MARK: Tombstones

    /// Takes those out that are their key's newest record.
    private func dropTombstones() throws(StoreError) {
        for (hash, location) in tombstones {
            guard let slot = unsafe try keydir.slot(hash, at: location) else { continue }
            unsafe keydir.remove(slot, hash: hash)
            let length = table.record(at: location).header?.recordLength ?? 0
            table.withSegment(location.slot) { $0.tombstoneBytes += length }
        }
    }

    // MARK: Looking at records

    @inline(__always)
    private func isReplayed(_ location: Location) -> Bool {
        location.offset >= starts[location.slot]
    }

    @inline(__always)
    private func isRecord(at location: Location, ofKey key: UnsafeRawBufferPointer) -> Bool {
        // Somebody may have cut the file meanwhile.
        if unsafe key.isEmpty { return false }
        // SAFETY: the record or image that has the key lives as long as this replay.
        return unsafe table.record(at: location).hasKey(key.bytes)
            || store.isDamagedRecord(of: key.bytes, at: location)
    }

    @inline(__always)
    private func sequence(at location: Location) -> UInt64 {
        table.record(at: location).header?.sequence ?? 0
    }

    /// Takes a record that is superseded out of its segment's live bytes.
    private func forget(_ location: Location) {
        if table.record(at: location).header?.isValue == true { store.forget(location) }
    }
}
