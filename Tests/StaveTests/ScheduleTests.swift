import StaveDisk
import Synchronization
import TestSupport
import Testing

@testable import Stave

/// Short random schedules of everything that a store does, with compactions cut into their smallest
/// steps and anything between two of them. One thread, no background: a seed repeats its schedule,
/// except for the segments' random identities.
@Suite("Schedules")
struct ScheduleTests {
    private static let count = 10_240
    private static let batch = 640

    /// Those that ran, in all batches, until one failed.
    private static let finished = Atomic<Int>(0)
    private static let hasFailed = Flag()

    /// A crash of this process prints no seed; the folder that it leaves is named after it.
    @Test(
        "Any interleaving of operations, steps of compactions and crashes agrees with a dictionary",
        arguments: ranges(Seeds.some(count)))
    func schedules(seeds: ClosedRange<UInt64>) throws {
        let folder = try TemporaryFolder(isInMemory: true)
        for seed in seeds {
            if Self.hasFailed.isSet { return }
            let run = try Schedule(seed: seed, path: folder.path("seed-\(seed)"))
            do {
                try run.run()
            } catch {
                Self.hasFailed.set()
                let before = Self.finished.load(ordering: .relaxed)
                Issue.record(
                    """
                    \(error)
                    after \(before) schedules; again: STAVE_SEED=\(seed) swift test --filter ScheduleTests
                    \(run.trace.joined(separator: "\n"))
                    """)
            }
            Self.finished.wrappingAdd(1, ordering: .relaxed)
        }
    }

    /// Consecutive seeds in batches, which run in parallel.
    private static func ranges(_ seeds: [UInt64]) -> [ClosedRange<UInt64>] {
        stride(from: 0, to: seeds.count, by: batch).map {
            seeds[$0]...seeds[min($0 + batch, seeds.count) - 1]
        }
    }
}
