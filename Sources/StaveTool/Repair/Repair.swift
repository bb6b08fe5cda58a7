internal import Stave
internal import StaveDisk

/// Writes what can be read of a store into a new one, and says what could not.
///
/// 1. Look at the source, which is only read: MANIFEST, or without one every segment that is there.
/// 2. Read every segment: whole records on one side, what is gone on the other
///    (`SalvagedSegment`). What MANIFEST names and cannot be read is lost, whether or not anything
///    tells what it was.
/// 3. Merge the whole records by key; the newest of each key is written, if it is a value. A key
///    whose newest record is gone gets the next older one (it rolled back), or is lost.
/// 4. Verify the new store.
struct Repair {
    /// A key whose newest record could not be read.
    struct Loss {
        var file: String
        var record: SalvagedSegment.LostRecord
        /// The whole record that takes its place; nil where there is none: the key is lost.
        var successor: (file: String, entrySequence: UInt64, offset: Int, kind: RecordKind)?
    }

    private(set) var losses: [Loss] = []
    private(set) var unknown: [(file: String, bytes: SalvagedSegment.UnknownBytes)] = []
    /// What is no part of the store and was left out, and what has to be known about the source.
    private(set) var notes: [Finding] = []
    /// Whole records behind the ends of logs.
    private(set) var unsynced: [(file: String, records: UnsyncedRecords)] = []
    let keepsUnsynced: Bool
    /// Nothing tells which segments there were.
    let manifestIsLost: Bool
    /// Keys that were written and may be older than what was lost in `unknown`.
    private(set) var uncertainKeys = 0
    private(set) var readRecords = 0
    private(set) var writtenKeys = 0
    private(set) var writtenBytes = 0
    private(set) var segmentCount = 0
    private var segments: [SalvagedSegment] = []
    private var manifestNext: UInt64 = 1

    /// Was anything lost, rolled back, or may have been?
    var isLossless: Bool { losses.isEmpty && unknown.isEmpty && !manifestIsLost }

    /// Steps 1 and 2. Reads all of the source and writes nothing.
    ///
    /// - Parameter keepsUnsynced: take whole records that were never known to be durable, too.
    init(
        of survey: StoreSurvey, keepsUnsynced: Bool = false,
        progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) {
        self.keepsUnsynced = keepsUnsynced
        manifestIsLost = survey.manifest == nil
        let total = survey.segments.reduce(0) { $0 + $1.recordLimit }
        var done = 0
        manifestNext = survey.manifest?.nextSequence ?? 1
        noteManifest(survey)
        // Syncing goes from the oldest log to the newest.
        let lastSynced = survey.segments.last { !$0.isSealed && ($0.mark ?? 0) > Self.emptyLength }
        for segment in chosen(survey) {
            let salvaged = SalvagedSegment(
                segment, file: Self.wholeFile(segment, of: survey),
                wasDurable: segment.listed?.number ?? .max < lastSynced?.number ?? 0,
                keepsUnsynced: keepsUnsynced)
            readRecords += salvaged.recordCount
            if salvaged.unsynced.count > 0 { unsynced.append((segment.name, salvaged.unsynced)) }
            unknown += salvaged.unknown.map { (segment.name, $0) }
            if salvaged.mended.count > 0 {
                notes.append(
                    Finding(
                        .note, segment.name, nil,
                        "\(Units.count(salvaged.mended.count, "record")) with a damaged header taken:"
                            + " key and value check out"))
            }
            notes += salvaged.torn.map { Finding(.torn, segment.name, $0.range, $0.text) }
            segments.append(salvaged)
            done += segment.recordLimit
            progress(done, total)
        }
        noteLeftovers(survey)
    }

    private static let emptyLength = SegmentHeader.byteCount

    /// A sealed segment is looked at up to its end. A crash may have left records behind that.
    private static func wholeFile(
        _ segment: SegmentSurvey, of survey: StoreSurvey
    ) -> FileImage? {
        guard let image = segment.image, image.fileSize > image.count,
            image.fileSize <= Format.maxFileLength + 4096
        else { return nil }
        let directory = try? Directory(path: survey.path)
        guard let file = try? directory?.open(segment.name, .read) else { return nil }
        return try? FileImage(mapping: file)
    }

    private mutating func noteManifest(_ survey: StoreSurvey) {
        for finding in survey.findings.list where finding.file == FileName.manifestName {
            notes.append(finding)
        }
        for finding in survey.segments.flatMap({ $0.findings.list }) where finding.isOfHeader {
            notes.append(finding)
        }
        for (name, number) in survey.moved {
            notes.append(
                Finding(
                    .damage, name, nil,
                    "taken as segment \(number), as its header says; its name is another one's"))
        }
        guard survey.manifest == nil else { return }
        notes.append(
            Finding(
                .damage, FileName.manifestName, nil,
                "all segments that are there were taken. Leftovers of a compaction may be among them:"
                    + " copies, which change nothing, or segments that it had replaced, and then keys"
                    + " that were deleted before it may be back"))
    }

    /// The segments to read. Without a MANIFEST those of one store: most of the files say which.
    private mutating func chosen(_ survey: StoreSurvey) -> [SegmentSurvey] {
        var votes: [StoreID: Int] = [:]
        for segment in survey.segments {
            if let id = segment.header?.storeID { votes[id, default: 0] += 1 }
        }
        let id = survey.manifest?.storeID ?? votes.max { $0.value < $1.value }?.key
        let names = Dictionary(
            survey.segments.filter { $0.header != nil && $0.header?.number == $0.number }
                .map { ($0.header!.identity, $0.name) }, uniquingKeysWith: { first, _ in first })
        return survey.segments.filter { segment in
            guard survey.manifest == nil, let header = segment.header else {
                if segment.isDropped {
                    note(segment, "follows a log that ended early: what was synced of it is taken")
                }
                return true
            }
            if header.storeID != id {
                note(segment, "left out: it belongs to another store")
            } else if let name = names[header.identity], name != segment.name {
                note(segment, "left out: it is a copy of \(name)")
            } else {
                return true
            }
            return false
        }
    }

    private mutating func note(_ segment: SegmentSurvey, _ text: String) {
        notes.append(Finding(.torn, segment.name, 0..<segment.fileSize, text))
    }

    /// What lies there and is no part of the store, but may hold what its owner looks for.
    private mutating func noteLeftovers(_ survey: StoreSurvey) {
        guard let directory = try? Directory(path: survey.path) else { return }
        let taken = Set(survey.segments.map(\.name))
        let highest = max(segments.map(\.highest).max() ?? 0, manifestNext &- 1)
        for (name, _) in survey.aside where !taken.contains(name) {
            let count = Leftover(name, in: directory)?.recordCount ?? 0
            notes.append(
                Finding(
                    .note, name, nil,
                    "set aside, no part of the store: \(Units.count(count, "whole record"))"
                        + " left out"))
        }
        for (name, _) in survey.leftovers where !taken.contains(name) {
            let count = Leftover(name, in: directory, above: highest)?.newerCount ?? 0
            guard count > 0 else { continue }
            notes.append(
                Finding(
                    .note, name, nil,
                    "MANIFEST does not name it: \(Units.count(count, "record")) newer than the"
                        + " store left out; was MANIFEST put back, or the file?"))
        }
    }

    // MARK: Writing (3)

    /// Writes the new store.
    mutating func write(to builder: StoreBuilder) throws(StoreError) {
        var gone = newestGone()
        let sources = segments.flatMap { segment in
            [segment.index, segment.mendedIndex].compactMap { $0 }.map { (segment, $0) }
        }
        var merge = SortedMerge(sources.map(\.1))
        let uncertainty = uncertainty
        while let (source, entry) = merge.next() {
            let salvaged = sources[source].0
            if !gone.isEmpty, let lost = unsafe gone.removeValue(forKey: Array(entry.key)),
                lost.record.sequence > entry.sequence
            {
                // The hint file tells that the key was deleted: it stays so.
                if lost.record.kind == .tombstone { continue }
                losses.append(lost)
                losses[losses.count - 1].successor = (
                    salvaged.survey.name, entry.sequence, entry.offset, entry.kind
                )
            }
            guard entry.kind == .value else { continue }
            try copy(entry, from: salvaged, to: builder)
            if uncertainty.covers(entry) { uncertainKeys += 1 }
        }
        losses += gone.values.filter { $0.record.kind == .value }
        losses.sort { $0.record.key.lexicographicallyPrecedes($1.record.key) }
        try builder.finish(nextSequence: nextSequence)
        writtenKeys = builder.recordCount
        writtenBytes = builder.byteCount
        segmentCount = builder.segmentCount
    }

    /// Of each key of which a record is gone, the newest that is.
    private func newestGone() -> [[UInt8]: Loss] {
        var gone: [[UInt8]: Loss] = [:]
        for segment in segments {
            for record in segment.lost {
                if let other = gone[record.key], other.record.sequence >= record.sequence {
                    continue
                }
                gone[record.key] = Loss(file: segment.survey.name, record: record)
            }
        }
        return gone
    }

    /// What may be newer than a record that was read: any write with a number up to `bound`, and
    /// those up to its own bound of a key in a range of keys.
    private struct Uncertainty {
        var bound: UInt64 = 0
        var ranges: [(after: [UInt8], before: [UInt8], bound: UInt64)] = []

        func covers(_ entry: HintEntry) -> Bool {
            if entry.sequence <= bound { return true }
            return ranges.contains { range in
                guard entry.sequence <= range.bound else { return false }
                let key = unsafe Array(entry.key)
                return range.after.lexicographicallyPrecedes(key)
                    && key.lexicographicallyPrecedes(range.before)
            }
        }
    }

    private var uncertainty: Uncertainty {
        var all = Uncertainty()
        for segment in segments {
            for bytes in segment.unknown {
                let sealed = segment.survey.listed?.extent?.sequences.upperBound
                let bound = bytes.sequences?.upperBound ?? sealed ?? nextSequence
                if let (after, before) = bytes.keys {
                    all.ranges.append((after, before, bound))
                } else {
                    all.bound = max(all.bound, bound)
                }
            }
        }
        return all
    }

    /// Above every number that was seen; where a log may have had more, as many are left out as
    /// fit.
    private var nextSequence: UInt64 {
        let highest = segments.map(\.highest).max() ?? 0
        let next = max(manifestNext, highest == .max ? .max : highest + 1)
        guard !unknown.isEmpty || !notes.isEmpty else { return next }
        let skipped = UInt64(
            Format.maxSegmentLength / RecordHeader.recordLength(key: 1, value: 0))
        return next.addingReportingOverflow(skipped).overflow ? .max : next + skipped
    }

    private func copy(
        _ entry: HintEntry, from salvaged: SalvagedSegment, to builder: StoreBuilder
    ) throws(StoreError) {
        let segment = salvaged.survey
        guard let image = salvaged.image, let identity = segment.identity else { return }
        var problem: StoreError?
        image.withBytes { bytes in
            guard
                let header = Record.header(
                    in: bytes, at: entry.offset, identity: identity,
                    upTo: max(bytes.byteCount, segment.durableEnd))
                    ?? salvaged.mended.header(at: entry.offset)
            else {
                problem = .damaged(
                    file: segment.name, offset: entry.offset, length: entry.recordLength,
                    reason: "it was whole a moment ago; run repair again")
                return
            }
            let start = entry.offset + RecordHeader.byteCount + header.keyLength
            do throws(StoreError) {
                unsafe try builder.append(
                    header, key: entry.key,
                    value: bytes.extracting(start..<(start + header.valueLength)),
                    unboundValueChecksum: header.unboundValueChecksum(
                        identity: identity, offset: entry.offset))
            } catch {
                problem = error
            }
        }
        if let problem { throw problem }
    }
}
