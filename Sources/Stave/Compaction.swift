internal import StaveDisk

/// Rewrites sealed segments so that only live records remain. Safe beside readers and writers.
///
/// The order on disk, which makes every crash leave either all inputs or all outputs:
///
/// 1. Check every record of each input. One with damage is left alone and reported.
/// 2. Merge the inputs by key; copy each winner that is live, and each tombstone that is needed, into
///    outputs in key order, with their hints. Number and time of a record stay as they were.
/// 3. Sync the outputs, their hints and the directory.
/// 4. Sync the active segment: a record is dropped because a newer one exists, so the newer one must
///    be durable before the older one is gone.
/// 5. Replace MANIFEST: it names the outputs instead of the inputs. This is the commit point.
/// 6. Switch readers: each entry that still names the very record that was copied now names the copy.
/// 7. Unlink the inputs; unmap them when no reader can be inside.
///
/// A tombstone is needed as long as a segment outside the compaction has an older record of its key,
/// looked up in that segment's sorted entries.
///
/// Runs under the maintenance lock.
final class Compaction {
    private let store: Store
    private let inputs: [Segment]
    /// Entries of the segments that are not inputs.
    private let others: [HintImage]
    private let images: [HintImage]
    private var outputs: [CompactionOutput] = []
    private var report = CompactionReport()

    init(of inputs: [Segment], others: [Segment], in store: Store) {
        self.store = store
        self.inputs = inputs
        // A plan looks at segments that grow meanwhile, up to where they end now.
        let ends = store.writerLock.withLock { (inputs + others).map { ($0, $0.end) } }
        let images = ends.map { $0.image(upTo: $1) }
        self.images = Array(images.prefix(inputs.count))
        self.others = Array(images.dropFirst(inputs.count))
    }

    func run() throws(StoreError) -> CompactionReport {
        report.segmentsBefore = inputs.count
        do throws(StoreError) {
            try copyRecords()
            try commit()
        } catch {
            if case .syncFailed = error {
                // MANIFEST may name the outputs by now: both they and the inputs stay.
                store.writerLock.withLock { store.writer.failure = error }
            } else {
                for output in outputs { output.discard() }
            }
            throw error
        }
        switchReaders()
        retireInputs()
        return report
    }

    // MARK: Copying (step 2)

    private func copyRecords() throws(StoreError) {
        var kept = KeptEntries(of: images)
        while let (source, entry) = kept.next(where: isKept) {
            try copy(entry, from: inputs[source])
        }
        for output in outputs { try output.finish() }
        report.segmentsAfter = outputs.count
        report.droppedRecords = recordCount - report.copiedRecords
    }

    /// What `run` would do: the same choice of records, without the copying.
    func plan() -> CompactionReport {
        var kept = KeptEntries(of: images)
        var room = 0
        var bytesAfter = 0
        while let (_, entry) = kept.next(where: isKept) {
            let length = entry.recordLength
            if room < length {
                room = max(store.options.segmentSize - SegmentHeader.byteCount, length)
                report.segmentsAfter += 1
                bytesAfter += SegmentHeader.byteCount + HintImage.emptyLength
            }
            room -= length
            report.copiedRecords += 1
            report.copiedBytes += length
            bytesAfter += length + HintImage.length(ofEntry: entry)
        }
        report.segmentsBefore = inputs.count
        report.droppedRecords = recordCount - report.copiedRecords
        let bytesBefore = inputs.reduce(0) { $0 + store.bytesOnDisk(of: $1.number) }
        report.freedBytes = max(0, bytesBefore - bytesAfter)
        return report
    }

    /// Records of the inputs, also those that another one in the same segment superseded.
    private var recordCount: Int { images.reduce(0) { $0 + $1.recordCount } }

    private func isKept(_ source: Int, _ entry: HintEntry) -> Bool {
        entry.kind == .value ? isLive(entry, in: inputs[source]) : isNeeded(tombstone: entry)
    }

    private func isLive(_ entry: HintEntry, in input: Segment) -> Bool {
        let hash = unsafe Checksum.hash(entry.key.bytes, seed: store.hashSeed)
        let location = Location(slot: input.slot, offset: entry.offset)
        let epoch = ReaderEpoch.enter()
        defer { epoch.leave() }
        return unsafe store.keydir.slot(hash, at: location) != nil
    }

    private func isNeeded(tombstone: HintEntry) -> Bool {
        for other in others {
            guard let sequences = other.sequences else { continue }
            guard sequences.lowerBound < tombstone.sequence else { continue }
            if let entry = unsafe other.entry(for: tombstone.key),
                entry.sequence < tombstone.sequence
            {
                return true
            }
        }
        return false
    }

    private func copy(_ entry: HintEntry, from input: Segment) throws(StoreError) {
        if outputs.last?.hasRoom(entry.recordLength) != true {
            if let full = outputs.last { try full.finish() }
            let capacity = store.capacity(forRecord: entry.recordLength)
            outputs.append(try CompactionOutput(store, capacity: capacity))
        }
        try outputs[outputs.count - 1].append(entry, from: input)
        report.copiedRecords += 1
        report.copiedBytes += entry.recordLength
    }

    // MARK: Committing (steps 3 to 5)

    private func commit() throws(StoreError) {
        do throws(FileError) { try store.directory.sync() } catch { throw StoreError(error) }
        try store.syncNow()
        let gone = Set(inputs.map(\.number))
        let segments = outputs.map { output in
            let seal = output.segment.seal(isDurable: true)
            return Manifest.Segment(
                number: output.segment.number, identity: output.segment.identity, seal: seal)
        }
        try store.manifest.commit(in: store.directory) { manifest in
            manifest.segments.removeAll { gone.contains($0.number) }
            manifest.segments += segments
        }
    }

    // MARK: Switching (steps 6 and 7)

    /// Points entries at the copies, in steps that hold a writer up for some microseconds each.
    ///
    ///     compaction                          a writer, meanwhile
    ///     copies record r of key k            sets k: the entry names a newer record
    ///     commits MANIFEST
    ///     entry names r? no: leaves it        (the copy is dead on arrival)
    private func switchReaders() {
        for output in outputs {
            let image = output.image
            var index = 0
            while index < image.count {
                let end = min(index + 256, image.count)
                store.writerLock.withLock {
                    for position in index..<end { switchReader(image, position, output) }
                }
                index = end
            }
        }
    }

    private func switchReader(_ image: HintImage, _ index: Int, _ output: CompactionOutput) {
        let entry = image[index]
        guard entry.kind == .value else {
            output.segment.tombstoneBytes += entry.recordLength
            return
        }
        let hash = unsafe Checksum.hash(entry.key.bytes, seed: store.hashSeed)
        guard let slot = unsafe store.keydir.slot(hash, at: output.origins[index]) else { return }
        let location = Location(slot: output.segment.slot, offset: entry.offset)
        unsafe store.keydir.replace(slot, hash: hash, with: location)
        output.segment.liveBytes += entry.recordLength
    }

    private func retireInputs() {
        let store = store
        for input in inputs {
            // What cannot be removed now is a leftover that the next open removes.
            try? store.directory.remove(FileName.segment(input.number).name)
            try? store.directory.remove(FileName.hint(input.number).name)
        }
        store.writerLock.withLock {
            for output in outputs { store.table.show(output.segment) }
            for input in inputs {
                store.table.hide(input)
                store.writer.limbo.retire { [table = store.table] in table.remove(input) }
            }
            store.writer.limbo.collect()
            store.writer.counters.compactionCount += 1
            store.writer.counters.copiedBytes += report.copiedBytes
        }
    }
}

/// The sorted merge over a compaction's inputs, without what is dropped.
private struct KeptEntries {
    private var merge: SortedMerge
    init(of images: [HintImage]) { merge = SortedMerge(images) }

    mutating func next(
        where isKept: (_ source: Int, _ entry: HintEntry) -> Bool
    ) -> (source: Int, entry: HintEntry)? {
        while let (source, entry) = merge.next() {
            if isKept(source, entry) { return (source, entry) }
        }
        return nil
    }
}

/// A segment that a compaction writes, with its hint.
private final class CompactionOutput {
    let segment: Segment
    /// Where each entry's record was copied from, in the order of the hint.
    private(set) var origins: [Location] = []
    private let store: Store
    private let appender: Appender
    private var builder: HintBuilder? = HintBuilder()
    private var finished: HintImage?

    init(_ store: Store, capacity: Int) throws(StoreError) {
        self.store = store
        appender = try store.createSegment(capacity: capacity)
        segment = appender.segment
        do throws(StoreError) {
            try store.writerLock.withLock { () throws(StoreError) in
                try store.table.add(segment, limit: SegmentHeader.byteCount, isHidden: true)
            }
        } catch {
            discard()
            throw error
        }
    }

    /// The hint; only after `finish`.
    var image: HintImage { finished! }

    func hasRoom(_ recordLength: Int) -> Bool { appender.hasRoom(recordLength) }

    /// Copies a record. Its value's checksum travels along, and so still proves what was first written.
    func append(_ entry: HintEntry, from input: Segment) throws(StoreError) {
        let record = unsafe RecordPointer(
            segment: input.mapping.bytes.baseAddress!, offset: entry.offset,
            limit: min(input.end, input.fileSize), identity: input.identity)
        guard record.headerChecksOut(), let header = record.header else {
            throw input.damaged(
                at: entry.offset, length: entry.recordLength,
                "the record's header checksum is wrong")
        }
        let value: UnsafeRawBufferPointer
        if entry.kind == .value {
            guard let whole = unsafe record.value(isVerified: true) else {
                throw input.damaged(
                    at: entry.offset, length: entry.recordLength, "the value's checksum is wrong")
            }
            unsafe value = unsafe whole
        } else {
            unsafe value = UnsafeRawBufferPointer(start: nil, count: 0)
        }
        let oldBinding = Checksum.binding(identity: input.identity, offset: entry.offset)
        let offset = unsafe try appender.append(
            header, key: entry.key.bytes, value: value.bytes,
            unboundValueChecksum: header.valueChecksum ^ UInt32(truncatingIfNeeded: oldBinding))
        origins.append(Location(slot: input.slot, offset: entry.offset))
        segment.note(sequence: header.sequence)
        builder?.count(sequence: header.sequence, kind: entry.kind)
        unsafe builder?.append(HintEntry(header, kind: entry.kind, offset: offset, key: entry.key))
    }

    /// Makes the segment and its hint durable. May be called twice.
    func finish() throws(StoreError) {
        guard finished == nil, let builder = builder.take() else { return }
        let image = builder.finish(identity: segment.identity, segmentLength: segment.end)
        do throws(FileError) {
            try appender.sync(upTo: segment.end)
            try appender.trim()
            segment.remember(image)
            try store.writeHint(of: segment)
        } catch {
            throw StoreError(error)
        }
        segment.isSealed = true
        finished = segment.hint ?? image
    }

    /// Takes everything back: the compaction failed before its commit.
    func discard() {
        try? store.directory.remove(FileName.segment(segment.number).name)
        try? store.directory.remove(FileName.hint(segment.number).name)
        guard segment.slot >= 0 else { return }
        store.writerLock.withLock { store.table.remove(segment) }
    }
}
