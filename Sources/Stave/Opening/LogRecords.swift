internal import StaveDisk

/// The records of an unsealed segment in the order in which they were written: what replaying them
/// into the keydir needs, in eight bytes a record.
///
///     | hash 34: shard and tag | not used 4 | tombstone 1 | offset / 8 25 |
///
/// The keydir looks at no other bits of a hash, so that an item serves as one.
struct LogRecords {
    private static let tombstone: UInt64 = 1 << Location.offsetBits

    private var items: [UInt64] = []
    /// Of all records with a value.
    private(set) var valueBytes = 0

    var count: Int { items.count }

    /// Adds a record that starts at `offset` of the segment, checked already.
    @inline(__always)
    mutating func append(_ header: RecordHeader, hash: UInt64, at offset: Int) {
        var item =
            hash & Keydir.hashMask
            | UInt64(truncatingIfNeeded: offset / Format.alignment)
        if header.isValue {
            valueBytes &+= header.recordLength
        } else {
            item |= Self.tombstone
        }
        items.append(item)
    }

    /// The key's hash, as far as the keydir looks at it.
    @inline(__always)
    func hash(_ index: Int) -> UInt64 { items[index] }

    @inline(__always)
    func isTombstone(_ index: Int) -> Bool { items[index] & Self.tombstone != 0 }

    /// Bytes from the start of the segment's file.
    @inline(__always)
    func offset(_ index: Int) -> Int {
        Int(truncatingIfNeeded: items[index] & (Self.tombstone - 1)) &* Format.alignment
    }
}
