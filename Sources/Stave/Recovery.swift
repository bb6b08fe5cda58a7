internal import StaveDisk

/// What opening a store finds on disk.
struct RecoveredStore {
    /// In the manifest's order.
    var segments: [Segment] = []
    /// The keydir as it was saved, if that can be used.
    var saved: SavedTables?
    /// The saved keydir knows all writes with lower numbers.
    var firstSequence: UInt64 { saved?.checkpoint.nextSequence ?? 0 }
    /// Entries of sealed segments; with `saved`, of those that are newer.
    var entries: [(segment: Segment, image: HintImage)] = []
    /// Records of unsealed segments; with `saved`, those that are newer.
    var logs: [(segment: Segment, records: LogRecords)] = []
    /// Sealed segments whose hint file is missing or bad.
    var withoutHint: [Segment] = []
    /// The active segment, if the store has one.
    var active: Active?
    /// Segments that the manifest calls full: not known to be durable.
    var full: [Segment] = []
    /// Unsealed segments behind a log that ended early.
    var dropped: [Manifest.Segment] = []
    var nextSequence: UInt64 = 1
    /// Numbers were left out, for records that a power cut may have taken.
    var skipsSequences = false
    /// The number of the first record that is not known to be durable.
    var firstUnsynced: UInt64?
    /// Damage that cannot be tied to a key.
    var uncertainties: [Uncertainty] = []
    /// What was found, a sentence each.
    var notices: [String] = []

    struct Active {
        var segment: Segment
        var capacity: Int
        var fileSize: Int
        var log: RecoveredLog
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

/// Opening, step by step:
///
/// 1. Read MANIFEST. It alone says which segments there are. If the keydir's checkpoint fits it, only
///    what is newer than the checkpoint is read in the steps 3 and 4.
/// 2. Open and map each segment; a missing one is an error that names it.
/// 3. Sealed segments: take the hint file if it checks out, else read the segment's records.
/// 4. Unsealed segments: read the records. Below the synced mark a bad record is damage; at or above
///    it, the log ends there, and unsealed segments behind it are dropped: what survives is a prefix
///    of the writes.
/// 5. Damage whose key nothing tells is an uncertainty: the store opens read-only.
///
/// Nothing is changed on disk here; `Store` does that when it may write.
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

    private init(path: String, manifest: Manifest, isWriter: Bool) {
        self.path = path
        self.manifest = manifest
        self.isWriter = isWriter
    }

    private mutating func readSegments(in directory: borrowing Directory) throws(StoreError) {
        result.nextSequence = max(result.nextSequence, manifest.nextSequence)
        var logEnded = false
        for entry in manifest.segments {
            if let seal = entry.seal, seal.isDurable {
                try readSealed(entry, seal, in: directory)
            } else if logEnded {
                try leaveOut(entry, in: directory)
            } else {
                logEnded = try readUnsealed(entry, in: directory)
            }
        }
    }

    // MARK: Files

    /// Step 2. Maps `length` bytes, or the whole file where that is nil.
    func open(
        _ entry: Manifest.Segment, in directory: borrowing Directory, asWriter: Bool
    ) throws(StoreError) -> (
        segment: Segment, size: Int, header: SegmentHeader?, problem: FormatError?
    ) {
        let name = FileName.segment(entry.number).name
        do throws(FileError) {
            let file = try directory.open(name, asWriter ? .readWrite : .read)
            // Before its size is asked for: from here on the writer does not cut it.
            let isShared = !isWriter && entry.seal?.isDurable != true
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
            // Read the header before mapping: its capacity decides how much is mapped.
            // (A mapping of its own, because a file can shrink only while nobody shares it.)
            let small = try Mapping(
                file, count: min(size, SegmentHeader.byteCount), isWritable: false)
            var header: SegmentHeader?
            var problem: FormatError?
            do throws(FormatError) {
                header = unsafe try SegmentHeader(decoding: small.bytes.bytes)
            } catch {
                problem = error
            }
            if let found = header,
                found.identity != entry.identity || found.number != entry.number
                    || found.storeID != manifest.storeID
            {
                problem = FormatError("this segment belongs to another store or place", at: 16)
                header = nil
            }
            let capacity = Int(clamping: header?.capacity ?? 0)
            let mapped = asWriter && capacity <= Format.maxFileLength ? max(size, capacity) : size
            let mapping = try Mapping(file, count: mapped, isWritable: asWriter)
            let path = file.path
            let segment = Segment(
                number: entry.number, identity: entry.identity, mapping: mapping, path: path,
                end: size, fileSize: asWriter ? .max : size,
                wasSealed: entry.seal?.isDurable == true,
                sharedFile: isShared ? consume file : nil)
            return (segment, size, header, problem)
        } catch {
            if error.isNoSuchFile { throw .missingSegment(file: directory.path(of: name)) }
            throw StoreError(error)
        }
    }

    mutating func report(_ problem: FormatError?, in segment: Segment) throws(StoreError) {
        guard let problem else { return }
        if problem.isNewerVersion { throw StoreError(problem, file: segment.path) }
        result.notices.append(
            "\(segment.path) is damaged at offset \(problem.offset): \(problem.reason);"
                + " its records are read all the same")
    }

    // MARK: Sealed segments (step 3)

    private mutating func readSealed(
        _ entry: Manifest.Segment, _ seal: Manifest.Seal, in directory: borrowing Directory
    ) throws(StoreError) {
        let (segment, size, _, problem) = try open(entry, in: directory, asWriter: false)
        try report(problem, in: segment)
        segment.isSealed = true
        segment.end = seal.length
        segment.sequences = seal.sequences
        segment.keepsCutBytes = hasCutBytes(segment, size: size)
        if size < seal.length {
            result.notices.append(
                "\(segment.path) is damaged: it has \(size) of \(seal.length) bytes")
        }
        if knownEnd(of: entry) == seal.length {
            // All of it is in the checkpoint; the hint is read when somebody needs it.
            if directory.size(of: FileName.hint(entry.number).name) == nil {
                result.withoutHint.append(segment)
            }
        } else if let hint = hint(of: segment, in: directory) {
            segment.remember(hint)
            result.entries.append((segment, hint))
        } else {
            result.withoutHint.append(segment)
            readRecords(of: segment, size: min(size, seal.length), above: seal.sequences.upperBound)
            if size < seal.length {
                addUncertainty(
                    in: segment, size..<seal.length, above: seal.sequences.upperBound)
            }
        }
        result.segments.append(segment)
        see(seal.sequences.upperBound)
    }

    /// Next numbers are above every one that was seen. Those near the end of the range, which only a
    /// made-up file can hold, end it: then no more writes are taken.
    mutating func see(_ sequence: UInt64) {
        result.nextSequence = max(result.nextSequence, sequence == .max ? .max : sequence + 1)
    }

    mutating func skipSequences(_ count: Int) {
        let (next, overflow) = result.nextSequence.addingReportingOverflow(UInt64(count))
        result.nextSequence = overflow ? .max : next
        result.skipsSequences = true
    }

    /// Leaves out the numbers that a segment's records had, so that none is used twice.
    mutating func skipSequences(ofDropped entry: Manifest.Segment) {
        if let seal = entry.seal { see(seal.sequences.upperBound) }
        // How far an active segment got is only known to be less than this.
        skipSequences(Format.maxSegmentLength / Format.aligned(RecordHeader.byteCount + 1))
    }

    /// Are there more than zeros behind a sealed segment's end?
    private func hasCutBytes(_ segment: Segment, size: Int) -> Bool {
        guard size > segment.end else { return false }
        // SAFETY: `size` bytes of the file are mapped.
        let rest = unsafe segment.bytes(upTo: size)[segment.end...]
        return unsafe rest.contains { $0 != 0 }
    }

    private mutating func hint(
        of segment: Segment, in directory: borrowing Directory
    ) -> HintImage? {
        do throws(HintFile.Problem) {
            return try HintFile.read(of: segment, in: directory)
        } catch {
            result.notices.append(
                "\(error.file) is not used (\(error.reason)); its segment is read instead")
            return nil
        }
    }

    /// Indexes a sealed segment from its records.
    private mutating func readRecords(of segment: Segment, size: Int, above sequence: UInt64) {
        var records = RecordList()
        // SAFETY: `size` bytes of the file are mapped.
        let bytes = unsafe segment.bytes(upTo: size)
        var offset = SegmentHeader.byteCount
        while offset < size {
            switch unsafe SegmentScan.step(in: bytes.bytes, at: offset, identity: segment.identity)
            {
            case .record(let header):
                records.append(header, at: offset)
                offset += header.recordLength
            case .unreadable(let until, _):
                addUncertainty(in: segment, offset..<until, above: sequence)
                offset = until
            case .zeros, .end:
                addUncertainty(in: segment, offset..<size, above: sequence)
                offset = size
            }
        }
        let image = unsafe records.image(
            of: bytes, identity: segment.identity, segmentLength: segment.end)
        segment.remember(image)
        result.entries.append((segment, image))
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
