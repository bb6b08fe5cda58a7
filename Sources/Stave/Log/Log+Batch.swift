internal import StaveDisk

extension Log {
    /// Appends a batch to the active segment, which has room for all of it. Where it throws,
    /// nothing is written. Under the lock.
    ///
    /// - Parameters:
    ///   - writes: at least one; their keys and values lie in `bytes`.
    ///   - length: bytes of all records.
    /// - Returns: the number of the last record, and where the first one lies.
    func append(
        _ writes: Span<Batch.Write>, of bytes: RawSpan, length: Int
    ) throws(StoreError) -> (last: UInt64, start: Location) {
        let (first, count) = (writer.nextSequence, UInt64(writes.count))
        guard let appender = writer.appender else { preconditionFailure("there is no segment") }
        if UInt64.max - 1 - first <= count {
            throw .readOnly(path: path, reason: "its sequence numbers are used up")
        }
        let (segment, time) = (appender.segment, Clock.seconds())
        let start = Location(segmentIndex: segment.index, offset: segment.end)
        try appender.beginBatch(length)
        var (valueBytes, tombstoneBytes) = (0, 0)
        for position in writes.indices {
            let write = writes[position]
            var header = RecordHeader(
                kind: write.valueLength == nil ? .tombstone : .value,
                sequence: first &+ UInt64(position), time: time, keyLength: write.keyLength,
                valueLength: write.valueLength ?? 0)
            if position < writes.count - 1 { header.flags = RecordHeader.continues }
            _ = try appender.append(
                header, key: bytes.extracting(write.key), value: bytes.extracting(write.value))
            if header.isValue {
                valueBytes += write.recordLength
            } else {
                tombstoneBytes += write.recordLength
            }
        }
        try appender.endBatch()
        let last = first &+ (count &- 1)
        segment.note(sequence: first)
        segment.note(sequence: last)
        segment.liveBytes &+= valueBytes
        segment.tombstoneBytes &+= tombstoneBytes
        writer.nextSequence = last &+ 1
        writer.writtenBytes &+= length
        return (last, start)
    }
}
