import StaveDisk
import TestSupport
import Testing

@Suite("The sorted merge")
struct SortedMergeTests {
    private struct Version: Equatable {
        var sequence: UInt64
        var source: Int
        var isTombstone: Bool
    }

    private struct Line: Equatable {
        var key: [UInt8]
        var winner: Version
        var losers: [Version]
    }

    private func merged(
        _ images: [HintImage], from: [UInt8]?, to: [UInt8]?, _ direction: SortedMerge.Direction
    ) -> [Line] {
        var merge = SortedMerge(images, from: from, to: to, direction: direction)
        var lines: [Line] = []
        while true {
            var losers: [Version] = []
            let step = merge.next { source, entry in losers.append(version(source, entry)) }
            guard let (source, entry) = step else { break }
            unsafe lines.append(
                Line(key: Array(entry.key), winner: version(source, entry), losers: losers))
        }
        withExtendedLifetime(images) {}
        return lines
    }

    private func version(_ source: Int, _ entry: HintEntry) -> Version {
        Version(
            sequence: entry.sequence, source: source, isTombstone: entry.kind == .tombstone)
    }

    /// Short keys over few bytes, so that prefixes, zeros and equal first eight bytes are common.
    private func randomKey(_ random: inout SeededRandom) -> [UInt8] {
        let letters: [UInt8] = [0, 1, 97, 98, 0xff]
        let stem = Bool.random(using: &random) ? [UInt8](repeating: 97, count: 8) : []
        return stem
            + (0..<Int.random(in: 1...4, using: &random)).map { _ in
                letters[Int.random(in: 0..<letters.count, using: &random)]
            }
    }

    @Test("Random images agree with a dictionary, both ways, within any bounds")
    func model() throws {
        var random = SeededRandom.forTest()
        for _ in 0..<150 {
            var model: [[UInt8]: [Version]] = [:]
            var sequences = Array(1...UInt64(400)).shuffled(using: &random)[...]
            let makers = (0..<Int.random(in: 0...7, using: &random)).map { source in
                var maker = SegmentMaker(number: UInt64(source + 1), identity: UInt64(source))
                var newest: [[UInt8]: Version] = [:]
                for _ in 0..<Int.random(in: 0...40, using: &random) {
                    let key = randomKey(&random)
                    let isTombstone = Int.random(in: 0..<4, using: &random) == 0
                    let sequence = sequences.removeFirst()
                    maker.append(isTombstone ? .tombstone : .value, key, [], sequence: sequence)
                    let version = Version(
                        sequence: sequence, source: source, isTombstone: isTombstone)
                    if sequence > newest[key]?.sequence ?? 0 { newest[key] = version }
                }
                for (key, version) in newest { model[key, default: []].append(version) }
                return maker
            }
            let images = makers.map(\.image)
            let bounds = [nil, randomKey(&random), randomKey(&random)]
            for from in bounds {
                for to in bounds {
                    let keys = model.keys
                        .filter { key in
                            from.map { !key.lexicographicallyPrecedes($0) } ?? true
                                && to.map { key.lexicographicallyPrecedes($0) } ?? true
                        }
                        .sorted { $0.lexicographicallyPrecedes($1) }
                    let wanted = keys.map { key in
                        let versions = model[key]!.sorted { $0.sequence > $1.sequence }
                        return Line(
                            key: key, winner: versions[0], losers: Array(versions.dropFirst()))
                    }
                    try #require(merged(images, from: from, to: to, .ascending) == wanted)
                    let reversed = merged(images, from: from, to: to, .descending)
                    try #require(reversed == wanted.reversed())
                }
            }
        }
    }

    @Test("No images, and images without entries, merge to nothing")
    func nothing() {
        #expect(merged([], from: nil, to: nil, .ascending).isEmpty)
        let empty = SegmentMaker().image
        #expect(merged([empty, empty], from: nil, to: nil, .descending).isEmpty)
    }

    @Test("A write that two segments hold is one winner and one loser")
    func copied() {
        var (a, b) = (SegmentMaker(number: 1), SegmentMaker(number: 2, identity: 2))
        a.set("k", "v", sequence: 7)
        b.set("k", "v", sequence: 7)
        let lines = merged([a.image, b.image], from: nil, to: nil, .ascending)
        #expect(lines.count == 1)
        #expect(lines[0].losers.count == 1)
    }

    @Test("Keys are ordered by bytes, a prefix before what it begins")
    func order() {
        let keys: [[UInt8]] = [
            [0], [0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0], [0, 1], [97], [97, 0], [0x80], [0xff, 0xff],
        ]
        for (a, left) in keys.enumerated() {
            for (b, right) in keys.enumerated() {
                let order = unsafe left.withUnsafeBytes { l in
                    unsafe right.withUnsafeBytes { r in unsafe compareKeys(l, r) }
                }
                #expect(order.signum() == (a - b).signum())
                if a < b {
                    let prefixes = unsafe (
                        left.withUnsafeBytes { unsafe keyPrefix($0) },
                        unsafe right.withUnsafeBytes { unsafe keyPrefix($0) }
                    )
                    #expect(prefixes.0 <= prefixes.1)
                }
            }
        }
    }
}
