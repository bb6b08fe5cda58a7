import Glibc
import TestSupport
import Testing

@testable import StaveTool

/// Files of Bitcask built by hand from the published format.
private struct BitcaskFile {
    private(set) var data: [UInt8] = []
    private(set) var hint: [UInt8] = []

    static func big(_ number: Int, _ count: Int) -> [UInt8] {
        (0..<count).reversed().map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    }

    /// Zlib's, bit by bit.
    static func crc(_ bytes: [UInt8]) -> Int {
        var crc: UInt32 = .max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
        }
        return Int(~crc)
    }

    mutating func put(_ key: [UInt8], _ value: [UInt8], time: Int) {
        let offset = data.count
        let rest =
            Self.big(time, 4) + Self.big(key.count, 2) + Self.big(value.count, 4) + key + value
        data += Self.big(Self.crc(rest), 4) + rest
        let isTombstone = value.starts(with: Array("bitcask_tombstone".utf8))
        var place = Self.big(offset, 8)
        if isTombstone { place[0] |= 0x80 }
        hint +=
            Self.big(time, 4) + Self.big(key.count, 2)
            + Self.big(data.count - offset, 4) + place + key
    }

    mutating func put(_ key: String, _ value: String, time: Int = 1) {
        put(Array(key.utf8), Array(value.utf8), time: time)
    }

    /// Deletes a key as version 0, 1 or 2 writes it.
    mutating func delete(_ key: String, version: Int, time: Int = 1) {
        let name = Array("bitcask_tombstone".utf8)
        let value = version == 0 ? name : name + Array("\(version)".utf8) + [0, 0, 0, 1]
        put(Array(key.utf8), value, time: time)
    }

    var hintWithTrailer: [UInt8] {
        hint + [0, 0, 0, 0, 0, 0] + Self.big(Self.crc(hint), 4) + [UInt8](repeating: 0xff, count: 8)
    }

    mutating func damage(at offset: Int) { data[offset] ^= 1 }
    mutating func cut(_ count: Int) { data.removeLast(count) }
    mutating func append(_ bytes: [UInt8]) { data += bytes }
}

@Suite("A directory of Bitcask")
struct BitcaskTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func write(_ file: BitcaskFile, _ number: Int, hint: [UInt8]? = nil) {
        folder.write(file.data, to: "\(number).bitcask.data")
        if let hint { folder.write(hint, to: "\(number).bitcask.hint") }
    }

    private func decode() throws -> Decoding { Decoding(try BitcaskDecoder(path: folder.path)) }

    @Test("The newest value of each key, with and without hints", arguments: [false, true])
    func newest(_ hasHints: Bool) throws {
        var first = BitcaskFile()
        first.put("a", "old")
        first.put("b", "1", time: 9)
        first.put("c", "")
        first.put("a", "older, later in the file")
        var second = BitcaskFile()
        second.put("a", "new")
        // Written earlier by its clock: the other stays.
        second.put("b", "2", time: 5)
        var tenth = BitcaskFile()
        tenth.put("d", String(repeating: "x", count: 1000), time: 2)
        for (number, file) in [(1, first), (2, second), (10, tenth)] {
            write(file, number, hint: hasHints ? file.hintWithTrailer : nil)
        }
        folder.write(Array("123 10.bitcask.data\n".utf8), to: "bitcask.write.lock")
        let decoding = try decode()
        #expect(
            decoding.entries == [
                Entry("a", "new"), Entry("b", "1"), Entry("c", ""),
                Entry("d", String(repeating: "x", count: 1000)),
            ])
        #expect(decoding.errors.isEmpty && decoding.notes.isEmpty)
    }

    @Test(
        "A tombstone of each version removes what came before it",
        arguments: [0, 1, 2], [false, true])
    func tombstones(_ version: Int, _ hasHints: Bool) throws {
        var first = BitcaskFile()
        first.put("gone", "1", time: 7)
        first.put("back", "1")
        // A merge may have put it behind others of the same file.
        first.delete("back", version: version)
        first.put("kept", "1")
        var second = BitcaskFile()
        // Its clock is behind: it deletes all the same.
        second.delete("gone", version: version, time: 3)
        second.put("back", "2", time: 1)
        write(first, 1, hint: hasHints ? first.hintWithTrailer : nil)
        write(second, 2, hint: hasHints ? second.hintWithTrailer : nil)
        #expect(try decode().entries == [Entry("back", "2"), Entry("kept", "1")])
    }

    @Test("A tombstone that an old hint file does not mark is none the less one")
    func unmarkedTombstone() throws {
        var file = BitcaskFile()
        file.put("a", "1")
        file.delete("b", version: 0)
        var hint = file.hint
        // The entry of b: behind that of a, 18 bytes and the key.
        hint[19 + 10] = 0
        hint += [0, 0, 0, 0, 0, 0] + BitcaskFile.big(BitcaskFile.crc(hint), 4)
        hint += [0x7f] + [UInt8](repeating: 0xff, count: 7)
        write(file, 1, hint: hint)
        #expect(try decode().entries == [Entry("a", "1")])
    }

    @Test("A hint file that was cut, changed, or does not fit its data is not believed")
    func badHints() throws {
        var file = BitcaskFile()
        file.put("a", "1")
        file.put("b", "2")
        let good = file.hintWithTrailer
        var hints = (0..<good.count).map { Array(good[..<$0]) }
        for index in good.indices {
            var bytes = good
            bytes[index] ^= 4
            hints.append(bytes)
        }
        var longer = file
        longer.put("c", "3")
        hints.append(longer.hintWithTrailer)
        for hint in hints {
            write(file, 1, hint: hint)
            #expect(try decode().entries == [Entry("a", "1"), Entry("b", "2")])
        }
    }

    @Test(
        "At every length of a torn tail, the whole records before it are there, and it is told of")
    func tornTail() throws {
        var file = BitcaskFile()
        file.put("a", "1")
        let whole = file.data.count
        file.put("b", "22")
        let bytes = file.data
        for count in 0...bytes.count {
            folder.write(Array(bytes[..<count]), to: "1.bitcask.data")
            let decoding = try decode()
            let expected = [Entry("a", "1"), Entry("b", "22")]
                .prefix(count == bytes.count ? 2 : count >= whole ? 1 : 0)
            #expect(decoding.entries.elementsEqual(expected) && decoding.errors.isEmpty)
            let isTorn = ![0, whole, bytes.count].contains(count)
            #expect(decoding.notes.count == (isTorn ? 1 : 0), "\(count)")
        }
    }

    @Test("A damaged record is an error, and no older value takes its place")
    func damage() throws {
        var first = BitcaskFile()
        first.put("a", "old")
        first.put("b", "1")
        var second = BitcaskFile()
        second.put("a", "new", time: 2)
        second.put("c", "3")
        second.damage(at: 14 + 1)
        write(first, 1)
        write(second, 2)
        let decoding = try decode()
        #expect(decoding.entries == [Entry("b", "1"), Entry("c", "3")])
        #expect(decoding.messages.count == 1)
        #expect(decoding.messages[0].contains("2.bitcask.data: offset 0: the checksum"))
        #expect(decoding.errors[0].isFatal == false)
        // With a hint, it is found when the value is read.
        write(second, 2, hint: second.hintWithTrailer)
        #expect(try decode().entries == [Entry("b", "1"), Entry("c", "3")])
        #expect(try decode().messages[0].contains("does not check out"))
    }

    @Test("A file full of damage is given up, and the others are read")
    func given() throws {
        var first = BitcaskFile()
        for number in 0..<50 {
            let start = first.data.count
            first.put("k\(number)", "v")
            first.damage(at: start)
        }
        var second = BitcaskFile()
        second.put("a", "1")
        write(first, 1)
        write(second, 2)
        let decoding = try decode()
        #expect(decoding.entries == [Entry("a", "1")] && decoding.errors.count == 20)
        #expect(decoding.messages.last?.contains("the rest of the file is left out") == true)
    }

    @Test("A file that a merge has marked as deleted is skipped")
    func marked() throws {
        var first = BitcaskFile()
        first.put("a", "old")
        write(first, 1)
        var second = BitcaskFile()
        second.put("b", "1")
        write(second, 2)
        for mode in [0o4600, 0o601] as [mode_t] {
            #expect(unsafe chmod(folder.path("1.bitcask.data"), mode) == 0)
            #expect(try decode().entries == [Entry("b", "1")])
        }
    }

    @Test("Keys of Riak are shown, and taken as they are")
    func riak() throws {
        let key: [UInt8] = [131, 104, 2, 109, 0, 0, 0, 2, 0x62, 0x75, 109, 0, 0, 0, 1, 0x6b]
        var file = BitcaskFile()
        file.put(key, [1], time: 1)
        write(file, 1)
        #expect(try decode().entries == [Entry(key, [1])])
        #expect(try decode().notes.first?.contains("such as bu/k;") == true)
        for count in 0..<key.count { #expect(RiakKey.shown(Array(key[..<count])) == nil) }
    }

    @Test("Changed files trap nothing, and nothing runs for ever")
    func fuzz() throws {
        var random = SeededRandom(seed: 19)
        var file = BitcaskFile()
        for number in 0..<6 { file.put("k\(number)", "value \(number)", time: number) }
        file.delete("k1", version: 2)
        for _ in 0..<1500 {
            var (data, hint) = (file.data, file.hintWithTrailer)
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                data[Int.random(in: 0..<data.count, using: &random)] = UInt8(
                    truncatingIfNeeded: random.next())
                hint[Int.random(in: 0..<hint.count, using: &random)] = UInt8(
                    truncatingIfNeeded: random.next())
            }
            folder.write(data, to: "1.bitcask.data")
            folder.write(hint, to: "1.bitcask.hint")
            #expect(try decode().entries.count <= 7)
        }
    }

    private static let script =
        #filePath.split(separator: "/").dropLast()
        .reduce("") { $0 + "/" + $1 } + "/Transfer/bitcask.py"

    @Test(
        "A directory that another implementation has written, from the same description",
        .enabled(if: Peer.has("python3"), "python3 is not installed"), arguments: [1, 2, 3])
    func secondWriter(_ seed: Int) throws {
        let scratch = Scratch()
        let made = try Peer.shell(
            "python3 -B '\(Self.script)' '\(scratch.path)/bitcask' \(seed) > expected.jsonl",
            in: scratch.path)
        #expect(made.status == 0, "\(made.errors)")
        let words = ["import", scratch.store, scratch.path + "/bitcask", "--from", "bitcask"]
        let outcome = try run(words + ["--create", "--atomic"])
        #expect(outcome.status == 0 && !outcome.text.hasPrefix("0 keys"))
        let copy = scratch.path + "/copy"
        _ = try run(
            ["import", copy, scratch.path + "/expected.jsonl", "--from", "jsonl", "--create"])
        let expected = try TransferFixture.entries(of: copy)
        #expect(try TransferFixture.entries(of: scratch.store) == expected)
    }
}
