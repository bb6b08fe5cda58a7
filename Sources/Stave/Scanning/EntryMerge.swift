internal import StaveDisk

/// The newest entry of each key in the hint files that recovery read, on its way into the keydir.
///
/// Of the time that this takes, half goes into the merge and half into the keydir, so one thread
/// may merge ahead of the other that puts in (`ReadAhead`).
struct EntryMerge: IteratorProtocol {
    /// Items that are handed over at a time, in the order of the keydir's shards: so the processor
    /// finds the keydir's pages in its cache of page addresses. Of ten million keys each page has
    /// some in a batch.
    private let batch: Int
    /// At most so many entries come.
    private(set) var left: Int
    private let segmentIndices: [Int]
    private let hashSeed: UInt64
    private let firstSequence: UInt64
    private var merge: SortedMerge
    /// Of values, by source.
    private(set) var liveBytes: [Int]
    private(set) var tombstones: [Replay.Tombstone] = []

    init(_ recovered: RecoveredStore, hashSeed: UInt64, batch: Int) {
        segmentIndices = recovered.entries.map(\.segment.index)
        self.hashSeed = hashSeed
        precondition(batch > 0, "a batch has an item")
        self.batch = batch
        left = recovered.entries.reduce(0) { $0 + $1.image.count }
        firstSequence = recovered.firstSequence
        merge = SortedMerge(recovered.entries.map(\.image))
        liveBytes = [Int](repeating: 0, count: segmentIndices.count)
    }

    /// The next ones, in no order of keys; nil at the end.
    mutating func next() -> [Replay.Item]? {
        var items: [Replay.Item] = []
        items.reserveCapacity(min(batch, left))
        while items.count < batch, let (source, entry) = merge.next() {
            guard entry.sequence >= firstSequence else { continue }
            // SAFETY: the merge keeps the entry's bytes.
            let hash = unsafe Checksum.hash(entry.key.bytes, seed: hashSeed)
            let item = Replay.Item(
                hash: hash & Keydir.hashMask | UInt64(truncatingIfNeeded: merge.index),
                location: Location(segmentIndex: segmentIndices[source], offset: entry.offset))
            if entry.isValue {
                liveBytes[source] &+= entry.recordLength
            } else {
                tombstones.append((item, entry.recordLength))
            }
            items.append(item)
        }
        left -= items.count
        return items.isEmpty ? nil : inShardOrder(items)
    }

    private func inShardOrder(_ items: [Replay.Item]) -> [Replay.Item] {
        var positions = [Int](repeating: 0, count: Keydir.shardCount)
        for item in items { positions[Keydir.shard(item.hash)] &+= 1 }
        var sum = 0
        for shard in 0..<positions.count { (positions[shard], sum) = (sum, sum + positions[shard]) }
        // SAFETY: each item has a position of its own below `items.count`.
        return unsafe [Replay.Item](unsafeUninitializedCapacity: items.count) { sorted, count in
            unsafe positions.withUnsafeMutableBufferPointer { positions in
                for item in items {
                    let shard = Keydir.shard(item.hash)
                    unsafe sorted[positions[shard]] = item
                    unsafe positions[shard] &+= 1
                }
            }
            count = items.count
        }
    }
}
