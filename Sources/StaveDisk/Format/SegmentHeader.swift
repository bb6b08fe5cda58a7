/// The first 80 bytes of a segment.
///
///      0          8       12      16         24       32           48         56      64       72
///      | STAVESEG | ver   | flags | identity | number | store id   | capacity | check | synced | check |
///
/// Bytes 0 ..< 64 never change. The synced mark behind them is rewritten after each sync: how far the
/// segment is known to be durable. A mark that does not check out counts as "nothing is known to be
/// synced", which is always true.
package struct SegmentHeader: Equatable, Sendable {
    package static let byteCount = 80
    static let magic: UInt64 = 0x4745_5345_5641_5453  // "STAVESEG", little-endian
    package static let markOffset = 64

    /// Random; every checksum in the file is bound to it.
    package var identity: UInt64
    /// The number in the file's name.
    package var number: UInt64
    package var storeID: StoreID
    /// Bytes up to which records may be appended.
    package var capacity: UInt64

    package init(identity: UInt64, number: UInt64, storeID: StoreID, capacity: UInt64) {
        self.identity = identity
        self.number = number
        self.storeID = storeID
        self.capacity = capacity
    }

    /// Reads and checks bytes 0 ..< 64.
    package init(decoding bytes: RawSpan) throws(FormatError) {
        guard bytes.byteCount >= Self.byteCount else {
            throw FormatError(
                "segment header needs \(Self.byteCount) bytes, file has \(bytes.byteCount)", at: 0)
        }
        guard bytes.load(0) == Self.magic else {
            throw FormatError("not a segment: it does not begin with STAVESEG", at: 0)
        }
        let stored: UInt64 = bytes.load(56)
        guard stored == Checksum.hash(bytes.extracting(0..<56)) else {
            throw FormatError("segment header checksum is wrong", at: 56)
        }
        let version: UInt32 = bytes.load(8)
        let flags: UInt32 = bytes.load(12)
        guard version == Format.version, flags == 0 else {
            throw FormatError(
                "segment has format version \(version) and flags \(flags), this program reads"
                    + " \(Format.version) and 0", at: 8, isNewerVersion: true)
        }
        identity = bytes.load(16)
        number = bytes.load(24)
        storeID = StoreID(low: bytes.load(32), high: bytes.load(40))
        capacity = bytes.load(48)
    }

    /// The 80 bytes, with a synced mark that covers just them.
    package func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: Self.magic)
        bytes.append(littleEndian: Format.version)
        bytes.append(littleEndian: UInt32(0))
        bytes.append(littleEndian: identity)
        bytes.append(littleEndian: number)
        bytes.append(littleEndian: storeID.low)
        bytes.append(littleEndian: storeID.high)
        bytes.append(littleEndian: capacity)
        bytes.append(littleEndian: unsafe Checksum.hash(bytes.span.bytes))
        return bytes + Self.encodedMark(Self.byteCount, identity: identity)
    }

    /// The two words of a synced mark: everything below `length` bytes is durable.
    package static func mark(_ length: Int, identity: UInt64) -> (length: UInt64, checksum: UInt64)
    {
        let word = UInt64(length)
        return (word, word ^ Checksum.binding(identity: identity, offset: length))
    }

    /// The 16 bytes of a synced mark.
    package static func encodedMark(_ length: Int, identity: UInt64) -> [UInt8] {
        let mark = mark(length, identity: identity)
        var bytes: [UInt8] = []
        bytes.append(littleEndian: mark.length)
        bytes.append(littleEndian: mark.checksum)
        return bytes
    }

    /// Writes the synced mark of the segment that starts at `segment`.
    package static func writeMark(
        _ length: Int, identity: UInt64, into segment: UnsafeMutableRawPointer
    ) {
        let mark = mark(length, identity: identity)
        // SAFETY: every segment has a whole header.
        unsafe segment.store(mark.length, at: markOffset)
        unsafe segment.store(mark.checksum, at: markOffset + 8)
    }

    /// The synced mark of `segment`, in bytes; nil where it does not check out.
    package static func mark(in segment: RawSpan, identity: UInt64) -> Int? {
        guard segment.byteCount >= byteCount else { return nil }
        let length: UInt64 = segment.load(markOffset)
        guard let mark = Int(exactly: length), mark >= byteCount, mark <= Format.maxFileLength,
            segment.load(markOffset + 8) == Self.mark(mark, identity: identity).checksum
        else { return nil }
        return mark
    }
}

/// The 128-bit random name of a store; ties segments to their MANIFEST.
package struct StoreID: Hashable, Sendable {
    package var low: UInt64
    package var high: UInt64

    package init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    package static func random() -> StoreID {
        StoreID(low: .random(in: .min ... .max), high: .random(in: .min ... .max))
    }
}
