internal import StaveDisk
internal import Synchronization

// The life of a segment: active (it grows) - full (nothing more is appended) - sealed (durable,
// with a hint file beside it).
//
//     who                 under                 active -> full -> sealed
//     the writer          the lock              beginSegment: a new file, MANIFEST names both
//     worker or writer    the seal lock                   sealFull: sync, trim, MANIFEST, hint

extension Log {
    /// Begins a new active segment with room for a record; the old one is full now. Under the lock.
    ///
    /// The new file's header and name are durable before MANIFEST names it, and MANIFEST names it
    /// before anything is appended.
    ///
    /// - Parameters:
    ///   - absorbed: sealed segments that MANIFEST names no more, once this one has a copy of what
    ///     is needed of them, which `copy` makes. The caller then drops them (`drop`).
    @inline(never)
    func beginSegment(
        _ recordLength: Int, absorbing absorbed: [Segment] = [],
        copy: (Appender) throws(StoreError) -> Void = { _ in }
    ) throws(StoreError) {
        let absorbedBytes = absorbed.reduce(0) { $0 + $1.end }
        let capacity = max(capacity(forRecord: recordLength), absorbedBytes + recordLength)
        let output = try createSegment(capacity: capacity)
        let segment = output.segment
        let appender = Appender(
            output, capacity: capacity, canReserve: !output.file.copiesOnWrite)
        do throws(StoreError) {
            try table.add(segment, limit: SegmentHeader.byteCount)
            try copy(appender)
            try makeNewDurable(appender)
            let old = writer.openAppenders
            let gone = Set(absorbed.map(\.number))
            try manifest.commit(in: directory) { manifest in
                for appender in old { manifest.setFull(appender.segment) }
                manifest.segments.removeAll { gone.contains($0.number) }
                manifest.segments.append(segment.manifestEntry)
            }
        } catch {
            if segment.index >= 0 { table.remove(segment) }
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
    }

    /// The active segment is full now, whatever its size. The next write begins a new one. An
    /// active segment without records stays. Under the lock.
    func endActiveSegment() throws(StoreError) {
        guard let appender = writer.appender, appender.segment.sequences != nil else { return }
        let segment = appender.segment
        try manifest.commit(in: directory) { $0.setFull(segment) }
        writer.full.append(appender)
        writer.appender = nil
    }

    private func makeNewDurable(_ appender: Appender) throws(StoreError) {
        try withFileErrors { () throws(FileError) in
            try appender.output.syncNew()
            try directory.sync()
        }
    }

    /// Bytes of a new segment that a record of this length must fit into.
    func capacity(forRecord recordLength: Int) -> Int {
        max(segmentSize, SegmentHeader.byteCount + recordLength)
    }

    /// Makes the file of a new segment. It is to be durable, its name too, before MANIFEST names
    /// it.
    func createSegment(capacity: Int) throws(StoreError) -> SegmentFile {
        try clearLeftovers()
        guard let number = manifest.takeSegmentNumber() else {
            throw .readOnly(path: path, reason: "its segment numbers are used up")
        }
        do throws(FileError) {
            return try createSegment(number, capacity: capacity)
        } catch {
            try? directory.remove(FileName.segment(number).name)
            throw StoreError(error)
        }
    }

    private func createSegment(
        _ number: UInt64, capacity: Int
    ) throws(FileError) -> SegmentFile {
        let identity = UInt64.random(in: .min ... .max)
        let header = SegmentHeader(
            identity: identity, number: number, storeID: manifest.current.storeID,
            capacity: UInt64(capacity))
        let name = FileName.segment(number).name
        let file = try directory.open(name, .create)
        unsafe try file.write(header.encoded().span.bytes, at: 0)
        let mapping = try Mapping(file, count: capacity, isWritable: true)
        let segment = Segment(
            number: number, identity: identity, mapping: mapping,
            path: directory.path(of: name), end: SegmentHeader.byteCount)
        return SegmentFile(of: segment, file, in: table)
    }

    /// Seals all full segments, oldest first.
    func sealFull(withHints: Bool = true) throws(StoreError) {
        sealLock.lock()
        defer { sealLock.unlock() }
        while let appender = withLock({ writer.full.first }) {
            try seal(appender, withHint: withHints)
            _ = withLock { writer.full.removeFirst() }
        }
    }

    /// Ends the active segment and seals all: MANIFEST then says where the log ends, so that no
    /// byte of it can go unnoticed. What is written next goes to a segment of its own.
    func sealAll() throws(StoreError) {
        try sealFull()
        withLock {
            if let appender = writer.appender { writer.full.append(appender) }
            writer.appender = nil
        }
        // Without its hint, which takes as long as reading the segment: the checkpoint knows the
        // entries, or they are few.
        try sealFull(withHints: false)
        try manifest.commitAmended(in: directory)
    }

    /// Under the seal lock.
    private func seal(_ appender: Appender, withHint: Bool) throws(StoreError) {
        let segment = appender.segment
        try syncLock.withLock { () throws(StoreError) in
            try sync(appender, upTo: segment.end)
            try requirePlace(of: [appender])
        }
        if !segment.keepsCutBytes {
            try withFileErrors { () throws(FileError) in try appender.trim() }
        }
        try manifest.commit(in: directory) { manifest in
            manifest.setSealed(segment)
        }
        withLock { segment.isSealed = true }
        // Only an optimisation: without it, the next open reads the segment.
        if withHint { try? writeHint(of: segment) }
        // The image in memory is not needed any more.
        _ = withLock { table.dropSources() }
    }

    /// Writes the hints that were missing when the store was opened. No compaction runs meanwhile.
    func writeMissingHints() {
        while !isClosing, let segment = withoutHint.takeNext() {
            let isThere = withLock {
                visibleSegments.contains { $0 === segment && $0.isSealed }
            }
            if isThere, segment.mayHaveHint { try? writeHint(of: segment) }
        }
    }

    // MARK: Segments that replace others

    /// Takes up the output of a compaction, which is no part of the store before `show`.
    func addHidden(_ segment: Segment) throws(StoreError) {
        try withLock { () throws(StoreError) in
            try table.add(segment, limit: SegmentHeader.byteCount, isHidden: true)
        }
    }

    /// Replaces segments in MANIFEST, durably.
    ///
    /// - Parameter ends: of the unsealed segments, as `durableEnds` says: what is dropped is
    ///   dropped for the sake of newer records, and an active segment that is shorter, from another
    ///   moment, is not to pass for the one that has them.
    /// - Parameter dropped: the highest number of a deletion that is in none of the segments any
    ///   more, although it may be the newest write of its key; 0 without one.
    func commit(
        replacing gone: [Segment], with segments: [Segment],
        durableEnds ends: [(number: UInt64, end: Int)], droppedDeletion dropped: UInt64
    ) throws(StoreError) {
        let gone = Set(gone.map(\.number))
        let entries = segments.map { segment in
            Manifest.Segment(
                number: segment.number, identity: segment.identity,
                state: .sealed(segment.manifestExtent), isSorted: true)
        }
        try manifest.commit(in: directory) { manifest in
            manifest.segments.removeAll { gone.contains($0.number) }
            manifest.segments += entries
            manifest.completeSince = max(manifest.completeSince, dropped)
            for (number, end) in ends { manifest.setDurableLength(end, of: number) }
        }
    }

    /// Removes the files of a segment that MANIFEST does not name any more. What cannot be removed
    /// now is a leftover that the next open removes.
    func removeFiles(of segment: Segment) {
        try? directory.remove(FileName.segment(segment.number).name)
        try? directory.remove(FileName.hint(segment.number).name)
    }

    /// Takes a segment out of the store that the index names no more; it stays mapped until no
    /// reader can be inside. Under the lock.
    func drop(_ segment: Segment) {
        table.hide(segment)
        writer.limbo.retire { [table] in table.remove(segment) }
    }

    /// Frees what no reader can be inside of any more. Under the lock.
    func collectDropped() { writer.limbo.collect(for: path) }

    /// The output of a compaction is a part of the store now. Under the lock.
    func show(_ segment: Segment) { table.show(segment) }

    /// Takes back a segment that was never named by MANIFEST.
    func discard(_ segment: Segment) {
        removeFiles(of: segment)
        directory.giveUpReplacing(FileName.hint(segment.number).name)
        guard segment.index >= 0 else { return }
        withLock { table.remove(segment) }
    }
}

extension Segment {
    /// Without a record that counts.
    var isEmpty: Bool { end == SegmentHeader.byteCount }

    /// What MANIFEST says of it while it grows.
    var manifestEntry: Manifest.Segment {
        Manifest.Segment(
            number: number, identity: identity, state: .unsealed(durableLength: end))
    }

    /// What MANIFEST says of it once nothing is appended any more.
    var manifestExtent: Manifest.Extent {
        Manifest.Extent(length: end, sequences: sequences ?? 0...0)
    }
}

extension Manifest {
    /// Nothing more is appended to this segment, unless MANIFEST says so already.
    mutating func setFull(_ segment: Stave.Segment) {
        change(segment.number) { entry in
            if entry.extent == nil { entry.state = .full(segment.manifestExtent) }
        }
    }

    /// A segment that another process left unsealed ends where recovery says, whatever MANIFEST
    /// said of it before. One of which nothing counts is sealed: nothing has to be made durable.
    mutating func end(_ segment: Stave.Segment) {
        let extent = segment.manifestExtent
        change(segment.number) { $0.state = segment.isEmpty ? .sealed(extent) : .full(extent) }
    }

    /// So much of an unsealed segment is durable, or more.
    mutating func setDurableLength(_ length: Int, of number: UInt64) {
        change(number) { entry in
            if case .unsealed(let known) = entry.state {
                entry.state = .unsealed(durableLength: max(known, length))
            }
        }
    }

    mutating func setSealed(_ segment: Stave.Segment) {
        change(segment.number) { $0.state = .sealed(segment.manifestExtent) }
    }

    private mutating func change(_ number: UInt64, _ body: (inout Segment) -> Void) {
        for index in segments.indices where segments[index].number == number {
            body(&segments[index])
        }
    }
}
