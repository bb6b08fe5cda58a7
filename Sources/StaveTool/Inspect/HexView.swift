internal import StaveDisk

/// One record byte by byte, its fields named, whether or not it checks out.
///
/// Where values are not to be shown, only a record whose header checks out is: of any other bytes
/// they may be a value's.
struct HexView {
    private struct Field {
        var range: Range<Int>
        var name: String
        var meaning: String
    }

    let segment: SegmentSurvey
    let values: RecordFilter.Values
    let json: Bool
    let output: Output
    /// Something in what was shown does not check out.
    private(set) var isDamaged = false

    init(
        segment: SegmentSurvey, values: RecordFilter.Values, json: Bool = false, output: Output
    ) {
        (self.segment, self.values, self.json, self.output) = (segment, values, json, output)
    }

    /// Shows what stands at `offset`. Returns false where the segment ends before it.
    mutating func print(at offset: Int) -> Bool {
        guard let image = segment.image, offset < image.count else { return false }
        return image.withBytes { bytes in
            if offset < SegmentHeader.byteCount {
                printHeader(bytes)
            } else if bytes.byteCount - offset >= RecordHeader.byteCount {
                printRecord(bytes, at: offset)
            } else {
                isDamaged = true
                printRest(bytes, at: offset)
            }
            return true
        }
    }

    // MARK: The segment's header

    private mutating func printHeader(_ bytes: RawSpan) {
        let header = segment.header
        isDamaged = header == nil || segment.marks.damaged != nil || segment.mark == nil
        let fields: [(String, Range<Int>, String)] =
            [
                ("magic", 0..<8, "STAVESEG"), ("version", 8..<12, ""), ("flags", 12..<16, ""),
                ("identity", 16..<24, header.map { hex($0.identity) } ?? "?"),
                ("number", 24..<32, header.map { "\($0.number)" } ?? "?"),
                (
                    "store id", 32..<48,
                    header.map { hex($0.storeID.high) + hex($0.storeID.low) } ?? "?"
                ),
                ("capacity", 48..<56, header.map { "\($0.capacity)" } ?? "?"),
                ("checksum", 56..<64, header == nil ? "BAD" : "ok"),
            ] + marks(bytes)
        let all = fields.map { Field(range: $0.1, name: $0.0, meaning: $0.2) }
        guard json else {
            output.line("\(Quoting.message(segment.name)): segment header, 80 bytes")
            rows(all, bytes)
            return
        }
        output.json(head("segment header", 0, SegmentHeader.byteCount) + [members(all, bytes)])
    }

    private func marks(_ bytes: RawSpan) -> [(String, Range<Int>, String)] {
        if (segment.header?.version ?? segment.listed?.format) == 1 {
            return [
                ("synced mark", 64..<72, segment.mark.map { "\($0)" } ?? "?"),
                ("mark checksum", 72..<80, segment.mark == nil ? "BAD" : "ok"),
            ]
        }
        return (0..<2).map { turn in
            let start = SegmentHeader.markOffset(turn: turn)
            var length: Int?
            if let identity = segment.identity, bytes.byteCount >= SegmentHeader.byteCount {
                length = SegmentHeader.markedLength(in: bytes, turn: turn, identity: identity)
            }
            return ("synced mark \(turn)", start..<(start + 8), length.map { "\($0)" } ?? "BAD")
        }
    }

    // MARK: A record

    private mutating func printRecord(_ bytes: RawSpan, at offset: Int) {
        let header = RecordHeader(unchecked: bytes.extracting(droppingFirst: offset))
        let (headerCheck, valueCheck) = checksums(header, bytes, at: offset)
        let isWhole = header.isPlausible && headerCheck == header.headerChecksum
        isDamaged = !isWhole || valueCheck != header.valueChecksum
        guard isWhole || values != .none else {
            printHidden(at: offset)
            return
        }
        func at(_ range: Range<Int>) -> Range<Int> {
            (offset + range.lowerBound)..<(offset + range.upperBound)
        }
        let kind = header.kind.map { $0 == .value ? "value" : "tombstone" } ?? "unknown"
        let fields: [(String, Range<Int>, String)] = [
            ("header checksum", 0..<4, Self.verdict(header.headerChecksum, headerCheck)),
            ("value checksum", 4..<8, Self.verdict(header.valueChecksum, valueCheck)),
            ("sequence", 8..<16, "\(header.sequence)"),
            ("time", 16..<20, Printable.time(header.time)),
            ("value length", 20..<24, "\(header.valueLength)"),
            ("key length", 24..<26, "\(header.keyLength)"),
            ("kind", 26..<27, kind), ("flags", 27..<28, "\(header.flags)"),
        ]
        let all = fields.map { Field(range: at($0.1), name: $0.0, meaning: $0.2) }
        guard json else {
            let fits = offset + header.recordLength <= bytes.byteCount
            output.line(
                "\(Quoting.message(segment.name)): record at \(offset), \(header.recordLength) bytes"
                    + (fits ? "" : ", which reach beyond the end of the file"))
            rows(all, bytes)
            printContents(header, bytes, at: offset)
            return
        }
        output.json(
            head("record", offset, header.recordLength) + [members(all, bytes)]
                + contents(header, bytes, at: offset))
    }

    /// Key, value and padding, as far as the file has them.
    private func printContents(_ header: RecordHeader, _ bytes: RawSpan, at offset: Int) {
        let places = Places(header, offset, bytes.byteCount)
        let key = bytes.array(places.key)
        output.line("key, \(header.keyLength) bytes: \(Printable.quoted(key, limit: 256))")
        dump(Array(key.prefix(256)), at: places.key.lowerBound)
        guard places.key.upperBound < bytes.byteCount else { return }
        if values == .none {
            let fingerprint = hex(Checksum.hash(bytes.extracting(places.value)))
            output.line("value, \(header.valueLength) bytes, fingerprint \(fingerprint)")
            return
        }
        let value = bytes.array(shown(places.value))
        output.line("value, \(header.valueLength) bytes: \(Printable.quoted(value, limit: 256))")
        dump(value, at: places.value.lowerBound)
        if value.count < header.valueLength {
            output.line("  ... \(header.valueLength - value.count) more bytes")
        }
        if !places.padding.isEmpty {
            output.line("padding")
            dump(bytes.array(places.padding), at: places.padding.lowerBound)
        }
    }

    private func contents(
        _ header: RecordHeader, _ bytes: RawSpan, at offset: Int
    ) -> [(String, JSON)] {
        let places = Places(header, offset, bytes.byteCount)
        var members: [(String, JSON)] = [
            ("keyLength", .number(header.keyLength)),
            JSON.bytes("key", bytes.array(places.key)),
            ("valueLength", .number(header.valueLength)),
        ]
        if values == .none {
            let fingerprint = hex(Checksum.hash(bytes.extracting(places.value)))
            return members + [("fingerprint", .string(fingerprint))]
        }
        let value = bytes.array(shown(places.value))
        members.append(JSON.bytes("value", value))
        if value.count < header.valueLength { members.append(("valueCut", .bool(true))) }
        return members + [("padding", .string(Self.digits(bytes.array(places.padding))))]
    }

    private func shown(_ value: Range<Int>) -> Range<Int> {
        values == .full ? value : value.lowerBound..<min(value.upperBound, value.lowerBound + 1024)
    }

    /// Where a record's parts lie, cut to the bytes that there are.
    private struct Places {
        let key, value, padding: Range<Int>

        init(_ header: RecordHeader, _ offset: Int, _ count: Int) {
            let keyStart = offset + RecordHeader.byteCount
            let keyEnd = min(keyStart + header.keyLength, count)
            let valueEnd = min(keyEnd + header.valueLength, count)
            key = keyStart..<keyEnd
            value = keyEnd..<valueEnd
            padding = valueEnd..<max(valueEnd, min(offset + header.recordLength, count))
        }
    }

    /// What the two checksums should be; nil where lengths or identity do not allow to tell.
    private func checksums(
        _ header: RecordHeader, _ bytes: RawSpan, at offset: Int
    ) -> (header: UInt32?, value: UInt32?) {
        let keyEnd = offset + RecordHeader.byteCount + header.keyLength
        let valueEnd = keyEnd + header.valueLength
        guard let identity = segment.identity, keyEnd <= bytes.byteCount else { return (nil, nil) }
        let binding = Checksum.binding(identity: identity, offset: offset)
        let headerCheck = Record.headerChecksum(
            bytes.extracting(droppingFirst: offset), keyLength: header.keyLength, binding: binding)
        guard valueEnd <= bytes.byteCount else { return (headerCheck, nil) }
        let value = bytes.extracting(keyEnd..<valueEnd)
        return (headerCheck, Record.valueChecksum(value, binding: binding))
    }

    private static func verdict(_ stored: UInt32, _ computed: UInt32?) -> String {
        guard let computed else { return "cannot be computed" }
        if stored == computed { return "ok" }
        return "BAD stored=\(Printable.hex32(stored)) computed=\(Printable.hex32(computed))"
    }

    // MARK: What is no record

    /// Too few bytes for a record.
    private func printRest(_ bytes: RawSpan, at offset: Int) {
        guard values != .none else { return printHidden(at: offset) }
        let rest = bytes.array(offset..<bytes.byteCount)
        if json {
            output.json(
                head("bytes", offset, rest.count) + [("bytes", .string(Self.digits(rest)))])
        } else {
            output.line("\(Quoting.message(segment.name)): \(rest.count) bytes at \(offset)")
            dump(rest, at: offset)
        }
    }

    private func printHidden(at offset: Int) {
        let text = "no whole record here; --values none does not show its bytes"
        if json {
            output.json(head("hidden", offset, 0) + [("text", .string(text))])
        } else {
            output.line("\(Quoting.message(segment.name)), offset \(offset): \(text)")
        }
    }

    // MARK: Lines and members

    private func head(_ what: String, _ offset: Int, _ length: Int) -> [(String, JSON)] {
        [
            ("type", .string("hex")), ("file", .string(segment.name)), ("of", .string(what)),
            ("offset", .number(offset)), ("length", .number(length)),
        ]
    }

    private func members(_ fields: [Field], _ bytes: RawSpan) -> (String, JSON) {
        (
            "fields",
            .array(
                fields.map { field in
                    .object([
                        ("offset", .number(field.range.lowerBound)),
                        ("hex", .string(Self.digits(bytes.array(field.range)))),
                        ("field", .string(field.name)), ("meaning", .string(field.meaning)),
                    ])
                })
        )
    }

    private static func digits(_ bytes: [UInt8]) -> String {
        bytes.map(Printable.hexByte).joined()
    }

    private func rows(_ fields: [Field], _ bytes: RawSpan) {
        output.table(
            fields.map { field in
                let digits = bytes.array(field.range).map(Printable.hexByte)
                return [
                    "  \(field.range.lowerBound)", digits.joined(separator: " "), field.name,
                    field.meaning,
                ]
            }, right: [0])
    }

    private func dump(_ bytes: [UInt8], at offset: Int) {
        var start = 0
        while start < bytes.count {
            let line = bytes[start..<min(start + 16, bytes.count)]
            let digits = line.map(Printable.hexByte).joined(separator: " ")
            let text = String(
                decoding: line.map { (0x20..<0x7f).contains($0) ? $0 : UInt8(ascii: ".") },
                as: UTF8.self)
            output.line("  \(offset + start)  \(Units.padded(digits, 47))  \(text)")
            start += 16
        }
    }
}
