internal import StaveDisk
internal import Synchronization

extension Store {
    /// Counts and sizes, as they are now.
    public func statistics() throws(StoreError) -> StoreStatistics {
        try requireOpen()
        var diskBytes = 0
        try withFileErrors { () throws(FileError) in
            for name in try log.directory.names() where FileName(name) != nil {
                diskBytes += log.directory.size(of: name) ?? 0
            }
        }
        // Asking the kernel takes a while with many pages: no lock is held meanwhile.
        let resident = log.withLock { log.visibleSegments.map { ($0, $0.end) } }
            .reduce(into: [UInt64: Int]()) {
                $0[$1.0.number] = $1.0.residentBytes(upTo: $1.1)
            }
        return index.withLock {
            let visible = log.visibleSegments.sorted { $0.number < $1.number }
            let segments = visible.map {
                StoreStatistics.Segment(
                    number: $0.number, isSealed: $0.isSealed, bytes: $0.end,
                    liveBytes: $0.liveBytes, deadBytes: max(0, $0.deadBytes),
                    tombstoneBytes: $0.tombstoneBytes,
                    residentBytes: min(resident[$0.number] ?? 0, $0.end))
            }
            let (counters, failure) = compactor.withState { ($0.counters, $0.failure?.error) }
            let use = compactor.spaceUse
            let policy = options.compaction
            let deadBytesLeft = use.deadBytesLeft(policy)
            return StoreStatistics(
                path: path, isReadOnly: isReadOnly, durability: durability, count: index.count,
                segments: segments, diskBytes: diskBytes,
                liveBytes: segments.reduce(0) { $0 + $1.liveBytes },
                deadBytes: segments.reduce(0) { $0 + $1.deadBytes },
                tombstoneBytes: segments.reduce(0) { $0 + $1.tombstoneBytes },
                residentBytes: segments.reduce(0) { $0 + $1.residentBytes },
                keydirBytes: index.byteCount, nextSequence: log.nextSequence,
                durableSequence: log.durableSequence.load(ordering: .acquiring),
                compactionCount: counters.compactionCount, copiedBytes: counters.copiedBytes,
                freedBytes: counters.freedBytes, lastCompaction: counters.lastCompaction,
                deadBytesToCompaction: policy.isAutomatic && !isReadOnly ? deadBytesLeft : nil,
                compactionAwaitsSegment: use.isDue(policy)
                    && !compactor.hasWorthwhileSegment(visible),
                compactionFailure: failure?.description,
                threadFailure: threadFailure, writtenBytes: log.writtenBytes)
        }
    }
}
