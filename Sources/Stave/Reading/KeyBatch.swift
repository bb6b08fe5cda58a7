/// Keys to look up together, kept in one stretch of memory that is used again for the next batch.
public struct KeyBatch: Sendable {
    var bytes: [UInt8] = []
    /// Where each key ends in `bytes`.
    var ends: [Int] = []

    /// An empty batch.
    public init() {}

    /// Keys.
    public var count: Int { ends.count }

    /// Adds a key behind the others.
    public mutating func append(_ key: RawSpan) {
        // SAFETY: the bytes are borrowed while they are copied.
        unsafe key.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
        ends.append(bytes.count)
    }

    /// Adds a key behind the others.
    public mutating func append(_ key: some StoreBytes) {
        key.withStoreBytes { append($0) }
    }

    /// Empties the batch and keeps its memory.
    public mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
    }

    @inline(__always)
    func range(_ index: Int) -> Range<Int> { (index == 0 ? 0 : ends[index - 1])..<ends[index] }
}
