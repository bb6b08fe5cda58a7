internal import Foundation
public import Stave

/// The entries of a store, or of a part of it, as values of your types.
///
///     let users = TypedStore<Int, User>(store, prefix: "user:")
///     try users.set(User(name: "Ada"), for: 1)
///     let ada = try users.value(for: 1)
///     try users.forEach(in: 1..<100) { id, user in print(id, user.name) }
///
/// It is a view: it holds nothing, and any number of them, of several types, may share one store if
/// none of their prefixes begins with another's.
public typealias TypedStore<Key: OrderedKey, Value: Codable & Sendable> =
    TypedEntries<Store, Key, Value>

/// The same entries at one moment.
public typealias TypedSnapshot<Key: OrderedKey, Value: Codable & Sendable> =
    TypedEntries<Snapshot, Key, Value>

/// Typed entries of a store or a snapshot, see `TypedStore`.
public struct TypedEntries<Source: ReadableStore, Key: OrderedKey, Value: Codable & Sendable>:
    Sendable
{
    /// What holds the bytes.
    public let source: Source
    /// What all keys begin with.
    public let prefix: String
    /// How values become bytes.
    public let codec: any ValueCodec

    /// - Parameters:
    ///   - prefix: what all keys begin with in the store. The prefix of one view must not begin
    ///     that of another.
    ///   - codec: how values become bytes.
    public init(_ source: Source, prefix: String = "", codec: any ValueCodec = JSONCodec()) {
        self.source = source
        self.prefix = prefix
        self.codec = codec
    }

    /// The value of a key, or nil where it is absent.
    ///
    /// - Throws: `StoreError`, or `ValueDecodingError` where the bytes are no `Value`.
    public func value(for key: Key) throws -> Value? {
        let bytes = bytes(of: key)
        return try source.read(bytes) { (found) throws in
            try decode([UInt8](copying: found), of: bytes)
        }
    }

    /// Is there a value for this key?
    public func contains(_ key: Key) throws(StoreError) -> Bool {
        try source.contains(key: bytes(of: key))
    }

    /// The number of keys.
    ///
    /// - Complexity: O(keys), or O(1) where the view has no prefix; no value is read.
    public var count: Int { get throws(StoreError) { try source.count(in: all) } }

    /// The number of keys in a range.
    public func count(in range: Range<Key>) throws(StoreError) -> Int where Key: Comparable {
        try source.count(in: bytes(of: range))
    }

    /// Visits all entries in the order of their keys, as they are at the beginning.
    ///
    /// - Parameter body: what it throws ends the visit.
    /// - Throws: also `KeyDecodingError` and `ValueDecodingError`, where an entry is of other
    ///   types.
    public func forEach(
        direction: KeyDirection = .ascending, _ body: (Key, Value) throws -> Void
    ) throws { try forEach(inBytes: all, direction, body) }

    /// Visits the entries of a range in the order of their keys, as they are at the beginning.
    public func forEach(
        in range: Range<Key>, direction: KeyDirection = .ascending,
        _ body: (Key, Value) throws -> Void
    ) throws where Key: Comparable { try forEach(inBytes: bytes(of: range), direction, body) }

    private func forEach(
        inBytes range: KeyRange, _ direction: KeyDirection, _ body: (Key, Value) throws -> Void
    ) throws {
        var cursor = try source.entries(in: range, direction: direction)
        while let (key, value) = try cursor.next() {
            try body(try decodeKey(key), try decode(value, of: key))
        }
    }

    // MARK: Bytes

    /// The key as it stands in the store.
    public func bytes(of key: Key) -> [UInt8] {
        var encoder = KeyEncoder(prefix: Array(prefix.utf8))
        encoder.encode(key)
        return encoder.bytes
    }

    private var all: KeyRange { prefix.isEmpty ? .all : KeyRange(prefix: prefix) }

    private func bytes(of range: Range<Key>) -> KeyRange where Key: Comparable {
        KeyRange(from: bytes(of: range.lowerBound), to: bytes(of: range.upperBound))
    }

    private func decodeKey(_ bytes: [UInt8]) throws(KeyDecodingError) -> Key {
        var decoder = KeyDecoder(bytes, prefix: prefix.utf8.count)
        let key = try decoder.decode(Key.self)
        try decoder.finish()
        return key
    }

    func decode(_ value: [UInt8], of key: [UInt8]) throws(ValueDecodingError) -> Value {
        do {
            return try codec.decode(Value.self, from: Data(value))
        } catch {
            throw ValueDecodingError(key: key, underlying: error)
        }
    }
}

/// A value's bytes are none of the type that was asked for.
public struct ValueDecodingError: Error, CustomStringConvertible {
    /// As it stands in the store.
    public let key: [UInt8]
    /// The codec's.
    public let underlying: any Error

    /// The key, as text, and the codec's reason.
    public var description: String {
        let key = String(decoding: key.prefix(200), as: UTF8.self).debugDescription
        return "the value of \(key) cannot be decoded: \(underlying)"
    }
}

// MARK: Writing

extension TypedEntries where Source == Store {
    /// Sets the value of a key.
    ///
    /// - Throws: `StoreError`, or what the codec throws; the key then has its old value.
    public func set(_ value: Value, for key: Key) throws {
        try source.set(codec.encode(value), forKey: bytes(of: key))
    }

    /// The same as a part of a batch.
    public func set(_ value: Value, for key: Key, in batch: inout Batch) throws {
        try batch.set(codec.encode(value), forKey: bytes(of: key))
    }

    /// Deletes a key.
    ///
    /// - Returns: whether it was there.
    @discardableResult
    public func remove(_ key: Key) throws(StoreError) -> Bool {
        try source.removeValue(forKey: bytes(of: key))
    }

    /// The same as a part of a batch.
    @discardableResult
    public func remove(_ key: Key, in batch: inout Batch) throws(StoreError) -> Bool {
        try batch.removeValue(forKey: bytes(of: key))
    }

    /// Changes a value, or makes or deletes it: nothing comes in between.
    ///
    ///     try hits.update("/") { $0 = ($0 ?? 0) + 1 }
    ///
    /// - Parameter change: gets the value, or nil where the key is absent; what it leaves there is
    ///   set, and nil deletes the key. Called again where another thread was faster.
    /// - Returns: what `change` returned.
    public func update<Result>(
        _ key: Key, _ change: (inout Value?) throws -> Result
    ) throws -> Result {
        let bytes = bytes(of: key)
        return try source.write { batch in
            var value = try batch.value(forKey: bytes).map { try decode($0, of: bytes) }
            let result = try change(&value)
            if let value {
                try batch.set(codec.encode(value), forKey: bytes)
            } else {
                try batch.removeValue(forKey: bytes)
            }
            return result
        }
    }

    /// The entries as they are now.
    public func snapshot() throws(StoreError) -> TypedSnapshot<Key, Value> {
        TypedSnapshot(try source.snapshot(), prefix: prefix, codec: codec)
    }
}
