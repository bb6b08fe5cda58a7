#if STAVE_FAULTS
    import Foundation
    import StaveDisk
    import TestSupport
    import Testing

    @testable import Stave

    /// The n-th system call of each kind fails, whichever thread makes it.
    @Suite("A system call that fails while the background works")
    struct BackgroundFaultTests {
        private let folder: TemporaryFolder

        init() throws { folder = try TemporaryFolder(isInMemory: true) }

        private static let isLong = ProcessInfo.processInfo.environment["STAVE_LONG"] != nil

        /// In the long form every call fails in one way, another one in the next run; in the short
        /// form a few calls of each kind do.
        private func faults(
            of counts: [SystemCall: Int], _ random: inout SeededRandom
        ) -> [Fault] {
            var faults: [Fault] = []
            for call in SystemCall.allCases {
                let count = counts[call, default: 0]
                guard count > 0 else { continue }
                let some = (0..<Self.faultsOfKind(call)).map { _ in
                    Int.random(in: 1...count, using: &random)
                }
                for number in Self.isLong ? Array(1...count) : some {
                    faults.append(call.faults(number: number).randomElement(using: &random)!)
                }
            }
            return faults
        }

        /// Most of what can go wrong goes wrong where something is to become durable.
        private static func faultsOfKind(_ call: SystemCall) -> Int {
            switch call {
            case .sync, .syncData, .syncDirectory, .rename: 8
            default: 3
            }
        }

        private func run(
            _ fault: Fault?, _ durability: Durability, seed: UInt64
        ) -> (FaultPlan, BackgroundFaultRun) {
            let plan = FaultPlan(fault)
            let run = BackgroundFaultRun(
                folder: folder.path, durability: durability, seed: seed, plan)
            try? FileManager.default.removeItem(atPath: run.path)
            plan.run(at: folder.path) { run.run() }
            run.verify()
            return (plan, run)
        }

        @Test(
            "Costs no acknowledged write, whichever thread makes it",
            arguments: Durability.allCases, Seeds.some(1))
        func anyThread(durability: Durability, seed: UInt64) throws {
            let (counting, faultless) = run(nil, durability, seed: seed)
            #expect(faultless.problems == [] && faultless.errorCount == 0)
            #expect(faultless.compactionCount > 0)
            var random = SeededRandom(seed: seed)
            let faults = faults(of: counting.counts, &random)
            var injected = 0
            var errors = 0
            var compactions = 0
            for (index, fault) in faults.enumerated() {
                let (plan, run) = run(fault, durability, seed: seed &+ UInt64(index))
                injected += plan.injected
                errors += run.errorCount
                compactions += run.compactionCount
                #expect(run.problems == [], "STAVE_SEED=\(seed), \(durability), \(fault)")
                if fault.isHarmless { #expect(run.errorCount == 0, "\(fault)") }
            }
            #expect(injected > faults.count / 2)
            #expect(errors > faults.count / 4)
            print(
                "\(durability): \(faults.count) runs, \(injected) calls failed, \(errors) errors,"
                    + " \(compactions) compactions in the background, STAVE_SEED=\(seed)")
        }
    }
#endif
