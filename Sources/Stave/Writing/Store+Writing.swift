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
    /// - Throws: `StoreError`; the key then has its old value, but for `syncFailed` and `directoryLost`,
    ///   after which it is not known what a power cut leaves.
    public func set(
        _ value: RawSpan, forKey key: RawSpan, deferringSync: Bool = false
    ) throws(StoreError) {
        try requireKey(key)
        guard value.byteCount <= Format.maxValueLength else {
            throw .valueTooLong(length: value.byteCount)
        }
        let hash = hashAskingForBucket(of: key)
        writerLock.lock()
        let sequence: UInt64
        let needsTending: Bool
        do throws(StoreError) {
            (sequence, needsTending) = try append(value, forKey: key, hash: hash)
        } catch {
            if case .syncFailed = error { writer.failure = error }
            writerLock.unlock()
            throw error
        }
        writerLock.unlock()
        try finishWrite(sequence, needsTending: needsTending, deferringSync: deferringSync)
    }

    /// Deletes a key.
    ///
    /// - Returns: whether it was there. If not, nothing is written.
    @discardableResult
    public func removeValue(
        forKey key: RawSpan, deferringSync: Bool = false
    ) throws(StoreError) -> Bool {
        try requireKey(key)
        let hash = hashAskingForBucket(of: key)
        lockWriter()
        let written: (sequence: UInt64, needsTending: Bool)?
        do throws(StoreError) {
            written = try appendTombstone(forKey: key, hash: hash)
        } catch {
            if case .syncFailed = error { writer.failure = error }
            writerLock.unlock()
            // On a full disk, once more with the space that is kept for what makes room.
            guard case .noSpace = error, storeLock?.releaseReserve() == true else { throw error }
            return try removeValue(forKey: key, deferringSync: deferringSync)
        }
        writerLock.unlock()
        guard let written else { return false }
        try finishWrite(
            written.sequence, needsTending: written.needsTending, deferringSync: deferringSync)
        return true
    }

    // MARK: Under the writer lock

    /// Check, append, point the keydir: all that a set is.
    private func append(
        _ value: RawSpan, forKey key: RawSpan, hash: UInt64
    ) throws(StoreError) -> (sequence: UInt64, needsTending: Bool) {
        let length = RecordHeader.recordLength(key: key.byteCount, value: value.byteCount)
        let needsTending = try requireRoom(length)
        // Now, because after the append nothing may fail any more.
        try makeRoomToPoint(hash)
        let sequence = writer.nextSequence
        let header = RecordHeader(
            kind: .value, sequence: sequence, time: Clock.seconds(), keyLength: key.byteCount,
            valueLength: value.byteCount)
        try withAppender { (appender) throws(StoreError) in
            let offset = try appender.append(header, key: key, value: value)
            written(sequence, length, in: appender.segment)
            appender.segment.liveBytes &+= length
            let location = Location(slot: appender.segment.slot, offset: offset)
            pointSoon(key, hash: hash, at: location)
        }
        return (sequence, isTendingDue() || needsTending)
    }

    /// Lends the active segment's appender, after `requireRoom`, without the cost of a reference.
    @inline(__always)
    private func withAppender(
        _ body: (Appender) throws(StoreError) -> Void
    ) throws(StoreError) {
        // SAFETY: `writer.appender` holds the reference while the writer lock is held.
        let failure = unsafe writer.active.unsafelyUnwrapped._withUnsafeGuaranteedRef {
            appender -> StoreError? in
            do throws(StoreError) {
                try body(appender)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }

    private func appendTombstone(
        forKey key: RawSpan, hash: UInt64
    ) throws(StoreError) -> (sequence: UInt64, needsTending: Bool)? {
        try requireWritable()
        let descriptor = try keydir.descriptor(hash)
        guard var old = unsafe existing(key, hash: hash, descriptor: descriptor) else {
            try requireAbsent(key, hash: hash)
            return nil
        }
        let length = RecordHeader.recordLength(key: key.byteCount, value: 0)
        let needsTending = try requireRoom(length)
        // A new segment may have taken the record along.
        if needsTending, let moved = unsafe existing(key, hash: hash, descriptor: descriptor) {
            unsafe old = unsafe moved
        }
        let sequence = writer.nextSequence
        let header = RecordHeader(
            kind: .tombstone, sequence: sequence, time: Clock.seconds(), keyLength: key.byteCount,
            valueLength: 0)
        try withAppender { (appender) throws(StoreError) in
            _ = try appender.append(header, key: key, value: key.extracting(0..<0))
            written(sequence, length, in: appender.segment)
            log.forget(unsafe old.location)
            unsafe keydir.remove(old.slot, hash: hash)
            appender.segment.tombstoneBytes &+= length
        }
        return (sequence, isTendingDue() || needsTending)
    }

    /// Has enough been written since a writer last looked after the background?
    @inline(__always)
    private func isTendingDue() -> Bool {
        guard writer.counters.writtenBytes &- writer.tendedBytes > tendingStep else { return false }
        writer.tendedBytes = writer.counters.writtenBytes
        return true
    }

    @inline(__always)
    private func written(_ sequence: UInt64, _ length: Int, in segment: Segment) {
        writer.nextSequence = sequence &+ 1
        writer.counters.writtenBytes &+= length
        segment.note(sequence: sequence)
    }

    /// Throws where a damaged record, of which nothing tells the key, may be this key's: then nobody
    /// can say that the key is not there.
    private func requireAbsent(_ key: RawSpan, hash: UInt64) throws(StoreError) {
        var search = keydir.search(hash, descriptor: try keydir.descriptor(hash))
        while let candidate = unsafe search.next() {
            let location = unsafe candidate.location
            if table.record(at: location).headerChecksOut() { continue }
            guard let segment = table.segments[location.slot],
                log.hintNames(key, at: location) == nil
            else { continue }
            throw segment.damaged(
                at: location.offset, length: 0, "the record's header checksum is wrong")
        }
    }

    // MARK: Around the writer lock

    private func requireKey(_ key: RawSpan) throws(StoreError) {
        if key.isEmpty { throw .emptyKey }
        if key.byteCount > Format.maxKeyLength { throw .keyTooLong(length: key.byteCount) }
    }

    @inline(__always)
    func requireWritable() throws(StoreError) {
        try requireOpen()
        if let readOnlyReason { throw .readOnly(path: path, reason: readOnlyReason) }
        if let failure = writer.failure { throw failure }
        try manifest.requireCertain()
        // 2^64 writes are never made; a made-up file may claim that they were.
        if writer.nextSequence >= .max - 1 {
            throw .readOnly(path: path, reason: "its sequence numbers are used up")
        }
    }

    /// Makes sure that the active segment has room for a record; begins a new one where it has not.
    ///
    /// - Returns: whether one was begun.
    @inline(__always)
    private func requireRoom(_ recordLength: Int) throws(StoreError) -> Bool {
        try requireWritable()
        if let active = unsafe writer.active,
            unsafe active._withUnsafeGuaranteedRef({ $0.hasRoom(recordLength) })
        {
            return false
        }
        _ = try beginSegment(recordLength)
        return true
    }

    private func finishWrite(
        _ sequence: UInt64, needsTending: Bool, deferringSync: Bool
    ) throws(StoreError) {
        if durability == .always {
            if !deferringSync { try makeDurable(sequence) }
        } else if durability == .interval, !worker.isStarted.load(ordering: .relaxed) {
            try ensureSync(of: sequence)
        }
        if needsTending { try tend() }
    }
}
