internal import StaveDisk

extension Store {
    /// Brings all segments with live records into memory, so that later reads find them there. The
    /// system may drop them again when it needs the memory.
    ///
    /// - Parameter progress: called now and then with how much is done, from 0 to 1; false stops.
    /// - Returns: the bytes that were asked for, and how many of them are in memory now.
    @discardableResult
    public func warm(
        progress: (Double) -> Bool = { _ in true }
    ) throws(StoreError) -> (bytes: Int, residentBytes: Int) {
        try requireOpen()
        let segments = index.withLock {
            log.visibleSegments.filter { $0.liveBytes > 0 }
                .map { (segment: $0, bytes: $0.end) }
        }
        let total = segments.reduce(0) { $0 + $1.bytes }
        let step = 8 << 20
        var done = 0
        loading: for (segment, bytes) in segments {
            for start in stride(from: 0, to: bytes, by: step) {
                guard progress(Double(done) / Double(max(total, 1))) else { break loading }
                let end = min(start + step, bytes)
                segment.mapping.load(start..<end)
                done += end - start
            }
        }
        return (total, segments.reduce(0) { $0 + $1.segment.residentBytes(upTo: $1.bytes) })
    }
}

extension Segment {
    /// Bytes of its first `end` that are in memory, counted in whole pages.
    func residentBytes(upTo end: Int) -> Int {
        mapping.residentBytes(upTo: min(end, fileSize, mapping.count))
    }
}
