import StaveDisk
import TestSupport
import Testing

@testable import Stave

@Suite("Compaction")
struct CompactionTests {
    private let folder: TemporaryFolder
    private let history = History.random(400, keys: 40, seed: 5)

    init() throws { folder = try TemporaryFolder(isInMemory: true) }

    private func store(_ name: String = "store") throws -> Store {
        try Store(path: folder.path(name), options: .small())
    }

    /// Compacts the segments at these places, oldest first, and no others.
    private func compact(_ places: [Int], in store: Store) throws -> CompactionReport {
        let sealed = store.index.withLock {
            store.log.table.visibleSegments.filter(\.isSealed).sorted { $0.number < $1.number }
        }
        let inputs = places.map { sealed[$0] }
        let others = sealed.filter { segment in !inputs.contains { $0 === segment } }
        return try Compaction(of: inputs, others: others, in: store.compactor).run()
    }

    private func tombstones(_ path: String) throws -> Int {
        try StoreFolder.segments(path).reduce(0) { sum, name in
            try sum + StoreFolder.records(path, name).count { $0.header.kind == .tombstone }
        }
    }

    @Test("A tombstone is kept while an older segment outside the compaction has its key")
    func tombstoneKept() throws {
        let store = try store()
        try store.set("old", forKey: "key")
        try store.sealActive()
        try store.removeValue(forKey: "key")
        try store.sealActive()
        let report = try compact([1], in: store)
        #expect(report.copiedRecords == 1)
        #expect(try tombstones(store.path) == 1)
        try store.close()
        let again = try self.store()
        #expect(try again.value(forKey: "key") == nil)
        // The older segment goes; the tombstone, now in a newer file, has nothing to hide any more.
        let both = try compact([0, 1], in: again)
        #expect(both.copiedRecords == 0)
        #expect(try StoreFolder.segments(again.path).isEmpty)
        #expect(try again.value(forKey: "key") == nil)
    }

    @Test("A tombstone is dropped when all that is older is in the compaction or has other keys")
    func tombstoneDropped() throws {
        let store = try store()
        try store.set("old", forKey: "kez")
        try store.sealActive()
        try store.set("old", forKey: "key")
        try store.removeValue(forKey: "key")
        try store.sealActive()
        try store.set("new", forKey: "other")
        try store.sealActive()
        let report = try compact([1], in: store)
        #expect(report.copiedRecords == 0)
        #expect(report.droppedRecords == 2)
        #expect(try tombstones(store.path) == 0)
        try store.close()
        #expect(try self.store().dictionary().count == 2)
    }

    @Test("A tombstone is kept for an older record that a compaction moved to a newer file")
    func tombstoneKeptForMovedRecord() throws {
        let store = try store()
        try store.set("old", forKey: "key")
        try store.set("x", forKey: "overwritten")
        try store.set("y", forKey: "overwritten")
        try store.sealActive()
        _ = try compact([0], in: store)
        try store.removeValue(forKey: "key")
        try store.sealActive()
        // Places now: 0 the moved record, 1 the tombstone. By number and by age.
        #expect(try compact([1], in: store).copiedRecords == 1)
        try store.close()
        let again = try self.store()
        #expect(try again.value(forKey: "key") == nil)
        #expect(again.count == 1)
    }

    @Test("A newer segment that has the key keeps no tombstone")
    func tombstoneBeforeNewerRecord() throws {
        let store = try store()
        try store.set("old", forKey: "key")
        try store.removeValue(forKey: "key")
        try store.sealActive()
        try store.set("new", forKey: "key")
        try store.sealActive()
        #expect(try compact([0], in: store).copiedRecords == 0)
        try store.close()
        #expect(try self.store().value(forKey: "key") == Array("new".utf8))
    }

    @Test(
        "Any choice of segments, one compaction after another, changes no answer",
        arguments: Seeds.some(6))
    func anyChoice(seed: UInt64) throws {
        print("seed \(seed)")
        var random = SeededRandom(seed: seed)
        let history = History.random(300, keys: 20, seed: seed)
        let path = folder.path("\(seed)")
        var store = try Store(path: path, options: .small())
        var start = 0
        while start < 300 {
            let end = min(start + Int.random(in: 1...40, using: &random), 300)
            try history.play(start..<end, on: store)
            try store.sealActive()
            let count = store.log.table.visibleSegments.count { $0.isSealed }
            let places = (0..<count).filter { _ in random.chance(40) }
            if !places.isEmpty { _ = try compact(places, in: store) }
            #expect(try store.dictionary() == history.state(after: end), "seed \(seed)")
            if random.chance(30) {
                try store.close()
                store = try Store(path: path, options: .small())
                #expect(try store.gets(history.keys) == history.state(after: end), "seed \(seed)")
            }
            start = end
        }
    }

    /// What a crash can leave, put together from a copy before, the outputs, and a copy after:
    ///
    ///     MANIFEST   inputs   outputs
    ///     before     all      none, some or all
    ///     after      any      all
    @Test("A crash before the commit leaves the inputs, one after it the outputs")
    func crashes() throws {
        let store = try store()
        try history.play(on: store)
        try store.sealActive()
        let (before, after) = (folder.path("before"), folder.path("after"))
        try store.copyAsKilled(to: before)
        _ = try store.compact()
        try store.copyAsKilled(to: after)
        let inputs = Set(try StoreFolder.names(before)), outputs = Set(try StoreFolder.names(after))
        let made = outputs.subtracting(inputs).sorted(), gone = inputs.subtracting(outputs).sorted()
        #expect(made.count > 1 && gone.count > 1)
        let copy = folder.path("copy")
        func check(_ base: String, adding names: ArraySlice<String>, from other: String) throws {
            try StoreFolder.copy(base, to: copy)
            for name in names {
                try StoreFolder.write(StoreFolder.bytes(other, name), copy, name)
            }
            let again = try Store(path: copy, options: .small())
            #expect(again.notices == [])
            #expect(try again.dictionary() == history.state())
            #expect(try again.gets(history.keys) == history.state())
            try again.log.clearLeftovers()
            let left = Set(try StoreFolder.names(copy)).subtracting(["LOCK"])
            #expect(left == Set(try StoreFolder.names(base)).subtracting(["LOCK"]))
        }
        for count in 0...made.count { try check(before, adding: made.prefix(count), from: after) }
        for count in 0...gone.count { try check(after, adding: gone.suffix(count), from: before) }
    }

    @Test("A cursor made before a compaction sees the state of then, with its segments gone")
    func cursor() throws {
        let store = try store()
        try history.play(0..<300, on: store)
        var cursor = try store.entries()
        var found: [[UInt8]: [UInt8]] = [:]
        for _ in 0..<3 {
            if let (key, value) = try cursor.next() { found[key] = value }
        }
        try history.play(300..<400, on: store)
        _ = try store.compact()
        try store.set("later", forKey: "zzz")
        while let (key, value) = try cursor.next() { found[key] = value }
        #expect(found == history.state(after: 300))
    }

    @Test("A value that is being read stays where it is, whatever a compaction does meanwhile")
    func readerInside() throws {
        let store = try store()
        try history.play(on: store)
        let (key, wanted) = try #require(history.state().first)
        var report: CompactionReport?
        let read = unsafe try store.withValue(forKey: key.span.bytes) { value in
            report = try? store.compact()
            // A slot that is given away too early is taken again by these.
            for number in 0..<300 { try? store.set("other", forKey: "other \(number)") }
            return unsafe value.withUnsafeBytes { unsafe Array($0) }
        }
        #expect(read == wanted)
        #expect(report?.segmentsBefore ?? 0 > 0)
        #expect(try store.value(forKey: key) == wanted)
    }

    @Test("A set or delete between copy and switch wins over the copy")
    func writesDuringCompaction() throws {
        let store = try store()
        try store.set("1", forKey: "set"); try store.set("1", forKey: "delete")
        try store.set("1", forKey: "stay"); try store.set("1", forKey: "dead")
        try store.set("2", forKey: "dead")
        try store.sealActive()
        // The copy is made; the commit waits for the sync lock. Meanwhile the writes are made.
        store.log.syncLock.lock()
        let compaction = BackgroundThread { try compact([0], in: store) }
        try wait(for: "the compaction's output") {
            store.index.withLock { store.log.table.segments.compactMap { $0 }.count } >= 2
        }
        try store.set("2", forKey: "set")
        try store.removeValue(forKey: "delete")
        store.log.syncLock.unlock()
        let report = try compaction.join()
        #expect(report.copiedRecords >= 3)
        func check(_ store: Store) throws {
            #expect(try store.value(forKey: "set") == [UInt8(ascii: "2")])
            #expect(try store.value(forKey: "delete") == nil)
            #expect(try store.value(forKey: "stay") == [UInt8(ascii: "1")])
            #expect(store.count == 3)
        }
        try check(store)
        try store.close()
        try check(self.store())
    }

    @Test(
        "The plan says what the compaction then does, and the directory ends up near its live size")
    func planAndSpace() throws {
        let store = try store()
        try history.play(on: store)
        let before = try store.statistics()
        let plan = try store.compactionPlan()
        let report = try store.compact()
        let after = try store.statistics()
        #expect(report.copiedRecords == plan.copiedRecords)
        #expect(report.freedBytes > 0 && report.droppedRecords == plan.droppedRecords)
        #expect(after.liveBytes == before.liveBytes)
        #expect(after.deadBytes == 0 && after.tombstoneBytes == 0)
        let hints = try StoreFolder.hints(store.path).reduce(0) {
            try $0 + StoreFolder.bytes(store.path, $1).count
        }
        #expect(after.diskBytes - hints < after.liveBytes + 80 * after.segments.count + 2048)
        #expect(try store.compactionPlan() == CompactionReport())
    }

    @Test(
        "A plan goes on while keys of the active segment are deleted and set",
        arguments: ["delete", "set", "delete and set"])
    func planBesideWrites(_ change: String) throws {
        let store = try store()
        for number in 0..<20 { try store.set("1", forKey: "key \(number)") }
        let segments = store.index.withLock { store.log.table.visibleSegments }
        let plan = Compaction(of: segments, others: [], in: store.compactor)
        try plan.takeImages()
        if change.contains("delete") { try store.removeValue(forKey: "key 7") }
        if change.contains("set") { try store.set("2", forKey: "key 7") }
        #expect(try plan.planCopies().copiedRecords >= 19)
    }

    @Test("A compaction that cannot commit leaves the store as it was, and the next one succeeds")
    func failedCommit() throws {
        let store = try store()
        try history.play(on: store)
        try store.sealActive()
        let before = try StoreFolder.names(store.path)
        // A directory where the temporary MANIFEST should go: an error that no cleaning up removes.
        let obstacle = store.path + "/MANIFEST.tmp"
        try Obstacle.put(obstacle)
        #expect(throws: StoreError.self) { try store.compact() }
        try Obstacle.remove(obstacle)
        #expect(try StoreFolder.names(store.path) == before)
        #expect(try store.dictionary() == history.state())
        _ = try store.compact()
        #expect(try store.gets(history.keys) == history.state())
    }
}
