import StaveDisk
import TestSupport
import Testing

@testable import Stave

/// What is written to a store, after each key was written once.
private enum Workload: String, CaseIterable {
    case uniform, inTurn, zipf, tenth, hundredth, mixedSizes, growing, deleting, churning, queue

    /// The most records that may be copied for one that is written. Before the rules of today it
    /// was 8.6 for `uniform`. A tombstone is a quarter of what it frees, so `deleting` costs more.
    var mostCopies: Double {
        switch self {
        case .uniform: 0.5
        case .zipf, .mixedSizes: 0.55
        case .tenth: 0.6
        case .hundredth: 0.3
        case .inTurn, .churning: 0.45
        case .growing: 0.1
        case .queue: 0.2
        case .deleting: 1.8
        }
    }
}

private struct Case: CustomTestStringConvertible {
    let workload: Workload
    /// Of 16 and 100 bytes.
    let keys: Int
    let slowness: Double

    var testDescription: String { "\(workload), \(keys) keys, slowness \(slowness)" }

    /// At a hundred writes a second a compaction ends before the next write; at full speed the
    /// writer writes as fast as a compaction, or four times as fast.
    static let all = Workload.allCases.flatMap { workload in
        [10_000, 30_000, 100_000, 1_000_000, 10_000_000].flatMap { keys in
            [0.0, 1.0].map { Case(workload: workload, keys: keys, slowness: $0) }
        }
    }
}

/// Draws keys as a workload does.
private struct Source {
    private static let zipf: [Double] = {
        var total = 0.0
        let sums = (1...CompactionModelTests.modelKeys).map { rank in
            total += 1 / Double(rank)
            return total
        }
        return sums.map { $0 / total }
    }()

    let count: Int
    var random = SeededRandom(seed: 1)
    /// Any order that is not the one in which the keys were written.
    private let step = 7919

    init(count: Int) { self.count = count }

    private mutating func fraction() -> Double { Double(random.next() >> 11) / Double(1 << 53) }

    mutating func any(of count: Int) -> Int {
        Int(random.next() % UInt64(count)) * step % self.count
    }

    mutating func hot(_ share: Int, percent: Int) -> Int {
        any(of: random.chance(percent) ? count / share : count)
    }

    mutating func zipf() -> Int {
        let wanted = fraction()
        var range = 0..<count
        while range.count > 1 {
            let middle = (range.lowerBound + range.upperBound) / 2
            range =
                Self.zipf[middle - 1] <= wanted
                ? middle..<range.upperBound : range.lowerBound..<middle
        }
        return range.lowerBound * step % count
    }

    /// From a third of the usual length to sixty times as much, mostly short.
    mutating func length(usual: Int) -> Int {
        let draw = fraction()
        return max(usual / 3, Int(Double(usual) * 20 * draw * draw * draw * draw * draw))
    }
}

@Suite("The background's policy, over a model of segments")
struct CompactionModelTests {
    /// A model's key stands for many: only the sizes count, beside that of a segment.
    static let modelKeys = 4000

    @Test("Copies few records for a written one, and stays within its bound", arguments: Case.all)
    fileprivate func cost(_ test: Case) {
        let segmentSize = 256 << 20
        let count = Self.modelKeys
        let length = 152 * test.keys / count / 8 * 8
        var model = CompactionModel(
            keys: 8 * count, segmentSize: segmentSize, slowness: test.slowness,
            policy: CompactionPolicy())
        for key in 0..<count { model.set(key, length: length) }
        model.startCounting()
        run(test.workload, length: length, on: &model)
        let copies = Double(model.copies) / Double(model.writes)
        #expect(copies <= test.workload.mostCopies)
        #expect(model.excess <= segmentSize)
        #expect(model.problems == [])
    }

    private func run(_ workload: Workload, length: Int, on model: inout CompactionModel) {
        let count = Self.modelKeys
        let tombstone = length * 40 / 152
        var source = Source(count: count)
        switch workload {
        case .uniform: for _ in 0..<6 * count { model.set(source.any(of: count), length: length) }
        case .inTurn: for write in 0..<6 * count { model.set(write % count, length: length) }
        case .zipf: for _ in 0..<6 * count { model.set(source.zipf(), length: length) }
        case .tenth:
            for _ in 0..<6 * count { model.set(source.hot(10, percent: 90), length: length) }
        case .hundredth:
            for _ in 0..<6 * count { model.set(source.hot(100, percent: 99), length: length) }
        case .mixedSizes:
            for _ in 0..<6 * count {
                model.set(source.any(of: count), length: source.length(usual: length))
            }
        case .growing:
            for write in 0..<6 * count {
                let size = count + write / 2
                let isNew = write % 2 == 0
                model.set(isNew ? size : Int(source.random.next() % UInt64(size)), length: length)
            }
        case .deleting: for key in 0..<count { model.remove(key * 7919 % count, length: tombstone) }
        case .churning:
            for _ in 0..<6 * count {
                let key = source.any(of: count)
                if model.isLive(key) {
                    model.remove(key, length: tombstone)
                } else {
                    model.set(key, length: length)
                }
            }
        case .queue:
            for write in 0..<6 * count {
                model.set(count + write, length: length)
                model.remove(write, length: tombstone)
            }
        }
    }
}
