internal import StaveDisk

/// The store as it was at one moment: later writes and compactions do not change what it shows. It
/// keeps the segments of that moment mapped while it lives, also those that a compaction removes.
///
/// Costs nothing to make. The first scan, or the first look-up of a key that was changed since or
/// is not there, sorts the entries of the active segment.
public struct Snapshot: ReadableStore {
    private let store: Store
    private let sources: SortedSources
    /// Writes with this sequence number or a higher one came later.
    private let nextSequence: UInt64
    /// Keys with a value.
    public let count: Int

    init(of store: Store) {
        self.store = store
        // What is replaced is freed outside the lock.
        var replaced: SortedSources?
        (sources, nextSequence, count) = store.index.withLock {
            (store.log.sources(replaced: &replaced), store.log.nextSequence, store.index.count)
        }
        _ = consume replaced
    }

    /// Looks a key up and lends its value, as `Store.withValue(forKey:_:)` does.
    public func withValue<Result>(
        forKey key: RawSpan, _ body: (RawSpan) -> Result
    ) throws(StoreError) -> Result? {
        try store.requireOpen()
        let hash = store.index.hashAskingForBucket(of: key)
        let epoch = ReaderEpoch.enter()
        defer { epoch.leave() }
        // What is the newest now, and is old enough, was the newest then.
        if let record = try store.index.locate(key, hash: hash),
            record.header?.sequence ?? .max < nextSequence
        {
            return body(unsafe try store.value(of: record).bytes)
        }
        return try withOlderValue(forKey: key, body)
    }

    /// Was there a value for this key?
    public func contains(key: RawSpan) throws(StoreError) -> Bool {
        try withValue(forKey: key) { _ in true } ?? false
    }

    /// The number of keys in `range`.
    ///
    /// - Throws: also where damage makes the number uncertain.
    public func count(in range: KeyRange) throws(StoreError) -> Int {
        try store.requireOpen()
        if range.isAll, store.index.uncertainties.isEmpty { return count }
        var cursor = try entries(in: range)
        var count = 0
        while try cursor.skip() { count += 1 }
        return count
    }

    /// A cursor over the keys of `range`.
    public func entries(
        in range: KeyRange = .all, direction: KeyDirection = .ascending
    ) throws(StoreError) -> EntryCursor {
        try store.requireOpen()
        return EntryCursor(
            sources.sorted(in: store.log), in: store, range: range, direction: direction)
    }

    /// The newest entry among all segments, each up to where it ended then.
    private func withOlderValue<Result>(
        forKey key: RawSpan, _ body: (RawSpan) -> Result
    ) throws(StoreError) -> Result? {
        let sources = sources.sorted(in: store.log)
        var newest: (segment: Segment, entry: HintEntry, end: Int)?
        if let damage = sources.unreadable.first { throw damage }
        for (segment, image) in zip(sources.segments, sources.chains.images) {
            let entry = unsafe key.withUnsafeBytes { unsafe image.entry(for: $0) }
            if let entry, entry.sequence >= newest?.entry.sequence ?? 0 {
                newest = (segment, entry, image.segmentLength)
            }
        }
        try store.index.requireCertain(newest?.entry.sequence ?? 0)
        guard let (segment, entry, end) = newest, entry.kind == .value else { return nil }
        // SAFETY: the segment and the image behind the entry live as long as this snapshot.
        let value = unsafe try segment.value(
            of: entry, upTo: end, verifying: store.options.verifiesReads)
        return unsafe body(value.bytes)
    }
}

/// The segments of a moment, and their sorted entries as soon as they are needed.
final class SortedSources: @unchecked Sendable {
    // @unchecked: `made` is guarded by `lock`.
    private let ends: [(segment: Segment, end: Int)]
    /// The number of the first write that came later.
    let nextSequence: UInt64
    private let lock = Lock(.sortedSources)
    private var made: Sorted?

    init(_ ends: [(segment: Segment, end: Int)], nextSequence: UInt64) {
        self.ends = ends
        self.nextSequence = nextSequence
    }

    /// Runs of sorted entries, and where their records lie.
    final class Sorted: @unchecked Sendable {
        // @unchecked: nothing changes after init.
        let chains: ImageChains
        /// Of each of the images.
        let segments: [Segment]
        /// A record at offset 0 of each. The segments keep what these point at.
        let starts: [RecordPointer]
        let unreadable: [StoreError]
        /// The number of the first write that came later.
        let nextSequence: UInt64

        init(_ runs: [(segment: Segment, entries: SortedRun)], nextSequence: UInt64) {
            self.nextSequence = nextSequence
            chains = ImageChains(runs.map(\.entries.image))
            segments = runs.map(\.segment)
            starts = runs.map { $0.segment.record(at: 0, upTo: $0.entries.end) }
            unreadable = runs.flatMap(\.entries.unreadable)
        }
    }

    func sorted(in log: Log) -> Sorted {
        lock.withLock {
            if let made { return made }
            let sorted = Sorted(
                ends.flatMap { segment, end in
                    // The labels save a cast of each element.
                    log.sortedRuns(of: segment, upTo: end)
                        .map { (segment: segment, entries: $0) }
                }, nextSequence: nextSequence)
            made = sorted
            return sorted
        }
    }
}

extension Store {
    /// The store as it is now, to be read at leisure.
    public func snapshot() throws(StoreError) -> Snapshot {
        try requireOpen()
        return Snapshot(of: self)
    }

    /// A cursor over the keys of `range`, as they are now.
    public func entries(
        in range: KeyRange = .all, direction: KeyDirection = .ascending
    ) throws(StoreError) -> EntryCursor {
        try snapshot().entries(in: range, direction: direction)
    }

    /// The number of keys in `range`, counted as they are now.
    ///
    /// - Throws: also where damage makes the number uncertain.
    public func count(in range: KeyRange) throws(StoreError) -> Int {
        try requireOpen()
        return try snapshot().count(in: range)
    }
}
