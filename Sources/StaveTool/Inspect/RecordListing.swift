internal import StaveDisk

/// Prints a segment's records, a line each, and what stands between them.
struct RecordListing {
    let segment: SegmentSurvey
    /// Who superseded whom; for a file alone, within the file.
    let liveness: Liveness
    let filter: RecordFilter
    /// Lines that may still be printed.
    var remaining: Int
    let json: Bool
    /// Name the segment in each line.
    let showsSegment: Bool
    let output: Output

    /// - Parameter title: print what the columns are first.
    mutating func print(title printsTitle: Bool) {
        let widths = Widths(segment)
        if !json, printsTitle {
            var title = showsSegment ? [Units.padded("segment", 10)] : []
            title += widths.cells("offset", "length", "sequence")
            title += [
                Units.padded("time", 20), Units.padded("kind", 9),
                Units.padded("checksum", 8), "key = value  (state)",
            ]
            output.line(title.joined(separator: "  "))
        }
        segment.walk(checksValues: true) { item, bytes in
            guard remaining > 0 else { return false }
            switch item {
            case .record(let offset, let header, let value):
                show(header, at: offset, value, in: bytes, widths)
            case .damage(let range, let reason): show("damage", range, reason, widths)
            case .torn(let range, let next):
                show("torn tail", range, SegmentSurvey.tornText(next), widths)
            case .reserved(let range): show("reserved", range, "zeros", widths)
            }
            return true
        }
    }

    private mutating func show(
        _ header: RecordHeader, at offset: Int, _ value: SegmentWalk.ValueCheck,
        in bytes: RawSpan, _ widths: Widths
    ) {
        let keyStart = offset + RecordHeader.byteCount
        let valueStart = keyStart + header.keyLength
        let key = bytes.array(keyStart..<valueStart)
        guard filter.includes(offset: offset), filter.includes(key: key, kind: header.kind) else {
            return
        }
        remaining -= 1
        let state = liveness.state(of: key, header, at: offset, in: segment)
        // Enough for a preview; a value may have a gigabyte.
        let wanted = filter.values == .full ? header.valueLength : min(header.valueLength, 64)
        let shown = bytes.array(valueStart..<(valueStart + wanted))
        // Equal values have equal fingerprints, wherever they lie.
        let whole = bytes.extracting(valueStart..<(valueStart + header.valueLength))
        let fingerprint = filter.values == .none ? hex(Checksum.hash(whole)) : ""
        if json {
            showJSON(
                header, at: offset, value, key: key, shown: shown, fingerprint: fingerprint, state)
            return
        }
        var cells = showsSegment ? [String(segment.name.prefix(10))] : []
        cells += widths.cells("\(offset)", "\(header.recordLength)", "\(header.sequence)")
        cells += [
            Printable.time(header.time), Units.padded(Self.kindName(header), 9),
            Units.padded(Self.checkText(header, value), 8),
            Printable.quoted(key, limit: 256) + valueText(header, shown, fingerprint: fingerprint)
                + "  (\(state.text))",
        ]
        output.line(cells.joined(separator: "  "))
    }

    static func kindName(_ header: RecordHeader) -> String {
        header.kind == .tombstone ? "tombstone" : "value"
    }

    static func checkText(_ header: RecordHeader, _ value: SegmentWalk.ValueCheck) -> String {
        guard case .bad(let computed) = value else { return "ok" }
        let stored = Printable.hex32(header.valueChecksum)
        return "BAD stored=\(stored) computed=\(Printable.hex32(computed))"
    }

    private func valueText(
        _ header: RecordHeader, _ shown: [UInt8], fingerprint: String
    ) -> String {
        if header.kind == .tombstone { return "" }
        switch filter.values {
        case .full: return " = " + Printable.quoted(shown)
        case .none:
            return " = (\(header.valueLength) bytes, fingerprint \(fingerprint))"
        case .preview:
            let limit = 40
            let word = Printable.quoted(Array(shown.prefix(limit)))
            return " = " + word
                + (header.valueLength > limit ? "... (\(header.valueLength) bytes)" : "")
        }
    }

    private func showJSON(
        _ header: RecordHeader, at offset: Int, _ value: SegmentWalk.ValueCheck, key: [UInt8],
        shown: [UInt8], fingerprint: String, _ state: Liveness.State
    ) {
        var members: [(String, JSON)] = [
            ("type", .string("record")), ("file", .string(segment.name)),
            ("offset", .number(offset)), ("length", .number(header.recordLength)),
            ("sequence", .unsigned(header.sequence)),
            ("time", .string(Printable.time(header.time))),
            ("kind", .string(Self.kindName(header))), JSON.bytes("key", key),
            ("valueLength", .number(header.valueLength)),
        ]
        if filter.values != .none, header.kind == .value {
            members.append(JSON.bytes("value", shown))
            if shown.count < header.valueLength { members.append(("valueCut", .bool(true))) }
        }
        if !fingerprint.isEmpty { members.append(("fingerprint", .string(fingerprint))) }
        members.append(("checksum", .string(Self.checkText(header, value))))
        members.append(("state", .string(state.word)))
        if case .dead(let place) = state { members.append(("supersededBy", .string(place))) }
        output.json(members)
    }

    private mutating func show(
        _ what: String, _ range: Range<Int>, _ text: String, _ widths: Widths
    ) {
        guard filter.key == nil, filter.kind == nil, filter.includes(offset: range.lowerBound)
        else { return }
        remaining -= 1
        if json {
            output.json([
                ("type", .string(what)), ("file", .string(segment.name)),
                ("offset", .number(range.lowerBound)), ("length", .number(range.count)),
                ("text", .string(text)),
            ])
            return
        }
        var cells = showsSegment ? [String(segment.name.prefix(10))] : []
        cells += widths.cells("\(range.lowerBound)", "\(range.count)", "")
        output.line((cells + ["\(what): \(text)"]).joined(separator: "  "))
    }

    /// Column widths that fit every number of a segment.
    private struct Widths {
        let offset: Int
        let sequence: Int

        init(_ segment: SegmentSurvey) {
            offset = max(6, "\(segment.fileSize)".count)
            sequence = max(8, "\(segment.index?.sequences?.upperBound ?? 0)".count)
        }

        func cells(_ offset: String, _ length: String, _ sequence: String) -> [String] {
            [
                Units.padded(offset, self.offset, right: true),
                Units.padded(length, self.offset, right: true),
                Units.padded(sequence, self.sequence, right: true),
            ]
        }
    }
}
