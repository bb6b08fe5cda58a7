/// What can be read: a `Store`, which shows what is there now, or a `Snapshot`, which shows one
/// moment. Code that only reads takes `some ReadableStore` and works on both.
public protocol ReadableStore: Sendable {
    /// Looks a key up and lends its value where it lies, without a copy.
    ///
    /// - Parameter body: gets the value; not called where the key is absent. The bytes are valid
    ///   only inside it. It must not wait for another thread that writes to the store.
    /// - Returns: what `body` returned, or nil where the key is absent.
    /// - Throws: `StoreError.damaged` where the key's newest record is not whole.
    func withValue<Result>(
        forKey key: RawSpan, _ body: (RawSpan) -> Result
    ) throws(StoreError) -> Result?

    /// Is there a value for this key?
    func contains(key: RawSpan) throws(StoreError) -> Bool

    /// A cursor over the keys of `range`, which shows one moment.
    func entries(in range: KeyRange, direction: KeyDirection) throws(StoreError) -> EntryCursor

    /// The number of keys in `range`.
    ///
    /// - Throws: also where damage makes the number uncertain.
    /// - Complexity: O(1) for all keys, else O(keys in the range); no value is read.
    func count(in range: KeyRange) throws(StoreError) -> Int
}

extension ReadableStore {
    /// The key's value as a new array, or nil where the key is absent. `read` saves the copy.
    @inlinable @inline(__always)
    public func value(forKey key: some StoreBytes) throws(StoreError) -> [UInt8]? {
        try key.withStoreBytes { (key) throws(StoreError) in
            try withValue(forKey: key) { [UInt8](copying: $0) }
        }
    }

    /// The key's value as text, or nil where the key is absent. Bytes that are no UTF-8 become
    /// U+FFFD.
    @inlinable
    public func string(forKey key: some StoreBytes) throws(StoreError) -> String? {
        try key.withStoreBytes { (key) throws(StoreError) in
            try withValue(forKey: key) { String(decoding: $0) }
        }
    }

    /// Is there a value for this key?
    @inlinable
    public func contains(key: some StoreBytes) throws(StoreError) -> Bool {
        try key.withStoreBytes { (key) throws(StoreError) in try contains(key: key) }
    }

    /// Looks a key up and lends its value where it lies, to a body that may throw.
    ///
    ///     let user = try store.read("user:1") { bytes in try User(bytes) }
    ///
    /// - Parameter body: gets the value; not called where the key is absent. The bytes are valid
    ///   only inside it. It must not wait for another thread that writes to the store.
    /// - Returns: what `body` returned, or nil where the key is absent.
    /// - Throws: what `body` throws, or a `StoreError`, as `withValue(forKey:_:)` does.
    @inlinable
    public func read<Result, Failure: Error>(
        _ key: some StoreBytes, _ body: (RawSpan) throws(Failure) -> Result
    ) throws -> Result? {
        let found: Swift.Result<Result, Failure>?
        found = try key.withStoreBytes { (key) throws(StoreError) in
            try withValue(forKey: key) { (bytes) -> Swift.Result<Result, Failure> in
                do throws(Failure) { return .success(try body(bytes)) } catch {
                    return .failure(error)
                }
            }
        }
        return try found?.get()
    }

    /// A cursor over all keys in ascending order.
    public func entries() throws(StoreError) -> EntryCursor {
        try entries(in: .all, direction: .ascending)
    }

    /// A cursor over the keys of `range` in ascending order.
    public func entries(in range: KeyRange) throws(StoreError) -> EntryCursor {
        try entries(in: range, direction: .ascending)
    }

    /// A cursor over the keys that begin with `prefix`, in ascending order.
    public func entries(prefix: some StoreBytes) throws(StoreError) -> EntryCursor {
        try entries(in: KeyRange(prefix: prefix), direction: .ascending)
    }

    /// Lends each key of a range with its value, in order, as they are at the beginning.
    ///
    /// - Parameter body: gets key and value; their bytes are valid only inside it.
    /// - Throws: what `body` throws, which ends it, or a `StoreError`: at the first entry that is
    ///   damaged. A cursor can go on behind one.
    public func forEach<Failure: Error>(
        in range: KeyRange = .all, direction: KeyDirection = .ascending,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(Failure) -> Void
    ) throws {
        var cursor = try entries(in: range, direction: direction)
        while let done = try cursor.withNext({ (key, value) -> Result<Void, Failure> in
            do throws(Failure) { return .success(try body(key, value)) } catch {
                return .failure(error)
            }
        }) {
            try done.get()
        }
    }
}
