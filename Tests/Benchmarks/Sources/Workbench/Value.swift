import Foundation

/// The value to set: the last 16 bytes of its key, a version of 8 bytes, then the same random bytes
/// in all. So a wrong value is seen by its head alone, and nothing in it compresses.
///
/// Not for two threads at a time.
public struct Value: @unchecked Sendable {
    public static let minLength = 24
    public let length: Int
    private let bytes: UnsafeMutableRawPointer
    /// The number of the write that the next value is for.
    public var version: UInt64 = 0

    public init(length: Int) {
        precondition(length >= Value.minLength)
        self.length = length
        bytes = .allocate(byteCount: length, alignment: 16)
        var random = SplitMix(state: 7)
        for index in 0..<length {
            bytes.storeBytes(
                of: UInt8(truncatingIfNeeded: random.next()), toByteOffset: index, as: UInt8.self)
        }
    }

    public func free() { bytes.deallocate() }

    /// The value of this key and the present version; valid until the next call.
    @inline(__always)
    public func bytes(for key: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let tail = key.baseAddress! + (key.count - 16)
        bytes.storeBytes(of: tail.loadUnaligned(as: UInt64.self), as: UInt64.self)
        bytes.storeBytes(
            of: tail.loadUnaligned(fromByteOffset: 8, as: UInt64.self), toByteOffset: 8,
            as: UInt64.self)
        bytes.storeBytes(of: version, toByteOffset: 16, as: UInt64.self)
        return UnsafeRawBufferPointer(start: bytes, count: length)
    }
}

/// What is made of the values that an engine hands out. Checks that each is its key's, and counts.
public struct Check {
    public let valueLength: Int
    public var found = 0
    public var wrong = 0
    /// All keys seen, folded: the same for the same keys in any order.
    public var keySum: UInt64 = 0
    /// The version of the value seen last.
    public var version: UInt64 = 0
    /// Where the value must be whole and of one version: the value to compare with.
    public var expected: Value?
    /// Where each value is copied to, `valueLength` bytes; nil for none.
    public var copiesTo: UnsafeMutableRawPointer?

    public init(valueLength: Int) { self.valueLength = valueLength }

    /// A value of `key`.
    @inlinable
    public mutating func value(
        _ value: UnsafeRawPointer, _ length: Int, for key: UnsafeRawBufferPointer
    ) {
        found += 1
        let tail = key.baseAddress! + (key.count - 16)
        guard length == valueLength,
            value.loadUnaligned(as: UInt64.self) == tail.loadUnaligned(as: UInt64.self),
            value.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
                == tail.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        else {
            wrong += 1
            return
        }
        version = value.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
        if expected != nil { compareWhole(value, key) }
        if let copiesTo { copiesTo.copyMemory(from: value, byteCount: length) }
    }

    /// An entry of a scan.
    @inlinable
    public mutating func entry(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawPointer, _ length: Int
    ) {
        keySum &+= Check.fold(key)
        self.value(value, length, for: key)
    }

    /// What `keySum` adds for a key.
    @inlinable
    public static func fold(_ key: UnsafeRawBufferPointer) -> UInt64 {
        let tail = key.baseAddress! + (key.count - 16)
        let high = tail.loadUnaligned(as: UInt64.self)
        let low = tail.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        return (high ^ (low << 3)) &* 0x9e37_79b9_7f4a_7c15
    }

    @usableFromInline
    mutating func compareWhole(_ value: UnsafeRawPointer, _ key: UnsafeRawBufferPointer) {
        if memcmp(value, expected!.bytes(for: key).baseAddress!, valueLength) != 0 { wrong += 1 }
    }
}
