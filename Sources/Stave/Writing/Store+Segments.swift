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
        // A compaction that runs may have them as its inputs.
        let mayAbsorb = writer.mayAbsorb && compactionLock.tryLock()
        defer { if mayAbsorb { compactionLock.unlock() } }
        let absorbed = mayAbsorb ? segmentsToAbsorb() : []
        let absorbedBytes = absorbed.reduce(0) { $0 + $1.end }
        let capacity = max(capacity(forRecord: recordLength), absorbedBytes + recordLength)
        let appender = try createSegment(capacity: capacity)
        let segment = appender.segment
        do throws(StoreError) {
            try table.add(segment, limit: SegmentHeader.byteCount)
            let moves = try absorb(absorbed, into: appender)
            try makeNewDurable(appender)
            let old = writer.openAppenders
            let gone = Set(absorbed.map(\.number))
            try manifest.commit(in: log.directory) { manifest in
                for appender in old { manifest.setFull(appender.segment) }
                manifest.segments.removeAll { gone.contains($0.number) }
                manifest.segments.append(segment.manifestEntry)
            }
            retire(absorbed, moves)
        } catch {
            if segment.slot >= 0 { table.remove(segment) }
            if case .syncFailed = error {
                // MANIFEST may name the new file: it stays.
                writer.failure = error
            } else {
                try? log.directory.remove(FileName.segment(segment.number).name)
            }
            throw error
        }
        if let old = writer.appender { writer.full.append(old) }
        writer.appender = appender
        if writer.mayAbsorb { storeLock?.keepReserve() }
        writer.mayAbsorb = false
        return appender
    }

    private func makeNewDurable(_ appender: Appender) throws(StoreError) {
        do throws(FileError) {
            try appender.syncNew()
            try log.directory.sync()
        } catch {
            throw StoreError(error)
        }
    }

    /// Bytes of a new segment that a record of this length must fit into.
    func capacity(forRecord recordLength: Int) -> Int {
        max(options.segmentSize, SegmentHeader.byteCount + recordLength)
    }

    /// Makes the file of a new segment. It is to be durable, its name too, before MANIFEST names it.
    ///
    /// - Parameter isBuffered: see `Appender`.
    func createSegment(
        capacity: Int, isBuffered: Bool = false
    ) throws(StoreError) -> Appender {
        try log.clearLeftovers()
        guard let number = manifest.takeSegmentNumber() else {
            throw .readOnly(path: path, reason: "its segment numbers are used up")
        }
        do throws(FileError) {
            return try createSegment(number, capacity: capacity, isBuffered: isBuffered)
        } catch {
            try? log.directory.remove(FileName.segment(number).name)
            throw StoreError(error)
        }
    }

    private func createSegment(
        _ number: UInt64, capacity: Int, isBuffered: Bool
    ) throws(FileError) -> Appender {
        let identity = UInt64.random(in: .min ... .max)
        let header = SegmentHeader(
            identity: identity, number: number, storeID: manifest.current.storeID,
            capacity: UInt64(capacity))
        let name = FileName.segment(number).name
        let file = try log.directory.open(name, .create)
        unsafe try file.write(header.encoded().span.bytes, at: 0)
        let mapping = try Mapping(file, count: capacity, isWritable: true)
        let segment = Segment(
            number: number, identity: identity, mapping: mapping,
            path: log.directory.path(of: name), end: SegmentHeader.byteCount)
        return Appender(
            segment: segment, file: file, capacity: capacity, table: table, isBuffered: isBuffered)
    }

    /// Seals all full segments, oldest first.
    func sealFull(withHints: Bool = true) throws(StoreError) {
        sealLock.lock()
        defer { sealLock.unlock() }
        while let appender = withWriterLock({ writer.full.first }) {
            try seal(appender, withHint: withHints)
            _ = withWriterLock { writer.full.removeFirst() }
        }
    }

    /// Under the seal lock.
    private func seal(_ appender: Appender, withHint: Bool) throws(StoreError) {
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
        try manifest.commit(in: log.directory) { manifest in
            manifest.setSeal(segment.seal(isDurable: true), of: segment.number)
        }
        withWriterLock { segment.isSealed = true }
        // Only an optimisation: without it, the next open reads the segment.
        if withHint { try? log.writeHint(of: segment) }
        // The image in memory is not needed any more.
        _ = withWriterLock { table.forgetSources() }
    }
}

extension Segment {
    /// What MANIFEST says of it while it grows.
    var manifestEntry: Manifest.Segment {
        Manifest.Segment(number: number, identity: identity, durableLength: end)
    }

    /// What MANIFEST says of it once nothing is appended any more.
    func seal(isDurable: Bool) -> Manifest.Seal {
        Manifest.Seal(length: end, sequences: sequences ?? 0...0, isDurable: isDurable)
    }
}

extension Manifest {
    /// Nothing more is appended to this segment, unless MANIFEST says so already.
    mutating func setFull(_ segment: Stave.Segment) {
        change(segment.number) { $0.seal = $0.seal ?? segment.seal(isDurable: false) }
    }

    /// So much of an unsealed segment is durable, or more.
    mutating func setDurableLength(_ length: Int, of number: UInt64) {
        change(number) { entry in
            if entry.seal == nil { entry.durableLength = max(entry.durableLength, length) }
        }
    }

    mutating func setSeal(_ seal: Seal, of number: UInt64) { change(number) { $0.seal = seal } }

    private mutating func change(_ number: UInt64, _ body: (inout Segment) -> Void) {
        for index in segments.indices where segments[index].number == number {
            body(&segments[index])
        }
    }
}
