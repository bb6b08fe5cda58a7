import CXXHash
import StaveDisk
import TestSupport
import Testing

@Suite("Records")
struct RecordTests {
    let identity: UInt64 = 0xfeed_f00d_dead_beef

    /// A record at `offset` behind that many zeros.
    private func record(
        _ key: [UInt8], _ value: [UInt8], kind: RecordKind = .value, at offset: Int = 80,
        flags: UInt8 = 0
    ) -> [UInt8] {
        var header = RecordHeader(
            kind: kind, sequence: 0x0102_0304_0506_0708, time: 0x1112_1314, keyLength: key.count,
            valueLength: value.count)
        header.flags = flags
        return [UInt8](repeating: 0, count: offset)
            + SegmentMaker.record(
                header, key: key, value: value, identity: identity, offset: offset)
    }

    private func header(_ bytes: [UInt8], at offset: Int = 80) -> RecordHeader? {
        unsafe Record.header(in: bytes.span.bytes, at: offset, identity: identity)
    }

    private func valueChecksOut(_ bytes: [UInt8], at offset: Int = 80) -> Bool {
        guard let header = header(bytes, at: offset) else { return false }
        return unsafe Record.valueChecksOut(
            header, in: bytes.span.bytes, at: offset, identity: identity)
    }

    @Test("Every field stands at its offset, little-endian")
    func fields() {
        let bytes = Array(record(Array("key".utf8), Array("value".utf8), flags: 0x50)[80...])
        #expect(bytes.count == 40)
        #expect(bytes[8..<16].elementsEqual([8, 7, 6, 5, 4, 3, 2, 1]))
        #expect(bytes[16..<20].elementsEqual([0x14, 0x13, 0x12, 0x11]))
        #expect(bytes[20..<24].elementsEqual([5, 0, 0, 0]))
        #expect(bytes[24..<26].elementsEqual([3, 0]))
        #expect(bytes[26] == 1)
        #expect(bytes[27] == 0x50)
        #expect(bytes[28..<36].elementsEqual("keyvalue".utf8))
        #expect(bytes[36...].allSatisfy { $0 == 0 })
    }

    @Test(
        "Keys and values of every small length, and the longest key, come back",
        arguments: [1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 256, 65_535])
    func lengths(_ keyLength: Int) throws {
        for valueLength in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 4096] {
            let key = [UInt8](repeating: 0xab, count: keyLength)
            let value = [UInt8](repeating: 0xcd, count: valueLength)
            let bytes = record(key, value)
            let header = try #require(self.header(bytes))
            #expect(header.keyLength == keyLength)
            #expect(header.valueLength == valueLength)
            #expect(header.recordLength == bytes.count - 80)
            #expect(header.recordLength % 8 == 0)
            #expect(valueChecksOut(bytes))
        }
    }

    @Test("A record moved to another offset or segment does not check out")
    func moved() {
        let bytes = record([1, 2, 3], [4, 5])
        #expect(header(bytes) != nil)
        #expect(header([UInt8](repeating: 0, count: 8) + bytes, at: 88) == nil)
        unsafe #expect(Record.header(in: bytes.span.bytes, at: 80, identity: identity ^ 1) == nil)
    }

    @Test("Every flipped bit is noticed, except in the padding, which no checksum covers")
    func flips() {
        let bytes = record(Array("key".utf8), Array("values".utf8))
        let padding = 80 + 28 + 9
        for offset in 80..<bytes.count {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[offset] ^= UInt8(1 << bit)
                #expect(valueChecksOut(damaged) == (offset >= padding), "\(offset), bit \(bit)")
            }
        }
    }

    @Test("A damaged value leaves header and key readable")
    func damagedValue() {
        var bytes = record(Array("key".utf8), Array("value".utf8))
        bytes[80 + 31] ^= 1
        #expect(header(bytes) != nil)
        #expect(!valueChecksOut(bytes))
    }

    @Test("A record cut anywhere is none")
    func cut() {
        let bytes = record(Array("key".utf8), Array("value".utf8))
        for length in 0..<bytes.count { #expect(header(Array(bytes[..<length])) == nil) }
        #expect(header(bytes, at: -8) == nil)
        #expect(header(bytes, at: bytes.count) == nil)
    }

    /// A record whose header checksum is right, whatever its fields say.
    private func forged(_ edit: (inout [UInt8]) -> Void) -> [UInt8] {
        var bytes = record(Array("key".utf8), Array("value".utf8))
        edit(&bytes)
        let keyLength = Int(bytes[80 + 24]) | Int(bytes[80 + 25]) << 8
        guard 28 + keyLength <= bytes.count - 80 else { return bytes }
        let checksum = unsafe Record.headerChecksum(
            bytes.span.bytes.extracting(droppingFirst: 80), keyLength: keyLength,
            binding: Checksum.binding(identity: identity, offset: 80))
        for index in 0..<4 {
            bytes[80 + index] = UInt8(truncatingIfNeeded: checksum >> (8 * index))
        }
        return bytes
    }

    @Test("Impossible fields are refused, though their checksum is right")
    func impossible() {
        #expect(header(forged { _ in }) != nil)
        for kind: UInt8 in [0, 3, 128, 255] { #expect(header(forged { $0[106] = kind }) == nil) }
        #expect(header(forged { $0[106] = 2 }) == nil, "a tombstone with a value")
        #expect(header(forged { $0[104] = 0 }) == nil, "the empty key")
        #expect(header(forged { $0[104...105] = [0xff, 0xff] }) == nil, "a key beyond the end")
        #expect(
            header(forged { $0[100...103] = [0xff, 0, 0, 0] }) == nil, "a value beyond the end")
        #expect(header(forged { $0[100...103] = [1, 0, 0, 0x40] }) == nil, "more than 1 GiB")
        #expect(header(forged { $0[100...103] = [0xff, 0xff, 0xff, 0xff] }) == nil)
    }

    @Test("Flags 1 to 3 need a version that knows them; 0 is known, 4 to 7 may be ignored")
    func flags() throws {
        for bit in 0..<8 {
            let header = try #require(self.header(record([1], [2], flags: UInt8(1 << bit))))
            #expect(header.needsNewerVersion == (1...3).contains(bit), "bit \(bit)")
            #expect(header.continues == (bit == 0))
        }
    }

    @Test("A value checksum that travels to another place is changed by both bindings")
    func travels() {
        let value = Array("value".utf8)
        let (old, new) = (
            Checksum.binding(identity: 1, offset: 80), Checksum.binding(identity: 2, offset: 800)
        )
        let span = unsafe value.span.bytes
        let there = Record.valueChecksum(span, binding: old)
        let here = Record.valueChecksum(span, binding: new)
        #expect(there ^ UInt32(truncatingIfNeeded: old ^ new) == here)
    }

    @Test("XXH3-64 gives the published value for no bytes")
    func knownHash() {
        let none: [UInt8] = []
        unsafe #expect(Checksum.hash(none.span.bytes) == 0x2d06_8005_38d3_94c2)
    }

    @Test(
        "XXH3-64 is libxxhash's, at every length",
        arguments: Array(0...300) + [1000, 1024, 1025, 4096, 65_536, 65_599])
    func hashOfLength(_ length: Int) {
        var random = SeededRandom(seed: UInt64(length))
        for _ in 0..<(length > 300 ? 3 : 50) { expectLibrarysHash(random.bytes(length)) }
        expectLibrarysHash(Array(repeating: 0, count: length))
        expectLibrarysHash(Array(repeating: 0xff, count: length))
    }

    @Test("XXH3-64 is libxxhash's where every digit of the multiplication carries")
    func hashWithCarries() {
        // xored with the secret, all bytes are 0xff. Up to 64 bytes it is taken for the first,
        // last, second and last but one 16 in turn; 129 bytes and more take 128 of it in order.
        let inverted = unsafe withUnsafeBytes(of: XXH3_kSecret) { secret in
            unsafe secret.map { ~$0 }
        }
        expectLibrarysHash(
            Array(inverted[0..<16] + inverted[32..<64] + inverted[16..<32]))
        expectLibrarysHash(Array(inverted[0..<160]))
    }

    @Test("With a seed, XXH3-64 is libxxhash's, too", arguments: [0, 1, 0x9e37_79b9, .max])
    func seededHash(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for length in Array(0...40) + [128, 129, 240, 241, 300] {
            let bytes = random.bytes(length)
            let library = unsafe bytes.withUnsafeBytes {
                unsafe XXH_INLINE_XXH3_64bits_withSeed($0.baseAddress, $0.count, seed)
            }
            unsafe #expect(Checksum.hash(bytes.span.bytes, seed: seed) == library)
            unsafe #expect(HashSeed(seed).hash(bytes.span.bytes) == library)
        }
    }

    @Test("A record's lengths, kind and flags are told in one comparison")
    func lengths() {
        let usual = UInt64(16) << 32 | 1 << 48
        for count: UInt64 in [0, 100, 0xffff_ffff] {
            #expect(RecordHeader.isValue(usual | count, keyLength: 16))
        }
        for bit in 32..<60 where bit != 56 {
            #expect(!RecordHeader.isValue(usual ^ 1 << bit, keyLength: 16))
        }
        // A flag that is known, and those that may be ignored.
        for bit in [56] + Array(60..<64) {
            #expect(RecordHeader.isValue(usual ^ 1 << bit, keyLength: 16))
        }
        for length in [0, 15, 17, 65_535] {
            #expect(!RecordHeader.isValue(usual, keyLength: length))
        }
    }

    private func expectLibrarysHash(_ bytes: [UInt8]) {
        let library = unsafe bytes.withUnsafeBytes {
            unsafe XXH_INLINE_XXH3_64bits($0.baseAddress, $0.count)
        }
        unsafe #expect(Checksum.hash(bytes.span.bytes) == library)
    }
}
