internal import StaveDisk

/// What opening a store finds on disk.
struct RecoveredStore {
    /// In the manifest's order.
    var segments: [Segment] = []
    /// The keydir's checkpoint, if it can be used.
    var checkpointTables: CheckpointTables?
    /// The checkpoint knows all writes with lower numbers.
    var firstSequence: UInt64 { checkpointTables?.checkpoint.nextSequence ?? 0 }
    /// Entries of sealed segments; with a checkpoint, of those that are newer.
    var entries: [(segment: Segment, image: HintImage)] = []
    /// Records of unsealed segments.
    var logs: [(segment: Segment, records: LogRecords)] = []
    /// Sealed segments whose hint file is missing or bad.
    var withoutHint: [Segment] = []
    /// Segments that no process sealed: the active one of a process that died, and full ones.
    var unsealed: [Unsealed] = []
    /// Segments that are no part of the store any more: unsealed ones behind a log that ended
    /// early, and one without a record.
    var dropped: [Manifest.Segment] = []
    /// The highest number that was seen.
    var lastSequence: UInt64 = 0
    var nextSequence: UInt64 = 1
    /// The number of the first record that is not known to be durable.
    var firstUnsynced: UInt64?
    /// Damage that cannot be tied to a key.
    var uncertainties: [Uncertainty] = []
    /// What was found, a sentence each.
    var notices: [String] = []

    struct Unsealed {
        var segment: Segment
        var fileSize: Int
        var log: RecoveredLog
    }

    /// Records and entries that go into the keydir one by one.
    var replayedCount: Int {
        entries.reduce(0) { $0 + $1.image.count } + logs.reduce(0) { $0 + $1.records.count }
    }
}

/// A stretch of a segment that cannot be read, and whose key nothing tells.
struct Uncertainty: Equatable {
    var file: String
    var offset: Int
    var length: Int
    /// The lost records have lower sequence numbers, so whatever has a higher one is newer.
    var sequence: UInt64

    var error: StoreError { .uncertain(file: file, offset: offset) }
}

/// Reading the segments that MANIFEST names, or what saves reading them:
///
/// 1. If the keydir's checkpoint proves that it was made of these segments, only what is newer is
///    read.
/// 2. Open and map each segment. One that is missing or another one is an error that names it.
/// 3. Sealed segments: take the hint file if it checks out, else read the segment's records.
/// 4. Unsealed segments: read the records. What is known to be durable and is no record is damage;
///    above that the log ends at the first thing that is no record, and unsealed segments behind it
///    are dropped: what survives is a prefix of the writes.
/// 5. Damage whose key nothing tells is an uncertainty: the store opens read-only.
///
/// What checkpoint and hints are believed for: a segment is written by the one process that made
/// it, and by appending only, so that its random identity and a length tell its bytes. (Not so in
/// version 1.)
///
/// Nothing is changed on disk here.
struct Recovery: ~Copyable {
    private let path: String
    let manifest: Manifest
    let isWriter: Bool
    var result = RecoveredStore()

    static func run(
        in directory: borrowing Directory, manifest: Manifest, isWriter: Bool
    ) throws(StoreError) -> RecoveredStore {
        var recovery = Recovery(path: directory.path, manifest: manifest, isWriter: isWriter)
        recovery.readCheckpoint(in: directory)
        try recovery.readSegments(in: directory)
        if recovery.isCheckpointUseless {
            recovery = Recovery(path: directory.path, manifest: manifest, isWriter: isWriter)
            try recovery.readSegments(in: directory)
        }
        return recovery.result
    }

    init(path: String, manifest: Manifest, isWriter: Bool) {
        self.path = path
        self.manifest = manifest
        self.isWriter = isWriter
    }

    private mutating func readSegments(in directory: borrowing Directory) throws(StoreError) {
        result.nextSequence = max(result.nextSequence, manifest.nextSequence)
        var logEnded = false
        for entry in manifest.segments {
            if case .sealed(let extent) = entry.state {
                try readSealed(entry, extent, in: directory)
            } else if logEnded {
                try leaveOut(entry, in: directory)
            } else {
                logEnded = try readUnsealed(entry, in: directory)
            }
        }
    }

    // MARK: Files

    /// A segment's file, mapped, and what its header says.
    struct Opened {
        var segment: Segment
        var size: Int
        /// nil where it is damaged.
        var header: SegmentHeader?
        var damage: FormatError?
    }

    /// Step 2.
    func open(
        _ entry: Manifest.Segment, in directory: borrowing Directory
    ) throws(StoreError) -> Opened {
        let name = FileName.segment(entry.number).name
        do throws(FileError) {
            let file = try directory.open(name, .read)
            // Before its size is asked for: from here on the writer does not cut it.
            let isShared = !isWriter && !entry.isSealed
            if isShared { try file.shareLength() }
            let size = try file.size()
            guard size > 0 else {
                throw FileError("use", file.path, reason: "it is empty, but MANIFEST names it")
            }
            // The last record may have begun in the last bytes, and space is reserved by pages.
            guard size <= Format.maxFileLength + 4096 else {
                throw FileError(
                    "use", file.path, reason: "\(size) bytes are more than a segment ever has")
            }
            let mapping = try Mapping(file, count: size, isWritable: false)
            let path = file.path
            let segment = Segment(
                number: entry.number, identity: entry.identity, mapping: mapping, path: path,
                end: size, fileSize: size,
                mayHaveHint: entry.isSealed && entry.format > 1,
                sharedFile: isShared ? consume file : nil)
            var opened = Opened(segment: segment, size: size)
            do throws(FormatError) {
                opened.header = unsafe try SegmentHeader(decoding: mapping.bytes.bytes)
            } catch {
                opened.damage = error
            }
            if let header = opened.header,
                header.identity != entry.identity || header.number != entry.number
                    || header.storeID != manifest.storeID
            {
                throw FileError(
                    "use", path,
                    reason: "it is another store's segment, or another one of this store's")
            }
            return opened
        } catch {
            if error.isNoSuchFile { throw .missingSegment(file: directory.path(of: name)) }
            throw StoreError(error)
        }
    }

    mutating func report(_ opened: Opened) throws(StoreError) {
        guard let damage = opened.damage else { return }
        let file = opened.segment.path
        if damage.isNewerVersion { throw StoreError(damage, file: file) }
        result.notices.append(
            "\(file) is damaged at offset \(damage.offset): \(damage.reason);"
                + " its records are read all the same")
    }

    // MARK: Sealed segments (step 3)

    private mutating func readSealed(
        _ entry: Manifest.Segment, _ extent: Manifest.Extent, in directory: borrowing Directory
    ) throws(StoreError) {
        let opened = try open(entry, in: directory)
        try report(opened)
        let (segment, size) = (opened.segment, opened.size)
        segment.isSealed = true
        segment.isLog = entry.isLog
        segment.end = extent.length
        segment.sequences = extent.sequences
        segment.keepsCutBytes = hasCutBytes(segment, size: size)
        if size < extent.length {
            result.notices.append(
                "\(segment.path) is damaged: it has \(size) of \(extent.length) bytes")
        }
        if result.checkpointTables?.segments[entry.number] != nil {
            // All of it is in the checkpoint; the hint is read when it is needed.
            if directory.size(of: FileName.hint(entry.number).name) == nil {
                result.withoutHint.append(segment)
            }
        } else if let hint = hint(of: segment, in: directory) {
            segment.remember(hint)
            result.entries.append((segment, hint))
        } else {
            result.withoutHint.append(segment)
            readRecords(of: segment, extent)
        }
        result.segments.append(segment)
        see(extent.sequences.upperBound)
    }

    /// Next numbers are above every one that was seen. Those near the end of the range, which only
    /// a made-up file can hold, end it: then no more writes are taken.
    mutating func see(_ sequence: UInt64) {
        result.lastSequence = max(result.lastSequence, sequence)
        result.nextSequence = max(result.nextSequence, sequence == .max ? .max : sequence + 1)
    }

    mutating func skipSequences(_ count: Int) {
        let (next, overflow) = result.nextSequence.addingReportingOverflow(UInt64(count))
        result.nextSequence = overflow ? .max : next
    }

    /// Leaves out the numbers that a segment's records had, so that none is used twice.
    mutating func skipSequences(ofDropped entry: Manifest.Segment) {
        if let extent = entry.extent { see(extent.sequences.upperBound) }
        // How far an active segment got is only known to be less than this.
        skipSequences(Format.maxSegmentLength / Format.aligned(RecordHeader.byteCount + 1))
    }

    /// Are there more than zeros behind a sealed segment's end?
    private func hasCutBytes(_ segment: Segment, size: Int) -> Bool {
        guard size > segment.end else { return false }
        // SAFETY: `size` bytes of the file are mapped.
        return unsafe segment.bytes(upTo: size).bytes.lastNonZero(from: segment.end) != nil
    }

    private mutating func hint(
        of segment: Segment, in directory: borrowing Directory
    ) -> HintImage? {
        guard segment.mayHaveHint else { return nil }
        do throws(HintFile.Problem) {
            return try HintFile.read(of: segment, in: directory)
        } catch {
            result.notices.append(
                "\(error.file) is not used (\(error.reason)); its segment is read instead")
            return nil
        }
    }

    /// Indexes a sealed segment from its records.
    private mutating func readRecords(of segment: Segment, _ extent: Manifest.Extent) {
        let (entries, damage) = segment.readRun(upTo: extent.length)
        for stretch in damage {
            // A log is in the order of its numbers, so that the next record's bounds the lost
            // ones'.
            let bound = segment.isLog ? stretch.nextSequence.map { $0 &- 1 } : nil
            addUncertainty(in: segment, stretch.range, above: bound ?? extent.sequences.upperBound)
        }
        segment.remember(entries)
        result.entries.append((segment, entries.image))
    }

    mutating func addUncertainty(
        in segment: Segment, _ range: Range<Int>, above sequence: UInt64
    ) {
        result.uncertainties.append(
            Uncertainty(
                file: segment.path, offset: range.lowerBound, length: range.count,
                sequence: sequence == .max ? .max : sequence + 1))
        result.notices.append(
            "\(segment.path) is damaged at offset \(range.lowerBound) (\(range.count) bytes),"
                + " and nothing tells which key was there")
    }
}
