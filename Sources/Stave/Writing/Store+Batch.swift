internal import StaveDisk

// Writes that belong together. Their records stand one behind the other in one segment, with
// numbers that follow each other; all but the last say that more follow. So recovery sees where one
// is not whole.

extension Store {
    /// Makes several writes as one: after a crash, in a snapshot and for every reader there are all
    /// of them or none. At `Durability.always` they take one sync.
    ///
    ///     try store.write { batch in
    ///         let from = try batch.value(forKey: "account:1")
    ///         try batch.set(less(from), forKey: "account:1")
    ///         ...
    ///     }
    ///
    /// Keys that `body` read are checked when the batch is made, under the lock that all writers
    /// take: where another thread has changed one meanwhile, nothing is written and `body` is
    /// called again with a new batch. So it decides on what is true when its writes are made. It
    /// may read the store, but not wait for a write that another thread makes because of it.
    ///
    /// Several `get`s outside of a snapshot are several moments: a batch may come between two of
    /// them.
    ///
    /// - Parameter deferringSync: as for `set(_:forKey:deferringSync:)`.
    /// - Throws: what `body` throws, and `StoreError`: nothing was written then, except for
    ///   `syncFailed` and `directoryLost`, as for a single write.
    /// - Returns: what `body` returns.
    public func write<Result>(
        deferringSync: Bool = false, _ body: (inout Batch) throws -> Result
    ) throws -> Result {
        while true {
            var batch = Batch(self)
            let result = try body(&batch)
            if try commit(batch, deferringSync: deferringSync) { return result }
        }
    }

    /// `write` for what throws nothing else than a store does.
    func change<Result>(
        deferringSync: Bool, _ body: (inout Batch) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        while true {
            var batch = Batch(self)
            let result = try body(&batch)
            if try commit(batch, deferringSync: deferringSync) { return result }
        }
    }

    /// A batch that `commit` makes: for writes that do not come out of one function.
    public func makeBatch() -> Batch { Batch(self) }

    /// Makes a batch's writes.
    ///
    /// - Parameter batch: of this store.
    /// - Returns: false, and nothing is written, where a key that the batch read has changed since.
    /// - Throws: as `write`.
    /// - Complexity: O(writes + reads).
    public func commit(
        _ batch: Batch, deferringSync: Bool = false
    ) throws(StoreError) -> Bool {
        precondition(batch.store === self, "a batch belongs to the store that made it")
        index.lock()
        let written: Written?
        do throws(StoreError) {
            try log.requireWritable()
            guard try index.areUnchanged(batch.reads) else {
                index.unlock()
                return false
            }
            written = try append(batch)
        } catch {
            log.note(error)
            index.unlock()
            // On a full disk, once more with the space that is kept for what makes room.
            guard case .noSpace = error, batch.onlyDeletes,
                log.storeLock?.releaseReserve(for: .deleting) == true
            else { throw error }
            return try commit(batch, deferringSync: deferringSync)
        }
        index.unlock()
        if let written { try finish(written, deferringSync: deferringSync) }
        return true
    }

    /// Checks, appends all, points the index at all. Under the log's lock.
    private func append(_ batch: borrowing Batch) throws(StoreError) -> Written? {
        guard !batch.writes.isEmpty else { return nil }
        let isNewSegment = try requireRoom(batch.length)
        // Now, because after the appends nothing may fail any more.
        try index.makeRoom(for: batch.writes.lazy.map(\.hash))
        let bytes = unsafe batch.bytes.span.bytes
        let (last, start) = try log.append(batch.writes.span, of: bytes, length: batch.length)
        let usual = unsafe lookup.bar()
        index.point(batch.writes.span, of: bytes, at: start)
        unsafe lookup.unbar(usual) { log.isClosing }
        return (last, isWakeDue() || isNewSegment)
    }
}

extension Batch {
    /// It makes room, and needs little itself.
    fileprivate var onlyDeletes: Bool { writes.allSatisfy { $0.valueLength == nil } }
}
