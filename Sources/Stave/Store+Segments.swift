internal import StaveDisk
internal import Synchronization

// The life of a segment: active (it grows) - full (nothing more is appended) - sealed (durable, with a
// hint file beside it).
//
//     who                 under                 active -> full -> sealed
//     the writer          writer lock           beginSegment: a new file, MANIFEST names both
//     worker or writer    seal lock      sealFull: sync, trim, MANIFEST, hint

extension Store {
    /// Begins a new active segment with room for a record; the old one is full now. Under the writer
    /// lock.
    ///
    /// The new file's header and name are durable before MANIFEST names it, and MANIFEST names it
    /// before anything is appended.
    @inline(never)
    func beginSegment(_ recordLength: Int) throws(StoreError) -> Appender {
        let capacity = capacity(forRecord: recordLength)
        let appender = try createSegment(capacity: capacity)
        let segment = appender.segment
        do throws(StoreError) {
            try table.add(segment, limit: SegmentHeader.byteCount)
            let old = writer.appender?.segment
            try manifest.commit(in: directory) { manifest in
                if let old { manifest.setSeal(old.seal(isDurable: false), of: old.number) }
                manifest.segments.append(segment.manifestEntry)
            }
        } catch {
            if segment.slot >= 0 { table.remove(segment) }
            if case .syncFailed = error {
                // MANIFEST may name the new file: it stays.
                writer.failure = error
            } else {
                try? directory.remove(FileName.segment(segment.number).name)
            }
            throw error
        }
        if let old = writer.appender { writer.full.append(old) }
        writer.appender = appender
        return appender
    }

    /// Bytes of a new segment that a record of this length must fit into.
    func capacity(forRecord recordLength: Int) -> Int {
        max(options.segmentSize, SegmentHeader.byteCount + recordLength)
    }

    /// Makes the file of a new segment, durable in header and name; MANIFEST does not name it yet.
    ///
    /// - Parameter isBuffered: see `Appender`.
    func createSegment(
        capacity: Int, isBuffered: Bool = false
    ) throws(StoreError) -> Appender {
        guard let number = manifest.takeSegmentNumber() else {
            throw .readOnly(path: path, reason: "its segment numbers are used up")
        }
        let identity = UInt64.random(in: .min ... .max)
        let header = SegmentHeader(
            identity: identity, number: number, storeID: manifest.current.storeID,
            capacity: UInt64(capacity))
        let name = FileName.segment(number).name
        do throws(FileError) {
            let file = try directory.open(name, .create)
            unsafe try file.write(header.encoded().span.bytes, at: 0)
            try file.sync()
            try directory.sync()
            let mapping = try Mapping(file, count: capacity, isWritable: true)
            let segment = Segment(
                number: number, identity: identity, mapping: mapping,
                path: directory.path(of: name),
                end: SegmentHeader.byteCount)
            return Appender(
                segment: segment, file: file, reserved: SegmentHeader.byteCount,
                capacity: capacity, table: table, synced: SegmentHeader.byteCount,
                isBuffered: isBuffered)
        } catch {
            try? directory.remove(name)
            throw StoreError(error)
        }
    }

    /// Seals all full segments, oldest first.
    func sealFull() throws(StoreError) {
        sealLock.lock()
        defer { sealLock.unlock() }
        while let appender = withWriterLock({ writer.full.first }) {
            try seal(appender)
            _ = withWriterLock { writer.full.removeFirst() }
        }
    }

    /// Under the seal lock.
    private func seal(_ appender: Appender) throws(StoreError) {
        let segment = appender.segment
        try syncLock.withLock { () throws(StoreError) in
            try sync(appender, upTo: segment.end)
            try requirePlace(of: [appender])
        }
        do throws(FileError) {
            if !segment.keepsCutBytes { try appender.trim() }
        } catch {
            throw StoreError(error)
        }
        try manifest.commit(in: directory) { manifest in
            manifest.setSeal(segment.seal(isDurable: true), of: segment.number)
        }
        withWriterLock { segment.isSealed = true }
        // Only an optimisation: without it, the next open reads the segment.
        try? writeHint(of: segment)
        // The image in memory is not needed any more.
        _ = withWriterLock { table.forgetSources() }
    }

    /// The segment's entries sorted by key, up to `end`.
    func sortedEntries(of segment: Segment, upTo end: Int) -> SortedEntries {
        _ = hint(of: segment)
        return segment.sortedEntries(upTo: end)
    }

    /// The same in a few runs, which costs less for a segment that has grown.
    func sortedRuns(of segment: Segment, upTo end: Int) -> [SortedEntries] {
        _ = hint(of: segment)
        return segment.sortedRuns(upTo: end)
    }

    /// The segment's hint, if it has one: read now where that was not needed before. One that does not
    /// check out is made again from the segment, unless that is damaged too.
    func hint(of segment: Segment) -> HintImage? {
        if let hint = segment.hint { return hint }
        guard segment.wasSealed else { return nil }
        do throws(HintFile.Problem) {
            if let hint = try HintFile.read(of: segment, in: directory) { segment.remember(hint) }
        } catch {
            guard segment.sortedEntries(upTo: segment.end).unreadable.isEmpty else { return nil }
            if readOnlyReason == nil { try? writeHint(of: segment) }
            options.onEvent?(.hintRebuilt(file: error.file, reason: error.reason))
        }
        return segment.hint
    }

    /// Writes a sealed segment's hint file and reads through it from now on.
    func writeHint(of segment: Segment) throws(FileError) {
        let hint: HintImage
        if segment.hasRuns {
            // A scan sorted most of the entries already.
            let entries = segment.sortedEntries(upTo: segment.end)
            // A hint would hide what it cannot name; without one, the next open finds the damage.
            guard entries.unreadable.isEmpty else { return }
            hint = try entries.image.write(ofSegment: segment.number, in: directory)
        } else {
            let (records, unreadable) = segment.readRecords(SegmentHeader.byteCount..<segment.end)
            guard unreadable.isEmpty else { return }
            // SAFETY: the segment stays mapped, and the records lie below its end.
            hint = unsafe try records.writeHint(
                ofSegment: segment.number, segment.bytes(upTo: segment.end),
                identity: segment.identity, segmentLength: segment.end, in: directory)
        }
        segment.remember(hint)
    }
}

extension Segment {
    /// What MANIFEST says of it while it grows.
    var manifestEntry: Manifest.Segment { Manifest.Segment(number: number, identity: identity) }

    /// What MANIFEST says of it once nothing is appended any more.
    func seal(isDurable: Bool) -> Manifest.Seal {
        Manifest.Seal(length: end, sequences: sequences ?? 0...0, isDurable: isDurable)
    }
}

extension Manifest {
    mutating func setSeal(_ seal: Seal, of number: UInt64) {
        for index in segments.indices where segments[index].number == number {
            segments[index].seal = seal
        }
    }
}
