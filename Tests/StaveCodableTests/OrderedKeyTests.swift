import Foundation
import Stave
import StaveCodable
import TestSupport
import Testing

@Suite("Keys whose bytes order as they do")
struct OrderedKeyTests {
    private func bytes(_ key: some OrderedKey) -> [UInt8] {
        var encoder = KeyEncoder()
        encoder.encode(key)
        return encoder.bytes
    }

    private func decoded<Key: OrderedKey>(_ bytes: [UInt8], as type: Key.Type) throws -> Key {
        var decoder = KeyDecoder(bytes)
        let key = try decoder.decode(type)
        try decoder.finish()
        return key
    }

    /// Comes back as it was, and orders as it does.
    private func check<Key: OrderedKey & Comparable>(_ keys: [Key]) throws {
        for key in keys { #expect(try decoded(bytes(key), as: Key.self) == key) }
        for a in keys {
            for b in keys {
                let order = bytes(a).lexicographicallyPrecedes(bytes(b))
                #expect(order == (a < b), "\(a) \(b)")
            }
        }
    }

    private func checkInteger<Key: OrderedKey & FixedWidthInteger>(_ type: Key.Type) throws {
        var random = SeededRandom.forTest()
        var keys: [Key] = [.min, .min + 1, 0, 1, .max - 1, .max]
        for shift in 0..<Key.bitWidth { keys += [1 << shift, ~(1 << shift)] }
        for _ in 0..<50 { keys.append(.random(in: .min ... .max, using: &random)) }
        try check(keys)
        #expect(bytes(Key.max).count == Key.bitWidth / 8)
    }

    @Test("Whole numbers of every width, with and without sign")
    func integers() throws {
        try checkInteger(Int.self)
        try checkInteger(Int8.self)
        try checkInteger(Int16.self)
        try checkInteger(Int32.self)
        try checkInteger(Int64.self)
        try checkInteger(UInt.self)
        try checkInteger(UInt8.self)
        try checkInteger(UInt16.self)
        try checkInteger(UInt32.self)
        try checkInteger(UInt64.self)
    }

    @Test("Numbers with a point, infinite ones and the smallest ones too")
    func doubles() throws {
        var random = SeededRandom.forTest()
        var keys: [Double] = [
            -.infinity, -.greatestFiniteMagnitude, -1, -.leastNonzeroMagnitude, 0,
            .leastNonzeroMagnitude, .leastNormalMagnitude, 1, .pi, .greatestFiniteMagnitude,
            .infinity,
        ]
        for _ in 0..<100 {
            let number = Double(bitPattern: random.next())
            if !number.isNaN { keys.append(number) }
        }
        try check(keys)
        #expect(bytes(-0.0).lexicographicallyPrecedes(bytes(0.0)))
        #expect(try decoded(bytes(Double.nan), as: Double.self).isNaN)
        try check(keys.filter { abs($0) < 1e12 }.map { Date(timeIntervalSinceReferenceDate: $0) })
    }

    @Test("Text, also with zeros in it and where one begins another; alone it stands as it is")
    func text() throws {
        let texts = ["", "a", "a\0", "a\0b", "a\u{1}", "ab", "b", "\0", "\0\0", "é", "日本", "🙂"]
        for a in texts {
            #expect(try decoded(bytes(a), as: String.self) == a)
            for b in texts {
                let order = Array(a.utf8).lexicographicallyPrecedes(Array(b.utf8))
                #expect(bytes(a).lexicographicallyPrecedes(bytes(b)) == order)
            }
        }
        #expect(bytes("user é") == Array("user é".utf8))
        #expect(throws: KeyDecodingError.self) { try decoded([0x61, 0xff], as: String.self) }
        #expect(throws: KeyDecodingError.self) { try decoded([0x61, 0], as: String.self) }
        #expect(throws: KeyDecodingError.self) { try decoded([0x61, 0, 1], as: String.self) }
    }

    @Test("Bool, UUID, and text that a type makes itself")
    func others() throws {
        #expect(bytes(false).lexicographicallyPrecedes(bytes(true)))
        #expect(try decoded([1], as: Bool.self))
        #expect(throws: KeyDecodingError.self) { try decoded([2], as: Bool.self) }
        for _ in 0..<20 {
            let id = UUID()
            #expect(try decoded(bytes(id), as: UUID.self) == id)
        }
        #expect(bytes(TextKey(42)) == Array("42".utf8))
        #expect(try decoded(Array("42".utf8), as: TextKey<Int>.self).value == 42)
        #expect(throws: KeyDecodingError.self) {
            try decoded(Array("x".utf8), as: TextKey<Int>.self)
        }
    }

    @Test("Several keys as one: by the first, then by the second, whatever text is in them")
    func tuples() throws {
        let texts = ["", "a", "a\0", "a\0\0", "ab", "b"]
        let numbers = [Int.min, -1, 0, 1, .max]
        var keys: [(String, Int, String)] = []
        for text in texts {
            for number in numbers { for last in texts { keys.append((text, number, last)) } }
        }
        let encoded = keys.map { bytes(KeyTuple($0.0, $0.1, $0.2)) }
        for (i, a) in keys.enumerated() {
            let back = try decoded(encoded[i], as: KeyTuple<String, Int, String>.self).parts
            #expect(back == a)
            for (j, b) in keys.enumerated() {
                #expect(encoded[i].lexicographicallyPrecedes(encoded[j]) == (a < b))
            }
        }
    }

    @Test("Bytes that are cut or too many are an error, for every type and at every length")
    func hostile() throws {
        func check<Key: OrderedKey>(_ key: Key) {
            let whole = bytes(key)
            for length in 0..<whole.count {
                #expect(throws: KeyDecodingError.self, "\(Key.self), \(length)") {
                    try decoded(Array(whole[..<length]), as: Key.self)
                }
            }
            #expect(throws: KeyDecodingError.self) { try decoded(whole + [0], as: Key.self) }
        }
        check(7)
        check(UInt8(7))
        check(1.5)
        check(true)
        check(UUID())
        check(Date(timeIntervalSinceReferenceDate: 1))
        check(KeyTuple("a", 7))
        check(KeyTuple("a", KeyTuple(true, UUID())))
        var random = SeededRandom.forTest()
        for _ in 0..<2000 {
            let some = random.bytes(Int.random(in: 0..<40, using: &random))
            _ = try? decoded(some, as: KeyTuple<String, Int, String, Bool>.self)
            _ = try? decoded(some, as: KeyTuple<UUID, Date>.self)
        }
    }
}
