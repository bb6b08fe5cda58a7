public import Foundation
public import Stave

/// How values become bytes.
public protocol ValueCodec: Sendable {
    /// The bytes of a value.
    func encode(_ value: some Encodable) throws -> Data
    /// The value that bytes stand for.
    func decode<Value: Decodable>(_ type: Value.Type, from data: Data) throws -> Value
}

/// Values as JSON, with keys in order, so that equal values have equal bytes. The shell reads it:
/// `get KEY --pretty`.
public struct JSONCodec: ValueCodec {
    /// Dates as text of ISO 8601 to the second; otherwise as seconds since 2001, which is exact.
    public var usesTextDates: Bool

    /// JSON, with dates as numbers if nothing else is said.
    public init(usesTextDates: Bool = false) { self.usesTextDates = usesTextDates }

    /// The bytes of a value.
    public func encode(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if usesTextDates { encoder.dateEncodingStrategy = .iso8601 }
        return try encoder.encode(value)
    }

    /// The value that bytes stand for.
    public func decode<Value: Decodable>(_ type: Value.Type, from data: Data) throws -> Value {
        let decoder = JSONDecoder()
        if usesTextDates { decoder.dateDecodingStrategy = .iso8601 }
        return try decoder.decode(type, from: data)
    }
}

/// Values as binary property lists: smaller and faster to read than JSON where they hold data and
/// dates. At the top a value is an array or a dictionary, so a single number or text cannot be one.
public struct PropertyListCodec: ValueCodec {
    /// Binary property lists.
    public init() {}

    /// The bytes of a value.
    public func encode(_ value: some Encodable) throws -> Data {
        let encoder = PropertyListEncoder()
        encoder.outputFormat = .binary
        return try encoder.encode(value)
    }

    /// The value that bytes stand for.
    public func decode<Value: Decodable>(_ type: Value.Type, from data: Data) throws -> Value {
        try PropertyListDecoder().decode(type, from: data)
    }
}

extension Data: StoreBytes {
    /// Lends the bytes, without a copy.
    public func withStoreBytes<Result, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(bytes)
    }
}
