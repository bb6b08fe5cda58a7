internal import StaveDisk
internal import Synchronization

// For tests, after each of their steps.

extension Log {
    /// Checks rules 1 to 3, and that table, MANIFEST and open segments agree. The index may lack
    /// sets.
    func checkInvariants() {
        // A sealing tells MANIFEST, the segment and the list of full ones one after the other.
        sealLock.withLock {
            syncLock.withLock {
                withLock {
                    checkTable()
                    checkOpenSegments()
                }
            }
        }
    }

    private func checkTable() {
        let highest = table.segments.lazy.compactMap { $0?.sequences?.upperBound }.max() ?? 0
        precondition(highest < writer.nextSequence, "a record has a number that comes later")
        for (index, segment) in table.segments.enumerated() {
            guard let segment else { continue }
            precondition(segment.index == index, "a segment has another's place in the table")
            let counted = segment.liveBytes + segment.tombstoneBytes
            precondition(
                segment.liveBytes >= 0 && segment.tombstoneBytes >= 0, "a counter is negative")
            precondition(
                counted <= segment.end - SegmentHeader.byteCount,
                "segment \(segment.number) has more live bytes than bytes")
        }
    }

    private func checkOpenSegments() {
        let open = writer.openAppenders
        let visible = Set(visibleSegments.map(\.number))
        let entries = Dictionary(
            manifest.current.segments.map { ($0.number, $0) },
            uniquingKeysWith: { first, _ in first })
        var last: UInt64 = 0
        var isDurableToItsEnd = true
        for appender in open {
            let segment = appender.segment
            precondition(!segment.isSealed, "an open segment is sealed")
            precondition(visible.contains(segment.number), "an open segment is not in the table")
            guard let entry = entries[segment.number] else {
                preconditionFailure("MANIFEST does not name an open segment")
            }
            precondition(!entry.isSealed, "MANIFEST calls an open segment sealed")
            precondition(
                segment.sequences?.lowerBound ?? .max > last, "open segments are out of order")
            last = segment.sequences?.upperBound ?? last
            precondition(
                isDurableToItsEnd || appender.synced <= SegmentHeader.byteCount,
                "a segment is durable further than the one before it")
            isDurableToItsEnd = appender.synced >= segment.end
            precondition(appender.synced <= segment.end, "more is durable than was written")
        }
        let durable = durableSequence.load(ordering: .acquiring)
        precondition(durable <= writer.nextSequence, "what was not written is durable")
    }
}
