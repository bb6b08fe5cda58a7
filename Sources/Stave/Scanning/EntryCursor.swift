internal import StaveDisk

/// Visits keys in order, as the store was when the cursor was made: later writes and compactions do
/// not change what it sees. It keeps the segments it reads mapped while it lives.
///
///     var entries = try store.entries(prefix: "user:")
///     while let (key, value) = try entries.next() { ... }
///
/// A `for` loop over a synchronous sequence cannot throw, and a scan may meet damage; so it is a
/// `while` loop, or `forEach` of the store. In asynchronous code it is a `for try await` loop as
/// well, which waits for nothing but the disk.
public struct EntryCursor {
    private let store: Store
    private let range: KeyRange
    private let direction: KeyDirection
    private var merge: SortedMerge
    private let sources: SortedSources.Sorted
    private let isVerifying: Bool
    private let certainFrom: UInt64
    /// Asked which entries are their keys' newest, where records could not be read. nil where all
    /// could.
    private let referee: Index?
    /// Damage to report before the first entry.
    private var pending: [StoreError] = []
    /// Entries that come next, whose records are on their way to the processor.
    private var window: [SortedMerge.Winner] = []
    private var windowStart = 0
    /// How many come next: few at first, because many callers want only a few.
    private var windowSize = 4

    private static let largestWindow = 32

    init(
        _ sources: SortedSources.Sorted, in store: Store, range: KeyRange, direction: KeyDirection
    ) {
        self.store = store
        self.range = range
        self.direction = direction
        self.sources = sources
        merge = SortedMerge(
            sources.chains, from: range.from, to: range.to,
            direction: direction == .ascending ? .ascending : .descending)
        isVerifying = store.options.verifiesReads
        certainFrom = store.index.certainFrom
        referee = sources.unreadable.isEmpty ? nil : store.index
        guard !store.index.uncertainties.isEmpty || !sources.unreadable.isEmpty else { return }
        pending = store.index.uncertainties.map {
            .damaged(
                file: $0.file, offset: $0.offset, length: $0.length,
                reason: "nothing tells which key was there; keys it may have changed are left out")
        }
        pending += sources.unreadable
    }

    /// A cursor over the same keys of the same moment the other way round, from their end, however
    /// far this one is.
    public func reversed() -> EntryCursor {
        EntryCursor(sources, in: store, range: range, direction: direction.reversed)
    }

    /// Goes on to the next key and lends it with its value where they lie, without a copy.
    ///
    /// - Parameter body: gets key and value; their bytes are valid only inside it.
    /// - Returns: what `body` returned; nil at the end.
    /// - Throws: `StoreError.damaged` for an entry that is not whole; the next call goes on behind
    ///   it.
    public mutating func withNext<Result>(
        _ body: (_ key: RawSpan, _ value: RawSpan) -> Result
    ) throws(StoreError) -> Result? {
        if !pending.isEmpty { throw pending.removeFirst() }
        guard let (source, entry) = try nextLive() else { return nil }
        let record = sources.starts[source].moved(to: entry.offset)
        // SAFETY: the segment and the image behind the entry live as long as this cursor.
        guard unsafe record.hasKey(entry.key.bytes),
            let value = unsafe record.value(verifying: isVerifying)
        else { throw sources.segments[source].damagedRecord(of: entry) }
        return unsafe body(entry.key.bytes, value.bytes)
    }

    /// The next key with its value as new arrays; nil at the end. Throws as `withNext` does.
    public mutating func next() throws(StoreError) -> (key: [UInt8], value: [UInt8])? {
        try withNext { key, value in
            unsafe (
                key.withUnsafeBytes { unsafe Array($0) }, value.withUnsafeBytes { unsafe Array($0) }
            )
        }
    }

    /// The next key alone; nil at the end. Reads no value, and so finds no damage in one.
    public mutating func nextKey() throws(StoreError) -> [UInt8]? {
        guard let entry = try nextEntry() else { return nil }
        return unsafe Array(entry.key)
    }

    /// Goes on to the next key and returns whether there was one: counting without copies.
    mutating func skip() throws(StoreError) -> Bool { try nextEntry() != nil }

    /// The next entry whose record is not needed.
    private mutating func nextEntry() throws(StoreError) -> HintEntry? {
        if !pending.isEmpty { throw pending.removeFirst() }
        return try nextLive(asks: false)?.entry
    }

    /// The next entry of a value.
    ///
    /// - Parameter asks: the records of entries are asked for ahead of their turn.
    @inline(__always)
    private mutating func nextLive(asks: Bool = true) throws(StoreError) -> SortedMerge.Winner? {
        while true {
            if windowStart == window.count {
                refillWindow(asks: asks)
                if window.isEmpty { return nil }
            }
            let (source, entry) = window[windowStart]
            windowStart &+= 1
            guard case .value = entry.kind, entry.sequence >= certainFrom else { continue }
            if let referee, try !referee.isNewest(entry, before: sources.nextSequence) { continue }
            return (source, entry)
        }
    }

    @inline(never)
    private mutating func refillWindow(asks: Bool) {
        window.removeAll(keepingCapacity: true)
        windowStart = 0
        merge.take(windowSize, into: &window)
        windowSize = Swift.min(windowSize * 2, Self.largestWindow)
        guard asks else { return }
        // At once, so that the processor looks for all of them at the same time.
        unsafe sources.starts.withUnsafeBufferPointer { starts in
            for (source, entry) in window {
                unsafe starts[source].moved(to: entry.offset).prefetch()
            }
        }
    }
}

extension EntryCursor: AsyncSequence, AsyncIteratorProtocol {
    /// A key with its value.
    public typealias Element = (key: [UInt8], value: [UInt8])

    /// Itself, where it is.
    public func makeAsyncIterator() -> EntryCursor { self }
}
