// The same calls for arrays of bytes and for text.

extension Store {
    /// `set(_:forKey:deferringSync:)` for arrays of bytes.
    public func set(
        _ value: [UInt8], forKey key: [UInt8], deferringSync: Bool = false
    ) throws(StoreError) {
        unsafe try set(value.span.bytes, forKey: key.span.bytes, deferringSync: deferringSync)
    }

    /// `set(_:forKey:deferringSync:)` for text, as UTF-8.
    public func set(_ value: String, forKey key: String) throws(StoreError) {
        try set(Array(value.utf8), forKey: Array(key.utf8))
    }

    /// `removeValue(forKey:deferringSync:)` for an array of bytes.
    @discardableResult
    public func removeValue(
        forKey key: [UInt8], deferringSync: Bool = false
    ) throws(StoreError) -> Bool {
        unsafe try removeValue(forKey: key.span.bytes, deferringSync: deferringSync)
    }

    /// `removeValue(forKey:deferringSync:)` for text, as UTF-8.
    @discardableResult
    public func removeValue(forKey key: String) throws(StoreError) -> Bool {
        try removeValue(forKey: Array(key.utf8))
    }

    /// The key's value as a new array, or nil where the key is absent. `withValue` saves the copy.
    public func value(forKey key: [UInt8]) throws(StoreError) -> [UInt8]? {
        unsafe try withValue(forKey: key.span.bytes) { value in
            unsafe value.withUnsafeBytes { unsafe Array($0) }
        }
    }

    /// `value(forKey:)` for text, as UTF-8.
    public func value(forKey key: String) throws(StoreError) -> [UInt8]? {
        try value(forKey: Array(key.utf8))
    }

    /// `contains(key:)` for an array of bytes.
    public func contains(key: [UInt8]) throws(StoreError) -> Bool {
        unsafe try contains(key: key.span.bytes)
    }
}
