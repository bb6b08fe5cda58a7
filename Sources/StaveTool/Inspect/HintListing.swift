internal import StaveDisk

/// A hint file by itself, and beside its segment where that is at hand.
struct HintListing {
    let name: String
    let image: FileImage
    let segment: SegmentSurvey?
    let filter: RecordFilter
    let limit: Int
    let json: Bool
    let output: Output
    var findings = Findings()

    init(
        name: String, image: FileImage, segment: SegmentSurvey?, filter: RecordFilter,
        limit: Int, json: Bool, output: Output
    ) {
        (self.name, self.image, self.segment) = (name, image, segment)
        (self.filter, self.limit, self.json, self.output) = (filter, limit, json, output)
    }

    mutating func print() {
        let hint: HintImage
        do throws(FormatError) {
            hint = try image.hint(identity: nil, segmentLength: nil)
        } catch {
            findings.add(
                Finding(
                    .damage, name, error.offset..<max(error.offset, image.count), error.reason))
            return
        }
        printHeader(hint)
        checkIdentity(hint)
        var shown = 0
        for index in 0..<hint.count {
            let entry = hint[index]
            let key = unsafe Array(entry.key)
            let says = compare(entry, key)
            guard shown < limit, filter.includes(offset: entry.offset),
                filter.includes(key: key, kind: entry.kind)
            else { continue }
            shown += 1
            show(entry, key, says)
        }
    }

    private func printHeader(_ hint: HintImage) {
        let sequences = hint.sequences.map { "\($0.lowerBound) to \($0.upperBound)" } ?? "none"
        if json {
            output.json([
                ("type", .string("hint")), ("file", .string(name)),
                ("identity", .string(hex(hint.identity))),
                ("segmentLength", .number(hint.segmentLength)), ("entries", .number(hint.count)),
                ("records", .number(hint.recordCount)),
                ("tombstones", .number(hint.tombstoneCount)),
                ("size", .number(image.count)),
                ("firstSequence", hint.sequences.map { .unsigned($0.lowerBound) } ?? .null),
                ("lastSequence", hint.sequences.map { .unsigned($0.upperBound) } ?? .null),
            ])
            return
        }
        output.line("hint file \(Quoting.message(name)), \(Units.bytes(image.count))")
        output.line(
            "segment identity \(hex(hint.identity)), length \(hint.segmentLength),"
                + " sequences \(sequences)")
        output.line(
            "\(hint.count) entries for \(Units.count(hint.recordCount, "record")),"
                + " \(Units.count(hint.tombstoneCount, "tombstone"))")
        output.line()
        output.line("    offset      length    sequence  kind       segment  key")
    }

    private mutating func checkIdentity(_ hint: HintImage) {
        guard let segment else { return }
        if let identity = segment.identity, identity != hint.identity {
            findings.add(
                Finding(.damage, name, 16..<24, "made for another segment than \(segment.name)"))
        } else if let length = segment.listed?.extent?.length, length != hint.segmentLength {
            findings.add(
                Finding(
                    .damage, name, 24..<32,
                    "stale: made for \(hint.segmentLength) bytes, the segment has \(length)"))
        }
    }

    /// What the segment has where the entry points: nil without a segment, "" where it agrees.
    private mutating func compare(_ entry: HintEntry, _ key: [UInt8]) -> String? {
        guard let segment, let image = segment.image, let identity = segment.identity else {
            return nil
        }
        let reason = image.withBytes { bytes in
            let bytes = bytes.extracting(first: segment.recordLimit)
            guard let header = Record.header(in: bytes, at: entry.offset, identity: identity) else {
                return "no whole record there"
            }
            let start = entry.offset + RecordHeader.byteCount
            if bytes.array(start..<(start + header.keyLength)) != key { return "another key" }
            if header.sequence != entry.sequence { return "sequence \(header.sequence)" }
            if header.valueLength != entry.valueLength { return "length \(header.valueLength)" }
            return header.kind == entry.kind && header.flags == entry.flags ? "" : "another kind"
        }
        if !reason.isEmpty {
            findings.add(
                Finding(
                    .damage, segment.name, entry.offset..<(entry.offset + entry.recordLength),
                    "\(reason), where the hint file has \(Printable.quoted(key, limit: 64))"))
        }
        return reason
    }

    private func show(_ entry: HintEntry, _ key: [UInt8], _ says: String?) {
        let kind = entry.kind == .value ? "value" : "tombstone"
        let segment = says.map { $0.isEmpty ? "agrees" : $0 } ?? "-"
        if json {
            output.json([
                ("type", .string("entry")), ("offset", .number(entry.offset)),
                ("length", .number(entry.recordLength)), ("sequence", .unsigned(entry.sequence)),
                ("kind", .string(kind)), ("segment", .string(segment)), JSON.bytes("key", key),
            ])
            return
        }
        output.line(
            [
                Units.padded("\(entry.offset)", 10, right: true),
                Units.padded("\(entry.recordLength)", 10, right: true),
                Units.padded("\(entry.sequence)", 10, right: true),
                Units.padded(kind, 9), Units.padded(segment, 7),
                Printable.quoted(key, limit: 256),
            ].joined(separator: "  "))
    }
}
