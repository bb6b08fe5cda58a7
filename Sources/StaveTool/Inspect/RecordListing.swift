internal import StaveDisk

/// Prints a segment's records, a line each, and what stands between them, while it reads them: what
/// is wrong with them goes into the segment's findings.
struct RecordListing {
    let segment: SegmentSurvey
    /// Who superseded whom; for a file alone, within the file. nil where it is not known.
    let liveness: Liveness?
    let filter: RecordFilter
    /// Lines that may still be printed.
    var remaining: Int
    let json: Bool
    let output: Output
    private let format: RecordFormat
    /// The last one that was written out: records of one second stand together.
    private var time: (seconds: UInt32, text: String) = (0, Printable.time(0))

    /// - Parameter showsSegment: name the segment in each line.
    init(
        segment: SegmentSurvey, liveness: Liveness?, filter: RecordFilter, columns: [Column]?,
        remaining: Int, json: Bool, showsSegment: Bool, output: Output
    ) {
        self.segment = segment
        self.liveness = liveness
        self.filter = filter
        self.remaining = remaining
        self.json = json
        self.output = output
        format = RecordFormat(
            columns: columns, values: filter.values, showsSegment: showsSegment,
            fileSize: segment.fileSize,
            sequence: segment.index?.sequences?.upperBound ?? 0)
    }

    /// - Parameter title: print what the columns are first.
    mutating func print(title printsTitle: Bool) {
        if !json, printsTitle {
            output.line(format.title)
            output.flushEarly()
        }
        guard mayHaveKey else { return }
        var flushed = 0
        let judgement: SegmentSurvey.Judgement? =
            segment.valuesAreChecked ? nil : segment.isScanned ? .values : .everything
        segment.walk(checksValues: true) { item, bytes in
            guard remaining > 0 else { return false }
            if let judgement { segment.judge(item, in: bytes, judgement) }
            show(item, in: bytes)
            // A rare key is seen when it is found.
            if item.range.upperBound - flushed >= Self.flushInterval {
                flushed = item.range.upperBound
                output.flushEarly()
            }
            return true
        }
    }

    private static let flushInterval = 16 << 20

    /// Can there be a record of the key? A good hint file names every key of its segment, also
    /// those whose records are damaged; where it was held against the records there is nothing to
    /// save.
    private var mayHaveKey: Bool {
        guard let pattern = filter.key, let hint = segment.hint, segment.isSealed,
            !segment.isScanned
        else { return true }
        // SAFETY: the array outlives the call.
        let place = unsafe pattern.bytes.withUnsafeBytes { unsafe hint.lowerBound($0) }
        return unsafe place < hint.count && pattern.matches(Array(hint[place].key))
    }

    mutating func show(_ item: SegmentWalk.Item, in bytes: RawSpan) {
        switch item {
        case .record(let offset, let header, let value):
            show(header, at: offset, value, in: bytes)
        case .damage(let range, let reason): show("damage", range, reason)
        case .torn(let range, let next):
            show("torn tail", range, segment.tornText(range, next, in: bytes))
        case .reserved(let range): show("reserved", range, "zeros")
        }
    }

    private mutating func show(
        _ header: RecordHeader, at offset: Int, _ value: SegmentWalk.ValueCheck,
        in bytes: RawSpan
    ) {
        guard filter.includes(offset: offset) else { return }
        let keyStart = offset + RecordHeader.byteCount
        let valueStart = keyStart + header.keyLength
        let key = bytes.array(keyStart..<valueStart)
        guard filter.includes(key: key, kind: header.kind) else { return }
        remaining -= 1
        // Enough for a preview; a value may have a gigabyte.
        let wanted =
            switch filter.values {
            case .full: header.valueLength
            case .preview: min(header.valueLength, 64)
            case .none: 0
            }
        // Equal values have equal fingerprints, wherever they lie.
        let valueEnd = min(valueStart + header.valueLength, bytes.byteCount)
        let whole = bytes.extracting(valueStart..<valueEnd)
        let needsFingerprint =
            header.kind == .value
            && (format.columns?.contains(.fingerprint) ?? false || filter.values == .none)
        if time.seconds != header.time { time = (header.time, Printable.time(header.time)) }
        let facts = RecordFacts(
            file: segment.name, offset: offset, header: header, time: time.text, check: value,
            key: key,
            value: bytes.array(valueStart..<min(valueStart + wanted, valueEnd)),
            fingerprint: needsFingerprint ? Checksum.hash(whole) : nil,
            state: liveness?.state(of: key, header, at: offset, in: segment))
        output.line(json ? format.json(facts) : format.line(facts))
    }

    private mutating func show(_ what: String, _ range: Range<Int>, _ text: String) {
        guard filter.key == nil, filter.kind == nil, filter.includes(offset: range.lowerBound)
        else { return }
        remaining -= 1
        guard json else {
            output.line(format.line(what, file: segment.name, range, text))
            return
        }
        output.json([
            ("type", .string(what)), ("file", .string(segment.name)),
            ("offset", .number(range.lowerBound)), ("length", .number(range.count)),
            ("text", .string(text)),
        ])
    }
}
