#if STAVE_FAULTS
    import Foundation
    import Glibc
    import StaveDisk
    import TestSupport
    import Testing

    @testable import Stave

    /// Every write that the power may interrupt, and every disk that it may leave.
    @Suite("A power cut")
    struct PowerLossTests {
        private let folder: TemporaryFolder

        init() throws { folder = try TemporaryFolder(isInMemory: true) }

        /// Histories for each setting.
        private static let rounds =
            ProcessInfo.processInfo.environment["STAVE_POWER_ROUNDS"].flatMap { Int($0) } ?? 1

        /// Runs one history in a folder of its own.
        private func run(_ setting: PowerLossRun.Setting) throws -> PowerLossRun {
            let path = folder.path(UUID().uuidString)
            defer { try? FileManager.default.removeItem(atPath: path) }
            try FileManager.default.createDirectory(
                atPath: path + "/again", withIntermediateDirectories: true)
            let run = try PowerLossRun(setting, folder: path)
            try run.run()
            return run
        }

        @Test(
            "Leaves a prefix of the writes, no older than the last sync; at `always`, all of them",
            arguments: Durability.allCases, Seeds.some(rounds))
        func prefix(durability: Durability, seed: UInt64) throws {
            var images = 0
            var events = 0
            for (index, names) in DiskRecorder.Names.allCases.enumerated() {
                var setting = PowerLossRun.Setting(durability: durability, names: names, seed: seed)
                setting.secondCrashes = 1
                setting.isUnreserved = (seed / 3 + UInt64(index)) % 3 == 0
                setting.savesKeydir = (seed + UInt64(index)) % 3 == 0
                let run = try run(setting)
                #expect(run.problems == [])
                images += run.imageCount
                events += run.eventCount
            }
            #expect(images > 500)
            print("\(durability): \(events) crash points, \(images) disks, STAVE_SEED=\(seed)")
        }

        @Test(
            "Uses no number twice where a process was killed between MANIFEST's rename and its sync",
            arguments: [
                (DiskRecorder.Names.inOrder, true, 957_228_455),
                (.inAnyOrder, false, 957_228_440),
            ] as [(DiskRecorder.Names, Bool, UInt64)])
        func looseManifest(names: DiskRecorder.Names, isUnreserved: Bool, seed: UInt64) throws {
            var setting = PowerLossRun.Setting(durability: .interval, names: names, seed: seed)
            setting.isUnreserved = isUnreserved
            #expect(try run(setting).problems == [])
        }

        @Test(
            "After a failed sync and a new start, what is acknowledged then is not lost either",
            arguments: Seeds.some(8 * rounds))
        func failedSync(seed: UInt64) throws { try failSync(seed, .always) }

        @Test(
            "After a failed sync and a new start, a full segment is sealed only with what is on disk",
            arguments: Seeds.some(3 * rounds))
        func failedSyncOfFull(seed: UInt64) throws { try failSync(seed, .os) }

        private func failSync(_ seed: UInt64, _ durability: Durability) throws {
            var random = SeededRandom(seed: seed)
            let call = [SystemCall.syncData, .syncData, .sync, .syncDirectory, .rename]
                .randomElement(using: &random)!
            var setting = PowerLossRun.Setting(
                durability: durability, names: .allCases.randomElement(using: &random)!, seed: seed)
            let number = Int.random(in: 2...25, using: &random)
            // There are fewer syncs where not each write has one.
            setting.fault = Fault(
                call, durability == .always ? number : 1 + number / 3, .error(EIO))
            setting.isUnreserved = random.chance(30)
            let run = try run(setting)
            #expect(run.problems == [])
        }

        /// A disk that says it has synced and has not: this proves that the test would see a sync
        /// that is left out, and that each is needed.
        struct Lie: Sendable, CustomStringConvertible {
            var description: String
            var isIgnored: @Sendable (SystemCall, String) -> Bool
        }

        private static let lies: [Lie] = [
            Lie(description: "a segment's data") { call, path in
                call == .syncData && path.hasSuffix(".segment")
            },
            Lie(description: "a new segment's header") { call, path in
                call == .sync && path.hasSuffix(".segment")
            },
            Lie(description: "MANIFEST before its rename") { call, path in
                call == .sync && path.hasSuffix("MANIFEST.tmp")
            },
            Lie(description: "the directory") { call, path in call == .syncDirectory },
        ]

        @Test("Loses writes on a disk that does not sync what it is told to", arguments: lies)
        func lie(_ lie: Lie) throws {
            for seed in UInt64(1)...20 {
                var setting = PowerLossRun.Setting(
                    durability: .always, names: .inOrder, seed: seed)
                setting.ignoring = lie.isIgnored
                if try !run(setting).problems.isEmpty { return }
            }
            Issue.record("20 histories do not need a sync of \(lie)")
        }
    }
#endif
