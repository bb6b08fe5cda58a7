package import StaveDisk

/// Makes a segment's bytes with the format's own encoders, record by record.
package struct SegmentMaker {
    package let header: SegmentHeader
    package private(set) var bytes: [UInt8]
    /// Header and offset of each record.
    package private(set) var records: [(offset: Int, header: RecordHeader)] = []
    package private(set) var nextSequence: UInt64

    package init(
        number: UInt64 = 1, identity: UInt64 = 0x1122_3344_5566_7788,
        storeID: StoreID = SegmentMaker.storeID, firstSequence: UInt64 = 1
    ) {
        header = SegmentHeader(
            identity: identity, number: number, storeID: storeID, capacity: 1 << 20)
        bytes = header.encoded()
        nextSequence = firstSequence
    }

    package static let storeID = StoreID(low: 0x0706_0504_0302_0100, high: 0x0f0e_0d0c_0b0a_0908)
    /// 2026-01-02T03:04:05Z
    package static let firstTime: UInt32 = 1_767_323_045

    @discardableResult
    package mutating func set(
        _ key: String, _ value: String, sequence: UInt64? = nil, flags: UInt8 = 0
    ) -> Int {
        append(.value, Array(key.utf8), Array(value.utf8), sequence: sequence, flags: flags)
    }

    @discardableResult
    package mutating func delete(_ key: String, sequence: UInt64? = nil) -> Int {
        append(.tombstone, Array(key.utf8), [], sequence: sequence)
    }

    /// - Returns: the record's offset.
    @discardableResult
    package mutating func append(
        _ kind: RecordKind, _ key: [UInt8], _ value: [UInt8], sequence: UInt64? = nil,
        flags: UInt8 = 0, time: UInt32? = nil
    ) -> Int {
        let sequence = sequence ?? nextSequence
        nextSequence = max(nextSequence, sequence + 1)
        let offset = bytes.count
        var header = RecordHeader(
            kind: kind, sequence: sequence,
            time: time ?? Self.firstTime &+ UInt32(truncatingIfNeeded: sequence),
            keyLength: key.count, valueLength: value.count)
        header.flags = flags
        bytes += SegmentMaker.record(
            header, key: key, value: value, identity: self.header.identity, offset: offset)
        records.append((offset, RecordHeader.decoding(bytes, at: offset)))
        return offset
    }

    /// One encoded record.
    package static func record(
        _ header: RecordHeader, key: [UInt8], value: [UInt8], identity: UInt64, offset: Int
    ) -> [UInt8] {
        var record = [UInt8](repeating: 0xee, count: header.recordLength)
        unsafe record.withUnsafeMutableBytes {
            unsafe Record.encode(
                header, key: key.span.bytes, value: value.span.bytes,
                binding: Checksum.binding(identity: identity, offset: offset),
                into: $0.baseAddress!)
        }
        return record
    }

    /// Moves the synced mark to the end, or to `length`.
    package mutating func sync(upTo length: Int? = nil) {
        let length = length ?? bytes.count
        unsafe bytes.withUnsafeMutableBytes {
            unsafe SegmentHeader.writeMark(
                length, identity: header.identity, turn: 1, into: $0.baseAddress!)
        }
    }

    package var image: HintImage {
        unsafe bytes.withUnsafeBytes {
            unsafe RecordList(records).image(
                of: $0, identity: header.identity, segmentLength: bytes.count)
        }
    }

    package var hint: [UInt8] {
        let image = image
        // SAFETY: the image keeps its bytes while it lives.
        return withExtendedLifetime(image) { unsafe Array(image.bytes) }
    }

    package var unsealed: Manifest.Segment {
        Manifest.Segment(number: header.number, identity: header.identity)
    }

    package var sealed: Manifest.Segment {
        let sequences = records.map(\.header.sequence)
        let range = (sequences.min() ?? 1)...(sequences.max() ?? 1)
        return Manifest.Segment(
            number: header.number, identity: header.identity,
            state: .sealed(Manifest.Extent(length: bytes.count, sequences: range)))
    }
}

extension Manifest.Segment {
    /// Takes back that a sealed segment is durable.
    package mutating func makeFull() {
        if let extent { state = .full(extent) }
    }
}

extension RecordHeader {
    /// The header at `offset`, unchecked.
    package static func decoding(_ bytes: [UInt8], at offset: Int) -> RecordHeader {
        unsafe RecordHeader(unchecked: bytes.span.bytes.extracting(droppingFirst: offset))
    }
}

extension Manifest {
    /// A store's of these segments.
    package static func of(
        _ segments: [Manifest.Segment], storeID: StoreID = SegmentMaker.storeID
    ) -> Manifest {
        var manifest = Manifest(storeID: storeID)
        manifest.revision = UInt64(segments.count) + 1
        manifest.segments = segments
        manifest.nextSequence =
            (segments.compactMap { $0.extent?.sequences.upperBound }.max() ?? 0) + 1
        manifest.nextSegment = (segments.map(\.number).max() ?? 0) + 1
        return manifest
    }
}

/// The bytes of a hint image kept alive by themselves.
@safe package final class BytesOwner: @unchecked Sendable {
    // @unchecked: never written after init.
    let storage: UnsafeMutableRawBufferPointer

    package init(_ bytes: [UInt8]) {
        unsafe storage = .allocate(byteCount: bytes.count, alignment: 8)
        unsafe storage.copyBytes(from: bytes)
    }

    deinit { unsafe storage.deallocate() }

    /// Decodes the bytes as a hint file.
    package static func hint(
        _ bytes: [UInt8], identity: UInt64? = nil, segmentLength: Int? = nil
    ) throws(FormatError) -> HintImage {
        let owner = BytesOwner(bytes)
        return unsafe try HintImage(
            decoding: UnsafeRawBufferPointer(owner.storage), keeping: owner, identity: identity,
            segmentLength: segmentLength)
    }
}
