import TestSupport
import Testing

@testable import StaveDisk

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

    /// A segment of each of these key ranges, with about as many keys.
    private func images(_ ranges: [Range<Int>], _ random: inout SeededRandom) -> [HintImage] {
        let order = ranges.indices.shuffled(using: &random)
        return ranges.enumerated().map { index, range in
            var maker = SegmentMaker(
                number: UInt64(index + 1), identity: UInt64(index),
                firstSequence: UInt64(order[index] * 1000 + 1))
            for _ in range {
                let number = Int.random(in: range, using: &random)
                let key = Array("key \(number + 100_000)".utf8)
                maker.append(number % 5 == 0 ? .tombstone : .value, key, [])
            }
            return maker.image
        }
    }

    @Test("Images that do not overlap are one chain; others need as many as overlap in one place")
    func chains() {
        var random = SeededRandom.forTest()
        func count(_ ranges: [Range<Int>]) -> Int {
            ImageChains(images(ranges.shuffled(using: &random), &random)).ends.count
        }
        #expect(count([]) == 0)
        #expect(count([0..<50]) == 1)
        #expect(count([0..<50, 60..<90, 100..<300, 400..<401]) == 1)
        #expect(count([0..<500, 10..<500, 600..<700, 800..<1000]) == 2)
        #expect(count([0..<500, 0..<500, 0..<500]) == 3)
        let empty = SegmentMaker().image
        #expect(ImageChains([empty, images([0..<9], &random)[0], empty]).order == [1])
    }

    @Test("Chains of images are read within any bounds, both ways, as all keys sorted would be")
    func chained() throws {
        var random = SeededRandom.forTest()
        for _ in 0..<60 {
            let ranges = (0..<Int.random(in: 1...9, using: &random)).map { _ in
                let start = Int.random(in: 0..<400, using: &random)
                return start..<start + Int.random(in: 1...90, using: &random)
            }
            let images = images(ranges, &random)
            let all = merged(images, from: nil, to: nil, .ascending)
            var model: [[UInt8]: [Version]] = [:]
            for (source, image) in images.enumerated() {
                for index in 0..<image.count {
                    let entry = image[index]
                    unsafe model[Array(entry.key), default: []].append(version(source, entry))
                }
            }
            try #require(all.map(\.key) == model.keys.sorted { $0.lexicographicallyPrecedes($1) })
            for line in all {
                let versions = ([line.winner] + line.losers).map(\.sequence)
                try #require(versions == model[line.key]!.map(\.sequence).sorted(by: >))
            }
            for _ in 0..<20 {
                let bounds = (0..<2).map { _ -> [UInt8]? in
                    let number = Int.random(in: -20..<520, using: &random) + 100_000
                    return random.chance(20) ? nil : Array("key \(number)".utf8)
                }
                let wanted = all.map(\.key).filter { key in
                    bounds[0].map { !key.lexicographicallyPrecedes($0) } ?? true
                        && bounds[1].map { key.lexicographicallyPrecedes($0) } ?? true
                }
                let up = merged(images, from: bounds[0], to: bounds[1], .ascending)
                try #require(up.map(\.key) == wanted)
                let down = merged(images, from: bounds[0], to: bounds[1], .descending)
                try #require(Array(down.reversed()) == up)
                var taken: [(source: Int, entry: HintEntry)] = []
                var merge = SortedMerge(images, from: bounds[0], to: bounds[1])
                let part = Int.random(in: 0...wanted.count, using: &random)
                merge.take(part, into: &taken)
                #expect(taken.count == part)
                merge.take(.max, into: &taken)
                try #require(
                    taken.map { version($0.source, $0.entry) } == up.map(\.winner))
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
