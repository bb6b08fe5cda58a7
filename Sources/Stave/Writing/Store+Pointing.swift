internal import StaveDisk

// From a record that was appended to the keydir that names it.

extension Store {
    // MARK: The writer lock

    /// Runs `body` under the writer lock, when the keydir has every key.
    @inline(__always)
    func withWriterLock<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        lockWriter()
        defer { writerLock.unlock() }
        return try body()
    }

    /// Takes the writer lock and settles what waits for the keydir.
    @inline(__always)
    func lockWriter() {
        writerLock.lock()
        settleAll()
    }

    // MARK: Under it

    /// Makes sure that one more set can be pointed at without an error.
    @inline(__always)
    func makeRoomToPoint(_ hash: UInt64) throws(StoreError) {
        // Those that wait may all be new keys of the same shard.
        if try keydir.hasRoom(hash, for: queue.count &+ 1) { return }
        settleAll()
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
        if queue.count == KeydirQueue.capacity { settleOldest() }
    }

    @inline(__always)
    func settleAll() {
        while queue.count > 0 { settleOldest() }
    }

    @inline(__always)
    private func settleOldest() {
        let entry = unsafe queue.oldest
        unsafe point(entry.key.bytes, hash: entry.hash, at: entry.location)
        queue.removeOldest()
    }

    /// Points the keydir at a key's newest record.
    private func point(_ key: RawSpan, hash: UInt64, at location: Location) {
        let descriptor = keydir.presentDescriptor(hash)
        if let old = unsafe existing(key, hash: hash, descriptor: descriptor) {
            log.forget(unsafe old.location)
            unsafe keydir.replace(old.slot, hash: hash, with: location)
        } else {
            keydir.insert(hash, location)
        }
    }

    /// The slot of `key`, if it has one. A damaged record counts as the key's where its segment's hint
    /// says so: a key can be set or deleted out of its damage.
    @inline(__always)
    func existing(
        _ key: RawSpan, hash: UInt64, descriptor: UInt64
    ) -> (slot: Keydir.Slot, location: Location)? {
        var search = keydir.search(hash, descriptor: descriptor)
        while let candidate = unsafe search.next() {
            let location = unsafe candidate.location
            if table.record(at: location).hasKey(key) || log.isDamagedRecord(of: key, at: location)
            {
                return unsafe candidate
            }
        }
        return nil
    }
}
