import Glibc
import StaveDisk
import Synchronization
import TestSupport
import Testing

@testable import Stave

/// Events of a store, in their order.
private final class Events: @unchecked Sendable {
    // @unchecked: `all` is guarded by `lock`.
    private let lock = Lock(.monitor)
    private var all: [StoreEvent] = []

    func add(_ event: StoreEvent) { lock.withLock { all.append(event) } }

    var compactions: [CompactionReport] {
        lock.withLock {
            all.compactMap { if case .compacted(let report) = $0 { report } else { nil } }
        }
    }

    var failures: [StoreError] {
        lock.withLock {
            all.compactMap { if case .compactionFailed(let error) = $0 { error } else { nil } }
        }
    }
}

@Suite("The background compacts by its policy")
struct CompactionPolicyTests {
    private let folder: TemporaryFolder
    private let path: String
    private let events = Events()

    init() throws {
        folder = try TemporaryFolder(isInMemory: true)
        path = folder.path("store")
    }

    private func options(
        segmentSize: Int = 1 << 20, minDeadBytes: Int = 64 << 10,
        _ change: (inout CompactionPolicy) -> Void = { _ in }
    ) -> StoreOptions {
        var options = StoreOptions.small(segmentSize)
        options.compaction.minDeadBytes = minDeadBytes
        change(&options.compaction)
        options.onEvent = { [events] in events.add($0) }
        return options
    }

    private func value(_ version: Int, _ count: Int = 1000) -> [UInt8] {
        Array("\(version) ".utf8) + [UInt8](repeating: 46, count: count)
    }

    private func key(_ number: Int) -> [UInt8] { Array("key \(number)".utf8) }

    /// Waits for the background, however slow the machine; false after a very long time.
    private func eventually(_ isTrue: () throws -> Bool) rethrows -> Bool {
        for _ in 0..<60_000 {
            if try isTrue() { return true }
            usleep(1000)
        }
        return false
    }

    /// Bytes of all segment files; those that are removed meanwhile do not count.
    private func segmentBytes(_ store: Store) throws -> Int {
        try StoreFolder.segments(path).reduce(0) { $0 + (store.log.directory.size(of: $1) ?? 0) }
    }

    /// Two versions of 3,000 keys, the older dead: half of each sealed segment, so that a
    /// compaction has something to free and something to copy.
    private func fill(_ store: Store) throws {
        for number in 0..<3000 {
            try store.set(value(number), forKey: key(number))
            try store.set(value(number + 3000), forKey: key(number))
        }
        try store.sealActive()
    }

    private func expectFilled(_ store: Store) throws {
        #expect(store.count == 3000)
        for number in 0..<3000 where try store.value(forKey: key(number)) != value(number + 3000) {
            Issue.record("key \(number) has not its newest value")
        }
    }

    // MARK: Damage

    @Test("The background leaves a damaged victim alone, says so once, and goes on with the others")
    func damagedVictim() throws {
        var options = options(segmentSize: 256 << 10)
        options.compaction.isAutomatic = false
        var store = try Store(path: path, options: options)
        for number in 0..<600 { try store.set(value(number), forKey: key(number % 300)) }
        try store.sealActive()
        try store.close()
        let damaged = try #require(try StoreFolder.segments(path).first)
        let bytes = try StoreFolder.bytes(path, damaged)
        var changed = bytes
        changed[SegmentHeader.byteCount + 500] ^= 1
        try StoreFolder.write(changed, path, damaged)
        options.compaction.isAutomatic = true
        store = try Store(path: path, options: options)
        // Wakes the background; key 0's first record is dead, and one byte of it is wrong now.
        for number in 600..<2700 { try store.set(value(number), forKey: key(number % 300)) }
        #expect(try eventually { try store.statistics().compactionCount > 2 })
        _ = try eventually { try store.compactor.compactOnce() == nil }
        let told = events.compactions.filter { !$0.damage.isEmpty }
        #expect(told.count == 1)
        #expect(told.first?.damage.count == 1)
        #expect(told.first?.damage.first?.contains(damaged) == true)
        #expect(events.failures.isEmpty)
        #expect(try StoreFolder.bytes(path, damaged) == changed)
        for number in 0..<300 {
            #expect(try store.value(forKey: key(number)) == value(2400 + number))
        }
    }

    // MARK: Space

    @Test("Overwritten at full speed, the directory stays within its bound")
    func bound() throws {
        let segmentSize = 16 << 20
        let store = try Store(path: path, options: options(segmentSize: segmentSize))
        var random = SeededRandom.forTest()
        var versions = [Int](repeating: 0, count: 6000)
        for number in versions.indices { try store.set(value(0), forKey: key(number)) }
        var highest = 0.0
        for version in 1...100_000 {
            let number = Int.random(in: 0..<versions.count, using: &random)
            try store.set(value(version), forKey: key(number))
            versions[number] = version
            guard version % 1000 == 0 else { continue }
            let live = try store.statistics().liveBytes
            let excess = Double(try segmentBytes(store) - 2 * live) / Double(segmentSize)
            highest = max(highest, excess)
            #expect(excess <= 1, "after \(version): 2 x live and \(excess) segments")
        }
        let statistics = try store.statistics()
        print(
            "directory: at most 2 x live and \(highest) segments; write amplification"
                + " \(statistics.writeAmplification ?? 0) in \(statistics.compactionCount)"
                + " compactions")
        #expect(events.compactions.count > 0 && events.failures.isEmpty)
        #expect(
            try eventually { try segmentBytes(store) <= 2 * statistics.liveBytes + segmentSize })
        for number in versions.indices {
            if try store.value(forKey: key(number)) != value(versions[number]) {
                Issue.record("key \(number) has not its newest value")
            }
        }
    }

    @Test(
        "A small store that is overwritten all day stays small: its active segment is ended early")
    func smallStore() throws {
        let options = options(segmentSize: 64 << 20, minDeadBytes: 256 << 10)
        let store = try Store(path: path, options: options)
        for version in 0..<40_000 { try store.set(value(version), forKey: key(version % 10)) }
        #expect(try eventually { try segmentBytes(store) < 4 << 20 })
        #expect(events.compactions.count > 0 && events.failures.isEmpty)
        for number in 0..<10 {
            #expect(try store.value(forKey: key(number)) == value(39_990 + number))
        }
    }

    @Test("Keys without values that come and go leave nothing behind, and hold no writer up")
    func queue() throws {
        let options = options(segmentSize: 64 << 20, minDeadBytes: 256 << 10)
        let store = try Store(path: path, options: options)
        for number in 0..<200_000 {
            try store.set([], forKey: key(number))
            try store.removeValue(forKey: key(number))
        }
        #expect(try eventually { try segmentBytes(store) < 4 << 20 })
        #expect(store.count == 0 && events.failures.isEmpty)
    }

    @Test("After all keys are deleted the policy drops all tombstones in sealed segments")
    func tombstones() throws {
        let store = try Store(path: path, options: options { $0.isAutomatic = false })
        try fill(store)
        for number in 0..<3000 { try store.removeValue(forKey: key(number)) }
        #expect(try store.statistics().tombstoneBytes > 0)
        try store.sealActive()
        while let report = try store.compactor.compactOnce() { #expect(report.segmentsBefore > 0) }
        #expect(try store.statistics().tombstoneBytes == 0)
        #expect(try segmentBytes(store) < 4096)
        try store.close()
        #expect(try Store(path: path).count == 0)
    }

    // MARK: Pause, resume, cancel, close

    /// Starts a compaction in a thread that pauses itself before its first step and returns it when
    /// it is there.
    private func pausedCompaction(
        _ store: Store
    ) throws -> BackgroundThread<StoreError?> {
        let isPaused = Flag()
        let thread = BackgroundThread {
            storeError {
                try store.compact { _ in
                    if isPaused.isSet { return }
                    store.pauseCompaction()
                    isPaused.set()
                }
            }
        }
        try wait(for: "the compaction's first step") { isPaused.isSet }
        return thread
    }

    @Test("A paused compaction holds no writer up, and goes on when it is resumed")
    func pause() throws {
        let store = try Store(path: path, options: options { $0.isAutomatic = false })
        try fill(store)
        let compaction = try pausedCompaction(store)
        try store.set("new", forKey: "new")
        try store.removeValue(forKey: "new")
        try expectFilled(store)
        #expect(try store.statistics().compactionCount == 0)
        store.resumeCompaction()
        #expect(try compaction.join() == nil)
        #expect(try store.statistics().compactionCount == 1)
        try expectFilled(store)
    }

    @Test("A cancelled compaction leaves the store as it was; the next one succeeds")
    func cancel() throws {
        let store = try Store(path: path, options: options { $0.isAutomatic = false })
        try fill(store)
        let before = try StoreFolder.names(path)
        let compaction = try pausedCompaction(store)
        store.cancelCompaction()
        #expect(try compaction.join() == .cancelled)
        #expect(try StoreFolder.names(path) == before)
        try expectFilled(store)
        store.resumeCompaction()
        #expect(try store.compact().droppedRecords > 0)
        try expectFilled(store)
    }

    @Test("Closing ends a paused compaction, and nothing is lost")
    func close() throws {
        let store = try Store(path: path, options: options { $0.isAutomatic = false })
        try fill(store)
        let compaction = try pausedCompaction(store)
        try store.close()
        #expect(try compaction.join() == .cancelled)
        let again = try Store(path: path, options: options { $0.isAutomatic = false })
        #expect(again.notices == [])
        try expectFilled(again)
        #expect(try again.statistics().deadBytes > 0)
    }

    // MARK: The limit on the rate

    /// At one byte a second the first step is the last one for a day.
    @Test("A compaction waits for its rate until it is cancelled, and closing ends it")
    func rate() throws {
        let slow = options {
            $0.bytesPerSecond = 1
            $0.maxAmplification = 100
        }
        // All is sealed before the background begins: what it chooses has something to copy.
        let filled = try Store(path: path, options: options { $0.isAutomatic = false })
        try fill(filled)
        try filled.close()
        for round in 0..<2 {
            let store = try Store(path: path, options: slow)
            let before = store.log.manifest.current.segments.map(\.number)
            try store.wakeBackground()
            // Its output is there, so it has taken a step.
            let hasStarted = eventually {
                store.index.withLock {
                    store.log.table.segments.compactMap(\.self).count
                        > store.log.table.visibleSegments.count
                }
            }
            #expect(hasStarted)
            #expect(events.compactions.isEmpty && events.failures.isEmpty)
            if round == 1 {
                store.cancelCompaction()
                #expect(try store.compact().droppedRecords > 0)
            } else {
                #expect(store.log.manifest.current.segments.map(\.number) == before)
            }
            try store.close()
        }
        try expectFilled(try Store(path: path))
    }

    @Test("Pausing and resuming does not shorten the wait for the rate")
    func rateAndSignals() throws {
        let gate = CompactionGate()
        let ticket = gate.ticket
        let hasPassed = Flag()
        let waiter = BackgroundThread {
            storeError {
                try gate.pass(ticket, waiting: 3_600_000_000_000)
                hasPassed.set()
            }
        }
        for _ in 0..<100 {
            gate.signal()
            gate.pause()
            gate.resume()
            usleep(1000)
        }
        #expect(!hasPassed.isSet)
        gate.cancel()
        #expect(try waiter.join() == .cancelled)
    }

    // MARK: Failure

    @Test("A compaction that fails in the background is told, and the store goes on")
    func failure() throws {
        do {
            let store = try Store(path: path, options: options { $0.isAutomatic = false })
            try fill(store)
            try store.set("active", forKey: "active")
            try store.close()
        }
        let store = try Store(path: path, options: options())
        // A directory where the output should go stands in for a full disk.
        let obstacle = path + "/" + FileName.segment(store.log.manifest.current.nextSegment).name
        try Obstacle.put(obstacle)
        try store.wakeBackground()
        #expect(eventually { !events.failures.isEmpty })
        #expect(events.compactions.isEmpty)
        try Obstacle.remove(obstacle)
        try store.removeValue(forKey: "active")
        try expectFilled(store)
        // Over its bound, and no writer is held up.
        for version in 0..<10_000 { try store.set(value(version), forKey: key(0)) }
        try store.set(value(3000), forKey: key(0))
        #expect(events.failures.count == 1 && events.compactions.isEmpty)
        #expect(try store.compact().droppedRecords > 0)
        try expectFilled(store)
        try store.close()
        try expectFilled(try Store(path: path))
    }

    @Test("It is tried again a minute later, whatever the clock on the wall says")
    func nextTry() throws {
        let store = try Store(path: path, options: options())
        store.pauseCompaction()
        try fill(store)
        let obstacle = path + "/" + FileName.segment(store.log.manifest.current.nextSegment).name
        try Obstacle.put(obstacle)
        let before = Clock.monotonicNanoseconds()
        store.resumeCompaction()
        try store.wakeBackground()
        #expect(eventually { !events.failures.isEmpty })
        let nextTry = store.compactor.withState { $0.failure?.nextTry } ?? 0
        #expect(nextTry >= before + 60_000_000_000)
        #expect(nextTry <= Clock.monotonicNanoseconds() + 60_000_000_000)
        try Obstacle.remove(obstacle)
        try store.wakeBackground()
        #expect(events.compactions.isEmpty)
        store.compactor.withState { $0.failure?.nextTry = 0 }
        try store.wakeBackground()
        #expect(eventually { !events.compactions.isEmpty })
        try expectFilled(store)
        try store.close()
    }
}
