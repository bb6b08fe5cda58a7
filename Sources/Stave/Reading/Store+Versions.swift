internal import StaveDisk

// A record's number is its version: it grows with each write of a key, and no two writes have the
// same.

extension Store {
    /// The key's version: the number of its newest write; nil where the key is absent.
    ///
    /// - Throws: `StoreError.damaged` where the record's header is not whole.
    public func version(forKey key: RawSpan) throws(StoreError) -> UInt64? {
        try requireOpen()
        let hash = index.hashAskingForBucket(of: key)
        let epoch = ReaderEpoch.enter()
        defer { epoch.leave() }
        guard let record = try index.locate(key, hash: hash) else { return nil }
        return try version(of: record)
    }

    /// `version(forKey:)` for text and bytes.
    public func version(forKey key: some StoreBytes) throws(StoreError) -> UInt64? {
        try key.withStoreBytes { (key) throws(StoreError) in try version(forKey: key) }
    }

    /// A key's value and the version that has it; nil where the key is absent.
    func entry(
        forKey key: RawSpan
    ) throws(StoreError) -> (value: [UInt8], version: UInt64)? {
        try requireOpen()
        let hash = index.hashAskingForBucket(of: key)
        let epoch = ReaderEpoch.enter()
        defer { epoch.leave() }
        guard let record = try index.locate(key, hash: hash) else { return nil }
        let version = try version(of: record)
        return (unsafe Array(try value(of: record)), version)
    }

    /// Inside an epoch.
    private func version(of record: RecordPointer) throws(StoreError) -> UInt64 {
        guard record.headerChecksOut(), let header = record.header, !header.needsNewerVersion else {
            throw damage(at: record, "the record's header checksum is wrong")
        }
        return header.sequence
    }
}
