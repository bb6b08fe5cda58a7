public import CXXHash

/// XXH3-64 of bytes, and the two ways the format uses it. Source: xxHash by Yann Collet, through
/// libxxhash (docs/decisions/0002-xxhash.md and 0006-vector-checksums.md).
public enum Checksum {
    /// XXH3-64 with seed 0.
    @inlinable @inline(__always) public static func hash(_ bytes: RawSpan) -> UInt64 {
        // SAFETY: the pointer is used only while the span is borrowed.
        unsafe bytes.withUnsafeBytes { unsafe stave_hash($0.baseAddress, $0.count) }
    }

    /// XXH3-64 with `seed`: the keydir's hash of a key.
    @inlinable @inline(__always) public static func hash(_ bytes: RawSpan, seed: UInt64) -> UInt64 {
        // SAFETY: as above.
        unsafe bytes.withUnsafeBytes {
            unsafe stave_hash_with_seed($0.baseAddress, $0.count, seed)
        }
    }

    /// What ties a checksum to its place: XXH3-64 of a file's identity and an offset.
    ///
    /// A checksum on disk is `hash(bytes) ^ binding`, so stale or misplaced bytes never check out, and
    /// a copy in another place takes the checksum along (`^ old ^ new`) instead of computing a new one
    /// over bytes that may have rotted meanwhile.
    @inlinable @inline(__always) public static func binding(identity: UInt64, offset: Int) -> UInt64
    {
        stave_hash_pair(identity, UInt64(truncatingIfNeeded: offset))
    }
}
