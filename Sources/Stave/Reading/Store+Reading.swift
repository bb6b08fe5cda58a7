internal import StaveDisk
internal import Synchronization

extension Store {
    /// Looks a key up and lends its value where it lies, without a copy.
    ///
    /// - Parameter body: gets the value; not called where the key is absent. The bytes are valid
    ///   only inside it.
    /// - Returns: what `body` returned, or nil where the key is absent.
    /// - Throws: `StoreError.damaged` where the key's newest record is not whole.
    @inlinable @inline(__always)
    public func withValue<Result>(
        forKey key: RawSpan, _ body: (RawSpan) -> Result
    ) throws(StoreError) -> Result? {
        let found = try find(key)
        defer { found.leave() }
        guard let start = unsafe found.start else { return nil }
        // SAFETY: the value stays mapped until the epoch is left.
        return unsafe body(UnsafeRawBufferPointer(start: start, count: found.count).bytes)
    }

    /// Copies a key's value into the caller's memory.
    ///
    /// - Parameter buffer: gets the value at its start, if there is room for all of it; otherwise
    ///   it stays as it is.
    /// - Returns: the value's length in bytes, or nil where the key is absent. A length above
    ///   `buffer.byteCount` says that nothing was copied, and how much room it takes; the value may
    ///   have changed by the next call.
    /// - Throws: `StoreError.damaged` where the key's newest record is not whole.
    public func copyValue(
        forKey key: RawSpan, into buffer: inout MutableRawSpan
    ) throws(StoreError) -> Int? {
        let found = try find(key)
        defer { found.leave() }
        guard let start = unsafe found.start else { return nil }
        if found.count <= buffer.byteCount {
            // SAFETY: the value stays mapped until the epoch is left, and the buffer has room for
            // it.
            unsafe buffer.withUnsafeMutableBytes {
                unsafe $0.baseAddress?.copyMemory(from: start, byteCount: found.count)
            }
        }
        return found.count
    }

    /// Looks many keys up, which takes a fraction of the time that as many single calls take: while
    /// one key's memory is on its way, the others' is asked for.
    ///
    /// - Parameter body: called once a key, in order, with the key's index and its value, or nil
    ///   where it is absent. The bytes are valid only inside it.
    /// - Throws: at the first key whose record is damaged; those before it were answered.
    public func withValues(
        for keys: KeyBatch, _ body: (_ index: Int, _ value: RawSpan?) -> Void
    ) throws(StoreError) {
        try requireOpen()
        var hashes = InlineArray<16, UInt64>(repeating: 0)
        var start = 0
        while start < keys.count {
            let end = min(start + hashes.count, keys.count)
            try answer(keys, start..<end, &hashes, body)
            start = end
        }
    }

    /// `withValues(for:_:)` for arrays of bytes.
    public func withValues(
        forKeys keys: [[UInt8]], _ body: (_ index: Int, _ value: RawSpan?) -> Void
    ) throws(StoreError) {
        var batch = KeyBatch()
        for key in keys { unsafe batch.append(key.span.bytes) }
        try withValues(for: batch, body)
    }

    /// Is there a value for this key?
    public func contains(key: RawSpan) throws(StoreError) -> Bool {
        try requireOpen()
        let hash = index.hashAskingForBucket(of: key)
        let epoch = ReaderEpoch.enter()
        defer { epoch.leave() }
        return try index.locate(key, hash: hash) != nil
    }

    // MARK: Inside an epoch

    /// Three passes over a handful of keys: ask for the buckets, ask for the records, answer.
    private func answer(
        _ keys: KeyBatch, _ range: Range<Int>, _ hashes: inout InlineArray<16, UInt64>,
        _ body: (_ index: Int, _ value: RawSpan?) -> Void
    ) throws(StoreError) {
        let epoch = ReaderEpoch.enter()
        defer { epoch.leave() }
        let bytes = unsafe keys.bytes.span.bytes
        for index in range {
            let key = bytes.extracting(keys.range(index))
            hashes[index - range.lowerBound] = self.index.hashAskingForBucket(of: key)
        }
        for index in range {
            let hash = hashes[index - range.lowerBound]
            try self.index.prefetchRecord(hash)
        }
        for index in range {
            let key = bytes.extracting(keys.range(index))
            let hash = hashes[index - range.lowerBound]
            let found = findUsual(key, hash: hash, in: epoch)
            if let start = unsafe found.start {
                // SAFETY: the value stays mapped until the epoch is left.
                unsafe body(index, UnsafeRawBufferPointer(start: start, count: found.count).bytes)
            } else if found.epoch == nil, let record = try self.index.locate(key, hash: hash) {
                unsafe body(index, try value(of: record).bytes)
            } else {
                body(index, nil)
            }
        }
    }

    @inline(__always)
    func value(of record: RecordPointer) throws(StoreError) -> UnsafeRawBufferPointer {
        if let value = unsafe record.value(verifying: options.verifiesReads) {
            return unsafe value
        }
        throw damage(at: record)
    }

    @inline(never)
    func damage(
        at record: RecordPointer, _ reason: String = "the value's checksum is wrong"
    ) -> StoreError {
        let segment = log.withLock { log.segment(withIdentity: record.identity) }
        let length = record.header?.recordLength ?? 0
        return .damaged(
            file: segment?.path ?? path, offset: record.offset, length: length, reason: reason)
    }
}

// MARK: - Where the record lies

extension Index {
    /// A key's hash. Its bucket is asked for before anything else is done: so the processor, which
    /// looks some 400 instructions ahead, comes upon it while it still waits for the record of the
    /// look-up before.
    @inline(__always)
    func hashAskingForBucket(of key: RawSpan) -> UInt64 {
        let hash = Checksum.hash(key, seed: hashSeed)
        keydir.prefetch(hash)
        return hash
    }

    // MARK: Inside an epoch

    /// The newest record of a key, by comparing the key in each record whose tag fits.
    @inline(__always)
    func locate(_ key: RawSpan, hash: UInt64) throws(StoreError) -> RecordPointer? {
        // Once is enough, see there.
        if isBarred.load(ordering: .acquiring) { withLock {} }
        if queue.mayHold(hash), let record = queuedRecord(key, hash: hash) { return record }
        while true {
            let descriptor = try keydir.descriptor(hash)
            var search = keydir.search(hash, descriptor: descriptor)
            var suspect: Location?
            while let candidate = unsafe search.next() {
                let location = unsafe candidate.location
                let record = table.record(at: location)
                record.prefetchRest()
                if record.hasKey(key) {
                    if certainFrom > 0 { try requireCertain(record.header?.sequence ?? 0) }
                    return record
                }
                // Another key with this tag, or this key with a damaged record?
                if !record.headerChecksOut() { suspect = location }
            }
            if let suspect { try requireOther(key, at: suspect) }
            // A miss is certain if no growth moved the shard's entries meanwhile.
            if try keydir.descriptor(hash) == descriptor {
                if certainFrom > 0 { try requireCertain(0) }
                return nil
            }
        }
    }

    /// The record of a key that is not in the keydir yet.
    @inline(never)
    private func queuedRecord(_ key: RawSpan, hash: UInt64) -> RecordPointer? {
        let found = queue.first(hash) { location -> (record: RecordPointer, isKeys: Bool)? in
            let record = table.record(at: location)
            if record.hasKey(key) { return (record, true) }
            return record.headerChecksOut() ? nil : (record, false)
        }
        guard let found else { return nil }
        if found.isKeys { return found.record }
        // Damaged: then the keydir, which knows the key, decides whose it is.
        withLock {}
        return nil
    }

    /// Asks for the record that a hash most likely leads to.
    @inline(__always)
    func prefetchRecord(_ hash: UInt64) throws(StoreError) {
        prefetchRecord(hash, descriptor: try keydir.descriptor(hash))
    }

    /// The same, where the descriptor is at hand.
    @inline(__always)
    func prefetchRecord(_ hash: UInt64, descriptor: UInt64) {
        var search = keydir.search(hash, descriptor: descriptor)
        guard let candidate = unsafe search.next() else { return }
        unsafe table.record(at: candidate.location).prefetch()
    }

    /// Throws unless the damaged record at `location` is known to be another key's.
    @inline(never)
    private func requireOther(_ key: RawSpan, at location: Location) throws(StoreError) {
        let (segment, isKeys) = withLock {
            (table.segments[location.segmentIndex], log.hintNames(key, at: location))
        }
        if isKeys == false { return }
        throw .damaged(
            file: segment?.path ?? log.path, offset: location.offset, length: 0,
            reason: "the record's header checksum is wrong")
    }

    /// Is this entry its key's newest record among those with numbers below `nextSequence`? For a
    /// scan over segments of which not all can be read: what is missing among the sorted entries
    /// may have been newer. The keydir knows, because it was filled when the record was whole, or
    /// from what proves to be made of it.
    func isNewest(_ entry: HintEntry, before nextSequence: UInt64) throws(StoreError) -> Bool {
        let key = unsafe entry.key.bytes
        let hash = hashAskingForBucket(of: key)
        let epoch = ReaderEpoch.enter()
        defer { epoch.leave() }
        if let sequence = try locate(key, hash: hash)?.header?.sequence {
            if sequence == entry.sequence { return true }
            if sequence < nextSequence { return false }
        } else if log.withLock({ log.nextSequence }) == nextSequence {
            return false
        }
        // It was written again or deleted since: what was its newest record then is not known any
        // more.
        throw .uncertain(file: log.path, offset: 0)
    }

    /// The number of the record that the keydir names for a key; nil where it names none.
    func sequence(of key: RawSpan, hash: UInt64) throws(StoreError) -> UInt64? {
        let epoch = ReaderEpoch.enter()
        defer { epoch.leave() }
        while true {
            let descriptor = try keydir.descriptor(hash)
            var search = keydir.search(hash, descriptor: descriptor)
            while let candidate = unsafe search.next() {
                let record = table.record(at: unsafe candidate.location)
                if record.hasKey(key) { return record.header?.sequence }
                // Its key cannot be told: it may be a newer one of this key.
                if !record.headerChecksOut() { return .max }
            }
            if try keydir.descriptor(hash) == descriptor { return nil }
        }
    }

    /// Throws where a lost record may be newer than `sequence`.
    func requireCertain(_ sequence: UInt64) throws(StoreError) {
        for uncertainty in uncertainties where sequence < uncertainty.sequence {
            throw uncertainty.error
        }
    }
}
