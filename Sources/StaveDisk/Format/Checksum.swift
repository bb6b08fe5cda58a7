internal import CXXHash

/// XXH3-64 of bytes, and the two ways the format uses it. Source: xxHash by Yann Collet, through
/// libxxhash's header (docs/decisions/0002-xxhash.md).
package enum Checksum {
    /// XXH3-64 with seed 0.
    package static func hash(_ bytes: RawSpan) -> UInt64 {
        // SAFETY: the pointer is used only while the span is borrowed.
        unsafe bytes.withUnsafeBytes { unsafe XXH_INLINE_XXH3_64bits($0.baseAddress, $0.count) }
    }

    /// XXH3-64 with `seed`: the keydir's hash of a key.
    package static func hash(_ bytes: RawSpan, seed: UInt64) -> UInt64 {
        // SAFETY: as above.
        unsafe bytes.withUnsafeBytes {
            unsafe XXH_INLINE_XXH3_64bits_withSeed($0.baseAddress, $0.count, seed)
        }
    }

    /// What ties a checksum to its place: XXH3-64 of a file's identity and an offset.
    ///
    /// A checksum on disk is `hash(bytes) ^ binding`, so stale or misplaced bytes never check out, and
    /// a copy in another place takes the checksum along (`^ old ^ new`) instead of computing a new one
    /// over bytes that may have rotted meanwhile.
    package static func binding(identity: UInt64, offset: Int) -> UInt64 {
        var place = (identity.littleEndian, UInt64(truncatingIfNeeded: offset).littleEndian)
        // SAFETY: 16 bytes of two integers without padding.
        return unsafe withUnsafeBytes(of: &place) {
            unsafe XXH_INLINE_XXH3_64bits($0.baseAddress, $0.count)
        }
    }
}
