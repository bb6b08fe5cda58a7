internal import StaveDisk

/// The decoders as functions of bytes by chance. `make fuzz` runs them under libFuzzer, the
/// tests on mutations of the corpus. A broken promise is a trap, as is what the decoder itself
/// does.
///
/// The first byte of an input says how the rest is prepared: where its lowest bit is set, checksums
/// are put right first, because chance never finds one and everything behind it would stay
/// untested.
package enum FuzzTarget: String, CaseIterable, Sendable {
    case record, segment, hint, manifest, checkpoint

    package func run(_ input: [UInt8]) {
        guard let mode = input.first else { return }
        var bytes = Array(input.dropFirst())
        let repairs = mode & 1 != 0
        switch self {
        case .record: Self.record(&bytes, repairs)
        case .segment:
            if repairs { Self.repairSegment(&bytes) }
            Self.segment(bytes)
        case .hint: Self.hint(&bytes, repairs)
        case .manifest: Self.manifest(&bytes, repairs)
        case .checkpoint:
            if repairs { Self.repairCheckpoint(&bytes) }
            Self.checkpoint(bytes)
        }
    }

    private static let identity: UInt64 = 0x1111_1111_1111_1111

    // MARK: Targets

    /// A record that is taken for whole is encoded to the same bytes again, except for its padding.
    private static func record(_ bytes: inout [UInt8], _ repairs: Bool) {
        let offset = 80
        bytes = [UInt8](repeating: 0, count: offset) + bytes
        if repairs { repairRecord(&bytes, at: offset, identity) }
        let span = unsafe bytes.span.bytes
        guard let header = Record.header(in: span, at: offset, identity: identity),
            Record.valueChecksOut(header, in: span, at: offset, identity: identity),
            let kind = header.kind
        else { return }
        let keyStart = offset + RecordHeader.byteCount
        let valueStart = keyStart + header.keyLength
        let end = valueStart + header.valueLength
        var again = RecordHeader(
            kind: kind, sequence: header.sequence, time: header.time,
            keyLength: header.keyLength, valueLength: header.valueLength)
        again.flags = header.flags
        let made = SegmentMaker.record(
            again, key: Array(bytes[keyStart..<valueStart]), value: Array(bytes[valueStart..<end]),
            identity: identity, offset: offset)
        precondition(made.prefix(end - offset).elementsEqual(bytes[offset..<end]), "encoded anew")
    }

    /// A walk over a segment ends, and the image of its records is a whole hint file.
    private static func segment(_ bytes: [UInt8]) {
        let span = unsafe bytes.span.bytes
        guard let header = try? SegmentHeader(decoding: span) else { return }
        let mark = SegmentHeader.mark(
            in: span, identity: header.identity, version: header.version)
        precondition(
            mark.length ?? .max >= SegmentHeader.byteCount, "a mark lies behind the header")
        var records = RecordList()
        var offset = SegmentHeader.byteCount
        var end = offset
        walk: while true {
            let step = SegmentScan.step(in: span, at: offset, identity: header.identity)
            switch step {
            case .record(let record):
                records.append(record, at: offset)
                offset += record.recordLength
                end = offset
                precondition(offset <= bytes.count, "a record lies inside its segment")
            case .unreadable(let until, _):
                precondition(until > offset, "a walk goes on")
                offset = until
            case .zeros, .end: break walk
            }
        }
        let image = unsafe span.withUnsafeBytes {
            unsafe records.image(of: $0, identity: header.identity, segmentLength: end)
        }
        let copy = withExtendedLifetime(image) { unsafe Array(image.bytes) }
        let hint = try? BytesOwner.hint(copy, identity: header.identity, segmentLength: end)
        precondition(hint?.recordCount == records.count, "an image is a hint file")
    }

    /// Every key of a hint file that checks out is found where it is.
    private static func hint(_ bytes: inout [UInt8], _ repairs: Bool) {
        if repairs { repairHint(&bytes) }
        guard let hint = try? BytesOwner.hint(bytes) else { return }
        for index in 0..<hint.count {
            let entry = hint[index]
            precondition(unsafe hint.lowerBound(entry.key) == index, "a key is found")
            precondition(entry.offset + entry.recordLength <= hint.segmentLength, "it lies inside")
        }
        var merge = SortedMerge([hint, hint])
        var count = 0
        while merge.next() != nil { count += 1 }
        precondition(count == hint.count, "a merge meets every key once")
    }

    /// What a MANIFEST says survives being written again.
    private static func manifest(_ bytes: inout [UInt8], _ repairs: Bool) {
        if repairs { repairManifest(&bytes) }
        guard let manifest = try? Manifest(decoding: bytes) else { return }
        precondition((try? Manifest(decoding: manifest.encoded())) == manifest, "written again")
    }

    /// What a checkpoint's head says survives being written again, and its tables fill the file.
    private static func checkpoint(_ bytes: [UInt8]) {
        let span = unsafe bytes.span.bytes
        guard let head = KeydirCheckpoint.headLength(in: span),
            let checkpoint = try? KeydirCheckpoint(decoding: span, fileLength: bytes.count)
        else { return }
        precondition(checkpoint.tablesOffset == head, "the tables follow the head")
        var end = head
        for range in checkpoint.tableRanges {
            precondition(range.lowerBound == end, "the tables stand one behind the other")
            end = range.upperBound
        }
        precondition(end == bytes.count, "up to the end of the file")
        let again = checkpoint.encoded()
        precondition(again.count == head, "a head of the same length")
        let decoded = try? unsafe KeydirCheckpoint(
            decoding: again.span.bytes, fileLength: bytes.count)
        precondition(decoded == checkpoint, "written again")
        var manifest = Manifest(storeID: checkpoint.storeID)
        manifest.segments = checkpoint.segments.map {
            Manifest.Segment(number: $0.number, identity: $0.identity)
        }
        _ = checkpoint.fits(manifest)
    }

    // MARK: Putting checksums right

    package static func repairSegment(_ bytes: inout [UInt8]) {
        while bytes.count < SegmentHeader.byteCount { bytes.append(0) }
        put(0x4745_5345_5641_5453, into: &bytes, at: 0)
        put(UInt64(SegmentHeader.version), into: &bytes, at: 8)
        put(unsafe Checksum.hash(bytes.span.bytes.extracting(0..<56)), into: &bytes, at: 56)
        let identity = word(bytes, at: 16)
        for turn in 0..<SegmentHeader.markCount {
            let place = SegmentHeader.markOffset(turn: turn)
            let length = Int(word(bytes, at: place) % UInt64(bytes.count + 1))
            put(SegmentHeader.mark(length, identity: identity), into: &bytes, at: place)
        }
        var offset = SegmentHeader.byteCount
        while bytes.count - offset >= RecordHeader.byteCount {
            offset += repairRecord(&bytes, at: offset, identity) ?? Format.alignment
        }
    }

    /// - Returns: the record's length; nil where these bytes can be none.
    @discardableResult
    private static func repairRecord(
        _ bytes: inout [UInt8], at offset: Int, _ identity: UInt64
    ) -> Int? {
        guard bytes.count - offset >= RecordHeader.byteCount else { return nil }
        let header = RecordHeader.decoding(bytes, at: offset)
        guard header.isPlausible, header.recordLength <= bytes.count - offset else { return nil }
        let binding = Checksum.binding(identity: identity, offset: offset)
        let value = offset + RecordHeader.byteCount + header.keyLength
        let valueChecksum = unsafe Record.valueChecksum(
            bytes.span.bytes.extracting(value..<(value + header.valueLength)), binding: binding)
        put(valueChecksum, into: &bytes, at: offset + 4)
        let checksum = unsafe Record.headerChecksum(
            bytes.span.bytes.extracting(droppingFirst: offset), keyLength: header.keyLength,
            binding: binding)
        put(checksum, into: &bytes, at: offset)
        return header.recordLength
    }

    private static func repairHint(_ bytes: inout [UInt8]) {
        while bytes.count < HintImage.emptyLength { bytes.append(0) }
        put(0x544e_4845_5641_5453, into: &bytes, at: 0)
        put(UInt64(HintImage.version), into: &bytes, at: 8)
        let covered = bytes.count - 8
        let binding = Checksum.binding(
            identity: word(bytes, at: 16), offset: Int(truncatingIfNeeded: word(bytes, at: 24)))
        let hash = unsafe Checksum.hash(bytes.span.bytes.extracting(0..<covered))
        put(hash ^ binding, into: &bytes, at: covered)
    }

    private static func repairManifest(_ bytes: inout [UInt8]) {
        let text = "checksum 0123456789abcdef\n"
        bytes.removeLast(min(bytes.count, text.utf8.count))
        let checksum = unsafe hex(Checksum.hash(bytes.span.bytes))
        bytes += Array("checksum \(checksum)\n".utf8)
    }

    /// As many segments and shards as there is room for, and the length of the file as it is.
    package static func repairCheckpoint(_ bytes: inout [UInt8]) {
        while bytes.count < 128 { bytes.append(0) }
        put(0x5945_4b45_5641_5453, into: &bytes, at: 0)
        put(UInt64(KeydirCheckpoint.version), into: &bytes, at: 8)
        let segments = Int(bytes[48]) % (bytes.count / 64)
        let shards = Int(bytes[52]) % ((bytes.count - 64 - segments * 64) / 24 + 1)
        put(UInt32(segments), into: &bytes, at: 48)
        put(UInt32(shards), into: &bytes, at: 52)
        let covered = 64 + segments * 64 + shards * 24
        let head = (covered + 8 + 63) / 64 * 64
        while bytes.count < head { bytes.append(0) }
        bytes.removeLast(bytes.count % 64)
        put(UInt64(bytes.count), into: &bytes, at: 40)
        put(
            unsafe Checksum.hash(bytes.span.bytes.extracting(0..<covered)), into: &bytes,
            at: covered)
        for index in (covered + 8)..<head { bytes[index] = 0 }
    }

    private static func word(_ bytes: [UInt8], at offset: Int) -> UInt64 {
        unsafe bytes.span.bytes.load(offset)
    }

    private static func put<T: FixedWidthInteger>(
        _ value: T, into bytes: inout [UInt8], at offset: Int
    ) {
        for index in 0..<(T.bitWidth / 8) {
            bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * T(index)))
        }
    }
}
