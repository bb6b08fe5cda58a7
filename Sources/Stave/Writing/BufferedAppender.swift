internal import StaveDisk

/// Appends records to a compaction's output, through a buffer and pwrite(2): they are in the file
/// only after `finish`. Readers do not look there before. When pages that are mapped for writing go
/// to the disk, every processor that runs a reader is interrupted for each; here are none.
final class BufferedAppender {
    /// Written at multiples of this, a file ends up in the page cache as huge pages, and a mapping
    /// of it as well: half the cost of a read at random.
    private static let block = 2 << 20

    let segment: Segment
    /// Bytes that records may fill.
    private let capacity: Int
    private let output: SegmentFile
    /// Records on their way to pwrite(2), and where the first of them belongs.
    private let pending = GrowingBytes()
    private var pendingStart: Int

    init(_ output: SegmentFile, capacity: Int) {
        self.output = output
        self.capacity = capacity
        segment = output.segment
        pendingStart = output.segment.end
    }

    /// Does the segment have room for a record of this length?
    func hasRoom(_ recordLength: Int) -> Bool { capacity - segment.end >= recordLength }

    /// Appends a copy of a record.
    ///
    /// - Returns: the offset at which it lies.
    func append(_ copy: RecordCopy) throws(StoreError) -> Int {
        let offset = segment.end
        let length = copy.header.recordLength
        pending.reserve(length)
        // SAFETY: the buffer has room for the whole record behind what it holds.
        unsafe copy.encode(
            at: offset, identity: segment.identity, into: pending.base + pending.count)
        pending.count += length
        if pending.count >= Self.block {
            try withFileErrors { () throws(FileError) in
                try write(upTo: (pendingStart + pending.count) / Self.block * Self.block)
            }
        }
        segment.end = offset + length
        output.startWriteback()
        return offset
    }

    /// Makes all records durable, and ends the file behind the last one.
    ///
    /// - Returns: which file it is.
    func finish() throws(FileError) -> FileIdentity {
        try write(upTo: segment.end)
        if output.needsSync(upTo: segment.end) {
            try output.sync(upTo: segment.end, isMapped: false)
            try output.requireOurs()
        }
        try output.trim()
        return try output.identity()
    }

    /// Writes what the buffer holds below `end`.
    private func write(upTo end: Int) throws(FileError) {
        guard end > pendingStart else { return }
        let count = end - pendingStart
        unsafe try output.write(pending.bytes.bytes.extracting(first: count), at: pendingStart)
        pending.removeFirst(count)
        pendingStart = end
    }
}
