/// What a record says about its key.
package enum RecordKind: UInt8, Sendable {
    /// The key has this value.
    case value = 1
    /// The key was deleted. A kind of its own: no value a user writes can delete a key.
    case tombstone = 2
}

/// The fixed part of a record.
///
///      0        4        8               16       20       24  26 27 28
///      | header | value  | sequence      | time   | value  |key|k |f | key ... | value ... | 0s |
///      | check  | check  | number        | s      | length |len|  |  |
///
/// Rules:
/// 1. The header checksum covers bytes 4 ..< 28 + key length; the value checksum covers the value.
///    A damaged value therefore still names its key, and keys are read without touching values.
/// 2. Both are bound to the segment's identity and the record's offset (`Checksum.binding`).
/// 3. The padding up to the next multiple of 8 is zero.
/// 4. A kind of 0 is not a record: zero-filled space never looks like one.
/// 5. Flags: bits 0-3 change what the record means, so a reader that does not know one must refuse
///    it; bits 4-7 may be ignored. Bit 0: more records of this batch follow. Reserved: 2 expires, 4
///    compressed.
///
/// What look-ups and recovery need of it is public, as in `Format`: no other access lets the
/// store's module inline it.
public struct RecordHeader: Equatable, Sendable {
    @inlinable @inline(__always) public static var byteCount: Int { 28 }
    /// Flag bits this version understands among those that must be understood.
    @inlinable @inline(__always) public static var knownFlags: UInt8 { continues }
    /// The next record belongs to the same batch: a log has both or neither.
    @inlinable @inline(__always) public static var continues: UInt8 { 0x01 }
    /// Flag bits that a program must understand to read the record.
    @inlinable @inline(__always) public static var mustKnowFlags: UInt8 { 0x0f }

    /// Of header and key, bound to the record's place.
    public var headerChecksum: UInt32
    /// Of the value, bound to the record's place.
    public var valueChecksum: UInt32
    /// The write's number, which never repeats.
    public var sequence: UInt64
    /// Seconds since 1970, as the clock told them; never used to decide which record is newer.
    public var time: UInt32
    /// Bytes.
    public var valueLength: Int
    /// Bytes.
    public var keyLength: Int
    /// See `RecordKind`.
    public var rawKind: UInt8
    /// See `knownFlags` and `mustKnowFlags`.
    public var flags: UInt8

    package init(
        kind: RecordKind, sequence: UInt64, time: UInt32, keyLength: Int, valueLength: Int
    ) {
        precondition(
            keyLength > 0 && keyLength <= Format.maxKeyLength, "a key has 1 to 65,535 bytes")
        precondition(valueLength <= Format.maxValueLength, "a value has at most 1 GiB")
        headerChecksum = 0
        valueChecksum = 0
        self.sequence = sequence
        self.time = time
        self.valueLength = valueLength
        self.keyLength = keyLength
        rawKind = kind.rawValue
        flags = 0
    }

    /// Takes the fields as they stand, unchecked. `bytes` holds at least `byteCount` bytes.
    @inlinable @inline(__always) public init(unchecked bytes: RawSpan) {
        headerChecksum = bytes.load(0)
        valueChecksum = bytes.load(4)
        sequence = bytes.load(8)
        time = bytes.load(16)
        valueLength = Int(bytes.load(20, as: UInt32.self))
        keyLength = Int(bytes.load(24, as: UInt16.self))
        rawKind = bytes.load(26)
        flags = bytes.load(27)
    }

    /// Is this a record with a value?
    @inlinable @inline(__always) public var isValue: Bool { rawKind == 1 }

    /// Is this a record that says that its key was deleted?
    @inlinable @inline(__always) public var isTombstone: Bool { rawKind == 2 }

    /// The kind, or nil where the byte is none of this version's.
    package var kind: RecordKind? { RecordKind(rawValue: rawKind) }

    /// Bytes of the whole record with its padding.
    @inlinable @inline(__always) public var recordLength: Int {
        Self.recordLength(key: keyLength, value: valueLength)
    }

    /// Bytes that a record takes on disk.
    @inlinable @inline(__always) public static func recordLength(
        key keyLength: Int, value valueLength: Int
    ) -> Int {
        Format.aligned(byteCount &+ keyLength &+ valueLength)
    }

    /// Could these fields be a record's? Cheap, and true of every whole record.
    @inlinable @inline(__always) public var isPlausible: Bool {
        (isValue || isTombstone && valueLength == 0) && keyLength > 0
            && valueLength <= Format.maxValueLength
    }

    /// Are these, a record's bytes 20 ..< 28 as one number, those of a value of this version whose
    /// key has `keyLength` bytes? `isValue`, `needsNewerVersion` and the key's length in one
    /// comparison.
    @inlinable @inline(__always) public static func isValue(
        _ lengths: UInt64, keyLength: Int
    ) -> Bool {
        let mustKnow = UInt64(mustKnowFlags & ~knownFlags) << 24
        return lengths >> 32 & (0xff_ffff | mustKnow) == UInt64(keyLength) &+ 1 << 16
    }

    /// The value's checksum without its binding to the record's place: what a copy takes along.
    @inlinable @inline(__always)
    public func unboundValueChecksum(identity: UInt64, offset: Int) -> UInt32 {
        let binding = Checksum.binding(identity: identity, offset: offset)
        return valueChecksum ^ UInt32(truncatingIfNeeded: binding)
    }

    /// True where more records of the same batch follow.
    @inlinable @inline(__always) public var continues: Bool { flags & Self.continues != 0 }

    /// The header of a copy, which stands for itself: its batch was whole where it was written.
    package var ofCopy: RecordHeader {
        var copy = self
        copy.flags &= ~Self.continues
        return copy
    }

    /// True where the record sets a flag that must be known and is not.
    @inlinable @inline(__always) public var needsNewerVersion: Bool {
        flags & Self.mustKnowFlags & ~Self.knownFlags != 0
    }
}

/// Encoding and checking whole records.
public enum Record {
    /// Writes the record to `target`, with its checksums and padding.
    ///
    /// - Parameters:
    ///   - valueChecksum: the value's checksum at this place, where it is known already: compaction
    ///     lets it travel instead of computing a new one over bytes that may have rotted meanwhile.
    ///   - binding: `Checksum.binding` of the record's place.
    ///   - target: at least `header.recordLength` writable bytes.
    package static func encode(
        _ header: RecordHeader, key: RawSpan, value: RawSpan, valueChecksum: UInt32? = nil,
        binding: UInt64, into target: UnsafeMutableRawPointer
    ) {
        let valueStart = RecordHeader.byteCount &+ key.byteCount
        let length = RecordHeader.recordLength(key: key.byteCount, value: value.byteCount)
        let checksum = valueChecksum ?? Self.valueChecksum(value, binding: binding)
        // SAFETY: the caller brings `length` bytes. The last eight are zeroed first, so that what
        // the key and value leave of them is the padding.
        unsafe target.store(UInt64(0), at: length &- 8)
        unsafe target.store(checksum, at: 4)
        unsafe target.store(header.sequence, at: 8)
        unsafe target.store(header.time, at: 16)
        unsafe target.store(UInt32(truncatingIfNeeded: value.byteCount), at: 20)
        unsafe target.store(UInt16(truncatingIfNeeded: key.byteCount), at: 24)
        unsafe target.store(header.rawKind, at: 26)
        unsafe target.store(header.flags, at: 27)
        unsafe target.copy(key, to: RecordHeader.byteCount)
        unsafe target.copy(value, to: valueStart)
        let covered = unsafe UnsafeRawBufferPointer(start: target + 4, count: valueStart &- 4)
        let hash = unsafe Checksum.hash(covered.bytes)
        unsafe target.store(UInt32(truncatingIfNeeded: hash ^ binding), at: 0)
    }

    /// The header checksum that `bytes`, a record's start with its whole key, should carry.
    @inlinable @inline(__always) public static func headerChecksum(
        _ bytes: RawSpan, keyLength: Int, binding: UInt64
    ) -> UInt32 {
        let covered = bytes.extracting(4..<(RecordHeader.byteCount &+ keyLength))
        return UInt32(truncatingIfNeeded: Checksum.hash(covered) ^ binding)
    }

    /// The value checksum that `value` should carry.
    @inlinable @inline(__always) public static func valueChecksum(_ value: RawSpan, binding: UInt64)
        -> UInt32
    {
        UInt32(truncatingIfNeeded: Checksum.hash(value) ^ binding)
    }

    /// The header at `offset` of a segment, if a whole record's header and key stand there.
    ///
    /// Checks that the record fits into `segment`, that its fields are possible and that its header
    /// checksum is right. The value is not read.
    @inlinable @inline(__always) public static func header(
        in segment: RawSpan, at offset: Int, identity: UInt64
    ) -> RecordHeader? {
        guard offset >= 0, offset < Format.maxSegmentLength,
            segment.byteCount &- offset >= RecordHeader.byteCount
        else { return nil }
        let bytes = segment.extracting(droppingFirst: offset)
        let header = RecordHeader(unchecked: bytes)
        guard header.isPlausible, header.recordLength <= bytes.byteCount else { return nil }
        let binding = Checksum.binding(identity: identity, offset: offset)
        let checksum = headerChecksum(bytes, keyLength: header.keyLength, binding: binding)
        return checksum == header.headerChecksum ? header : nil
    }

    /// The header at `offset` where the file ends inside the record's value: header and key are
    /// there and check out, and the record ends at `end` at the latest.
    package static func header(
        in segment: RawSpan, at offset: Int, identity: UInt64, upTo end: Int
    ) -> RecordHeader? {
        guard offset < Format.maxSegmentLength,
            segment.byteCount - offset >= RecordHeader.byteCount
        else { return nil }
        let bytes = segment.extracting(droppingFirst: offset)
        let header = RecordHeader(unchecked: bytes)
        guard header.isPlausible, header.recordLength <= end - offset,
            bytes.byteCount >= RecordHeader.byteCount + header.keyLength
        else { return nil }
        let binding = Checksum.binding(identity: identity, offset: offset)
        let checksum = headerChecksum(bytes, keyLength: header.keyLength, binding: binding)
        return checksum == header.headerChecksum ? header : nil
    }

    /// Is the value of the record at `offset` whole? `header` comes from `header(in:at:identity:)`.
    @inlinable @inline(__always) public static func valueChecksOut(
        _ header: RecordHeader, in segment: RawSpan, at offset: Int, identity: UInt64
    ) -> Bool {
        let start = offset &+ RecordHeader.byteCount &+ header.keyLength
        let value = segment.extracting(start..<(start &+ header.valueLength))
        let binding = Checksum.binding(identity: identity, offset: offset)
        return valueChecksum(value, binding: binding) == header.valueChecksum
    }
}
