internal import StaveDisk
internal import Synchronization

// Saving the keydir and restoring it, table by table.

extension Keydir {
    /// Reads the table of a shard in. Any thread may come first.
    @inline(never)
    func restore(_ shard: Int) throws(StoreError) -> UInt64 {
        guard let checkpointTables else {
            preconditionFailure("a descriptor of 0 is a checkpoint's table")
        }
        return try checkpointTables.lock.withLock { () throws(StoreError) in
            let known = unsafe descriptors[shard].load(ordering: .acquiring)
            if known != 0 { return known }
            let used = try checkpointTables.read(shard)
            // The writer reads it after it has seen the descriptor.
            unsafe usedSlots[shard] = Int32(used)
            let buckets = checkpointTables.checkpoint.shards[shard].buckets
            let descriptor = unsafe Self.descriptor(checkpointTables.memory[shard], buckets)
            unsafe descriptors[shard].store(descriptor, ordering: .releasing)
            return descriptor
        }
    }

    /// Reads all tables in that still wait in the checkpoint file.
    func restoreAll() throws(StoreError) {
        guard let checkpointTables, !checkpointTables.isDone else { return }
        for shard in 0..<Self.shardCount
        where unsafe descriptors[shard].load(ordering: .relaxed) == 0 { _ = try restore(shard) }
        checkpointTables.finish()
    }

    /// Are all tables in memory?
    var isRestored: Bool { checkpointTables?.isDone ?? true }

    /// The table of a shard, after `restoreAll`, under the writer lock.
    func table(
        of shard: Int
    ) -> (bytes: UnsafeRawBufferPointer, usedSlots: Int, liveSlots: Int) {
        let descriptor = unsafe descriptors[shard].load(ordering: .relaxed)
        let count = Self.buckets(descriptor) * Self.slotsPerBucket * 8
        return unsafe (
            UnsafeRawBufferPointer(start: Self.table(descriptor), count: count),
            Int(usedSlots[shard]), Int(liveSlots[shard])
        )
    }
}

extension Keydir {
    /// Visits what every slot in use names. Under the writer lock, after `restoreAll`. For tests.
    func forEachLocation(_ body: (Location) -> Void) {
        for shard in 0..<Self.shardCount {
            let descriptor = unsafe descriptors[shard].load(ordering: .relaxed)
            for at in 0..<(Self.buckets(descriptor) * Self.slotsPerBucket) {
                let word = unsafe Self.table(descriptor)[at].load(ordering: .relaxed)
                if word > Self.deleted { body(Location(word: word)) }
            }
        }
    }

    /// Recounts every shard and checks rule 3. For tests.
    func checkInvariants() throws(StoreError) {
        try restoreAll()
        var live = 0
        for shard in 0..<Self.shardCount {
            let descriptor = unsafe descriptors[shard].load(ordering: .relaxed)
            var (used, alive): (Int32, Int32) = (0, 0)
            for bucket in 0..<Self.buckets(descriptor) {
                var sawEmpty = false
                for index in 0..<Self.slotsPerBucket {
                    let at = bucket * Self.slotsPerBucket + index
                    let word = unsafe Self.table(descriptor)[at].load(ordering: .relaxed)
                    if word == 0 { sawEmpty = true } else { used += 1 }
                    if word > Self.deleted { alive += 1 }
                    precondition(word == 0 || !sawEmpty, "a slot in use follows an empty one")
                }
            }
            unsafe precondition(used == usedSlots[shard], "used slots are miscounted")
            unsafe precondition(alive == liveSlots[shard], "live slots are miscounted")
            live += Int(alive)
        }
        precondition(live == count, "keys are miscounted")
    }
}
