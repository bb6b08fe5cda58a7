internal import StaveDisk

/// Writes that belong together: all of them are made, or none. See `Store.write`.
///
/// It remembers what it read, so that it is made only where that is still so. Nothing of it is in
/// the store before it is committed, and reads through it see what it is about to write.
///
/// Takes as much memory as its keys and values, and 48 bytes a write.
public struct Batch: Sendable {
    /// Bytes of its records before the last one, at most: they lie in one segment.
    public static let maxLength = Format.maxSegmentLength - (1 << 20)

    struct Write: Sendable {
        /// Of the key in `bytes`; the value stands behind it.
        var start: Int
        var keyLength: Int
        /// nil: the key is deleted.
        var valueLength: Int?
        var hash: UInt64
        /// The write before it whose key has this hash; -1 where there is none. Only of those in
        /// `newest`.
        var previous = -1

        var recordLength: Int {
            RecordHeader.recordLength(key: keyLength, value: valueLength ?? 0)
        }
        var key: Range<Int> { start..<(start + keyLength) }
        var value: Range<Int> { key.upperBound..<(key.upperBound + (valueLength ?? 0)) }
    }

    /// A key whose newest record had this number; 0 where it was absent.
    struct Read: Sendable {
        var key: [UInt8]
        var hash: UInt64
        var version: UInt64
    }

    let store: Store
    private(set) var bytes: [UInt8] = []
    private(set) var writes: [Write] = []
    private(set) var reads: [Read] = []
    /// Bytes of all records.
    private(set) var length = 0
    /// The last write to each hash, of the first `indexed` writes: made when it is first needed.
    private var newest: [UInt64: Int] = [:]
    private var indexed = 0

    init(_ store: Store) { self.store = store }

    /// Writes that it will make.
    public var count: Int { writes.count }

    // MARK: Writing

    /// Sets the value of a key, new or not.
    ///
    /// - Throws: where the key or value is refused, and `StoreError.batchTooLarge`.
    public mutating func set(_ value: RawSpan, forKey key: RawSpan) throws(StoreError) {
        try Store.requireKey(key)
        guard value.byteCount <= Format.maxValueLength else {
            throw .valueTooLong(length: value.byteCount)
        }
        try add(key, value)
    }

    /// Deletes a key.
    ///
    /// - Returns: whether it was there. If not, nothing is written.
    @discardableResult
    public mutating func removeValue(forKey key: RawSpan) throws(StoreError) -> Bool {
        guard try contains(key: key) else { return false }
        try add(key, nil)
        return true
    }

    private mutating func add(_ key: RawSpan, _ value: RawSpan?) throws(StoreError) {
        let write = Write(
            start: bytes.count, keyLength: key.byteCount, valueLength: value?.byteCount,
            hash: Checksum.hash(key, seed: store.index.hashSeed))
        guard length <= Self.maxLength else {
            throw .batchTooLarge(length: length + write.recordLength)
        }
        // SAFETY: the bytes are borrowed while they are copied.
        unsafe key.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
        unsafe value?.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
        writes.append(write)
        length += write.recordLength
    }

    // MARK: Reading

    /// The key's value with the batch's writes; nil where the key is absent.
    public mutating func value(forKey key: RawSpan) throws(StoreError) -> [UInt8]? {
        try Store.requireKey(key)
        let hash = Checksum.hash(key, seed: store.index.hashSeed)
        if let write = write(of: key, hash: hash) {
            return write.valueLength == nil ? nil : Array(bytes[write.value])
        }
        let entry = try store.entry(forKey: key)
        note(key, hash, entry?.version)
        return entry?.value
    }

    /// Is there a value for this key, with the batch's writes?
    public mutating func contains(key: RawSpan) throws(StoreError) -> Bool {
        try Store.requireKey(key)
        let hash = Checksum.hash(key, seed: store.index.hashSeed)
        if let write = write(of: key, hash: hash) { return write.valueLength != nil }
        let version = try store.version(forKey: key)
        note(key, hash, version)
        return version != nil
    }

    /// The key's version, see `Store.version(forKey:)`; nil where the key is absent, or the batch
    /// itself sets it: then it has no number yet.
    public mutating func version(forKey key: RawSpan) throws(StoreError) -> UInt64? {
        try Store.requireKey(key)
        let hash = Checksum.hash(key, seed: store.index.hashSeed)
        if write(of: key, hash: hash) != nil { return nil }
        let version = try store.version(forKey: key)
        note(key, hash, version)
        return version
    }

    private mutating func note(_ key: RawSpan, _ hash: UInt64, _ version: UInt64?) {
        // SAFETY: the bytes are borrowed while they are copied.
        let key = unsafe key.withUnsafeBytes { unsafe Array($0) }
        reads.append(Read(key: key, hash: hash, version: version ?? 0))
    }

    /// The batch's last write to a key.
    private mutating func write(of key: RawSpan, hash: UInt64) -> Write? {
        while indexed < writes.count {
            let hash = writes[indexed].hash
            writes[indexed].previous = newest.updateValue(indexed, forKey: hash) ?? -1
            indexed += 1
        }
        var index = newest[hash] ?? -1
        while index >= 0 {
            let write = writes[index]
            // SAFETY: the bytes are borrowed while they are compared.
            if unsafe key.withUnsafeBytes({ unsafe bytes[write.key].elementsEqual($0) }) {
                return write
            }
            index = write.previous
        }
        return nil
    }
}

// The same for text and for bytes that are no spans.
extension Batch {
    /// `set(_:forKey:)` for text and bytes.
    public mutating func set(
        _ value: some StoreBytes, forKey key: some StoreBytes
    ) throws(StoreError) {
        try key.withStoreBytes { (key) throws(StoreError) in
            try value.withStoreBytes { (value) throws(StoreError) in try set(value, forKey: key) }
        }
    }

    /// `removeValue(forKey:)` for text and bytes.
    @discardableResult
    public mutating func removeValue(forKey key: some StoreBytes) throws(StoreError) -> Bool {
        try key.withStoreBytes { (key) throws(StoreError) in try removeValue(forKey: key) }
    }

    /// `value(forKey:)` for text and bytes.
    public mutating func value(forKey key: some StoreBytes) throws(StoreError) -> [UInt8]? {
        try key.withStoreBytes { (key) throws(StoreError) in try value(forKey: key) }
    }

    /// `contains(key:)` for text and bytes.
    public mutating func contains(key: some StoreBytes) throws(StoreError) -> Bool {
        try key.withStoreBytes { (key) throws(StoreError) in try contains(key: key) }
    }

    /// `version(forKey:)` for text and bytes.
    public mutating func version(forKey key: some StoreBytes) throws(StoreError) -> UInt64? {
        try key.withStoreBytes { (key) throws(StoreError) in try version(forKey: key) }
    }
}
