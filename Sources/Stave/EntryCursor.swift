internal import StaveDisk

/// Which keys a cursor visits.
public struct KeyRange: Sendable {
    let from: [UInt8]?
    let to: [UInt8]?

    /// All keys.
    public static var all: KeyRange { KeyRange(from: nil, to: nil) }

    /// Keys with `from` <= key < `to`, by bytes; nil is no bound.
    public init(from: [UInt8]?, to: [UInt8]?) {
        self.from = from
        self.to = to
    }

    /// Keys that begin with `prefix`.
    public init(prefix: [UInt8]) {
        from = prefix
        // The first key behind them: the prefix with its last byte that can be raised, raised.
        var end = prefix
        while end.last == 0xff { end.removeLast() }
        if let last = end.popLast() { end.append(last + 1) }
        to = end.isEmpty ? nil : end
    }
}

/// In which order a cursor visits keys.
public enum KeyDirection: Sendable {
    case ascending, descending
}

/// Visits keys in order, as the store was when the cursor was made: later writes and compactions do
/// not change what it sees. It keeps the segments it reads mapped while it lives.
public struct EntryCursor {
    private var merge: SortedMerge
    private let segments: [Segment]
    private let ends: [Int]
    private let isVerified: Bool
    private let certainFrom: UInt64
    /// Damage to report before the first entry.
    private var pending: [StoreError]

    init(
        _ sources: [(segment: Segment, end: Int)], range: KeyRange, direction: KeyDirection,
        isVerified: Bool, uncertainties: [Uncertainty]
    ) {
        segments = sources.map(\.segment)
        ends = sources.map(\.end)
        merge = SortedMerge(
            sources.map { $0.segment.image(upTo: $0.end) }, from: range.from, to: range.to,
            direction: direction == .ascending ? .ascending : .descending)
        self.isVerified = isVerified
        certainFrom = uncertainties.map(\.sequence).max() ?? 0
        pending = uncertainties.map {
            .damaged(
                file: $0.file, offset: $0.offset, length: $0.length,
                reason: "nothing tells which key was there; keys it may have changed are left out")
        }
    }

    /// The next key with its value; nil at the end.
    ///
    /// - Throws: `StoreError.damaged` for an entry that is not whole; the next call goes on behind it.
    public mutating func next() throws(StoreError) -> (key: [UInt8], value: [UInt8])? {
        guard let (source, entry) = try nextLive() else { return nil }
        // SAFETY: the segment and the image behind the entry live as long as this cursor.
        let segment = segments[source]
        let limit = min(ends[source], segment.fileSize)
        let record = unsafe RecordPointer(
            segment: segment.mapping.bytes.baseAddress!, offset: entry.offset, limit: limit,
            identity: segment.identity)
        guard unsafe record.hasKey(entry.key.bytes),
            let value = unsafe record.value(isVerified: isVerified)
        else {
            let key = unsafe String(decoding: entry.key.prefix(200), as: UTF8.self)
            throw segment.damaged(
                at: entry.offset, length: entry.recordLength,
                "the record of key \(key.debugDescription) does not check out")
        }
        return unsafe (Array(entry.key), Array(value))
    }

    /// The next key alone; nil at the end. Reads no value, and so finds no damage in one.
    public mutating func nextKey() throws(StoreError) -> [UInt8]? {
        guard let (_, entry) = try nextLive() else { return nil }
        return unsafe Array(entry.key)
    }

    /// Goes on to the next key and returns whether there was one: counting without copies.
    mutating func skip() throws(StoreError) -> Bool { try nextLive() != nil }

    private mutating func nextLive() throws(StoreError) -> (source: Int, entry: HintEntry)? {
        if !pending.isEmpty { throw pending.removeFirst() }
        while let (source, entry) = merge.next() {
            if entry.kind == .value && entry.sequence >= certainFrom {
                return (source, entry)
            }
        }
        return nil
    }
}

extension Store {
    /// A cursor over the keys of `range`, as they are now.
    public func entries(
        in range: KeyRange = .all, direction: KeyDirection = .ascending
    ) throws(StoreError) -> EntryCursor {
        try requireOpen()
        let sources = writerLock.withLock {
            table.visibleSegments.map { (segment: $0, end: $0.end) }
        }
        return EntryCursor(
            sources, range: range, direction: direction, isVerified: options.verifiesReads,
            uncertainties: uncertainties)
    }

    /// The number of keys in `range`, counted as they are now.
    public func count(in range: KeyRange) throws(StoreError) -> Int {
        var cursor = try entries(in: range)
        var count = 0
        while try cursor.skip() { count += 1 }
        return count
    }
}
