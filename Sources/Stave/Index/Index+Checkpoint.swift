internal import StaveDisk

// The keydir's checkpoint: written at close, when all segments are sealed; read back at open, and
// brought up to date from the records that were written since.

extension CheckpointTables {
    /// Gives the segments that the checkpoint knows what it says of them.
    func restoreSegments(_ found: [Segment], _ log: Log) {
        var sources: [(segment: Segment, end: Int)] = []
        for segment in found {
            guard let known = segments[segment.number] else { continue }
            log.table.restore(segment, index: known.slot, limit: min(segment.end, segment.fileSize))
            segment.liveBytes = known.liveBytes
            segment.tombstoneBytes = known.tombstoneBytes
            sources.append((segment, known.end))
        }
        let seed = checkpoint.storeID.low
        source = { (body) throws(StoreError) in
            try Self.forEachEntry(of: sources, in: log, hashSeed: seed, body)
        }
    }

    /// All keys of these segments by the sorted merge, for a table that is lost.
    private static func forEachEntry(
        of sources: [(segment: Segment, end: Int)], in log: Log, hashSeed: UInt64,
        _ body: (UInt64, Location) -> Void
    ) throws(StoreError) {
        let entries = sources.map { log.sortedRun(of: $0.segment, upTo: $0.end) }
        for entry in entries { if let damage = entry.unreadable.first { throw damage } }
        var merge = SortedMerge(entries.map(\.image))
        while let (source, entry) = merge.next() {
            guard entry.kind == .value else { continue }
            // SAFETY: the image behind the entry lives in `entries`.
            let hash = unsafe Checksum.hash(entry.key.bytes, seed: hashSeed)
            body(hash, Location(segmentIndex: sources[source].segment.index, offset: entry.offset))
        }
    }
}

extension Index {
    // MARK: At close

    /// Writes a checkpoint if opening would take long without it: only an optimisation, so that an
    /// error, a full disk for one, is of no consequence. Under the compaction lock, when all is
    /// durable.
    ///
    /// - Parameter limit: so many entries may the next open have to read.
    func saveCheckpoint(above limit: Int) {
        guard log.readOnlyReason == nil else { return }
        lock()
        defer { unlock() }
        // It names sealed segments alone.
        guard log.failure == nil, log.isSealed, isCheckpointDue(above: limit) else { return }
        try? keydir.restoreAll()
        guard keydir.isRestored else { return }
        var checkpoint = KeydirCheckpoint(
            storeID: log.manifest.current.storeID, nextSequence: log.nextSequence,
            segments: log.visibleSegments.map(\.checkpoint), shards: [])
        for shard in 0..<Keydir.shardCount {
            let table = unsafe keydir.table(of: shard)
            unsafe checkpoint.shards.append(
                KeydirCheckpoint.Shard(
                    buckets: table.bytes.count / KeydirCheckpoint.bucketLength,
                    usedSlots: table.usedSlots, liveSlots: table.liveSlots, checksum: 0))
        }
        try? log.directory.replace(FileName.checkpoint.name) { (file) throws(FileError) in
            var offset = checkpoint.tablesOffset
            // The tables of a small store are a bucket or two each: many go to the disk at once.
            let waiting = GrowingBytes()
            for shard in 0..<Keydir.shardCount {
                let table = unsafe keydir.table(of: shard).bytes
                checkpoint.shards[shard].checksum = unsafe KeydirCheckpoint.checksum(
                    table.bytes, at: offset + waiting.count, of: checkpoint.storeID)
                unsafe waiting.append(table)
                if waiting.count >= 1 << 20 || shard == Keydir.shardCount - 1 {
                    unsafe try file.write(waiting.bytes.bytes, at: offset)
                    offset += waiting.count
                    waiting.count = 0
                }
            }
            unsafe try file.write(checkpoint.encoded().span.bytes, at: 0)
        }
    }

    /// Would the next open have to read many entries? A small share of a large store is left to be
    /// read, so that a single set does not write the keydir of a hundred million keys.
    private func isCheckpointDue(above limit: Int) -> Bool {
        // Of segments of version 1 nothing proves the bytes.
        guard log.manifest.current.segments.allSatisfy({ $0.format > 1 }) else { return false }
        var unread = keydir.count
        if let tables = keydir.checkpointTables, !tables.isDamaged, isCurrent(tables.checkpoint) {
            unread = replayedCount
        }
        let written = log.newCount
        return unread + written > max(limit, keydir.count / 64)
    }

    /// A compaction that took one of its segments away made it stale.
    private func isCurrent(_ checkpoint: KeydirCheckpoint) -> Bool {
        let identities = Set(log.visibleSegments.map(\.identity))
        return checkpoint.segments.allSatisfy { identities.contains($0.identity) }
    }
}

extension Segment {
    fileprivate var checkpoint: KeydirCheckpoint.Segment {
        KeydirCheckpoint.Segment(
            number: number, identity: identity, end: end, liveBytes: liveBytes,
            tombstoneBytes: tombstoneBytes, sequences: sequences, slot: index)
    }
}
