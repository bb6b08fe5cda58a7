internal import StaveDisk
internal import Synchronization

extension Store {
    /// Counts and sizes, as they are now.
    public func statistics() throws(StoreError) -> StoreStatistics {
        try requireOpen()
        var diskBytes = 0
        do throws(FileError) {
            for name in try log.directory.names() where FileName(name) != nil {
                diskBytes += log.directory.size(of: name) ?? 0
            }
        } catch {
            throw StoreError(error)
        }
        // Asking the kernel takes a while with many pages: no lock is held meanwhile.
        let resident = withWriterLock { table.visibleSegments.map { ($0, $0.end) } }
            .reduce(into: [UInt64: Int]()) {
                $0[$1.0.number] = $1.0.residentBytes(upTo: $1.1)
            }
        return withWriterLock {
            let visible = table.visibleSegments.sorted { $0.number < $1.number }
            let segments = visible.map {
                StoreStatistics.Segment(
                    number: $0.number, isSealed: $0.isSealed, bytes: $0.end,
                    liveBytes: $0.liveBytes, deadBytes: max(0, $0.deadBytes),
                    tombstoneBytes: $0.tombstoneBytes,
                    residentBytes: min(resident[$0.number] ?? 0, $0.end))
            }
            let counters = writer.counters
            let use = spaceUse()
            let policy = options.compaction
            let deadBytesLeft = use.deadBytesLeft(policy)
            return StoreStatistics(
                path: path, isReadOnly: isReadOnly, durability: durability, count: keydir.count,
                segments: segments, diskBytes: diskBytes,
                liveBytes: segments.reduce(0) { $0 + $1.liveBytes },
                deadBytes: segments.reduce(0) { $0 + $1.deadBytes },
                tombstoneBytes: segments.reduce(0) { $0 + $1.tombstoneBytes },
                residentBytes: segments.reduce(0) { $0 + $1.residentBytes },
                keydirBytes: keydir.byteCount, nextSequence: writer.nextSequence,
                durableSequence: durableSequence.load(ordering: .acquiring),
                compactionCount: counters.compactionCount, copiedBytes: counters.copiedBytes,
                freedBytes: counters.freedBytes, lastCompaction: counters.lastCompaction,
                deadBytesToCompaction: policy.isAutomatic && !isReadOnly ? deadBytesLeft : nil,
                compactionAwaitsSegment: use.isDue(policy) && !hasWorthwhileSegment(visible),
                compactionFailure: writer.compactionFailure?.error.description,
                threadFailure: threadFailure, writtenBytes: counters.writtenBytes)
        }
    }
}
