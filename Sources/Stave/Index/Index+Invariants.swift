internal import StaveDisk

// For tests, after each of their steps.

extension Index {
    /// Checks rules 1 and 3: every key is named once, and names a value of a segment that is there;
    /// and what is counted of the segments is what the index names of them. Looks at every slot.
    func checkInvariants() throws(StoreError) {
        try restoreAll()
        try withLock { () throws(StoreError) in
            precondition(queue.count == 0, "a set waits where all were drained")
            try keydir.checkInvariants()
            var liveBytes: [Int: Int] = [:]
            keydir.forEachLocation { location in
                let index = location.segmentIndex
                guard index < table.segments.count, let segment = table.segments[index] else {
                    preconditionFailure("the index names a segment that is gone")
                }
                guard let header = table.record(at: location).header, header.isValue,
                    location.offset + header.recordLength <= segment.end
                else { preconditionFailure("the index names what is no value") }
                liveBytes[index, default: 0] += header.recordLength
            }
            if isSwitching { return }
            for segment in log.visibleSegments {
                let found = liveBytes[segment.index] ?? 0
                precondition(
                    segment.liveBytes == found,
                    "segment \(segment.number) counts \(segment.liveBytes) live bytes, not \(found)"
                )
            }
        }
    }
}
