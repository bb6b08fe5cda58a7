internal import Stave
internal import StaveDisk

/// Writes what can be read of a store into a new one, and says what could not.
///
/// 1. Look at the source, which is only read: MANIFEST, or without one every segment that is there.
/// 2. Read every segment: whole records on one side, what is gone on the other (`SalvagedSegment`).
/// 3. Merge the whole records by key; the newest of each key is written, if it is a value. A key whose
///    newest record is gone gets the next older one (it rolled back), or is lost.
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
    /// Keys that were written and may be older than what was lost in `unknown`.
    private(set) var uncertainKeys = 0
    private(set) var readRecords = 0
    private(set) var writtenKeys = 0
    private(set) var writtenBytes = 0
    private(set) var segmentCount = 0
    private var segments: [SalvagedSegment] = []
    private var manifestNext: UInt64 = 1

    /// Was anything lost, rolled back, or may have been?
    var isLossless: Bool { losses.isEmpty && unknown.isEmpty }

    /// Steps 1 and 2. Reads all of the source and writes nothing.
    init(
        of survey: StoreSurvey, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) {
        let total = survey.segments.reduce(0) { $0 + $1.recordLimit }
        var done = 0
        manifestNext = survey.manifest?.nextSequence ?? 1
        noteManifest(survey)
        for segment in chosen(survey) {
            let salvaged = SalvagedSegment(segment)
            readRecords += salvaged.recordCount
            unknown += salvaged.unknown.map { (segment.name, $0) }
            notes += salvaged.torn.map { Finding(.torn, segment.name, $0.range, $0.text) }
            segments.append(salvaged)
            done += segment.recordLimit
            progress(done, total)
        }
    }

    private mutating func noteManifest(_ survey: StoreSurvey) {
        for finding in survey.findings.list where finding.file == FileName.manifestName {
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
        return survey.segments.filter { segment in
            if segment.isDropped {
                leaveOut(segment, "follows a log that ended early, as opening would leave it out")
            } else if survey.manifest == nil, let own = segment.header?.storeID, own != id {
                leaveOut(segment, "belongs to another store")
            } else {
                return true
            }
            return false
        }
    }

    private mutating func leaveOut(_ segment: SegmentSurvey, _ why: String) {
        notes.append(Finding(.torn, segment.name, 0..<segment.fileSize, "left out: it " + why))
    }

    // MARK: Writing (3)

    /// Writes the new store.
    mutating func write(to builder: StoreBuilder) throws(StoreError) {
        var gone = newestGone()
        var merge = SortedMerge(segments.compactMap(\.index))
        let sources = segments.filter { $0.index != nil }
        let uncertainty = uncertainty
        while let (source, entry) = merge.next() {
            let salvaged = sources[source]
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
            try copy(entry, from: salvaged.survey, to: builder)
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

    /// What may be newer than a record that was read: any write with a number up to `bound`, and those
    /// up to its own bound of a key in a range of keys.
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
                let sealed = segment.survey.listed?.seal?.sequences.upperBound
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

    /// Above every number that was seen; where a log may have had more, as many are left out as fit.
    private var nextSequence: UInt64 {
        let highest = segments.map(\.highest).max() ?? 0
        let next = max(manifestNext, highest == .max ? .max : highest + 1)
        guard !unknown.isEmpty || !notes.isEmpty else { return next }
        let skipped = UInt64(
            Format.maxSegmentLength / RecordHeader.recordLength(key: 1, value: 0))
        return next.addingReportingOverflow(skipped).overflow ? .max : next + skipped
    }

    private func copy(
        _ entry: HintEntry, from segment: SegmentSurvey, to builder: StoreBuilder
    ) throws(StoreError) {
        guard let image = segment.image, let identity = segment.identity else { return }
        var problem: StoreError?
        image.withBytes { bytes in
            let bytes = bytes.extracting(first: segment.recordLimit)
            guard
                let header = Record.header(in: bytes, at: entry.offset, identity: identity)
            else {
                problem = .damaged(
                    file: segment.name, offset: entry.offset, length: entry.recordLength,
                    reason: "it was whole a moment ago; run repair again")
                return
            }
            let start = entry.offset + RecordHeader.byteCount + header.keyLength
            let binding = Checksum.binding(identity: identity, offset: entry.offset)
            do throws(StoreError) {
                unsafe try builder.append(
                    header, key: entry.key,
                    value: bytes.extracting(start..<(start + header.valueLength)),
                    unboundValueChecksum: header.valueChecksum
                        ^ UInt32(truncatingIfNeeded: binding))
            } catch {
                problem = error
            }
        }
        if let problem { throw problem }
    }
}
