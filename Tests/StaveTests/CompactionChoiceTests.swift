import StaveDisk
import Testing

@testable import Stave

/// Sizes of a segment, and nothing else.
private struct Sizes: CompactionCandidate, Equatable {
    var isSealed = true
    var end: Int
    var liveBytes: Int
    var tombstoneBytes = 0
    var keepsCutBytes = false
    var isDamaged = false

    init(live: Int, dead: Int, tombstones: Int = 0) {
        end = SegmentHeader.byteCount + live + dead + tombstones
        liveBytes = live
        tombstoneBytes = tombstones
    }
}

@Suite("The background's rules")
struct CompactionChoiceTests {
    private let segmentSize = 256 << 20
    private let policy = CompactionPolicy()

    private func next(_ segments: [Sizes]) -> [Sizes] {
        segments.nextRewrite(policy, segmentSize: segmentSize)
    }

    @Test(
        "Nothing is rewritten that frees less than a quarter of what it copies"
    )
    func quarter() {
        var active = Sizes(live: 10 << 20, dead: 90 << 20)
        active.isSealed = false
        let base = Sizes(live: 80 << 20, dead: 19 << 20)
        #expect(SpaceUse([base, active]).isDue(policy))
        #expect(next([base, active]) == [])
        let better = Sizes(live: 80 << 20, dead: 20 << 20)
        #expect(next([better, active]) == [better])
    }

    @Test("No more is rewritten than frees a share, the best first; what is all dead comes along")
    func share() {
        let worst = Sizes(live: 30 << 20, dead: 20 << 20)
        let best = Sizes(live: 10 << 20, dead: 40 << 20)
        let dead = Sizes(live: 0, dead: 2000)
        #expect(next([worst, dead, best]) == [best, dead])
    }

    @Test("No more live bytes than half a segment are in flight, where any segment has so few")
    func flight() {
        let large = Sizes(live: 130 << 20, dead: 126 << 20)
        let small = Sizes(live: 100 << 20, dead: 90 << 20)
        #expect(next([large, small]) == [small])
        #expect(next([large]) == [large])
    }

    @Test("Dead records that nothing can free start no compaction")
    func stuck() {
        var damaged = Sizes(live: 10 << 20, dead: 90 << 20)
        let whole = Sizes(live: 30 << 20, dead: 10 << 20)
        #expect(next([damaged, whole]) == [damaged])
        damaged.isDamaged = true
        #expect(next([damaged, whole]) == [])
        damaged.isDamaged = false
        damaged.keepsCutBytes = true
        #expect(next([damaged, whole]) == [])
    }

    @Test("Small segments are merged when there are eight, and not before")
    func small() {
        let large = Sizes(live: 200 << 20, dead: 0)
        let small = Sizes(live: 6 << 20, dead: 0)
        #expect(next([large] + Array(repeating: small, count: 7)) == [])
        #expect(next([large] + Array(repeating: small, count: 8)).count == 8)
    }

    @Test("The active segment ends early where its share of live bytes lies beside a larger rest")
    func activeSegment() {
        let base = Sizes(live: 100 << 20, dead: 60 << 20)
        func ends(_ active: Sizes) -> Bool {
            SpaceUse([base, active]).isWorthEnding(active, policy)
        }
        #expect(!ends(Sizes(live: 10 << 20, dead: 0)))
        #expect(ends(Sizes(live: 14 << 20, dead: 0)))
        #expect(!ends(Sizes(live: 110 << 20, dead: 0)))
        #expect(!ends(Sizes(live: 1 << 20, dead: 28 << 20)))
        #expect(ends(Sizes(live: 1 << 20, dead: 50 << 20)))
    }

    private static let factors: [Double] = [
        .nan, .infinity, -.infinity, -1, 0, 1, .leastNonzeroMagnitude, .greatestFiniteMagnitude,
    ]

    @Test("No value of the policy traps", arguments: factors)
    func arithmetic(factor: Double) {
        let segments = [
            Sizes(live: 10 << 20, dead: 30 << 20), Sizes(live: 0, dead: 0),
            Sizes(live: 1 << 40, dead: 1 << 42, tombstones: 1 << 20),
        ]
        for count in [Int.min, -1, 0, 1, .max] {
            var policy = CompactionPolicy()
            policy.startAmplification = factor
            policy.maxAmplification = factor
            policy.minDeadBytes = count
            policy.bytesPerSecond = count
            for chosen in [segments, [], Array(segments.prefix(1))] {
                let use = SpaceUse(chosen)
                #expect(use.isDue(policy) == (use.deadBytesLeft(policy) == 0))
                #expect(chosen.nextRewrite(policy, segmentSize: segmentSize).count <= chosen.count)
                for flight in [0, 1 << 30] {
                    _ = use.isOverBound(policy, segmentSize: segmentSize, inFlight: flight)
                }
                for segment in chosen { _ = use.isWorthEnding(segment, policy) }
            }
            for copied in [0, 1, 256 << 10, .max] {
                let wait = CompactionPolicy.nanoseconds(toCopy: copied, bytesPerSecond: count)
                #expect(wait >= 0 && wait <= 1 << 60)
                _ = Monitor.deadline(in: wait)
            }
        }
    }
}
