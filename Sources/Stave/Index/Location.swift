internal import StaveDisk

/// Where a record lies, in 40 bits: the segment's index in the segment table (15 bits) and its
/// offset divided by 8 (25 bits).
struct Location: Equatable {
    static let offsetBits: UInt64 = 25
    static let bits: UInt64 = 40
    /// Segments that a store can hold at a time.
    static let maxSegments = 1 << 15

    let bits: UInt64

    @inline(__always)
    init(bits: UInt64) { self.bits = bits }

    /// What a slot of the keydir names.
    @inline(__always)
    init(word: UInt64) { bits = word & (1 << Self.bits - 1) }

    /// `offset` is a multiple of 8 below `Format.maxSegmentLength`.
    @inline(__always)
    init(segmentIndex: Int, offset: Int) {
        bits =
            UInt64(truncatingIfNeeded: segmentIndex) << Self.offsetBits
            | UInt64(truncatingIfNeeded: offset / Format.alignment)
    }

    @inline(__always)
    var segmentIndex: Int { Int(truncatingIfNeeded: bits >> Self.offsetBits) }

    /// Bytes from the start of the segment's file.
    @inline(__always)
    var offset: Int {
        Int(truncatingIfNeeded: bits & (1 << Self.offsetBits - 1)) &* Format.alignment
    }
}
