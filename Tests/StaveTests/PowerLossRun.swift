#if STAVE_FAULTS
    import Foundation
    import Glibc
    import StaveDisk
    import TestSupport

    @testable import Stave

    /// A store that is written to, and a look at every disk that a power cut could leave meanwhile.
    final class PowerLossRun {
        struct Setting: CustomStringConvertible {
            var durability: Durability
            var names: DiskRecorder.Names
            var seed: UInt64
            var steps = 40
            /// How many of the disks that are found are themselves written to and looked at.
            var secondCrashes = 0
            /// The file system cannot reserve space: appends go through pwrite(2).
            var isUnreserved = false
            /// Each close saves the keydir, however small it is.
            var savesKeydir = false
            /// This call fails once, and the store is opened again, as its message says.
            var fault: Fault?
            /// Syncs that the disk does not make, though it says so.
            var ignoring: (SystemCall, String) -> Bool = { _, _ in false }

            var description: String {
                "STAVE_SEED=\(seed), \(durability), names \(names)"
                    + (isUnreserved ? ", without reserve" : "")
                    + (savesKeydir ? ", with checkpoint" : "") + (fault.map { ", \($0)" } ?? "")
            }
        }

        private typealias State = [[UInt8]: [UInt8]]

        private let setting: Setting
        private let folder: String
        private let path: String
        private let recorder: DiskRecorder
        private let plans: [FaultPlan]
        private var random: SeededRandom
        private var store: Store!
        private var compaction: Compaction?
        /// What the store holds after each of its writes.
        private var states: [State]
        /// Writes that have returned, or are being made; and those that no power cut may take.
        private var acknowledged = 0
        private var issued = 0
        private var certain = 0
        /// The number of the write that is being made.
        private var offered: UInt64 = 0
        /// Above the number of every write that was made. A number that was only offered may come
        /// again.
        private var nextSequence: UInt64
        private var seen: Set<Int> = []
        /// Disks to start from again, what was on them, and the number that was next.
        private var again: [(image: DiskImage, state: State, nextSequence: UInt64)] = []

        private(set) var imageCount = 0
        private(set) var eventCount = 0
        private(set) var problems: [String] = []

        convenience init(_ setting: Setting, folder: String) throws {
            try self.init(setting, folder: folder, from: (DiskImage(files: nil), [:], 1))
        }

        private init(
            _ setting: Setting, folder: String,
            from start: (image: DiskImage, state: State, nextSequence: UInt64)
        ) throws {
            self.setting = setting
            self.folder = folder
            path = folder + "/disk"
            try start.image.write(to: path)
            random = SeededRandom(seed: setting.seed)
            recorder = DiskRecorder(path: path, names: setting.names, ignoring: setting.ignoring)
            let never = Fault(.reserve, 1, .error(EOPNOTSUPP), isLasting: true)
            plans = [FaultPlan(setting.fault), FaultPlan(setting.isUnreserved ? never : nil)]
            for plan in plans { DiskWatch.add(plan, at: path) }
            states = [start.state]
            nextSequence = start.nextSequence
        }

        deinit { for plan in plans { DiskWatch.remove(plan) } }

        private static func open(
            _ path: String, _ durability: Durability = .os, savesKeydir: Bool = false
        ) throws -> Store {
            var options = StoreOptions.small(durability: durability)
            options.compaction.isAutomatic = false
            if savesKeydir { options.checkpointEntries = 0 }
            let store = try Store(path: path, options: options)
            store.worker.stop()
            store.compactor.thread.stop()
            return store
        }

        private func open() throws -> Store {
            try Self.open(path, setting.durability, savesKeydir: setting.savesKeydir)
        }

        // MARK: What is done

        func run() throws {
            recorder.onEvent = { [unowned self] event in
                // It opens another store inside a call of this one.
                LockOrder.forgettingHeld { look(event) }
            }
            defer { recorder.onEvent = nil }
            try recorder.run {
                do {
                    store = try open()
                } catch {
                    store = try open()
                }
                for _ in 0..<setting.steps where problems.count < 3 {
                    do { try step() } catch { try reopenAfter(error) }
                }
                do { try close() } catch { try reopenAfter(error) }
                try store.close()
            }
            try runAgain()
        }

        /// From some of the disks that were found: recovery itself loses power, and what comes
        /// after.
        private func runAgain() throws {
            for start in again {
                var next = setting
                (next.steps, next.fault, next.secondCrashes) = (8, nil, 0)
                let run = try PowerLossRun(next, folder: folder + "/again", from: start)
                try run.run()
                imageCount += run.imageCount
                eventCount += run.eventCount
                problems += run.problems
            }
        }

        private func step() throws {
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<52: try write()
            case 52..<64 where setting.durability == .interval || random.chance(50):
                try store.log.syncNow()
                certain = acknowledged
            case 64..<72: try seal()
            case 72..<90: try stepCompaction()
            case 90..<92: _ = try compact()
            case 92..<97: try endSuddenly()
            case 52..<64: try write()
            default: try close()
            }
            recorder.note("between two steps")
        }

        /// A set, a removal, or a batch of some: one step from one state to the next.
        private func write() throws {
            if random.chance(30) { return try writeBatch() }
            let key = Array("k\(Int.random(in: 0..<5, using: &random))".utf8)
            var next = states[acknowledged]
            let isRemoval = next[key] != nil && random.chance(25)
            let size = Int.random(in: 0...(random.chance(20) ? 2500 : 300), using: &random)
            let value =
                Array("\(states.count) \(nextSequence) ".utf8)
                + [UInt8](repeating: 120, count: size)
            next[key] = isRemoval ? nil : value
            issued = acknowledged + 1
            states.append(next)
            offered = try store.statistics().nextSequence
            if isRemoval {
                try store.removeValue(forKey: key)
            } else {
                try store.set(value, forKey: key)
            }
            acknowledged = issued
            nextSequence = try store.statistics().nextSequence
            if setting.durability == .always { certain = acknowledged }
        }

        private func writeBatch() throws {
            var next = states[acknowledged]
            var batch = store.makeBatch()
            for number in 0..<Int.random(in: 2...6, using: &random) {
                let key = Array("k\(Int.random(in: 0..<5, using: &random))".utf8)
                if random.chance(25), try batch.removeValue(forKey: key) {
                    next[key] = nil
                } else {
                    let size = Int.random(in: 0...(random.chance(10) ? 2500 : 300), using: &random)
                    let text = "\(states.count) \(nextSequence) \(number) "
                    next[key] = Array(text.utf8) + [UInt8](repeating: 120, count: size)
                    try batch.set(next[key]!, forKey: key)
                }
            }
            issued = acknowledged + 1
            states.append(next)
            offered = try store.statistics().nextSequence + UInt64(batch.count) - 1
            _ = try store.commit(batch)
            acknowledged = issued
            nextSequence = try store.statistics().nextSequence
            if setting.durability == .always { certain = acknowledged }
        }

        private func seal() throws {
            try store.index.withLock { try store.log.endActiveSegment() }
            if random.chance(70) { try store.log.sealFull() }
        }

        private func compact() throws -> CompactionReport? {
            guard compaction == nil else { return nil }
            return try store.compact()
        }

        /// A few steps of a compaction that writes come between.
        private func stepCompaction() throws {
            if compaction == nil {
                try store.log.sealFull()
                let sealed = store.log.table.visibleSegments.filter {
                    $0.isSealed && !$0.keepsCutBytes
                }
                let inputs = sealed.filter { _ in random.chance(70) }
                guard !inputs.isEmpty else { return }
                let others = sealed.filter { segment in !inputs.contains { $0 === segment } }
                let size = Compaction.StepSize(
                    verifiedBytes: 1 << 10, copiedBytes: 600, switchedEntries: 2)
                compaction = Compaction(
                    of: inputs, others: others, in: store.compactor, stepSize: size)
            }
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                if try compaction?.step() != true {
                    compaction = nil
                    return
                }
                recorder.note("in a compaction")
            }
        }

        private func close() throws {
            if compaction?.isCancellable == true { compaction?.abandon(.cancelled) }
            while try compaction?.step() == true {}
            compaction = nil
            try store.close()
            certain = acknowledged
            recorder.note("closed")
            store = try open()
        }

        /// As after kill -9: the store stops at one of its next calls, and another one takes over
        /// what the kernel has, in the same boot.
        private func endSuddenly() throws {
            let end = SuddenEnd(after: Int.random(in: 0...40, using: &random)) {
                [recorder] in recorder.isStopped = true
            }
            DiskWatch.add(end, at: path, first: true)
            var failure: (any Error)?
            do {
                while failure == nil {
                    try [write, write, stepCompaction, seal].randomElement(using: &random)!()
                }
            } catch {
                failure = error
            }
            compaction = nil
            try? store.close()
            store = nil
            DiskWatch.remove(end)
            recorder.isStopped = false
            recorder.note("killed")
            try reopenAfter(failure ?? StoreError.closed)
        }

        /// What the message of a failure says: the store is opened again, in the same boot.
        private func reopenAfter(_ error: any Error) throws {
            compaction = nil
            try? store?.close()
            store = nil
            store = try open()
            let found = try store.dictionary()
            guard let index = (acknowledged...issued).last(where: { states[$0] == found }) else {
                problems.append("\(setting): after \(error) the store is not what it was")
                return
            }
            // From here the write that failed is part of the history, or is not.
            if index > acknowledged { nextSequence = offered + 1 }
            states.removeLast(states.count - 1 - index)
            (acknowledged, issued) = (index, index)
        }

        // MARK: What must be true

        private func look(_ event: String) {
            eventCount += 1
            for image in recorder.images(&random) {
                var hasher = Hasher()
                hasher.combine(image)
                hasher.combine(certain)
                guard seen.insert(hasher.finalize()).inserted else { continue }
                imageCount += 1
                do {
                    if let problem = try check(image) {
                        problems.append("\(setting), \(event): \(problem)")
                    }
                } catch {
                    problems.append("\(setting), \(event): \(error)")
                }
            }
        }

        private func check(_ image: DiskImage) throws -> String? {
            let copy = folder + "/cut"
            try image.write(to: copy)
            let opened = try Self.open(copy)
            if opened.isReadOnly { return "opens read-only: \(opened.notices)" }
            let found = try opened.dictionary()
            guard let index = (certain...issued).last(where: { states[$0] == found }) else {
                let older = states.lastIndex(of: found).map { "the state after \($0)" }
                return "\(older ?? "no state at all") instead of \(certain) to \(issued)"
                    + " writes; \(opened.notices)"
            }
            let next = try opened.statistics().nextSequence
            if next < nextSequence { return "numbers are used again: \(next), not \(nextSequence)" }
            if random.chance(1), again.count < setting.secondCrashes {
                again.append((image, found, nextSequence))
            }
            if random.chance(4) { try goOn(opened, states[index]) }
            try opened.close()
            return nil
        }

        /// The recovered store can be used, closed and opened; and now and then loses power again.
        private func goOn(_ opened: Store, _ state: State) throws {
            try opened.set("after", forKey: "new key")
            try opened.close()
            var wanted = state
            wanted[Array("new key".utf8)] = Array("after".utf8)
            let again = try Self.open(opened.path)
            if try again.dictionary() != wanted {
                throw Wrong(text: "not what it was after a write")
            }
            if !again.notices.isEmpty { throw Wrong(text: "still notices: \(again.notices)") }
        }

        struct Wrong: Error { var text: String }
    }
#endif
