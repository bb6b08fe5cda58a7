#if canImport(Glibc)
    internal import Glibc
#endif

/// The order of keys everywhere: by bytes, a prefix before what it begins. Negative, 0 or positive.
@inline(__always)
package func compareKeys(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    let common = min(a.count, b.count)
    if common > 0, let left = a.baseAddress, let right = b.baseAddress {
        // SAFETY: both hold at least `common` bytes.
        let order = unsafe memcmp(left, right, common)
        if order != 0 { return Int(order) }
    }
    return a.count - b.count
}

func compareKeys(_ a: UnsafeRawBufferPointer, _ b: [UInt8]) -> Int {
    unsafe b.withUnsafeBytes { unsafe compareKeys(a, $0) }
}

/// How many bytes two keys begin with alike.
@inline(__always)
func commonPrefixLength(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    let limit = min(a.count, b.count)
    var length = 0
    while length &+ 8 <= limit {
        // SAFETY: both hold eight bytes more.
        let differing =
            unsafe a.loadUnaligned(fromByteOffset: length, as: UInt64.self)
            ^ b.loadUnaligned(fromByteOffset: length, as: UInt64.self)
        if differing != 0 {
            return length &+ UInt64(littleEndian: differing).trailingZeroBitCount / 8
        }
        length &+= 8
    }
    while length < limit, unsafe a[length] == b[length] { length &+= 1 }
    return length
}

/// `keyPrefix` of what follows the first `start` bytes; of nothing where there are not as many.
@inline(__always)
package func keyPrefix(_ key: UnsafeRawBufferPointer, from start: Int) -> UInt64 {
    unsafe keyPrefix(UnsafeRawBufferPointer(rebasing: key[min(start, key.count)...]))
}

/// The first eight bytes of a key as a number that orders as the bytes do.
@inline(__always)
package func keyPrefix(_ key: UnsafeRawBufferPointer) -> UInt64 {
    // SAFETY: the load is guarded by the count.
    if key.count >= 8 {
        return unsafe UInt64(bigEndian: key.loadUnaligned(fromByteOffset: 0, as: UInt64.self))
    }
    var prefix: UInt64 = 0
    for index in 0..<8 {
        prefix = unsafe prefix << 8 | (index < key.count ? UInt64(key[index]) : 0)
    }
    return prefix
}
