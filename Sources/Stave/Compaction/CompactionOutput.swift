internal import StaveDisk

/// A segment that a compaction writes, with its hint.
final class CompactionOutput {
    let segment: Segment
    /// Where each entry's record was copied from, in the order of the hint.
    private(set) var origins: [Location] = []
    private let store: Store
    /// Until `finish`: a compaction may have more outputs than a process may have open files.
    private var appender: Appender?
    private var hint: HintFileWriter?
    private var finished: HintImage?
    private var identity: FileIdentity?

    init(_ store: Store, capacity: Int) throws(StoreError) {
        self.store = store
        let appender = try store.createSegment(capacity: capacity, isBuffered: true)
        self.appender = appender
        segment = appender.segment
        // Room for all that the segment can hold; what is not used of it costs no memory.
        origins.reserveCapacity(capacity / Format.aligned(RecordHeader.byteCount + 1))
        do throws(StoreError) {
            hint = try Self.beginHint(of: segment, in: store)
            try store.withWriterLock { () throws(StoreError) in
                try store.table.add(segment, limit: SegmentHeader.byteCount, isHidden: true)
            }
        } catch {
            discard()
            throw error
        }
    }

    private static func beginHint(
        of segment: Segment, in store: Store
    ) throws(StoreError) -> HintFileWriter {
        do throws(FileError) {
            return try HintFileWriter(segment: segment.number, in: store.log.directory)
        } catch {
            throw StoreError(error)
        }
    }

    /// The hint; only after `finish`.
    var image: HintImage { finished! }

    func hasRoom(_ recordLength: Int) -> Bool { appender?.hasRoom(recordLength) ?? false }

    /// Copies a record. Its value's checksum travels along, and so still proves what was first written.
    ///
    /// - Parameter slot: of the record's segment.
    /// - Returns: false, and nothing is copied, where the record does not check out.
    func append(
        _ entry: HintEntry, from record: RecordPointer, slot: Int
    ) throws(StoreError) -> Bool {
        guard record.headerChecksOut(), let header = record.header else { return false }
        let value: UnsafeRawBufferPointer
        if entry.kind == .value {
            guard let whole = unsafe record.value(isVerified: true) else { return false }
            unsafe value = unsafe whole
        } else {
            unsafe value = UnsafeRawBufferPointer(start: nil, count: 0)
        }
        guard let appender else { preconditionFailure("this output is finished") }
        let oldBinding = Checksum.binding(identity: record.identity, offset: entry.offset)
        let offset = unsafe try appender.append(
            header, key: entry.key.bytes, value: value.bytes,
            unboundValueChecksum: header.valueChecksum ^ UInt32(truncatingIfNeeded: oldBinding))
        appender.startWriteback()
        origins.append(Location(slot: slot, offset: entry.offset))
        segment.note(sequence: header.sequence)
        hint?.count(sequence: header.sequence, kind: entry.kind)
        do throws(FileError) {
            unsafe try hint?.append(
                HintEntry(header, kind: entry.kind, offset: offset, key: entry.key))
        } catch {
            throw StoreError(error)
        }
        return true
    }

    /// Makes the segment and its hint durable. May be called twice.
    func finish() throws(StoreError) {
        guard finished == nil, let hint = hint.take(), let appender = appender.take() else {
            return
        }
        do throws(FileError) {
            try appender.sync(upTo: segment.end)
            try appender.trim()
            identity = try appender.identity()
            let image = try hint.finish(
                identity: segment.identity, segmentLength: segment.end, in: store.log.directory)
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
        guard let identity, !store.log.directory.holds(identity, as: name, segment.path) else {
            return
        }
        throw .directoryLost(path: segment.path, reason: "it was removed or replaced")
    }

    /// Takes everything back: the compaction failed before its commit.
    func discard() {
        try? store.log.directory.remove(FileName.segment(segment.number).name)
        try? store.log.directory.remove(FileName.hint(segment.number).name)
        store.log.directory.giveUpReplacing(.hint(segment.number))
        guard segment.slot >= 0 else { return }
        store.withWriterLock { store.table.remove(segment) }
    }
}
