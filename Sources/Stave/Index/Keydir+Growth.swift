internal import Glibc
internal import Synchronization

// How a shard grows (rule 4).

extension Keydir {
    /// Makes room for keys of these hashes, so that `insert` cannot fail for any of them.
    func makeRoom(for hashes: some Sequence<UInt64>) throws(StoreError) {
        var counts = [Int](repeating: 0, count: Self.shardCount)
        for hash in hashes {
            let shard = Self.shard(hash)
            counts[shard] += 1
            if try !hasRoom(hash, for: counts[shard]) { try rebuild(shard, for: counts[shard]) }
        }
    }

    /// Rebuilds a shard without its deleted slots, with room for more keys (rule 4).
    @inline(never)
    func rebuild(_ shard: Int, for count: Int) throws(StoreError) {
        memory.collect()
        let old = unsafe descriptors[shard].load(ordering: .relaxed)
        let buckets = bucketsToRebuild(shard, for: count)
        let table = unsafe try memory.allocate(buckets: buckets)
        let new = unsafe Self.descriptor(table, buckets)
        unsafe usedSlots[shard] = Self.move(old, to: new)
        unsafe descriptors[shard].store(new, ordering: .releasing)
        unsafe memory.free(Self.table(old), buckets: Self.buckets(old))
    }

    /// A tenth at least is free then, so that keys which come and go do not make it rebuild again
    /// and again.
    private func bucketsToRebuild(_ shard: Int, for count: Int) -> Int {
        Self.buckets(forUsed: unsafe Double(Int(liveSlots[shard]) + count) * 1.1, shard: shard)
    }

    /// Fills an empty table with what lives in another one. Returns how many slots that are.
    private static func move(_ old: UInt64, to new: UInt64) -> Int32 {
        let (source, target) = unsafe (table(old), table(new))
        let count = buckets(new)
        var moved: Int32 = 0
        // Slots in use of each new bucket: they are not read, only written.
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count) { used in
            unsafe used.initialize(repeating: 0)
            for index in 0..<(buckets(old) &* slotsPerBucket) {
                let word = unsafe source[index].load(ordering: .relaxed)
                if word <= deleted { continue }
                var bucket = bucket(tag: word >> Location.bits, of: count)
                while unsafe used[bucket] == slotsPerBucket {
                    bucket = bucket &+ 1 == count ? 0 : bucket &+ 1
                }
                let slot = unsafe bucket &* slotsPerBucket &+ Int(used[bucket])
                unsafe target[slot].store(word, ordering: .relaxed)
                unsafe used[bucket] &+= 1
                moved &+= 1
            }
        }
        return moved
    }

    /// Gives back what room for keys was made and not needed: more than 12 bytes a key.
    func trim() throws(StoreError) {
        guard isRestored, byteCount > 12 * count + (64 << 10) * 2 else { return }
        for shard in 0..<Self.shardCount {
            let buckets = unsafe Self.buckets(descriptors[shard].load(ordering: .relaxed))
            if buckets > bucketsToRebuild(shard, for: 1) { try rebuild(shard, for: 1) }
        }
    }

    /// Buckets of the smallest table in a shard's series that `used` slots do not fill (rule 4).
    static func buckets(forUsed used: Double, shard: Int) -> Int {
        let least = max(1, used / (0.85 * Double(slotsPerBucket)))
        let step = log2(1.4)
        let phase = Double(shard) / Double(shardCount)
        let exponent = (log2(least) / step - phase).rounded(.up) + phase
        return Int(exp2(exponent * step).rounded(.up))
    }
}
