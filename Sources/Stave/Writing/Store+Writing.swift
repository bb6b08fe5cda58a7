internal import StaveDisk
internal import Synchronization

extension Store {
    /// Sets the value of a key, new or not.
    ///
    /// - Parameters:
    ///   - value: up to 1 GiB; may be empty.
    ///   - key: 1 to 65,535 bytes.
    ///   - deferringSync: at `Durability.always`, return before the write is durable; `sync()` then
    ///     makes all such writes durable at once. Of no effect at the other levels.
    /// - Throws: `StoreError`; the key then has its old value, except after `syncFailed` and
    ///   `directoryLost`, after which it is not known what a power cut leaves.
    public func set(
        _ value: RawSpan, forKey key: RawSpan, deferringSync: Bool = false
    ) throws(StoreError) {
        try Self.requireKey(key)
        guard value.byteCount <= Format.maxValueLength else {
            throw .valueTooLong(length: value.byteCount)
        }
        let hash = index.hashAskingForBucket(of: key)
        log.lock.lock()
        let written: Written
        do throws(StoreError) {
            written = try append(value, forKey: key, hash: hash)
        } catch {
            log.note(error)
            log.lock.unlock()
            throw error
        }
        log.lock.unlock()
        try finish(written, deferringSync: deferringSync)
    }

    /// Deletes a key.
    ///
    /// - Returns: whether it was there. If not, nothing is written.
    @discardableResult
    public func removeValue(
        forKey key: RawSpan, deferringSync: Bool = false
    ) throws(StoreError) -> Bool {
        try Self.requireKey(key)
        let hash = index.hashAskingForBucket(of: key)
        index.lock()
        let written: Written?
        do throws(StoreError) {
            written = try appendTombstone(forKey: key, hash: hash)
        } catch {
            log.note(error)
            index.unlock()
            // On a full disk, once more with the space that is kept for what makes room.
            guard case .noSpace = error, log.storeLock?.releaseReserve(for: .deleting) == true
            else {
                throw error
            }
            return try removeValue(forKey: key, deferringSync: deferringSync)
        }
        index.unlock()
        guard let written else { return false }
        try finish(written, deferringSync: deferringSync)
        return true
    }

    /// A record's number, and whether its writer is to look after the background now.
    typealias Written = (sequence: UInt64, isWakeDue: Bool)

    // MARK: Under the log's lock

    /// Check, append, point the index: all that a set is.
    private func append(
        _ value: RawSpan, forKey key: RawSpan, hash: UInt64
    ) throws(StoreError) -> Written {
        let length = RecordHeader.recordLength(key: key.byteCount, value: value.byteCount)
        let isNewSegment = try requireRoom(length)
        // Now, because after the append nothing may fail any more.
        try index.makeRoomToPoint(hash)
        let (sequence, location) = try log.append(.value, value, forKey: key)
        index.pointSoon(key, hash: hash, at: location)
        return (sequence, isWakeDue() || isNewSegment)
    }

    private func appendTombstone(
        forKey key: RawSpan, hash: UInt64
    ) throws(StoreError) -> Written? {
        try log.requireWritable()
        guard var old = unsafe try index.existing(key, hash: hash) else { return nil }
        let length = RecordHeader.recordLength(key: key.byteCount, value: 0)
        let isNewSegment = try requireRoom(length)
        // A new segment may have taken the record along.
        if isNewSegment, let moved = unsafe try index.existing(key, hash: hash) {
            unsafe old = unsafe moved
        }
        let (sequence, _) = try log.append(.tombstone, key.extracting(0..<0), forKey: key)
        unsafe index.remove(old, hash: hash)
        return (sequence, isWakeDue() || isNewSegment)
    }

    /// Makes sure that the active segment has room for a record; begins a new one where it has not.
    ///
    /// - Returns: whether one was begun.
    @inline(__always)
    func requireRoom(_ recordLength: Int) throws(StoreError) -> Bool {
        try log.requireWritable()
        if log.hasRoom(recordLength) { return false }
        try beginSegment(recordLength)
        return true
    }

    @inline(never)
    private func beginSegment(_ recordLength: Int) throws(StoreError) {
        let mayAbsorb = compactor.mayAbsorb
        // A compaction that runs may have the segments as its inputs.
        let hasAbsorbed = mayAbsorb ? try beginAbsorbingSegment(recordLength) : false
        if !hasAbsorbed { try log.beginSegment(recordLength) }
        guard mayAbsorb else { return }
        compactor.forbidAbsorbing()
        log.storeLock?.keepReserve()
    }

    /// - Returns: false where a compaction runs, or the disk has no room for the copies.
    private func beginAbsorbingSegment(_ recordLength: Int) throws(StoreError) -> Bool {
        guard compactor.lock.tryLock() else { return false }
        defer { compactor.lock.unlock() }
        var absorption = Absorption(log, index)
        do throws(StoreError) {
            try log.beginSegment(recordLength, absorbing: absorption.segments) {
                (appender) throws(StoreError) in
                try absorption.copy(into: appender)
            }
        } catch {
            guard case .noSpace = error, !absorption.segments.isEmpty else { throw error }
            return false
        }
        absorption.finish()
        return true
    }

    /// Has enough been written since a writer last looked after the background?
    @inline(__always)
    func isWakeDue() -> Bool {
        let written = log.writer.writtenBytes
        guard written &- log.writer.wokenAtBytes > wakeStep else { return false }
        log.writer.wokenAtBytes = written
        return true
    }

    // MARK: Around the lock

    static func requireKey(_ key: RawSpan) throws(StoreError) {
        if key.isEmpty { throw .emptyKey }
        if key.byteCount > Format.maxKeyLength { throw .keyTooLong(length: key.byteCount) }
    }

    func finish(_ written: Written, deferringSync: Bool) throws(StoreError) {
        if durability == .always {
            if !deferringSync { try log.makeDurable(written.sequence) }
        } else if durability == .interval, !worker.isStarted.load(ordering: .relaxed) {
            try ensureSync(of: written.sequence)
        }
        if written.isWakeDue { try wakeBackground() }
    }

    // MARK: Sync

    /// Makes every write that has returned durable, whatever the store's durability.
    ///
    /// - Throws: `StoreError.readOnly`: what a writer before left unsynced cannot be synced here.
    ///   `syncFailed`; no more writes are taken then, because the kernel may have
    ///   dropped what it could not write, and a second try would claim otherwise. `directoryLost`,
    ///   where what was synced cannot be found by its name any more.
    public func sync() throws(StoreError) {
        try requireOpen()
        if let reason = log.readOnlyReason { throw .readOnly(path: path, reason: reason) }
        try log.syncNow()
    }
}
