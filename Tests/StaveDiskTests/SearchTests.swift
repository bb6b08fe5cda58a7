import StaveDisk
import TestSupport
import Testing

@Suite("Searching a hint")
struct SearchTests {
    /// Keys of few different bytes behind a common beginning, so that many agree in their first
    /// eight.
    private func keys(_ random: inout SeededRandom, _ count: Int, _ common: [UInt8]) -> [[UInt8]] {
        (0..<count).map { _ in
            let length = Int.random(in: 0...14, using: &random)
            return common
                + (0..<length).map { _ in [0, 1, 97, 255].randomElement(using: &random)! }
        }
    }

    @Test("finds the first key that is not below, as looking at all of them does")
    func lowerBound() {
        var random = SeededRandom.forTest()
        for (count, common) in [
            (1, []), (64, [7]), (65, []), (300, [7, 0, 255]), (900, Array(1...20)),
        ] {
            let common = common.map { UInt8($0) }
            var maker = SegmentMaker()
            let keys = keys(&random, count, common).filter { !$0.isEmpty } + [common + [3]]
            for key in keys { maker.append(.value, key, []) }
            let image = maker.image
            let sorted = Set(keys).sorted { $0.lexicographicallyPrecedes($1) }
            #expect(image.count == sorted.count)
            var asked = Array(sorted.shuffled(using: &random).prefix(100))
            asked += self.keys(&random, 100, common) + self.keys(&random, 50, [])
            asked += [
                common, Array(common.dropLast()), common.dropLast() + [255], [0], [255, 255],
            ]
            for key in asked {
                let expected = sorted.firstIndex { !$0.lexicographicallyPrecedes(key) }
                let found = unsafe key.withUnsafeBytes { unsafe image.lowerBound($0) }
                #expect(found == expected ?? sorted.count, "\(key)")
            }
        }
    }
}
