// The same calls for text and for bytes that are no spans.

extension Store: ReadableStore {
    /// `set(_:forKey:deferringSync:)` for text and bytes.
    @inlinable @inline(__always)
    public func set(
        _ value: some StoreBytes, forKey key: some StoreBytes, deferringSync: Bool = false
    ) throws(StoreError) {
        try key.withStoreBytes { (key) throws(StoreError) in
            try value.withStoreBytes { (value) throws(StoreError) in
                try set(value, forKey: key, deferringSync: deferringSync)
            }
        }
    }

    /// `removeValue(forKey:deferringSync:)` for text and bytes.
    @discardableResult
    @inlinable @inline(__always)
    public func removeValue(
        forKey key: some StoreBytes, deferringSync: Bool = false
    ) throws(StoreError) -> Bool {
        try key.withStoreBytes { (key) throws(StoreError) in
            try removeValue(forKey: key, deferringSync: deferringSync)
        }
    }
}
