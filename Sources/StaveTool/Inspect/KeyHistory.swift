internal import StaveDisk

/// Every version of one key in a store: where it lies, what superseded it, what will free it.
struct KeyHistory {
    struct Version {
        enum Check {
            case ok
            case badValue
            /// The file was cut before the record ends.
            case cut
            /// The record cannot be read; the hint file says that it was this key's.
            case unreadable
        }

        let segment: SegmentSurvey
        let offset: Int
        let length: Int
        let sequence: UInt64
        /// nil where the record cannot be read.
        let time: UInt32?
        let kind: RecordKind
        let valueLength: Int
        let check: Check
        var isWhole: Bool { if case .ok = check { true } else { false } }
        /// The segment's number and the offset, as the inspector writes them.
        var place: String { "\(segment.number ?? 0):\(offset)" }
    }

    let key: [UInt8]
    let survey: StoreSurvey
    /// Newest first.
    private(set) var versions: [Version] = []
    /// Stretches that may have held versions of the key, and of which nothing tells.
    private(set) var findings = Findings()
    private var plan: CompactionForecast

    init(of key: [UInt8], in survey: StoreSurvey) {
        self.key = key
        self.survey = survey
        plan = CompactionForecast(survey, damaged: [])
        var damaged: Set<String> = []
        for segment in survey.segments {
            let before = findings.count
            look(in: segment)
            if findings.count > before { damaged.insert(segment.name) }
        }
        findings.add(survey.findings)
        for segment in survey.segments {
            // Those about records were found once more while looking.
            for finding in segment.findings.list where finding.file != segment.name {
                findings.add(finding)
            }
        }
        // The same number twice is the same write, copied: the one that opening takes comes first.
        versions.sort {
            ($0.sequence, $1.segment.name, $1.offset) > ($1.sequence, $0.segment.name, $0.offset)
        }
        plan = CompactionForecast(survey, damaged: damaged)
    }

    private mutating func look(in segment: SegmentSurvey) {
        // A good hint file names every key of its segment.
        var hinted: HintEntry?
        var hasHint = false
        if case .good = segment.hintState, let hint = segment.index {
            hasHint = true
            hinted = unsafe key.withUnsafeBytes { unsafe hint.entry(for: $0) }
            if hinted == nil { return }
        }
        segment.walk(checksValues: false) { item, bytes in
            switch item {
            case .record(let offset, let header, let value):
                take(header, at: offset, value, of: segment, in: bytes)
            case .damage(let range, let reason):
                note(range, reason, in: segment, hinted: hinted, hasHint: hasHint)
            case .torn(let range, let next):
                findings.add(
                    Finding(.torn, segment.name, range, segment.tornText(range, next, in: bytes)))
            case .reserved: break
            }
            return true
        }
    }

    /// Bytes that cannot be read, and what the hint file says of them.
    private mutating func note(
        _ range: Range<Int>, _ reason: String, in segment: SegmentSurvey, hinted: HintEntry?,
        hasHint: Bool
    ) {
        let isHinted = hinted.map { range.contains($0.offset) } ?? false
        if let hinted, isHinted {
            versions.append(
                Version(
                    segment: segment, offset: hinted.offset, length: hinted.recordLength,
                    sequence: hinted.sequence, time: nil, kind: hinted.kind,
                    valueLength: hinted.valueLength, check: .unreadable))
        }
        let text =
            isHinted
            ? "a version of this key was here, says the hint file"
            : hasHint
                ? "may have held an older version of this key"
                : "nothing tells which keys were here"
        findings.add(Finding(.damage, segment.name, range, "\(reason): \(text)"))
    }

    private mutating func take(
        _ header: RecordHeader, at offset: Int, _ value: SegmentWalk.ValueCheck,
        of segment: SegmentSurvey, in bytes: RawSpan
    ) {
        let start = offset + RecordHeader.byteCount
        guard header.keyLength == key.count, let identity = segment.identity else { return }
        let found = bytes.extracting(start..<(start + key.count))
        guard unsafe found.differing(from: key.span.bytes) == nil else { return }
        let check: Version.Check =
            switch value == .unread
                ? SegmentWalk.check(header, in: bytes, at: offset, identity) : value
            {
            case .cut: .cut
            case .bad: .badValue
            case .good, .unread: .ok
            }
        versions.append(
            Version(
                segment: segment, offset: offset, length: header.recordLength,
                sequence: header.sequence, time: header.time, kind: header.kind ?? .value,
                valueLength: header.valueLength,
                check: check))
        let text: String
        switch check {
        case .badValue: text = "the value of this key does not check out"
        case .cut: text = "the value of this key was cut off with the file"
        case .ok, .unreadable: return
        }
        let range = offset..<(offset + header.recordLength)
        findings.add(Finding(.damage, segment.name, range, text))
    }

    // MARK: What became of each

    /// live, tombstone, dead or damaged.
    func state(_ index: Int) -> String {
        if index > 0 { return "dead" }
        guard versions[0].isWhole else { return "damaged" }
        return versions[0].kind == .value ? "live" : "tombstone"
    }

    /// The version that came right behind it: the next newer one.
    func successor(_ index: Int) -> Version? { index > 0 ? versions[index - 1] : nil }

    /// Which compaction frees the record, in words; nil for a live one.
    func freed(_ index: Int) -> String? {
        let version = versions[index]
        switch state(index) {
        case "live": return nil
        case "damaged": return "kept: get answers with an error until the key is set or deleted"
        case "tombstone":
            let older = Set(
                versions.dropFirst().filter { $0.segment !== version.segment }
                    .compactMap(\.segment.number)
            ).sorted()
            return plan.fate(ofTombstoneIn: version.segment, olderIn: older)
        default: return plan.fate(ofDeadRecordIn: version.segment)
        }
    }

    /// The segment whose rewriting frees it, and whether the next plans include that one.
    func members(_ index: Int) -> [(String, JSON)] {
        guard state(index) == "dead" || state(index) == "tombstone" else { return [] }
        return plan.members(versions[index].segment)
    }
}
