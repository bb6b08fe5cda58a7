#if STAVE_FAULTS
    import Glibc
    import StaveDisk
    import Synchronization
    import TestSupport
    import Testing

    @testable import Stave

    /// A limit on processes, or little memory: pthread_create fails, and later it does not.
    @Suite("Where no thread can be had")
    struct ThreadFailureTests {
        private let folder: TemporaryFolder
        private let path: String
        private let told = Told()

        private final class Told: Sendable {
            private let works = Mutex<[BackgroundWork]>([])
            var all: [BackgroundWork] { works.withLock { $0 } }
            func receive(_ event: StoreEvent) {
                guard case .threadFailed(let work, let error) = event else { return }
                works.withLock { $0.append(work) }
                #expect(error.description.contains("start a thread"))
            }
        }

        init() throws {
            folder = try TemporaryFolder(isInMemory: true)
            path = folder.path("store")
        }

        private func options(_ durability: Durability, segmentSize: Int = 1 << 20) -> StoreOptions {
            var options = StoreOptions.small(segmentSize, durability: durability)
            options.onEvent = { [told] in told.receive($0) }
            return options
        }

        private let never = Fault(.startThread, 1, .error(EAGAIN), isLasting: true)

        private func eventually(_ isTrue: () throws -> Bool) rethrows -> Bool {
            for _ in 0..<20_000 {
                if try isTrue() { return true }
                usleep(1000)
            }
            return false
        }

        @Test("A write at `interval` is durable when it returns, and that is told once")
        func interval() throws {
            let store = try Store(path: path, options: options(.interval))
            try FaultPlan(never).run(at: path) {
                for number in 1..<10 {
                    try store.set("\(number)", forKey: "key \(number)")
                    if number == 5 { try store.removeValue(forKey: "key 1") }
                    let statistics = try store.statistics()
                    #expect(statistics.durableSequence == statistics.nextSequence)
                    #expect(
                        statistics.threadFailure?.contains("each write is synced") == true)
                }
            }
            #expect(told.all.filter { $0 == .syncing } == [.syncing])
            try store.close()
        }

        @Test("The next write tries again, and then the background syncs")
        func later() throws {
            let store = try Store(path: path, options: options(.interval))
            try FaultPlan(Fault(.startThread, 1, .error(EAGAIN))).run(at: path) {
                try store.set("1", forKey: "a")
                #expect(store.worker.failure != nil)
                try store.set("2", forKey: "a")
            }
            #expect(try store.statistics().threadFailure == nil)
            let isDurable = try eventually {
                let statistics = try store.statistics()
                return statistics.durableSequence == statistics.nextSequence
            }
            #expect(isDurable)
            #expect(told.all == [.syncing])
            try store.close()
        }

        @Test("The directory keeps its bound: the writer compacts")
        func compaction() throws {
            var options = options(.os, segmentSize: 64 << 10)
            options.compaction.minDeadBytes = 64 << 10
            let store = try Store(path: path, options: options)
            let value = String(repeating: "v", count: 1000)
            try FaultPlan(never).run(at: path) {
                for number in 0..<4000 { try store.set(value, forKey: "key \(number % 20)") }
            }
            let statistics = try store.statistics()
            #expect(statistics.compactionCount > 0)
            #expect(statistics.diskBytes < 1 << 20)
            #expect(Set(told.all) == [.compacting, .preparingPages, .syncing])
            #expect(told.all.count == 3)
            #expect(store.count == 20)
            try store.close()
        }

        @Test("A store opens all the same, as fast as one thread can")
        func opening() throws {
            var options = options(.os, segmentSize: 4096)
            options.mergeBatch = 2
            let store = try Store(path: path, options: options)
            for number in 0..<200 { try store.set("\(number)", forKey: "key \(number)") }
            try store.close()
            let plan = FaultPlan(never)
            let again = try plan.run(at: path) { try Store(path: path, options: options) }
            #expect(plan.injected > 0)
            #expect(again.count == 200)
            try again.close()
        }
    }
#endif
