internal import StaveDisk

/// What can still be read of one segment, and what not.
///
/// 1. The walk tells records, damage and where a log ends (docs/format.md, "Torn tail and damage").
/// 2. Damaged bytes cost the keys that a good hint file places there; without one they are unknown.
///    Where only the header is damaged, hint file, key and value make up for it (`MendedRecords`).
/// 3. What ends a log is unknown, too, and no torn tail, where a damaged mark may have covered it.
/// 4. Whole records behind the end were never known to be durable (`UnsyncedRecords`).
struct SalvagedSegment {
    /// A record that is gone, and whose key is known.
    struct LostRecord {
        var key: [UInt8]
        var sequence: UInt64
        var kind: RecordKind
        var offset: Int
        var length: Int
        var reason: String
    }

    /// Bytes that nothing tells the keys of.
    struct UnknownBytes {
        var range: Range<Int>
        var reason: String
        /// Numbers that the lost writes may have had, where that is known.
        var sequences: ClosedRange<UInt64>?
        /// Keys around them, where the segment is in the order of keys.
        var keys: (after: [UInt8], before: [UInt8])?
    }

    let survey: SegmentSurvey
    /// The file; of one that has more than the segment's bytes all of them.
    let image: FileImage?
    /// The newest record of each key that is taken; nil where nothing can be read.
    private(set) var index: HintImage?
    private(set) var recordCount = 0
    private(set) var lost: [LostRecord] = []
    private(set) var mended = MendedRecords()
    private(set) var unknown: [UnknownBytes] = []
    /// Torn tails and what follows them: never part of the store.
    private(set) var torn: [(range: Range<Int>, text: String)] = []
    private(set) var unsynced = UnsyncedRecords()
    /// Highest sequence number that the records or the hint file show.
    private(set) var highest: UInt64 = 0
    /// Records behind the end are taken, too.
    private let keepsUnsynced: Bool
    /// A segment behind this one was synced, so that this one was as well.
    private let wasDurable: Bool
    /// The hint file where it can be believed: not of a segment of version 1, where identity and
    /// length do not tell the bytes.
    private let hint: HintImage?
    /// Where the last record and the last damage end.
    private var logEnd = SegmentHeader.byteCount
    private var isWhole = true

    private struct Neighbour {
        var sequence: UInt64
        var key: [UInt8]
    }

    /// - Parameters:
    ///   - file: all of the file, where that is longer than the segment.
    ///   - wasDurable: a segment behind this one was synced, so that this one was as well.
    ///   - keepsUnsynced: take records behind the end, too.
    init(
        _ survey: SegmentSurvey, file: FileImage? = nil, wasDurable: Bool = false,
        keepsUnsynced: Bool = false
    ) {
        self.survey = survey
        self.wasDurable = wasDurable
        self.keepsUnsynced = keepsUnsynced
        image = file ?? survey.image
        var hint: HintImage?
        if case .good = survey.hintState, survey.listed?.format != 1 { hint = survey.hint }
        self.hint = hint
        let known = survey.listed?.extent?.sequences
        highest = max(hint?.sequences?.upperBound ?? 0, known?.upperBound ?? 0)
        guard let image, let identity = survey.identity else {
            loseAll("the file cannot be read")
            return
        }
        var records = RecordList()
        readRecords(&records)
        if survey.isSealed, let known, isWhole, records.count > 0, records.sequences != known {
            unknown.append(
                UnknownBytes(
                    range: SegmentHeader.byteCount..<logEnd,
                    reason: "its records are not those that MANIFEST tells of", sequences: known))
        }
        readBehind(&records)
        judgeEnd()
        recordCount = records.count - (keepsUnsynced ? unsynced.count : 0)
        let length = hint?.segmentLength ?? logEnd
        let made = image.withBytes { bytes in
            unsafe bytes.withUnsafeBytes {
                unsafe records.image(of: $0, identity: identity, segmentLength: length)
            }
        }
        // The mapped file rather than a copy in memory.
        if let hint, hint.hasSameBytes(as: made) { index = hint } else { index = made }
        if recordCount == 0, survey.header == nil, survey.listed == nil, hint == nil {
            // The identity may be wrong.
            (unknown, torn) = ([], [])
            loseAll("its header is damaged, and nothing tells its identity")
        }
        setBounds()
    }

    var mendedIndex: HintImage? { mended.index(hint) }

    // MARK: Records (1, 2)

    private mutating func readRecords(_ records: inout RecordList) {
        survey.walk(checksValues: true) { item, bytes in
            switch item {
            case .record(let offset, let header, let check):
                highest = max(highest, header.sequence)
                let start = offset + RecordHeader.byteCount
                let key = start..<(start + header.keyLength)
                if survey.isDropped, offset >= survey.durableEnd { return false }
                logEnd = item.range.upperBound
                isWhole = isWhole && check == .good
                if check != .good {
                    lost.append(
                        LostRecord(
                            key: bytes.array(key), sequence: header.sequence, kind: .value,
                            offset: offset, length: header.recordLength,
                            reason: check == .cut
                                ? "its value was cut off" : "its value does not check out"))
                } else if !header.needsNewerVersion {
                    records.append(header, at: offset)
                } else {
                    lose(item.range, "a newer version wrote it")
                }
            case .damage(let range, let reason):
                lose(range, reason)
                (logEnd, isWhole) = (range.upperBound, false)
            case .torn(let range, let next):
                torn.append((range, survey.tornText(range, next, in: bytes)))
            case .reserved: break
            }
            return true
        }
    }

    /// A good hint file names the newest record of every key of its segment, so that what else was
    /// in the range was dead.
    private mutating func lose(_ range: Range<Int>, _ reason: String) {
        guard let hint else {
            unknown.append(UnknownBytes(range: range, reason: reason))
            return
        }
        for position in 0..<hint.count {
            let entry = hint[position]
            guard range.contains(entry.offset) else { continue }
            if let image, mended.add(entry, of: image, identity: hint.identity) { continue }
            unsafe lost.append(
                LostRecord(
                    key: Array(entry.key), sequence: entry.sequence, kind: entry.kind,
                    offset: entry.offset, length: entry.recordLength, reason: reason))
        }
    }

    /// Nothing of the file can be read. What MANIFEST and the hint file say of it is lost.
    private mutating func loseAll(_ reason: String) {
        let known = hint?.segmentLength ?? survey.listed.map { _ in survey.durableEnd } ?? 0
        lose(0..<max(survey.fileSize, known, 1), reason)
        for position in unknown.indices {
            unknown[position].sequences = survey.listed?.extent?.sequences
        }
    }

    // MARK: The end of a log (3)

    private mutating func judgeEnd() {
        if survey.isSealed { return }
        let end = survey.listed?.extent?.length ?? hint?.segmentLength ?? logEnd
        if survey.listed == nil, hint != nil {
            // No MANIFEST, but the hint file knows what was sealed.
            if logEnd < end { lose(logEnd..<end, "no whole record") }
            torn = []
        } else if isEndUncertain {
            let length = survey.listed?.extent?.length ?? 0
            unknown.append(
                UnknownBytes(
                    range: torn.first?.range ?? logEnd..<max(logEnd, length),
                    reason: wasDurable
                        ? "a segment behind it was synced, so this one was whole once"
                        : "its synced marks are damaged, and more may have been durable"))
            torn = []
        } else if logEnd < end, torn.isEmpty, !survey.isDropped {
            torn.append(
                (logEnd..<end, "the log ends here; the segment was full up to \(end)"))
        }
    }

    /// Can more have been durable than the marks say? (A crash could tear the one mark of version
    /// 1.)
    private var isEndUncertain: Bool {
        if survey.isSealed { return false }
        if wasDurable { return !torn.isEmpty || logEnd < survey.listed?.extent?.length ?? 0 }
        if survey.mark == nil { return survey.header?.version != 1 }
        return survey.marks.damaged != nil
    }

    // MARK: Behind the end (4)

    /// Where it is uncertain that the log ended where it seems to, what is behind belongs to it.
    private mutating func readBehind(_ records: inout RecordList) {
        let belongs = isEndUncertain
        guard let image, let identity = survey.identity else { return }
        let end = survey.isSealed ? survey.listed?.extent?.length ?? logEnd : logEnd
        image.withBytes { bytes in
            var walk = SegmentWalk(identity: identity, rule: .unmarked, checksValues: true)
            walk.resume(at: Format.aligned(end))
            while let item = walk.next(in: bytes) {
                guard case .record(let offset, let header, value: .good) = item,
                    !header.needsNewerVersion
                else { continue }
                highest = max(highest, header.sequence)
                let start = offset + RecordHeader.byteCount
                if !belongs {
                    unsynced.add(bytes.array(start..<(start + header.keyLength)), at: offset)
                }
                if belongs || keepsUnsynced { records.append(header, at: offset) }
            }
        }
    }

    // MARK: What is around unknown bytes

    /// What the records around unknown bytes tell: a log is in the order of the numbers, and what a
    /// compaction wrote in the order of the keys.
    private mutating func setBounds() {
        guard !unknown.isEmpty else { return }
        var order = (isLog: true, isSorted: true)
        var previous: Neighbour?
        var around = [(before: Neighbour?, after: Neighbour?)](
            repeating: (nil, nil), count: unknown.count)
        survey.walk(checksValues: false) { [unknown] item, bytes in
            guard case .record(let offset, let header, _) = item else { return true }
            let start = offset + RecordHeader.byteCount
            let key = bytes.array(start..<(start + header.keyLength))
            if let previous {
                if previous.sequence >= header.sequence { order.isLog = false }
                if !previous.key.lexicographicallyPrecedes(key) { order.isSorted = false }
            }
            let now = Neighbour(sequence: header.sequence, key: key)
            for (position, bytes) in unknown.enumerated() {
                if bytes.range.lowerBound >= offset { around[position].before = now }
                if bytes.range.lowerBound < offset, around[position].after == nil {
                    around[position].after = now
                }
            }
            previous = now
            return true
        }
        // What a few records look like proves nothing; MANIFEST knows, but of version 1.
        if let listed = survey.listed, listed.format > 1 {
            order = (listed.isLog, listed.isSorted)
        }
        let known = survey.listed?.extent?.sequences
        for (position, (before, after)) in around.enumerated() {
            if order.isLog, before != nil || known != nil, after != nil || known != nil {
                let low = before.map { $0.sequence &+ 1 } ?? known!.lowerBound
                let high = after.map { $0.sequence &- 1 } ?? known!.upperBound
                if low <= high { unknown[position].sequences = low...high }
            } else if order.isSorted, !order.isLog, let before, let after {
                unknown[position].keys = (before.key, after.key)
            } else if unknown[position].sequences == nil {
                unknown[position].sequences = known
            }
        }
    }
}
