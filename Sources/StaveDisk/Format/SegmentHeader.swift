/// The first 80 bytes of a segment.
///
///      0          8       12      16         24       32           48         56      64       72
///      | STAVESEG | ver   | flags | identity | number | store id   | capacity | check | mark 0 | mark 1 |
///
/// Bytes 0 ..< 64 never change. A *synced mark* says how far the segment is known to be durable;
/// the two are rewritten in turn, one after each sync, and the higher one counts. Each is one
/// aligned word, so that no crash leaves half of one: a mark that does not check out is damage.
///
/// In version 1 there is one mark of two words, length and checksum, which a crash could tear; and
/// a later process went on appending to the segment. A segment of version 2 is written by the one
/// process that made it.
package struct SegmentHeader: Equatable, Sendable {
    /// The version that this code writes, and the newest it reads.
    package static let version: UInt32 = 2
    package static let byteCount = 80
    static let magic: UInt64 = 0x4745_5345_5641_5453  // "STAVESEG", little-endian
    package static let markOffset = 64
    package static let markCount = 2

    package var version: UInt32
    /// Random; every checksum in the file is bound to it.
    package var identity: UInt64
    /// The number in the file's name.
    package var number: UInt64
    package var storeID: StoreID
    /// Bytes up to which records may be appended.
    package var capacity: UInt64

    package init(
        version: UInt32 = Self.version, identity: UInt64, number: UInt64, storeID: StoreID,
        capacity: UInt64
    ) {
        self.version = version
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
        version = bytes.load(8)
        let flags: UInt32 = bytes.load(12)
        guard version > 0, version <= Self.version, flags == 0 else {
            throw FormatError(
                "segment has format version \(version) and flags \(flags), this program reads"
                    + " \(Self.version) and 0", at: 8, isNewerVersion: true)
        }
        identity = bytes.load(16)
        number = bytes.load(24)
        storeID = StoreID(low: bytes.load(32), high: bytes.load(40))
        capacity = bytes.load(48)
    }

    /// The 80 bytes, with synced marks that cover just them.
    package func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: Self.magic)
        bytes.append(littleEndian: version)
        bytes.append(littleEndian: UInt32(0))
        bytes.append(littleEndian: identity)
        bytes.append(littleEndian: number)
        bytes.append(littleEndian: storeID.low)
        bytes.append(littleEndian: storeID.high)
        bytes.append(littleEndian: capacity)
        bytes.append(littleEndian: unsafe Checksum.hash(bytes.span.bytes))
        return bytes + Self.encodedMarks(Self.byteCount, identity: identity, version: version)
    }
}

// MARK: - Synced marks

extension SegmentHeader {
    /// What a segment's synced marks say.
    package struct Mark: Equatable, Sendable {
        /// Bytes that are known to be durable, at least the header's 80. nil where no mark checks
        /// out: that must be learned elsewhere.
        package var length: Int?
        /// Which of the marks says so: the other one is written next. nil in version 1.
        package var turn: Int?
        /// Where a mark stands that does not check out, so that more may be durable.
        package var damaged: Range<Int>?

        /// How an unsealed segment with these marks is to be read. A mark is one word, so that no
        /// crash tears it: where one was hurt, more than the other one says may have been durable.
        package var rule: SegmentWalk.Rule { length == nil || damaged != nil ? .unmarked : .log }

        package init(length: Int? = nil, turn: Int? = nil, damaged: Range<Int>? = nil) {
            self.length = length
            self.turn = turn
            self.damaged = damaged
        }
    }

    /// A mark of version 2: | checksum 32 | length / 8 32 |, from the highest bit down.
    package static func mark(_ length: Int, identity: UInt64) -> UInt64 {
        let words = UInt64(Format.aligned(length) / Format.alignment)
        return Checksum.binding(identity: identity, offset: Int(words)) << 32 | words
    }

    /// The bytes 64 ..< 80 of a segment of which `length` bytes are durable.
    package static func encodedMarks(
        _ length: Int, identity: UInt64, version: UInt32 = Self.version
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        if version == 1 {
            bytes.append(littleEndian: UInt64(length))
            bytes.append(
                littleEndian: UInt64(length)
                    ^ Checksum.binding(identity: identity, offset: length))
        } else {
            for _ in 0..<markCount { bytes += encodedMark(length, identity: identity) }
        }
        return bytes
    }

    /// The 8 bytes of a mark of version 2.
    package static func encodedMark(_ length: Int, identity: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: mark(length, identity: identity))
        return bytes
    }

    /// Where the mark lies that is written in this `turn`.
    package static func markOffset(turn: Int) -> Int { markOffset + turn % markCount * 8 }

    /// Writes a mark of version 2 into the segment that starts at `segment`, in one store.
    package static func writeMark(
        _ length: Int, identity: UInt64, turn: Int, into segment: UnsafeMutableRawPointer
    ) {
        // SAFETY: every segment has a whole header.
        unsafe segment.store(mark(length, identity: identity), at: markOffset(turn: turn))
    }

    /// The synced marks of `segment`.
    ///
    /// - Parameter version: the segment's, from its header or from MANIFEST.
    package static func mark(in segment: RawSpan, identity: UInt64, version: UInt32) -> Mark {
        var mark = Mark()
        guard segment.byteCount >= byteCount else { return mark }
        if version == 1 {
            mark.length = oneMark(in: segment, identity: identity)
            return mark
        }
        for turn in 0..<markCount {
            if let length = markedLength(in: segment, turn: turn, identity: identity) {
                if length >= mark.length ?? 0 { (mark.length, mark.turn) = (length, turn) }
            } else {
                let place = markOffset(turn: turn)
                mark.damaged = place..<(place + 8)
            }
        }
        return mark
    }

    /// What one of the two marks of version 2 says; nil where it does not check out.
    package static func markedLength(in segment: RawSpan, turn: Int, identity: UInt64) -> Int? {
        let word: UInt64 = segment.load(markOffset(turn: turn))
        let length = Int(word & 0xffff_ffff) * Format.alignment
        guard length >= byteCount, length <= Format.maxFileLength,
            word == mark(length, identity: identity)
        else { return nil }
        return length
    }

    private static func oneMark(in segment: RawSpan, identity: UInt64) -> Int? {
        let length: UInt64 = segment.load(markOffset)
        guard let mark = Int(exactly: length), mark >= byteCount, mark <= Format.maxFileLength,
            segment.load(markOffset + 8)
                == length ^ Checksum.binding(identity: identity, offset: mark)
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
