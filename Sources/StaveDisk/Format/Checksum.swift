public import CXXHash

/// XXH3-64 of bytes, and the two ways the format uses it. Source: xxHash by Yann Collet, through
/// libxxhash (docs/decisions/0002-xxhash.md and 0006-vector-checksums.md).
public enum Checksum {
    /// XXH3-64 with seed 0.
    @inlinable @inline(__always) public static func hash(_ bytes: RawSpan) -> UInt64 {
        // SAFETY: the pointer is used only while the span is borrowed.
        unsafe bytes.withUnsafeBytes { unsafe stave_hash($0.baseAddress, bytes.byteCount) }
    }

    /// XXH3-64 with `seed`: the keydir's hash of a key.
    @inlinable @inline(__always) public static func hash(_ bytes: RawSpan, seed: UInt64) -> UInt64 {
        // SAFETY: as above.
        unsafe bytes.withUnsafeBytes {
            unsafe stave_hash_with_seed($0.baseAddress, bytes.byteCount, seed)
        }
    }

    /// What ties a checksum to its place: XXH3-64 of a file's identity and an offset.
    ///
    /// A checksum on disk is `hash(bytes) ^ binding`, so stale or misplaced bytes never check out,
    /// and a copy in another place takes the checksum along (`^ old ^ new`) instead of computing a
    /// new one over bytes that may have rotted meanwhile.
    @inlinable @inline(__always) public static func binding(identity: UInt64, offset: Int) -> UInt64
    {
        stave_hash_pair(identity, UInt64(truncatingIfNeeded: offset))
    }
}

/// A seed, with the numbers that XXH3-64 makes of it for 9 to 16 bytes: so that a look-up need not.
public struct HashSeed: Sendable {
    /// What it was made from.
    public let seed: UInt64
    /// What the first eight bytes are xored with.
    public let low: UInt64
    /// What the last eight bytes are xored with.
    public let high: UInt64

    /// Makes the numbers of a seed.
    public init(_ seed: UInt64) {
        self.seed = seed
        low = stave_low_secret(seed)
        high = stave_high_secret(seed)
    }

    /// `Checksum.hash(bytes, seed: seed)`.
    @inlinable @inline(__always) public func hash(_ bytes: RawSpan) -> UInt64 {
        guard (9...16).contains(bytes.byteCount) else { return Checksum.hash(bytes, seed: seed) }
        // SAFETY: the pointer is used only while the span is borrowed.
        return unsafe bytes.withUnsafeBytes {
            unsafe stave_hash_9_to_16($0.baseAddress, bytes.byteCount, low, high)
        }
    }
}
