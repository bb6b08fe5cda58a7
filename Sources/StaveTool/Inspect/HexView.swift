internal import StaveDisk

/// One record byte by byte, its fields named, whether or not it checks out.
struct HexView {
    let segment: SegmentSurvey
    let values: RecordFilter.Values
    let output: Output

    /// Shows what stands at `offset`. Returns false where the segment ends before it.
    func print(at offset: Int) -> Bool {
        guard let image = segment.image, offset < image.count else { return false }
        return image.withBytes { bytes in
            if offset < SegmentHeader.byteCount {
                printHeader(bytes)
            } else if bytes.byteCount - offset >= RecordHeader.byteCount {
                printRecord(bytes, at: offset)
            } else {
                output.line("\(segment.name): \(bytes.byteCount - offset) bytes at \(offset)")
                dump(bytes.array(offset..<bytes.byteCount), at: offset)
            }
            return true
        }
    }

    private func printHeader(_ bytes: RawSpan) {
        output.line("\(segment.name): segment header, 80 bytes")
        let fields: [(String, Range<Int>, String)] = [
            ("magic", 0..<8, "STAVESEG"), ("version", 8..<12, ""), ("flags", 12..<16, ""),
            ("identity", 16..<24, segment.header.map { hex($0.identity) } ?? "?"),
            ("number", 24..<32, segment.header.map { "\($0.number)" } ?? "?"),
            (
                "store id", 32..<48,
                segment.header.map { hex($0.storeID.high) + hex($0.storeID.low) } ?? "?"
            ),
            ("capacity", 48..<56, segment.header.map { "\($0.capacity)" } ?? "?"),
            ("checksum", 56..<64, segment.header == nil ? "BAD" : "ok"),
            ("synced mark", 64..<72, segment.mark.map { "\($0)" } ?? "?"),
            ("mark checksum", 72..<80, segment.mark == nil ? "BAD" : "ok"),
        ]
        rows(fields, bytes)
    }

    private func printRecord(_ bytes: RawSpan, at offset: Int) {
        let header = RecordHeader(unchecked: bytes.extracting(droppingFirst: offset))
        let keyEnd = offset + RecordHeader.byteCount + header.keyLength
        let valueEnd = keyEnd + header.valueLength
        let fits = valueEnd <= bytes.byteCount
        let (headerCheck, valueCheck) = checksums(header, bytes, at: offset)
        output.line(
            "\(segment.name): record at \(offset), \(header.recordLength) bytes"
                + (fits ? "" : ", which reach beyond the end of the file"))
        func at(_ range: Range<Int>) -> Range<Int> {
            (offset + range.lowerBound)..<(offset + range.upperBound)
        }
        let kind = header.kind.map { $0 == .value ? "value" : "tombstone" } ?? "unknown"
        rows(
            [
                ("header checksum", at(0..<4), Self.verdict(header.headerChecksum, headerCheck)),
                ("value checksum", at(4..<8), Self.verdict(header.valueChecksum, valueCheck)),
                ("sequence", at(8..<16), "\(header.sequence)"),
                ("time", at(16..<20), Printable.time(header.time)),
                ("value length", at(20..<24), "\(header.valueLength)"),
                ("key length", at(24..<26), "\(header.keyLength)"),
                ("kind", at(26..<27), kind), ("flags", at(27..<28), "\(header.flags)"),
            ], bytes)
        printContents(header, bytes, at: offset)
    }

    /// Key, value and padding, as far as the file has them.
    private func printContents(_ header: RecordHeader, _ bytes: RawSpan, at offset: Int) {
        let keyStart = offset + RecordHeader.byteCount
        let keyEnd = keyStart + header.keyLength
        let valueEnd = keyEnd + header.valueLength
        let end = offset + header.recordLength
        let key = bytes.array(keyStart..<keyEnd)
        output.line("key, \(header.keyLength) bytes: \(Printable.quoted(key, limit: 256))")
        dump(Array(key.prefix(256)), at: keyStart)
        guard keyEnd < bytes.byteCount else { return }
        if values == .none {
            let whole = bytes.extracting(keyEnd..<min(valueEnd, bytes.byteCount))
            let fingerprint = hex(Checksum.hash(whole))
            output.line("value, \(header.valueLength) bytes, fingerprint \(fingerprint)")
            return
        }
        let value = bytes.array(keyEnd..<min(valueEnd, keyEnd + 1024))
        output.line("value, \(header.valueLength) bytes: \(Printable.quoted(value, limit: 256))")
        dump(value, at: keyEnd)
        if value.count < header.valueLength {
            output.line("  ... \(header.valueLength - value.count) more bytes")
        }
        if valueEnd < end, end <= bytes.byteCount {
            output.line("padding")
            dump(bytes.array(valueEnd..<end), at: valueEnd)
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

    private func rows(_ fields: [(String, Range<Int>, String)], _ bytes: RawSpan) {
        output.table(
            fields.map { name, range, meaning in
                let digits = bytes.array(range).map(Printable.hexByte).joined(separator: " ")
                return ["  \(range.lowerBound)", digits, name, meaning]
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
