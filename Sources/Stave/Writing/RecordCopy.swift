internal import StaveDisk

/// A record on its way to another place. Its value's checksum travels along, and so still proves
/// what was first written: a bit that rots on the way is found later, not sealed in.
@safe struct RecordCopy {
    let header: RecordHeader
    /// These lie where the record lies.
    let key: UnsafeRawBufferPointer
    let value: UnsafeRawBufferPointer
    /// The checksum that the value was first written with, without its binding to a place.
    let unboundValueChecksum: UInt32

    /// nil where the record's value does not check out.
    init?(of record: RecordPointer, _ header: RecordHeader, key: UnsafeRawBufferPointer) {
        self.header = header.ofCopy
        unsafe self.key = unsafe key
        if header.isValue {
            guard let whole = unsafe record.value(verifying: true) else { return nil }
            unsafe value = unsafe whole
        } else {
            unsafe value = UnsafeRawBufferPointer(start: nil, count: 0)
        }
        unboundValueChecksum = header.unboundValueChecksum(
            identity: record.identity, offset: record.offset)
    }

    /// Writes the record as it is at `offset` of a segment.
    ///
    /// - Parameter target: has `header.recordLength` bytes.
    func encode(at offset: Int, identity: UInt64, into target: UnsafeMutableRawPointer) {
        let binding = Checksum.binding(identity: identity, offset: offset)
        // SAFETY: the caller brings the bytes.
        unsafe Record.encode(
            header, key: key.bytes, value: value.bytes,
            valueChecksum: unboundValueChecksum ^ UInt32(truncatingIfNeeded: binding),
            binding: binding, into: target)
    }
}
