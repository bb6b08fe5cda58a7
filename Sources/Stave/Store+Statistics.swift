internal import StaveDisk
internal import Synchronization

extension Store {
    /// Counts and sizes, as they are now.
    public func statistics() throws(StoreError) -> StoreStatistics {
        try requireOpen()
        var diskBytes = 0
        do throws(FileError) {
            for name in try directory.names() where FileName(name) != nil {
                diskBytes += directory.size(of: name) ?? 0
            }
        } catch {
            throw StoreError(error)
        }
        return writerLock.withLock {
            let segments = table.visibleSegments.sorted { $0.number < $1.number }.map {
                StoreStatistics.Segment(
                    number: $0.number, isSealed: $0.isSealed, bytes: $0.end,
                    liveBytes: $0.liveBytes, deadBytes: max(0, $0.deadBytes),
                    tombstoneBytes: $0.tombstoneBytes)
            }
            let counters = writer.counters
            let use = spaceUse()
            let policy = options.compaction
            let deadBytesLeft = use.deadBytesLeft(policy)
            return StoreStatistics(
                path: path, isReadOnly: isReadOnly, durability: durability, count: count,
                segments: segments, diskBytes: diskBytes,
                liveBytes: segments.reduce(0) { $0 + $1.liveBytes },
                deadBytes: segments.reduce(0) { $0 + $1.deadBytes },
                tombstoneBytes: segments.reduce(0) { $0 + $1.tombstoneBytes },
                keydirBytes: keydir.byteCount, nextSequence: writer.nextSequence,
                durableSequence: durableSequence.load(ordering: .acquiring),
                compactionCount: counters.compactionCount, copiedBytes: counters.copiedBytes,
                freedBytes: counters.freedBytes, lastCompaction: counters.lastCompaction,
                deadBytesToCompaction: policy.isAutomatic && !isReadOnly ? deadBytesLeft : nil,
                compactionFailure: writer.compactionFailure?.error.description,
                writtenBytes: counters.writtenBytes)
        }
    }
}
