#if STAVE_FAULTS
    import Foundation
    import StaveDisk
    import TestSupport
    import Testing

    @testable import Stave

    extension FaultPlan {
        /// Files whose failure must be told, even where all answers stay right: what was to
        /// become durable has not. Not those that are only an optimisation.
        fileprivate var pathsToTell: [String] {
            guard let fault, [.sync, .syncData, .rename].contains(fault.call),
                fault.kind == .error(EIO)
            else { return [] }
            return failedPaths.filter {
                !$0.hasSuffix(".hint.tmp") && !$0.hasSuffix("keydir.checkpoint.tmp")
            }
        }
    }

    /// The n-th system call of each kind fails, for every n, over the whole life of a store.
    @Suite("A system call that fails")
    struct FaultTests {
        private let folder: TemporaryFolder

        init() throws { folder = try TemporaryFolder(isInMemory: true) }

        /// Every failure at every call in the long form; in the short form each call fails in one
        /// way, another one in the next run.
        private static let isLong = ProcessInfo.processInfo.environment["STAVE_LONG"] != nil

        /// Of calls that are repeated for one file, as when a saved keydir is read, some are
        /// enough.
        private func faults(of plan: FaultPlan, seed: UInt64, inEachWay: Bool) -> [Fault] {
            var random = SeededRandom(seed: seed)
            var faults: [Fault] = []
            for call in SystemCall.allCases {
                // Nor do hints differ much.
                let many =
                    call == .advise
                    ? Array(1...max(1, plan.counts[call, default: 0]))
                    : plan.repeats[call, default: []]
                let repeats = Set(many.shuffled(using: &random).dropFirst(20))
                for number in stride(from: 1, through: plan.counts[call, default: 0], by: 1)
                where !repeats.contains(number) {
                    let all = call.faults(number: number)
                    // What a name's sync that fails once spoils, the next commit often mends.
                    let groups =
                        call == .syncDirectory
                        ? [all.filter(\.isLasting), all.filter { !$0.isLasting }] : [all]
                    let some = groups.map { $0.randomElement(using: &random)! }
                    faults += Self.isLong || inEachWay ? all : some
                }
            }
            return faults
        }

        /// Runs `body` once to count its calls, then once for each fault.
        private func inject(
            seed: UInt64, durability: Durability, prepare: (FaultScenario) throws -> Void,
            without: Fault? = nil, savesKeydir: Bool = false, isOpening: Bool = false,
            _ body: (FaultScenario) -> Void
        ) throws {
            func run(_ fault: Fault?) throws -> (FaultPlan, FaultScenario) {
                let scenario = FaultScenario(
                    folder: folder.path, durability: durability, savesKeydir: savesKeydir)
                scenario.mergesOnThread = isOpening
                try? FileManager.default.removeItem(atPath: scenario.path)
                try prepare(scenario)
                let plan = FaultPlan(fault)
                let always = FaultPlan(without)
                always.run(at: folder.path) {
                    plan.run(at: folder.path) { body(scenario) }
                    scenario.verify()
                }
                return (plan, scenario)
            }
            let (counting, faultless) = try run(nil)
            #expect(faultless.problems == [] && faultless.errors == [])
            let faults = faults(of: counting, seed: seed, inEachWay: isOpening)
            var injected = 0
            var errors = 0
            for fault in faults {
                let (plan, scenario) = try run(fault)
                injected += plan.injected
                errors += scenario.errors.count
                #expect(scenario.problems == [], "STAVE_SEED=\(seed), \(durability), \(fault)")
                let untold = plan.pathsToTell.filter { path in
                    !scenario.errors.contains { $0.description.contains(path) }
                }
                #expect(untold == [], "STAVE_SEED=\(seed), \(durability), \(fault)")
                if fault.isHarmless { #expect(scenario.errors == [], "\(fault)") }
            }
            #expect(injected >= faults.count)
            // Lost time alone is not told.
            let told = faults.filter { !$0.isHarmless }
            #expect(errors > told.count / 4)
            print("\(faults.count) runs, \(injected) calls failed, \(errors) errors, seed \(seed)")
        }

        @Test(
            "Costs no acknowledged write, over a whole life", arguments: [Durability.always, .os],
            Seeds.some(1))
        func life(durability: Durability, seed: UInt64) throws {
            try inject(seed: seed, durability: durability, prepare: { _ in }) { $0.run() }
        }

        @Test("Costs nothing where the file system cannot reserve space", arguments: Seeds.some(1))
        func withoutReserve(seed: UInt64) throws {
            let never = Fault(.reserve, 1, .error(EOPNOTSUPP), isLasting: true)
            try inject(
                seed: seed, durability: .always, prepare: { _ in }, without: never
            ) { $0.run() }
        }

        @Test("Costs nothing where the keydir is saved at close", arguments: Seeds.some(1))
        func checkpoint(seed: UInt64) throws {
            try inject(
                seed: seed, durability: .os, prepare: { _ in }, savesKeydir: true
            ) { $0.runWithCheckpoint() }
        }

        @Test("Costs nothing while what a kill left is recovered", arguments: Seeds.some(1))
        func recovery(seed: UInt64) throws {
            let killed = try FaultScenario.killed(in: folder.path)
            try inject(
                seed: seed, durability: .os, prepare: { try $0.begin(with: killed) }
            ) { $0.runAfterKill() }
        }

        /// Memory and threads may be missing as well as files. Each failure once and for good; then
        /// the store is opened again, with nothing in its way, and must hold what it held before.
        @Test(
            "Costs nothing while a store is opened",
            arguments: [Left.closed, .closedWithKeydir, .killed], Seeds.some(1))
        func opening(left: Left, seed: UInt64) throws {
            let store =
                switch left {
                case .closed: try FaultScenario.closed(in: folder.path, savesKeydir: false)
                case .closedWithKeydir: try FaultScenario.closed(in: folder.path, savesKeydir: true)
                case .killed: try FaultScenario.killed(in: folder.path)
                }
            try inject(
                seed: seed, durability: .os, prepare: { try $0.begin(with: store) },
                isOpening: true
            ) { $0.runOpening() }
        }

        enum Left: Sendable { case closed, closedWithKeydir, killed }
    }
#endif
