internal import StaveDisk

// From a record that was appended to the keydir that names it.

extension Index {
    // MARK: The lock

    /// Runs `body` under the log's lock, when the keydir has every key. All but a set take the lock
    /// so where they ask or change the index, or want a segment's live bytes.
    @inline(__always)
    func withLock<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        lock()
        defer { unlock() }
        return try body()
    }

    @inline(__always)
    func lock() {
        log.lock.lock()
        drainQueue()
    }

    @inline(__always)
    func unlock() { log.lock.unlock() }

    // MARK: Under it

    /// Makes sure that one more set can be pointed at without an error.
    @inline(__always)
    func makeRoomToPoint(_ hash: UInt64) throws(StoreError) {
        // Those that wait may all be new keys of the same shard.
        if try keydir.hasRoom(hash, for: queue.count &+ 1) { return }
        drainQueue()
        try keydir.makeRoom(hash)
    }

    /// Points the keydir at the newest record of a key, now or when a few more sets have come.
    @inline(__always)
    func pointSoon(_ key: RawSpan, hash: UInt64, at location: Location) {
        guard key.byteCount <= KeydirQueue.maxKeyLength else {
            point(key, hash: hash, at: location)
            return
        }
        queue.push(key, hash: hash, location)
        if queue.count > KeydirQueue.capacity / 2 {
            let hash = queue.hash(age: KeydirQueue.capacity / 2)
            prefetchRecord(hash, descriptor: keydir.presentDescriptor(hash))
        }
        if queue.count == KeydirQueue.capacity { drainOldest() }
    }

    /// Points the keydir at all that waits in the queue.
    @inline(__always)
    func drainQueue() {
        while queue.count > 0 { drainOldest() }
    }

    @inline(__always)
    private func drainOldest() {
        let entry = unsafe queue.oldest
        unsafe point(entry.key.bytes, hash: entry.hash, at: entry.location)
        queue.removeOldest()
    }

    /// Points the keydir at a key's newest record.
    private func point(_ key: RawSpan, hash: UInt64, at location: Location) {
        let descriptor = keydir.presentDescriptor(hash)
        if let old = unsafe existing(key, hash: hash, descriptor: descriptor) {
            log.markDead(unsafe old.location)
            unsafe keydir.replace(old.slot, hash: hash, with: location)
        } else {
            keydir.insert(hash, location)
        }
    }

    /// Takes a key out, whose tombstone was appended.
    @inline(__always)
    func remove(_ key: (slot: Keydir.Slot, location: Location), hash: UInt64) {
        log.markDead(unsafe key.location)
        unsafe keydir.remove(key.slot, hash: hash)
    }

    /// The slot of `key`, if it has one.
    @inline(__always)
    func existing(
        _ key: RawSpan, hash: UInt64
    ) throws(StoreError) -> (slot: Keydir.Slot, location: Location)? {
        unsafe existing(key, hash: hash, descriptor: try keydir.descriptor(hash))
    }

    /// The same, where the descriptor is at hand. A damaged record counts as the key's unless its
    /// segment's hint denies it: a key can be set or deleted out of its damage.
    @inline(__always)
    func existing(
        _ key: RawSpan, hash: UInt64, descriptor: UInt64
    ) -> (slot: Keydir.Slot, location: Location)? {
        var search = keydir.search(hash, descriptor: descriptor)
        var damaged: (slot: Keydir.Slot, location: Location)?
        while let candidate = unsafe search.next() {
            let location = unsafe candidate.location
            if table.record(at: location).hasKey(key) { return unsafe candidate }
            if log.mayBeDamagedRecord(of: key, at: location) { unsafe damaged = candidate }
        }
        return unsafe damaged
    }
}
