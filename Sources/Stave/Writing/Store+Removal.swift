internal import StaveDisk

extension Store {
    /// Deletes the keys of a range, as it is when the call begins: what is set meanwhile may stay.
    ///
    /// In batches of up to 1,024 keys, each of which is deleted whole or not at all; all of them
    /// together are not. Each takes a sync at `Durability.always`, unless that is deferred.
    ///
    /// - Parameters:
    ///   - deferringSync: as for `set(_:forKey:deferringSync:)`.
    ///   - progress: called after each batch with the keys that are deleted so far; false ends it
    ///     there.
    /// - Returns: how many keys were there and are deleted.
    /// - Throws: `StoreError`; the keys of the batches before are deleted, as `progress` told.
    /// - Complexity: O(keys of the range).
    public func removeAll(
        in range: KeyRange, deferringSync: Bool = false, progress: (Int) -> Bool = { _ in true }
    ) throws(StoreError) -> Int {
        var cursor = try entries(in: range)
        var count = 0
        while true {
            var keys: [[UInt8]] = []
            var bytes = 0
            while keys.count < 1024, bytes < 1 << 20, let key = try cursor.nextKey() {
                keys.append(key)
                bytes += key.count
            }
            if keys.isEmpty { return count }
            count += try change(deferringSync: deferringSync) { (batch) throws(StoreError) in
                for key in keys { try batch.removeValue(forKey: key) }
                return batch.count
            }
            if !progress(count) { return count }
        }
    }
}
