import StaveDisk
import TestSupport
import Testing

/// Hint files are held against ones that are made in the simplest way, straight from
/// docs/format.md.
@Suite("From records to a hint")
struct RecordListTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder(isInMemory: true) }

    private func naiveHint(of maker: SegmentMaker) -> [UInt8] {
        var newest: [[UInt8]: (offset: Int, header: RecordHeader)] = [:]
        for record in maker.records {
            let start = record.offset + RecordHeader.byteCount
            let key = Array(maker.bytes[start..<start + record.header.keyLength])
            // Of two with one number the later is as good; that is the one that is taken.
            if let other = newest[key], other.header.sequence > record.header.sequence { continue }
            newest[key] = record
        }
        let sequences = maker.records.map(\.header.sequence)
        var bytes = Array("STAVEHNT".utf8)
        func append<Number: FixedWidthInteger>(_ number: Number) {
            for index in 0..<Number.bitWidth / 8 {
                bytes.append(UInt8(truncatingIfNeeded: number >> Number(8 * index)))
            }
        }
        append(UInt32(1))
        append(UInt32(0))
        append(maker.header.identity)
        append(UInt64(maker.bytes.count))
        append(sequences.min() ?? 0)
        append(sequences.max() ?? 0)
        append(UInt32(newest.count))
        append(UInt32(maker.records.count))
        append(UInt32(maker.records.filter { $0.header.kind == .tombstone }.count))
        append(UInt32(0))
        var offsets: [Int] = []
        for (key, record) in newest.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            offsets.append(bytes.count)
            append(record.header.sequence)
            append(UInt32(record.offset / 8))
            append(UInt32(record.header.valueLength))
            append(UInt16(key.count))
            append(record.header.rawKind)
            append(record.header.flags)
            bytes += key
        }
        for offset in offsets { append(UInt32(offset)) }
        let hash = unsafe Checksum.hash(bytes.span.bytes)
        append(hash ^ Checksum.binding(identity: maker.header.identity, offset: maker.bytes.count))
        return bytes
    }

    /// In memory; straight to a file; and to a file from an image.
    private func check(_ maker: SegmentMaker, _ what: String) throws {
        let expected = naiveHint(of: maker)
        // Compared outside of `#expect`, which would look for the shortest way from one to the
        // other.
        func check(_ bytes: [UInt8], _ how: String) {
            let isSame = bytes == expected
            #expect(isSame, "\(what), \(how)")
        }
        check(maker.hint, "made in memory")
        let directory = try Directory(path: folder.path)
        let (identity, length) = (maker.header.identity, maker.bytes.count)
        let written = try unsafe maker.bytes.withUnsafeBytes { segment in
            var records = RecordList()
            let unreadable = unsafe records.read(
                SegmentHeader.byteCount..<length, of: segment, identity: identity)
            #expect(unreadable.isEmpty)
            return unsafe try records.writeHint(
                ofSegment: 1, segment, identity: identity, segmentLength: length, in: directory)
        }
        check(folder.read("0000000001.hint"), "written")
        let again = try maker.image.write(ofSegment: 2, in: directory)
        check(folder.read("0000000002.hint"), "copied")
        for image in [written, again] { unsafe check(Array(image.bytes), "as it is used then") }
        _ = try BytesOwner.hint(expected, identity: identity, segmentLength: length)
        #expect(try directory.names() == ["0000000001.hint", "0000000002.hint"])
    }

    private func check(_ keys: [[UInt8]], _ what: String, deletes: Int = 0) throws {
        var maker = SegmentMaker()
        for (index, key) in keys.enumerated() {
            if deletes > 0, index % deletes == 1 {
                maker.append(.tombstone, key, [])
            } else {
                maker.append(.value, key, [UInt8](repeating: 7, count: index % 5))
            }
        }
        try check(maker, what)
    }

    private func keys(
        _ count: Int, of letters: [UInt8], _ lengths: ClosedRange<Int>, after prefix: String = "",
        _ random: inout SeededRandom
    ) -> [[UInt8]] {
        (0..<count).map { _ in
            Array(prefix.utf8)
                + (0..<Int.random(in: lengths, using: &random)).map { _ in
                    letters.randomElement(using: &random)!
                }
        }
    }

    private static let hex = Array("0123456789abcdef".utf8)
    private static let any = Array(UInt8.min...UInt8.max)

    @Test("Keys of any letters and lengths", arguments: Seeds.some(2))
    func letters(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for count in [0, 1, 2, 9, 40, 1500] {
            let what = "\(count) keys, STAVE_SEED=\(seed)"
            for letters in [Self.hex, Self.any, [0], [0, 1], [0, 255], Array("ab".utf8)] {
                try check(
                    keys(count, of: letters, 1...1, &random), "of one byte, \(what)", deletes: 5)
                try check(keys(count, of: letters, 16...16, &random), what, deletes: 3)
                try check(keys(count, of: letters, 1...12, &random), what, deletes: 2)
                try check(
                    keys(count, of: letters, 0...9, after: "a prefix of all: ", &random), what)
            }
        }
    }

    @Test("Keys that begin alike, in groups, and what they begin with", arguments: Seeds.some(3))
    func prefixes(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let long = String(repeating: "long ", count: 50)
        var keys: [[UInt8]] = []
        for prefix in ["user:", "user:1", "user:12", "user:session:", long, long + "x", "z"] {
            keys += self.keys(300, of: Self.hex, 1...6, after: prefix, &random)
            keys.append(Array(prefix.utf8))
        }
        try check(keys.shuffled(using: &random), "STAVE_SEED=\(seed)", deletes: 7)
        // The same with nothing in common but that.
        try check(keys.filter { $0.count > 200 }, "long ones, STAVE_SEED=\(seed)")
    }

    /// Their common beginning gets shorter while they are read.
    @Test("Keys that turn out to differ earlier and earlier", arguments: Seeds.some(2))
    func eras(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for common in [[20, 19, 3], [9, 7, 6, 5, 1, 0], [300, 4], [2, 1], [5, 0]] {
            var all: [[UInt8]] = []
            for length in common {
                // More than are looked at at once.
                let prefix = String(repeating: "k", count: length)
                all += keys(1100, of: Self.hex, 0...6, after: prefix + "/", &random)
            }
            try check(all, "common \(common), STAVE_SEED=\(seed)")
            try check(all.reversed(), "common \(common) backwards, STAVE_SEED=\(seed)")
        }
    }

    @Test("Keys that differ in the zeros at their ends only")
    func zeros() throws {
        var keys: [[UInt8]] = []
        for count in [0, 3, 1, 2, 8, 5, 4, 40, 41, 7, 6, 9] {
            for first in [UInt8(0), 1, 97] {
                keys.append([first] + [UInt8](repeating: 0, count: count))
            }
        }
        try check(keys, "each once")
        try check(keys + keys.reversed() + keys, "each three times")
    }

    @Test("One key written over and over, alone and beside others")
    func overwritten() throws {
        let key = Array("the only key".utf8)
        let many = [[UInt8]](repeating: key, count: 10_000)
        try check(many, "alone")
        try check(many + [Array("other".utf8)] + many, "beside another", deletes: 9)
        try check(many + [key + [0]] + many, "beside one with a zero more")
    }

    @Test(
        "The highest number wins, wherever it lies; of equal ones the later",
        arguments: Seeds.some(3))
    func order(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for keyCount in [1, 3, 200] {
            var maker = SegmentMaker()
            for _ in 0..<2000 {
                let key = "key \(Int.random(in: 0..<keyCount, using: &random))"
                maker.set(key, "v", sequence: UInt64.random(in: 1...500, using: &random))
            }
            try check(maker, "\(keyCount) keys, STAVE_SEED=\(seed)")
        }
    }

    @Test("A record that cannot be read is told, and the others are there")
    func unreadable() {
        var maker = SegmentMaker()
        for number in 0..<3000 { maker.set("key \(number % 1100)", "value") }
        let (first, second) = (maker.records[1000].offset, maker.records[2999].offset)
        var bytes = maker.bytes
        bytes[first + 30] ^= 1
        bytes[second] ^= 1
        unsafe bytes.withUnsafeBytes { segment in
            var records = RecordList()
            // Something behind it is missing as well.
            let unreadable = unsafe records.read(
                SegmentHeader.byteCount..<segment.count + 8, of: segment,
                identity: maker.header.identity)
            #expect(
                unreadable.map(\.range) == [
                    first..<maker.records[1001].offset, second..<segment.count + 8,
                ])
            #expect(unreadable.map(\.nextSequence) == [maker.records[1001].header.sequence, nil])
            #expect(records.count == 2998)
            #expect(records.sequences == 1...2999)
        }
    }

    /// A program that may write to the file can do so while it is read.
    @Test(
        "Records that changed since they were checked trap nowhere, and make no hint file",
        arguments: Seeds.some(3))
    func changed(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var maker = SegmentMaker()
        for key in keys(3000, of: Self.hex, 1...20, &random) { maker.append(.value, key, [1, 2]) }
        var bytes = maker.bytes
        for record in maker.records where random.chance(30) {
            for offset in 20..<28 {
                bytes[record.offset + offset] = .random(in: 0...255, using: &random)
            }
        }
        let directory = try Directory(path: folder.path)
        for records in [RecordList(maker.records), RecordList(maker.records.reversed())] {
            unsafe bytes.withUnsafeBytes { segment in
                let image = unsafe records.image(
                    of: segment, identity: 1, segmentLength: bytes.count)
                let areInside = (0..<image.count).map { image[$0] }.allSatisfy { entry in
                    unsafe entry.offset + RecordHeader.byteCount + entry.key.count <= bytes.count
                }
                #expect(areInside, "STAVE_SEED=\(seed)")
                #expect(throws: FileError.self, "STAVE_SEED=\(seed)") {
                    unsafe try records.writeHint(
                        ofSegment: 1, segment, identity: 1, segmentLength: bytes.count,
                        in: directory)
                }
            }
        }
        #expect(try directory.names() == [])
    }
}
