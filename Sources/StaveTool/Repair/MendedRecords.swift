internal import StaveDisk

/// Records of which the header is damaged, and neither the key nor the value: the hint file tells
/// key, number and length, and the value's checksum, which is bound to the place, that it is the
/// one that was written there. Look-ups serve them for the same reason.
struct MendedRecords {
    private var headers: [Int: RecordHeader] = [:]
    var count: Int { headers.count }

    /// The header that the record at `offset` should have; nil where it is none of these.
    func header(at offset: Int) -> RecordHeader? { headers[offset] }

    /// False where it takes more than the header.
    ///
    /// - Parameter entry: the hint file's, of a value or a tombstone.
    mutating func add(_ entry: HintEntry, of image: FileImage, identity: UInt64) -> Bool {
        guard entry.isValue else { return false }
        // SAFETY: the entry's key lies in the hint file's image, which lives through the call.
        let header = image.withBytes { bytes -> RecordHeader? in
            let start = entry.offset + RecordHeader.byteCount
            let key = unsafe start..<(start + entry.key.count)
            guard key.upperBound + entry.valueLength <= bytes.byteCount,
                unsafe bytes.array(key).elementsEqual(entry.key)
            else { return nil }
            let found = RecordHeader(unchecked: bytes.extracting(droppingFirst: entry.offset))
            var header = RecordHeader(
                kind: .value, sequence: entry.sequence, time: found.time, keyLength: key.count,
                valueLength: entry.valueLength)
            (header.valueChecksum, header.flags) = (found.valueChecksum, entry.flags)
            guard !header.needsNewerVersion,
                Record.valueChecksOut(header, in: bytes, at: entry.offset, identity: identity)
            else { return nil }
            if !Self.checksOut(header, found, bytes.array(key), entry.offset, identity) {
                // The time may be what is damaged: none is better than a wrong one.
                header.time = 0
            }
            return header
        }
        headers[entry.offset] = header
        return header != nil
    }

    /// Does the header's checksum fit the header as it should be?
    private static func checksOut(
        _ header: RecordHeader, _ found: RecordHeader, _ key: [UInt8], _ offset: Int,
        _ identity: UInt64
    ) -> Bool {
        var bytes: [UInt8] = []
        func append(_ value: some FixedWidthInteger) {
            for shift in stride(from: 0, to: value.bitWidth, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: value >> shift))
            }
        }
        // The checksum itself, which does not cover itself.
        append(UInt32(0))
        append(header.valueChecksum)
        append(header.sequence)
        append(header.time)
        append(UInt32(header.valueLength))
        append(UInt16(header.keyLength))
        bytes += [header.rawKind, header.flags]
        bytes += key
        // SAFETY: the array lives through the call.
        let checksum = unsafe Record.headerChecksum(
            bytes.span.bytes, keyLength: key.count,
            binding: Checksum.binding(identity: identity, offset: offset))
        return checksum == found.headerChecksum
    }

    /// Their entries, for a merge; nil where there are none.
    ///
    /// - Parameter hint: the hint file that they were found with.
    func index(_ hint: HintImage?) -> HintImage? {
        guard let hint, count > 0 else { return nil }
        var builder = HintBuilder()
        for position in 0..<hint.count {
            let entry = hint[position]
            guard headers[entry.offset] != nil else { continue }
            builder.count(sequence: entry.sequence, kind: entry.kind)
            builder.append(entry)
        }
        return builder.finish(identity: hint.identity, segmentLength: hint.segmentLength)
    }
}
