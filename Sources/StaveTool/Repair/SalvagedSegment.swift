internal import StaveDisk

/// What can still be read of one segment, and what not.
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
    /// The newest whole record of each key; nil where nothing can be read.
    private(set) var index: HintImage?
    private(set) var recordCount = 0
    private(set) var lost: [LostRecord] = []
    private(set) var unknown: [UnknownBytes] = []
    /// Torn tails and what follows them: never part of the store.
    private(set) var torn: [(range: Range<Int>, text: String)] = []
    /// Highest sequence number that the records or the hint file show.
    private(set) var highest: UInt64 = 0

    private struct Neighbour {
        var sequence: UInt64
        var key: [UInt8]
    }

    init(_ survey: SegmentSurvey) {
        self.survey = survey
        var hint: HintImage?
        if case .good = survey.hintState { hint = survey.index }
        highest = hint?.sequences?.upperBound ?? survey.listed?.seal?.sequences.upperBound ?? 0
        guard let image = survey.image, let identity = survey.identity else {
            lose(0..<max(survey.fileSize, 1), "the file cannot be read", hint)
            return
        }
        var records = RecordList()
        readRecords(&records, hint)
        recordCount = records.count
        let made = image.withBytes { bytes in
            unsafe bytes.withUnsafeBytes {
                unsafe records.image(of: $0, identity: identity, segmentLength: survey.end)
            }
        }
        if let hint, hint.hasSameBytes(as: made) { index = hint } else { index = made }
        setBounds()
    }

    private mutating func readRecords(_ records: inout RecordList, _ hint: HintImage?) {
        survey.walk(checksValues: true) { item, bytes in
            switch item {
            case .record(let offset, let header, let check):
                highest = max(highest, header.sequence)
                if check != .good {
                    let start = offset + RecordHeader.byteCount
                    lost.append(
                        LostRecord(
                            key: bytes.array(start..<(start + header.keyLength)),
                            sequence: header.sequence, kind: .value, offset: offset,
                            length: header.recordLength,
                            reason: check == .cut
                                ? "its value was cut off" : "its value does not check out"))
                } else if !header.needsNewerVersion {
                    records.append(header, at: offset)
                } else {
                    lose(
                        offset..<(offset + header.recordLength), "a newer version wrote it", hint)
                }
            case .damage(let range, let reason): lose(range, reason, hint)
            case .torn(let range, let next):
                torn.append((range, SegmentSurvey.tornText(next)))
            case .reserved: break
            }
            return true
        }
    }

    /// A good hint file names the newest record of every key of its segment, so that what else was in
    /// the range was dead.
    private mutating func lose(_ range: Range<Int>, _ reason: String, _ hint: HintImage?) {
        guard let hint else {
            unknown.append(UnknownBytes(range: range, reason: reason))
            return
        }
        let isWholeFile = survey.identity == nil || survey.image == nil
        for position in 0..<hint.count {
            let entry = hint[position]
            guard isWholeFile || range.contains(entry.offset) else { continue }
            unsafe lost.append(
                LostRecord(
                    key: Array(entry.key), sequence: entry.sequence, kind: entry.kind,
                    offset: entry.offset, length: entry.recordLength, reason: reason))
        }
    }

    /// What the records around unknown bytes tell: a log is in the order of the numbers, and what a
    /// compaction wrote in the order of the keys.
    private mutating func setBounds() {
        guard !unknown.isEmpty else { return }
        var (isLog, isSorted) = (true, true)
        var previous: Neighbour?
        var around = [(before: Neighbour?, after: Neighbour?)](
            repeating: (nil, nil), count: unknown.count)
        survey.walk(checksValues: false) { [unknown] item, bytes in
            guard case .record(let offset, let header, _) = item else { return true }
            let start = offset + RecordHeader.byteCount
            let key = bytes.array(start..<(start + header.keyLength))
            if let previous {
                if previous.sequence >= header.sequence { isLog = false }
                if !previous.key.lexicographicallyPrecedes(key) { isSorted = false }
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
        let known = survey.listed?.seal?.sequences
        for (position, (before, after)) in around.enumerated() {
            if isLog, before != nil || known != nil, after != nil || known != nil {
                let low = before.map { $0.sequence &+ 1 } ?? known!.lowerBound
                let high = after.map { $0.sequence &- 1 } ?? known!.upperBound
                if low <= high { unknown[position].sequences = low...high }
            } else if isSorted, !isLog, let before, let after {
                unknown[position].keys = (before.key, after.key)
            }
        }
    }
}
