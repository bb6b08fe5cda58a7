import StaveDisk
import TestSupport
import Testing

@testable import StaveTool

@Suite("Filters of keys")
struct KeyFilterTests {
    private func image(_ keys: Range<Int>) -> HintImage {
        var maker = SegmentMaker()
        for key in keys { maker.set("key \(key)", "") }
        return maker.image
    }

    private func hash(_ key: String) -> UInt64 {
        let bytes = Array(key.utf8)
        return unsafe Checksum.hash(bytes.span.bytes)
    }

    @Test("A filter knows every key of its image, and few others", arguments: [0, 1, 7, 5000])
    func filter(_ count: Int) {
        let filter = KeyFilter(image(0..<count))
        #expect((0..<count).allSatisfy { filter.mayContain(hash("key \($0)")) })
        let strangers = (0..<5000).filter { filter.mayContain(hash("other \($0)")) }.count
        #expect(strangers < 500)
    }

    @Test("A long listing says of each record what a short one says")
    func sameStates() throws {
        let folder = try TemporaryFolder()
        var random = SeededRandom.forTest()
        var makers: [SegmentMaker] = []
        var sequence: UInt64 = 1
        for number in 1...4 {
            var maker = SegmentMaker(
                number: UInt64(number), identity: UInt64(number) << 40, firstSequence: sequence)
            for _ in 0..<1500 {
                let key = "key \(Int.random(in: 0..<2500, using: &random))"
                if random.chance(10) { maker.delete(key) } else { maker.set(key, "v") }
            }
            maker.sync()
            sequence = maker.nextSequence
            folder.write(maker.bytes, to: FileName.segment(UInt64(number)).name)
            makers.append(maker)
        }
        folder.write(Manifest.of(makers.map(\.sealed)).encoded(), to: "MANIFEST")
        let survey = try StoreSurvey(try Directory(path: folder.path), .entries)
        let long = Liveness(survey.segments)
        for (segment, maker) in zip(survey.segments, makers) {
            for (offset, header) in maker.records {
                let start = offset + RecordHeader.byteCount
                let key = Array(maker.bytes[start..<(start + header.keyLength)])
                let short = Liveness(survey.segments)
                let (a, b) = (
                    long.state(of: key, header, at: offset, in: segment),
                    short.state(of: key, header, at: offset, in: segment)
                )
                #expect(a.text == b.text)
            }
        }
    }
}
