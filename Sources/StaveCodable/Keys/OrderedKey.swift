/// A type whose values are keys, in bytes that order as the values do: a scan visits them in their
/// own order, and a range of values is a range of keys.
///
/// Integers, floating-point numbers, `Bool`, `String`, `Date`, `UUID` and `KeyTuple` of such are
/// ready. A type of your own conforms by encoding its parts one after the other:
///
///     struct Visit: OrderedKey {
///         var user: String
///         var time: Date
///         func encode(to bytes: inout KeyEncoder) { bytes.encode(user); bytes.encode(time) }
///         init(from bytes: inout KeyDecoder) throws(KeyDecodingError) {
///             user = try bytes.decode()
///             time = try bytes.decode()
///         }
///     }
public protocol OrderedKey: Sendable {
    /// Appends the bytes of this key.
    func encode(to bytes: inout KeyEncoder)
    /// Takes the bytes of a key from the front.
    ///
    /// - Throws: `KeyDecodingError` where there are none of such a key.
    init(from bytes: inout KeyDecoder) throws(KeyDecodingError)
}

/// Bytes of a key that are no key of the type that was asked for.
public struct KeyDecodingError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The whole key.
    public let key: [UInt8]
    /// What is wrong with it.
    public let reason: String

    /// The key, as text, and the reason.
    public var description: String {
        "\(String(decoding: key.prefix(200), as: UTF8.self).debugDescription): \(reason)"
    }
}

/// Makes the bytes of a key, part by part.
public struct KeyEncoder: Sendable {
    /// Bytes so far.
    public private(set) var bytes: [UInt8]
    /// Do they end with a text? Its end is marked where something follows.
    private var endsWithText = false

    /// - Parameter prefix: what the key begins with.
    public init(prefix: [UInt8] = []) { bytes = prefix }

    /// Appends a part.
    public mutating func encode(_ part: some OrderedKey) { part.encode(to: &self) }

    /// Appends bytes whose number the decoder knows.
    public mutating func append(fixed: some Sequence<UInt8>) {
        if endsWithText { bytes += [0, 0] }
        endsWithText = false
        bytes.append(contentsOf: fixed)
    }

    /// Appends a whole number, highest byte first.
    public mutating func append<Number: FixedWidthInteger>(bigEndian number: Number) {
        append(
            fixed: (0..<Number.bitWidth / 8).reversed().map { index in
                UInt8(truncatingIfNeeded: number >> (index * 8))
            })
    }

    /// Appends text, or bytes of any number. A zero in it becomes 0, 255; its end is marked with
    /// 0, 0 where another part follows. So a text that begins another one comes first.
    public mutating func append(text: some Sequence<UInt8>) {
        append(fixed: [])
        for byte in text {
            bytes.append(byte)
            if byte == 0 { bytes.append(255) }
        }
        endsWithText = true
    }
}

/// Takes a key apart again, in the order in which it was made. Reads nothing behind its end.
public struct KeyDecoder: Sendable {
    private let key: [UInt8]
    private var position: Int

    /// - Parameter prefix: bytes that the key is known to begin with.
    public init(_ key: [UInt8], prefix: Int = 0) {
        self.key = key
        position = min(prefix, key.count)
    }

    /// The next part.
    public mutating func decode<Part: OrderedKey>(
        _ type: Part.Type = Part.self
    ) throws(KeyDecodingError) -> Part { try Part(from: &self) }

    /// Throws where bytes are left.
    public func finish() throws(KeyDecodingError) {
        guard position == key.count else { throw error("\(key.count - position) bytes too many") }
    }

    /// The next `count` bytes.
    public mutating func fixed(_ count: Int) throws(KeyDecodingError) -> ArraySlice<UInt8> {
        guard key.count - position >= count else {
            throw error("it ends where \(count) more bytes are needed")
        }
        defer { position += count }
        return key[position..<position + count]
    }

    /// The next whole number.
    public mutating func bigEndian<Number: FixedWidthInteger>(
        _ type: Number.Type = Number.self
    ) throws(KeyDecodingError) -> Number {
        var number: Number = 0
        for byte in try fixed(Number.bitWidth / 8) {
            if Number.bitWidth > 8 { number <<= 8 }
            number |= Number(truncatingIfNeeded: byte)
        }
        return number
    }

    /// The next text, up to its mark or the key's end.
    public mutating func text() throws(KeyDecodingError) -> [UInt8] {
        var text: [UInt8] = []
        while position < key.count {
            let byte = key[position]
            position += 1
            if byte != 0 {
                text.append(byte)
                continue
            }
            switch try fixed(1).first {
            case 0: return text
            case 255: text.append(0)
            default: throw error("a zero in a text is followed by neither 0 nor 255")
            }
        }
        return text
    }

    /// An error about this key.
    public func error(_ reason: String) -> KeyDecodingError {
        KeyDecodingError(key: key, reason: reason)
    }
}
