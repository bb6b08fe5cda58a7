internal import StaveDisk

/// The store as it was at one moment: later writes and compactions do not change what it shows. It
/// keeps the segments of that moment mapped while it lives, also those that a compaction removes.
///
/// Costs nothing to make. The first scan, or the first look-up of a key that was changed since or is
/// not there, sorts the entries of the active segment.
public struct Snapshot: Sendable {
    private let store: Store
    private let sources: [(segment: Segment, end: Int)]
    /// Writes with this sequence number or a higher one came later.
    private let nextSequence: UInt64
    /// Keys with a value.
    public let count: Int

    init(of store: Store) {
        self.store = store
        (sources, nextSequence, count) = store.writerLock.withLock {
            (
                store.table.visibleSegments.map { (segment: $0, end: $0.end) },
                store.writer.nextSequence, store.keydir.count
            )
        }
    }

    /// Looks a key up and lends its value, as `Store.withValue(forKey:_:)` does.
    public func withValue<Result>(
        forKey key: RawSpan, _ body: (RawSpan) -> Result
    ) throws(StoreError) -> Result? {
        try store.requireOpen()
        var isUnchanged = false
        let result = try store.withRecord(forKey: key) { (record) throws(StoreError) -> Result? in
            // What is the newest now, and is old enough, was the newest then.
            guard let sequence = record.header?.sequence, sequence < nextSequence else {
                return nil
            }
            isUnchanged = true
            return body(unsafe try store.value(of: record).bytes)
        }
        if isUnchanged { return result }
        return try withOlderValue(forKey: key, body)
    }

    /// The value's bytes as a new array, or nil where the key was absent.
    public func value(forKey key: [UInt8]) throws(StoreError) -> [UInt8]? {
        unsafe try withValue(forKey: key.span.bytes) { value in
            unsafe value.withUnsafeBytes { unsafe Array($0) }
        }
    }

    /// A cursor over the keys of `range`.
    public func entries(
        in range: KeyRange = .all, direction: KeyDirection = .ascending
    ) throws(StoreError) -> EntryCursor {
        try store.requireOpen()
        return EntryCursor(sources, in: store, range: range, direction: direction)
    }

    /// The newest entry among all segments, each up to where it ended then.
    private func withOlderValue<Result>(
        forKey key: RawSpan, _ body: (RawSpan) -> Result
    ) throws(StoreError) -> Result? {
        var newest: (source: Int, entry: HintEntry)?
        var images: [HintImage] = []
        for (index, source) in sources.enumerated() {
            let sorted = store.sortedEntries(of: source.segment, upTo: source.end)
            if let damage = sorted.unreadable.first { throw damage }
            images.append(sorted.image)
            let entry = unsafe key.withUnsafeBytes { unsafe sorted.image.entry(for: $0) }
            if let entry, entry.sequence >= newest?.entry.sequence ?? 0 {
                newest = (index, entry)
            }
        }
        try store.requireCertain(newest?.entry.sequence ?? 0)
        guard let (index, entry) = newest, entry.kind == .value else { return nil }
        // SAFETY: the segment and the image behind the entry live until the end of this call.
        return try withExtendedLifetime(images) { () throws(StoreError) -> Result in
            let (segment, end) = sources[index]
            let value = unsafe try segment.value(
                of: entry, upTo: end, isVerified: store.options.verifiesReads)
            return body(unsafe value.bytes)
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
    public func count(in range: KeyRange) throws(StoreError) -> Int {
        var cursor = try entries(in: range)
        var count = 0
        while try cursor.skip() { count += 1 }
        return count
    }
}
