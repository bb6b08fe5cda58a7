internal import CLinux
internal import StaveDisk

/// A record where it lies in a mapped segment. Nothing of it is believed before it is checked: the
/// file may rot under the mapping at any time.
@safe struct RecordPointer {
    let segment: UnsafeRawPointer
    let offset: Int
    /// Bytes of the segment that may be read.
    let limit: Int
    let identity: UInt64

    /// The record at another offset of the same segment.
    @inline(__always)
    func moved(to offset: Int) -> RecordPointer {
        unsafe RecordPointer(segment: segment, offset: offset, limit: limit, identity: identity)
    }

    /// Asks for the record's first cache lines.
    @inline(__always)
    func prefetch() {
        // SAFETY: a prefetch never faults, wherever it points.
        unsafe stave_prefetch(segment + offset)
        prefetchRest()
    }

    /// Asks for the cache lines behind the record's first one, so that they are on their way while
    /// the key is compared. Records of a hundred bytes or two have them.
    @inline(__always)
    func prefetchRest() {
        // SAFETY: a prefetch never faults, wherever it points.
        unsafe stave_prefetch(segment + offset + 64)
        unsafe stave_prefetch(segment + offset + 128)
    }

    /// Does the record carry this key? False also where the record does not fit into its segment.
    @inline(__always)
    func hasKey(_ key: RawSpan) -> Bool {
        let start = RecordHeader.byteCount
        guard limit &- offset >= start &+ key.byteCount else { return false }
        // SAFETY: header and key lie inside the segment.
        let record = unsafe segment + offset
        let length = unsafe record.loadUnaligned(fromByteOffset: 24, as: UInt16.self)
        guard Int(UInt16(littleEndian: length)) == key.byteCount else { return false }
        return unsafe isEqual(key, record + start)
    }

    /// The key's bytes, unchecked; none where the record does not fit into its segment.
    @inline(__always)
    var key: UnsafeRawBufferPointer {
        let start = RecordHeader.byteCount
        guard let header, limit &- offset >= start &+ header.keyLength else {
            return unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        }
        // SAFETY: the key lies inside the segment.
        return unsafe UnsafeRawBufferPointer(
            start: segment + offset + start, count: header.keyLength)
    }

    /// The header's fields, unchecked; nil where there is no room for them.
    @inline(__always)
    var header: RecordHeader? {
        guard limit &- offset >= RecordHeader.byteCount else { return nil }
        // SAFETY: the header lies inside the segment.
        let bytes = unsafe UnsafeRawBufferPointer(
            start: segment + offset, count: RecordHeader.byteCount)
        return unsafe RecordHeader(unchecked: bytes.bytes)
    }

    /// Do header and key check out?
    @inline(never)
    func headerChecksOut() -> Bool {
        // SAFETY: `limit` bytes of the segment are mapped.
        let bytes = unsafe UnsafeRawBufferPointer(start: segment, count: limit)
        return unsafe Record.header(in: bytes.bytes, at: offset, identity: identity) != nil
    }

    /// The value's bytes, checked; nil where the record is no whole value.
    @inline(__always)
    func value(verifying: Bool) -> UnsafeRawBufferPointer? {
        guard let header, header.isValue, !header.needsNewerVersion,
            header.valueLength <= Format.maxValueLength,
            limit &- offset >= RecordHeader.byteCount &+ header.keyLength &+ header.valueLength
        else { return nil }
        // SAFETY: the value lies inside the segment.
        let start = unsafe segment + offset + RecordHeader.byteCount + header.keyLength
        let value = unsafe UnsafeRawBufferPointer(start: start, count: header.valueLength)
        if verifying {
            let binding = Checksum.binding(identity: identity, offset: offset)
            let checksum = unsafe Record.valueChecksum(value.bytes, binding: binding)
            guard checksum == header.valueChecksum else { return nil }
        }
        return unsafe value
    }
}

/// Do the key's bytes stand at `other`, which has as many? By words: keys are short, and a call of
/// memcmp(3) would be felt.
@inline(__always)
func isEqual(_ key: RawSpan, _ other: UnsafeRawPointer) -> Bool {
    let count = key.byteCount
    guard (8...16).contains(count) else { return unsafe isEqual(anyLength: key, other) }
    // SAFETY: both have `count` bytes.
    let first = unsafe word(key, 0) ^ word(other, 0)
    return unsafe first | (word(key, count &- 8) ^ word(other, count &- 8)) == 0
}

@inline(never)
private func isEqual(anyLength key: RawSpan, _ other: UnsafeRawPointer) -> Bool {
    let count = key.byteCount
    var offset = 0
    // SAFETY: both have `count` bytes, and each load ends there at the latest.
    while offset &+ 8 <= count {
        if unsafe word(key, offset) != word(other, offset) { return false }
        offset &+= 8
    }
    if offset == count { return true }
    if count >= 8 { return unsafe word(key, count &- 8) == word(other, count &- 8) }
    while offset < count {
        if unsafe key.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
            != other.load(fromByteOffset: offset, as: UInt8.self)
        {
            return false
        }
        offset &+= 1
    }
    return true
}

@inline(__always)
private func word(_ bytes: RawSpan, _ offset: Int) -> UInt64 {
    unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self)
}

@inline(__always)
private func word(_ bytes: UnsafeRawPointer, _ offset: Int) -> UInt64 {
    unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
}
