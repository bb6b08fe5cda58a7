/// The numbers that fix the format on disk. docs/format.md is the specification.
///
/// All integers are little-endian; every record starts on a multiple of `alignment`. The constants
/// are `@inlinable`, because a constant of another module is otherwise a call; and public, because
/// the compiler (6.3) inlines nothing into another module that is only `package`. The module itself
/// is no product.
public enum Format {
    /// Records start on multiples of this many bytes, so a location fits into fewer bits.
    @inlinable @inline(__always) public static var alignment: Int { 8 }
    /// Longest key in bytes. The empty key is refused.
    @inlinable @inline(__always) public static var maxKeyLength: Int { 65_535 }
    /// Longest value in bytes: 1 GiB. The empty value is legal.
    @inlinable @inline(__always) public static var maxValueLength: Int { 1 << 30 }
    /// Records start below this offset of a segment, so that `offset / 8` fits into 25 bits.
    @inlinable @inline(__always) public static var maxSegmentLength: Int { 256 << 20 }

    /// No segment file is longer: one that begins its last record below `maxSegmentLength`, and
    /// that record has the longest key and value.
    package static var maxFileLength: Int { maxSegmentLength + maxValueLength + (1 << 17) }

    /// `length` rounded up to the next multiple of `alignment`.
    @inlinable @inline(__always) public static func aligned(_ length: Int) -> Int {
        (length &+ (alignment - 1)) & ~(alignment - 1)
    }
}

/// Why bytes could not be decoded. The caller knows the file; the decoder knows the place.
package struct FormatError: Error, Equatable, Sendable {
    /// What is wrong: lower case, no full stop, "is X, should be Y" where that helps.
    package var reason: String
    /// Byte offset in the file.
    package var offset: Int
    /// The bytes are whole, but a newer version of Stave wrote them.
    package var isNewerVersion: Bool

    package init(_ reason: String, at offset: Int, isNewerVersion: Bool = false) {
        self.reason = reason
        self.offset = offset
        self.isNewerVersion = isNewerVersion
    }
}
