/// Looks for the few bytes that mean something in a line, eight bytes at a time. The tests for
/// "some byte is zero" and "some byte is less than n" are from Sean Anderson's Bit Twiddling Hacks.
enum ByteScan {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080

    /// The index of the first byte below `limit` from `start` on, or the count.
    ///
    /// - Parameter limit: at most 128.
    @inline(__always)
    static func firstByte(below limit: UInt8, in bytes: UnsafeRawBufferPointer, from start: Int)
        -> Int
    {
        let pattern = ones &* UInt64(limit)
        var index = start
        while index &+ 8 <= bytes.count {
            // SAFETY: eight bytes from index on are inside.
            let word = unsafe bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            if (word &- pattern) & ~word & highs != 0 { break }
            index &+= 8
        }
        // SAFETY: index < count.
        while unsafe index < bytes.count && bytes[index] >= limit { index &+= 1 }
        return index
    }

    /// The index of the first byte that is one of three from `start` on, or the count.
    @inline(__always)
    static func firstByte(
        _ a: UInt8, _ b: UInt8, _ c: UInt8, in bytes: UnsafeRawBufferPointer, from start: Int
    ) -> Int {
        var index = start
        while index &+ 8 <= bytes.count {
            // SAFETY: eight bytes from index on are inside.
            let word = unsafe bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            if zeros(word ^ ones &* UInt64(a)) | zeros(word ^ ones &* UInt64(b))
                | zeros(word ^ ones &* UInt64(c)) != 0
            {
                break
            }
            index &+= 8
        }
        while index < bytes.count {
            // SAFETY: index < count.
            let byte = unsafe bytes[index]
            if byte == a || byte == b || byte == c { break }
            index &+= 1
        }
        return index
    }

    /// Not zero exactly where a byte of the word is.
    @inline(__always)
    private static func zeros(_ word: UInt64) -> UInt64 { (word &- ones) & ~word & highs }
}
