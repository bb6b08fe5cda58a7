#if STAVE_FAULTS
    import Glibc
    import StaveDisk
    import Synchronization
    import TestSupport

    @testable import Stave

    /// A store at work as in production, with threads that seal and compact, while a system call of
    /// one of its threads fails; and what is known of its keys.
    ///
    /// Which thread makes the n-th call is chance: the same seed makes the same writes and the same
    /// fault, but may need some tries to show a failure again.
    final class BackgroundFaultRun: @unchecked Sendable {
        // @unchecked: `heard` has a lock; the rest belongs to one thread at a time.

        /// Keys that one writer has for itself. A key may have more than one value where a write's
        /// end is not known.
        private final class Lane: @unchecked Sendable {
            // @unchecked: used by one thread at a time.
            let name: String
            var model: [String: [String?]] = [:]
            var versions = 0
            var random: SeededRandom

            init(_ name: String, seed: UInt64) {
                self.name = name
                random = SeededRandom(seed: seed)
            }
        }

        private struct Heard {
            var errors: [StoreError] = []
            /// Why compactions in the background failed.
            var events: [StoreError] = []
            var compactions = 0
            var problems: [String] = []
        }

        let path: String
        private let folder: String
        private let durability: Durability
        private let plan: FaultPlan
        private var random: SeededRandom
        private let lanes: [Lane]
        private let heard = Mutex(Heard())
        private var store: Store?
        /// Of segments whose sync had failed before the store was opened.
        private var oldFailures: Set<String> = []

        init(folder: String, durability: Durability, seed: UInt64, _ plan: FaultPlan) {
            self.folder = folder
            path = folder + "/store"
            self.durability = durability
            self.plan = plan
            random = SeededRandom(seed: seed)
            lanes = [Lane("a", seed: seed), Lane("b", seed: seed &+ 1)]
        }

        var problems: [String] { heard.withLock { $0.problems } }
        var errorCount: Int { heard.withLock { $0.errors.count + $0.events.count } }
        var compactionCount: Int { heard.withLock { $0.compactions } }

        private var options: StoreOptions {
            var options = StoreOptions.small(durability: durability)
            options.compaction.minDeadBytes = 4096
            options.onEvent = { [weak self] event in
                switch event {
                case .compacted: self?.heard.withLock { $0.compactions += 1 }
                case .compactionFailed(let error): self?.hear(error, isEvent: true)
                case .hintRebuilt, .setAside, .threadFailed, .writingEnded: break
                }
            }
            return options
        }

        // MARK: What is done

        /// Two writers at once, while the background seals and compacts; closed in between, with
        /// the background at rest or in the middle of its work.
        func run() {
            for _ in 0..<2 {
                open()
                let threads = lanes.map { lane in BackgroundThread { self.write(30, lane) } }
                for thread in threads { try? thread.join() }
                attempt { _ = try Store(path: $0.path, options: .reading).dictionary() }
                if random.chance(70) { rest() }
                close()
            }
        }

        /// Waits until the background has nothing to do any more.
        private func rest() {
            guard let store else { return }
            for _ in 0..<1000 {
                let isAtRest = store.index.withLock {
                    store.log.failure != nil || store.compactor.withState { $0.failure != nil }
                        || (store.log.writer.full.isEmpty
                            && !store.compactor.spaceUse.isDue(store.options.compaction))
                }
                if isAtRest { return }
                usleep(200)
            }
        }

        private func attempt(_ body: (Store) throws -> Void) {
            guard let store else { return }
            do { try body(store) } catch { hear(error) }
        }

        private func open() {
            oldFailures = plan.failedPaths
            do {
                store = try Store(path: path, options: options)
                checkAll("after opening")
            } catch {
                hear(error)
            }
        }

        /// A sync that failed is told, whichever thread made it, and ends all writing: trying again
        /// would lie. It ends only the compaction if the segment was an output.
        private func close() {
            guard let store else { return }
            let paths = plan.isSyncOfSegment ? plan.failedPaths.subtracting(oldFailures) : []
            attempt { try $0.sync() }
            let refusal = storeError { try store.set("last", forKey: "last") }
            attempt { try $0.close() }
            self.store = nil
            let (errors, events) = heard.withLock { ($0.errors, $0.events) }
            for path in paths {
                guard let told = (events + errors).first(where: { $0.description.contains(path) })
                else {
                    report("no error tells that \(path) was not synced")
                    continue
                }
                if case .syncFailed = told {
                    if case .syncFailed? = refusal { continue }
                    report("writes go on though \(path) was not synced")
                }
            }
        }

        private func write(_ count: Int, _ lane: Lane) {
            for _ in 0..<count {
                lane.versions += 1
                let key = "\(lane.name)\(lane.versions % 5)"
                let isThere = lane.model[key]?.last ?? nil != nil
                if isThere, lane.random.chance(15) {
                    change(lane, key, to: nil) { try $0.removeValue(forKey: key) }
                } else {
                    let size = Int.random(in: 200...1400, using: &lane.random)
                    let value = "\(lane.versions) " + String(repeating: "x", count: size)
                    change(lane, key, to: value) { try $0.set(value, forKey: key) }
                }
            }
        }

        private func change(
            _ lane: Lane, _ key: String, to value: String?, _ body: (Store) throws -> Void
        ) {
            guard let store else { return }
            do {
                try body(store)
                lane.model[key] = [value]
            } catch {
                hear(error)
                // Any other error means that nothing was written.
                if case .syncFailed? = error as? StoreError {
                    lane.model[key, default: [nil]].append(value)
                }
            }
            check(lane, key, "in memory")
        }

        // MARK: What must be true

        private func hear(_ error: any Error, isEvent: Bool = false) {
            guard let error = error as? StoreError else {
                return report("not a store's error: \(error)")
            }
            if !error.description.contains(folder) {
                report("an error that names no file: \(error.description)")
            }
            heard.withLock { heard in
                if isEvent { heard.events.append(error) } else { heard.errors.append(error) }
            }
        }

        private func report(_ problem: String) { heard.withLock { $0.problems.append(problem) } }

        private func check(_ lane: Lane, _ key: String, _ place: String) {
            guard let store else { return }
            func short(_ value: String?) -> String { value.map { "\($0.prefix(5))" } ?? "gone" }
            do {
                let found = try store.value(forKey: key).map { String(decoding: $0, as: UTF8.self) }
                let allowed = lane.model[key, default: [nil]]
                guard !allowed.contains(found) else { return }
                report("\(place), \(key) is \(short(found)), not \(allowed.map(short))")
            } catch {
                report("\(place), \(key): \(error)")
            }
        }

        private func checkAll(_ place: String) {
            guard let store else { return }
            for lane in lanes {
                for key in lane.model.keys.sorted() { check(lane, key, place) }
            }
            if store.isReadOnly { report("\(place), it may not be written") }
        }

        /// With no fault any more: all that was acknowledged is there, every byte checks out, and
        /// the store can be used.
        func verify() {
            let before = errorCount
            for round in 0..<2 {
                open()
                checkAll("reopened (\(round))")
                attempt { store in
                    let report = try store.verify()
                    for problem in report.problems {
                        self.report("\(problem.file): \(problem.text)")
                    }
                }
                for lane in lanes { write(2, lane) }
                attempt { _ = try $0.compact() }
                close()
            }
            if errorCount > before {
                let last = heard.withLock { $0.events.last ?? $0.errors.last }
                report("an error when used again: \(last.map { "\($0)" } ?? "")")
            }
        }
    }

    extension FaultPlan {
        /// Does it make the sync of a segment's records fail?
        fileprivate var isSyncOfSegment: Bool {
            fault.map { $0.call == .syncData && !$0.isHarmless } ?? false
        }
    }
#endif
