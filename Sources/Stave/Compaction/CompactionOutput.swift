internal import StaveDisk

/// A segment that a compaction writes, with its hint.
final class CompactionOutput {
    let segment: Segment
    /// Where each entry's record was copied from, in the order of the hint.
    private(set) var origins: [Location] = []
    private let log: Log
    /// Until `finish`: a compaction may have more outputs than a process may have open files.
    private var appender: BufferedAppender?
    private var hint: HintFileWriter?
    private var finished: HintImage?
    private var identity: FileIdentity?

    init(_ log: Log, capacity: Int) throws(StoreError) {
        self.log = log
        let appender = BufferedAppender(
            try log.createSegment(capacity: capacity), capacity: capacity)
        self.appender = appender
        segment = appender.segment
        // Room for all that the segment can hold; what is not used of it costs no memory.
        origins.reserveCapacity(capacity / Format.aligned(RecordHeader.byteCount + 1))
        do throws(StoreError) {
            hint = try Self.beginHint(of: segment, in: log)
            try log.addHidden(segment)
        } catch {
            discard()
            throw error
        }
    }

    private static func beginHint(
        of segment: Segment, in log: Log
    ) throws(StoreError) -> HintFileWriter {
        return try withFileErrors { () throws(FileError) in
            try HintFileWriter(segment: segment.number, in: log.directory)
        }
    }

    /// The hint; only after `finish`.
    var image: HintImage { finished! }

    func hasRoom(_ recordLength: Int) -> Bool { appender?.hasRoom(recordLength) ?? false }

    /// Copies a record.
    ///
    /// - Parameter origin: where the record lies.
    /// - Returns: false, and nothing is copied, where the record does not check out.
    func append(
        _ entry: HintEntry, from record: RecordPointer, at origin: Location
    ) throws(StoreError) -> Bool {
        guard record.headerChecksOut(), let header = record.header else { return false }
        guard let appender else { preconditionFailure("this output is finished") }
        guard header.isValue == entry.isValue,
            let copy = unsafe RecordCopy(of: record, header, key: entry.key)
        else { return false }
        let offset = try appender.append(copy)
        origins.append(origin)
        segment.note(sequence: header.sequence)
        hint?.count(sequence: header.sequence, kind: entry.kind)
        try withFileErrors { () throws(FileError) in
            unsafe try hint?.append(
                HintEntry(copy.header, kind: entry.kind, offset: offset, key: entry.key))
        }
        return true
    }

    /// Makes the segment and its hint durable. May be called twice.
    func finish() throws(StoreError) {
        guard finished == nil, let hint = hint.take(), let appender = appender.take() else {
            return
        }
        do throws(FileError) {
            identity = try appender.finish()
            // No closure may consume the hint, so that `withFileErrors` does not do.
            let image = try hint.finish(
                identity: segment.identity, segmentLength: segment.end, in: log.directory)
            segment.remember(image)
            finished = image
        } catch {
            throw StoreError(error)
        }
        // Readers are switched here soon.
        segment.mapping.populateForReading(0..<segment.end)
        segment.isSealed = true
    }

    /// Before MANIFEST names it and the inputs are removed: throws where its file was.
    func requirePlace() throws(StoreError) {
        let name = FileName.segment(segment.number).name
        guard let identity, !log.directory.holds(identity, as: name, segment.path) else {
            return
        }
        throw .directoryLost(path: segment.path, reason: "it was removed or replaced")
    }

    /// Takes everything back: the compaction failed before its commit.
    func discard() { log.discard(segment) }
}
