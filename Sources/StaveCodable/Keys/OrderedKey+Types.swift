public import Foundation

extension OrderedKey where Self: FixedWidthInteger {
    /// The number's bytes, highest first, with the sign turned round: negative numbers come first.
    public func encode(to bytes: inout KeyEncoder) {
        bytes.append(bigEndian: Self.isSigned ? self ^ Self.signBit : self)
    }

    /// Takes its bytes from the front.
    public init(from bytes: inout KeyDecoder) throws(KeyDecodingError) {
        let number: Self = try bytes.bigEndian()
        self = Self.isSigned ? number ^ Self.signBit : number
    }

    private static var signBit: Self { 1 << (bitWidth - 1) }
}

extension Int: OrderedKey {}
extension Int8: OrderedKey {}
extension Int16: OrderedKey {}
extension Int32: OrderedKey {}
extension Int64: OrderedKey {}
extension UInt: OrderedKey {}
extension UInt8: OrderedKey {}
extension UInt16: OrderedKey {}
extension UInt32: OrderedKey {}
extension UInt64: OrderedKey {}

extension Bool: OrderedKey {
    /// One byte, 0 or 1.
    public func encode(to bytes: inout KeyEncoder) { bytes.append(fixed: [self ? 1 : 0]) }

    /// Takes its bytes from the front.
    public init(from bytes: inout KeyDecoder) throws(KeyDecodingError) {
        switch try bytes.fixed(1).first {
        case 0: self = false
        case 1: self = true
        default: throw bytes.error("neither false (0) nor true (1)")
        }
    }
}

extension Double: OrderedKey {
    /// Eight bytes in the order of `isTotallyOrdered`: -0 comes before 0, and not-a-number at the
    /// ends.
    public func encode(to bytes: inout KeyEncoder) {
        let bits = bitPattern
        bytes.append(bigEndian: bits >> 63 == 1 ? ~bits : bits | 1 << 63)
    }

    /// Takes its bytes from the front.
    public init(from bytes: inout KeyDecoder) throws(KeyDecodingError) {
        let bits: UInt64 = try bytes.bigEndian()
        self.init(bitPattern: bits >> 63 == 1 ? bits & ~(1 << 63) : ~bits)
    }
}

extension String: OrderedKey {
    /// The UTF-8, in the order of its bytes, which is that of Unicode's scalars and no language's
    /// alphabet. Text without zeros stands as it is, so that the shell shows and scans it.
    public func encode(to bytes: inout KeyEncoder) { bytes.append(text: utf8) }

    /// Takes its bytes from the front.
    public init(from bytes: inout KeyDecoder) throws(KeyDecodingError) {
        let text = try bytes.text()
        guard let string = String(validating: text, as: UTF8.self) else {
            throw bytes.error("not valid UTF-8")
        }
        self = string
    }
}

extension UUID: OrderedKey {
    /// Its 16 bytes.
    public func encode(to bytes: inout KeyEncoder) {
        let uuid = unsafe withUnsafeBytes(of: uuid) { unsafe Array($0) }
        bytes.append(fixed: uuid)
    }

    /// Takes its bytes from the front.
    public init(from bytes: inout KeyDecoder) throws(KeyDecodingError) {
        var uuid: uuid_t = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        let found = try bytes.fixed(16)
        // SAFETY: both have 16 bytes.
        unsafe withUnsafeMutableBytes(of: &uuid) { unsafe $0.copyBytes(from: found) }
        self.init(uuid: uuid)
    }
}

extension Date: OrderedKey {
    /// Seconds since 2001 as a `Double`: exact, and earlier dates come first.
    public func encode(to bytes: inout KeyEncoder) {
        timeIntervalSinceReferenceDate.encode(to: &bytes)
    }

    /// Takes its bytes from the front.
    public init(from bytes: inout KeyDecoder) throws(KeyDecodingError) {
        self.init(timeIntervalSinceReferenceDate: try bytes.decode())
    }
}

/// A key that is text made and read by the type itself: a URL, a version, an enumeration.
///
///     let hits = TypedStore<TextKey<Page>, Int>(store)
///
/// Its order is that of the texts.
public struct TextKey<Value: LosslessStringConvertible & Sendable>: OrderedKey {
    /// What the text stands for.
    public var value: Value

    /// A key of this value's text.
    public init(_ value: Value) { self.value = value }

    /// The text.
    public func encode(to bytes: inout KeyEncoder) { bytes.append(text: value.description.utf8) }

    /// Takes its bytes from the front.
    public init(from bytes: inout KeyDecoder) throws(KeyDecodingError) {
        let text: String = try bytes.decode()
        guard let value = Value(text) else { throw bytes.error("no \(Value.self)") }
        self.value = value
    }
}

/// Several keys as one: ordered by the first, then by the second, and so on.
///
///     let visits = TypedStore<KeyTuple<String, Date>, Visit>(store, prefix: "visit:")
///     try visits.set(visit, for: KeyTuple("ada", .now))
public struct KeyTuple<each Part: OrderedKey>: OrderedKey {
    /// The keys that it is made of.
    public let parts: (repeat each Part)

    /// One key of several.
    public init(_ part: repeat each Part) { parts = (repeat each part) }

    /// Its parts, one behind the other.
    public func encode(to bytes: inout KeyEncoder) {
        repeat (each parts).encode(to: &bytes)
    }

    /// Takes its bytes from the front.
    public init(from bytes: inout KeyDecoder) throws(KeyDecodingError) {
        parts = (repeat try Self.next((each Part).self, &bytes))
    }

    private static func next<Next: OrderedKey>(
        _ type: Next.Type, _ bytes: inout KeyDecoder
    ) throws(KeyDecodingError) -> Next { try Next(from: &bytes) }
}
