import StaveDisk
import TestSupport
import Testing

@Suite("Segment headers and synced marks")
struct SegmentHeaderTests {
    let header = SegmentHeader(
        identity: 0x1817_1615_1413_1211, number: 0x2827_2625_2423_2221,
        storeID: StoreID(low: 0x3837_3635_3433_3231, high: 0x4847_4645_4443_4241),
        capacity: 0x5857_5655_5453_5251)

    private func decode(_ bytes: [UInt8]) throws(FormatError) -> SegmentHeader {
        unsafe try SegmentHeader(decoding: bytes.span.bytes)
    }

    private func mark(
        _ bytes: [UInt8], identity: UInt64? = nil, version: UInt32 = 2
    ) -> SegmentHeader.Mark {
        unsafe SegmentHeader.mark(
            in: bytes.span.bytes, identity: identity ?? header.identity, version: version)
    }

    @Test("Every field stands at its offset, little-endian")
    func fields() throws {
        let bytes = header.encoded()
        #expect(bytes.count == 80)
        #expect(bytes[0..<8].elementsEqual("STAVESEG".utf8))
        #expect(bytes[8..<16].elementsEqual([2, 0, 0, 0, 0, 0, 0, 0]))
        let words = (1...5).flatMap { word in (1...8).map { UInt8(word << 4 | $0) } }
        #expect(bytes[16..<56].elementsEqual(words))
        #expect(try decode(bytes) == header)
        #expect(mark(bytes) == SegmentHeader.Mark(length: 80, turn: 1))
    }

    @Test("Every flipped bit of header and mark is noticed")
    func flips() {
        let bytes = header.encoded()
        for offset in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[offset] ^= UInt8(1 << bit)
                if offset < 64 {
                    #expect(throws: FormatError.self, "\(offset)") { try decode(damaged) }
                } else {
                    let place = offset / 8 * 8
                    #expect(mark(damaged).damaged == place..<(place + 8), "\(offset)")
                    #expect(mark(damaged).length == 80)
                }
            }
        }
    }

    @Test("A header cut anywhere is refused")
    func cut() {
        let bytes = header.encoded()
        for length in 0..<80 {
            #expect(throws: FormatError.self) { try decode(Array(bytes[..<length])) }
            #expect(mark(Array(bytes[..<length])).length == nil)
        }
    }

    /// The header with its checksum made right.
    private func forged(_ edit: (inout [UInt8]) -> Void) -> [UInt8] {
        var bytes = header.encoded()
        edit(&bytes)
        let hash = unsafe Checksum.hash(bytes.span.bytes.extracting(0..<56))
        for index in 0..<8 { bytes[56 + index] = UInt8(truncatingIfNeeded: hash >> (8 * index)) }
        return bytes
    }

    @Test("A newer version and unknown flags are told from damage", arguments: [8, 11, 12, 15])
    func newer(_ offset: Int) {
        do throws(FormatError) {
            _ = try decode(forged { $0[offset] ^= 2 })
            Issue.record("decoded")
        } catch {
            #expect(error.isNewerVersion)
            #expect(error.offset == 8)
        }
    }

    @Test(
        "Marks of any length are read back; impossible ones are not",
        arguments: [80, 88, Format.maxFileLength], [UInt32(1), 2])
    func marks(_ length: Int, _ version: UInt32) {
        func bytes(_ length: Int) -> [UInt8] {
            header.encoded()[..<64]
                + SegmentHeader.encodedMarks(
                    length, identity: header.identity, version: version)
        }
        #expect(mark(bytes(length), version: version).length == length)
        #expect(mark(bytes(length), identity: 1, version: version).length == nil)
        for impossible in [72, Format.maxFileLength + 8] {
            #expect(mark(bytes(impossible), version: version).length == nil)
        }
        var torn = bytes(length)
        torn.replaceSubrange(64..<72, with: [UInt8](repeating: 0xff, count: 8))
        #expect(mark(torn, version: version).length == (version == 1 ? nil : length))
    }

    @Test("Of two marks the higher one counts, and the other one is written next")
    func turns() {
        var bytes = header.encoded()
        for (turn, length) in [96, 88, 120, 4096].enumerated() {
            let place = SegmentHeader.markOffset(turn: turn)
            let word = SegmentHeader.encodedMark(length, identity: header.identity)
            bytes.replaceSubrange(place..<(place + 8), with: word)
        }
        #expect(mark(bytes) == SegmentHeader.Mark(length: 4096, turn: 1))
        bytes[SegmentHeader.markOffset(turn: 1)] ^= 1
        #expect(mark(bytes) == SegmentHeader.Mark(length: 120, turn: 0, damaged: 72..<80))
        bytes[SegmentHeader.markOffset(turn: 0)] ^= 1
        #expect(mark(bytes).length == nil)
    }
}
