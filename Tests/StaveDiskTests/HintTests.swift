import StaveDisk
import TestSupport
import Testing

@Suite("Hint files")
struct HintTests {
    private func maker() -> SegmentMaker {
        var maker = SegmentMaker()
        maker.set("pear", "old")
        maker.set("apple", "red")
        maker.set("pear", "new")
        maker.delete("fig")
        maker.set("app", "")
        return maker
    }

    private func text(_ entry: HintEntry) -> String {
        unsafe String(decoding: Array(entry.key), as: UTF8.self)
    }

    private func decodes(_ bytes: [UInt8]) -> Bool { (try? BytesOwner.hint(bytes)) != nil }

    @Test("The newest entry of each key, sorted by key, with the segment's counts")
    func indexing() {
        let maker = maker()
        let image = maker.image
        #expect((0..<image.count).map { text(image[$0]) } == ["app", "apple", "fig", "pear"])
        #expect(image.recordCount == 5)
        #expect(image.tombstoneCount == 1)
        #expect(image.sequences == 1...5)
        #expect(image.segmentLength == maker.bytes.count)
        #expect(image[3].offset == maker.records[2].offset)
        #expect(image[3].sequence == 3)
        #expect(image[2].kind == .tombstone)
        #expect(image[1].valueLength == 3)
        withExtendedLifetime(image) {}
    }

    @Test("Fields stand at their offsets, little-endian")
    func fields() {
        var maker = SegmentMaker(identity: 0x1817_1615_1413_1211, firstSequence: 0x21)
        maker.set("k", "vv")
        let bytes = maker.hint
        #expect(bytes.count == 64 + 21 + 4 + 8)
        #expect(bytes[0..<8].elementsEqual("STAVEHNT".utf8))
        #expect(bytes[8..<16].elementsEqual([1, 0, 0, 0, 0, 0, 0, 0]))
        #expect(bytes[16..<24].elementsEqual([0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18]))
        #expect(bytes[24..<32].elementsEqual([112, 0, 0, 0, 0, 0, 0, 0]))
        #expect(bytes[32] == 0x21 && bytes[40] == 0x21)
        #expect(bytes[48..<64].elementsEqual([1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))
        #expect(bytes[64..<72].elementsEqual([0x21, 0, 0, 0, 0, 0, 0, 0]))
        #expect(bytes[72..<76].elementsEqual([10, 0, 0, 0]), "offset 80 in eights")
        #expect(bytes[76..<80].elementsEqual([2, 0, 0, 0]))
        #expect(bytes[80..<85].elementsEqual([1, 0, 1, 0, UInt8(ascii: "k")]))
        #expect(bytes[85..<89].elementsEqual([64, 0, 0, 0]))
    }

    @Test("Every flipped bit is noticed, and every cut")
    func flips() {
        let bytes = maker().hint
        #expect(decodes(bytes))
        for offset in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[offset] ^= UInt8(1 << bit)
                #expect(!decodes(damaged), "\(offset), bit \(bit)")
            }
        }
        for length in bytes.indices { #expect(!decodes(Array(bytes[..<length])), "\(length)") }
        #expect(!decodes(bytes + [0]))
    }

    @Test("A hint of another segment or another length is refused")
    func stale() throws {
        let maker = maker()
        let (identity, length) = (maker.header.identity, maker.bytes.count)
        _ = try BytesOwner.hint(maker.hint, identity: identity, segmentLength: length)
        #expect(throws: FormatError.self) {
            try BytesOwner.hint(maker.hint, identity: identity ^ 1, segmentLength: length)
        }
        #expect(throws: FormatError.self) {
            try BytesOwner.hint(maker.hint, identity: identity, segmentLength: length + 8)
        }
    }

    /// `edit` applied, and the checksum made right again.
    private func forged(_ bytes: [UInt8], _ edit: (inout [UInt8]) -> Void) -> [UInt8] {
        var bytes = bytes
        edit(&bytes)
        func word(_ offset: Int) -> UInt64 {
            (0..<8).reduce(0) { $0 | UInt64(bytes[offset + $1]) << (8 * $1) }
        }
        let covered = bytes.count - 8
        guard let length = Int(exactly: word(24)) else { return bytes }
        let hash =
            unsafe Checksum.hash(bytes.span.bytes.extracting(0..<covered))
            ^ Checksum.binding(identity: word(16), offset: length)
        for index in 0..<8 {
            bytes[covered + index] = UInt8(truncatingIfNeeded: hash >> (8 * index))
        }
        return bytes
    }

    @Test(
        "Impossible entries are refused, though the checksum is right",
        arguments: [
            ("more entries than bytes", 48, [0xff, 0xff, 0xff, 0xff]),
            ("more entries than there are", 48, [5, 0, 0, 0]),
            ("fewer entries than there are", 48, [3, 0, 0, 0]),
            ("fewer records than entries", 52, [3, 0, 0, 0]),
            ("more tombstones than records", 56, [6, 0, 0, 0]),
            ("sequences that run backwards", 32, [9, 0, 0, 0]),
            ("a segment too short for its entries", 24, [81, 0, 0, 0]),
            ("a segment length of 2^63 or more", 24, [0, 0, 0, 0, 0, 0, 0, 0x80]),
            ("a sequence number outside the segment's", 64, [77]),
            ("an offset inside the segment header", 72, [9]),
            ("an offset behind the end", 72, [0xff, 0xff, 0xff, 0xff]),
            ("a value longer than its segment", 76, [0, 1, 0, 0]),
            ("a value longer than any", 76, [0xff, 0xff, 0xff, 0xff]),
            ("an empty key", 80, [0, 0]),
            ("a key longer than the file", 80, [0xff, 0xff]),
            ("a key that reaches into the next entry", 80, [4, 0]),
            ("kind 0", 82, [0]), ("kind 3", 82, [3]),
            ("keys out of order", 84, [UInt8(ascii: "z")]),
        ] as [(String, Int, [UInt8])])
    func impossible(_ what: String, _ offset: Int, _ new: [UInt8]) {
        let bytes = maker().hint
        #expect(decodes(forged(bytes) { _ in }))
        let wrong = forged(bytes) { bytes in
            bytes.replaceSubrange(offset..<(offset + new.count), with: new)
        }
        #expect(!decodes(wrong), "\(what)")
    }

    @Test("A tombstone with a value, and the same key twice, are refused")
    func more() {
        var maker = SegmentMaker()
        maker.delete("a")
        maker.set("b", "1234")
        let bytes = maker.hint
        #expect(!decodes(forged(bytes) { $0[76] = 4 }))
        #expect(!decodes(forged(bytes) { $0[64 + 21 + 20] = UInt8(ascii: "a") }))
        #expect(!decodes(forged(bytes) { $0[bytes.count - 12] ^= 1 }), "the index")
    }

    @Test("A newer version and unknown flags are told", arguments: [8, 12])
    func newer(_ offset: Int) {
        do throws(FormatError) {
            _ = try BytesOwner.hint(forged(maker().hint) { $0[offset] ^= 2 })
            Issue.record("decoded")
        } catch {
            #expect(error.isNewerVersion)
        }
    }

    @Test("Keys are found, and where absent ones would stand")
    func lookup() {
        let image = maker().image
        func bound(_ key: String) -> Int {
            unsafe Array(key.utf8).withUnsafeBytes { unsafe image.lowerBound($0) }
        }
        #expect(
            ["", "a", "app", "apple", "banana", "pear", "z"].map(bound) == [0, 0, 0, 1, 2, 3, 4])
        for (key, isThere) in [("apple", true), ("appl", false), ("pear", true), ("pears", false)] {
            let found = unsafe Array(key.utf8).withUnsafeBytes {
                unsafe image.entry(for: $0) != nil
            }
            #expect(found == isThere, "\(key)")
        }
    }

    @Test("A segment without records has an empty image")
    func empty() {
        let image = SegmentMaker().image
        #expect(image.count == 0)
        #expect(image.sequences == nil)
        unsafe #expect(image.bytes.count == 72)
    }
}
