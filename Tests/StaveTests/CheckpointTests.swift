import Glibc
import StaveDisk
import Synchronization
import TestSupport
import Testing

@testable import Stave

private final class Counter: Sendable {
    private let value = Atomic<Int>(0)

    func add() { value.wrappingAdd(1, ordering: .relaxed) }

    var count: Int { value.load(ordering: .relaxed) }
}

@Suite("The keydir's checkpoint")
struct CheckpointTests {
    private let folder: TemporaryFolder
    private let path: String
    private let name = FileName.checkpoint.name
    private let history = History.random(400, keys: 60)

    init() throws {
        folder = try TemporaryFolder(isInMemory: true)
        path = folder.path("store")
        let store = try Store(path: path, options: options())
        try history.play(on: store)
        try store.close()
    }

    private func options(_ entries: Int = 0) -> StoreOptions {
        var options = StoreOptions.small()
        options.checkpointEntries = entries
        options.compaction.isAutomatic = false
        return options
    }

    private func copy() throws -> String {
        let copy = folder.path("copy")
        try StoreFolder.copy(path, to: copy)
        return copy
    }

    /// Gets and a scan agree with the history.
    private func check(_ store: Store) throws {
        #expect(store.count == history.state().count)
        #expect(try store.gets(history.keys) == history.state())
        #expect(try store.dictionary() == history.state())
        try store.index.checkInvariants()
    }

    @Test("takes no memory for a table before a key asks for it")
    func memory() throws {
        let store = try Store(path: path, options: options())
        let saved = try #require(store.index.keydir.checkpointTables)
        var resident = 0
        let pages = unsafe saved.memory.map { UInt(bitPattern: $0) & ~4095 }
        for page in pages {
            var byte: UInt8 = 0
            // SAFETY: fills in a byte for the page.
            unsafe mincore(UnsafeMutableRawPointer(bitPattern: page), 1, &byte)
            resident += Int(byte & 1)
        }
        #expect(resident == 0)
        try check(store)
    }

    @Test("is read shard by shard, when a key asks for it")
    func lazy() throws {
        let store = try Store(path: path, options: options())
        let saved = try #require(store.index.keydir.checkpointTables)
        #expect(store.notices == [] && !store.index.keydir.isRestored)
        #expect(saved.checkpoint.count == history.state().count)
        #expect(store.log.table.visibleSegments.allSatisfy { $0.hint == nil }, "no hint was read")
        try check(store)
        #expect(store.index.keydir.isRestored && !saved.isDamaged)
    }

    @Test(
        "of a store that was killed after a compaction: the active segment is newer than its output"
    )
    func replayOrder() throws {
        let store = try Store(path: path, options: options())
        store.worker.stop()
        store.compactor.thread.stop()
        // The segment that is compacted is one that the checkpoint does not name.
        try store.index.withLock { try store.log.endActiveSegment() }
        for (key, value) in [("changed", "old"), ("back", "old"), ("other", "kept")] {
            try store.set(value, forKey: key)
        }
        try store.index.withLock { try store.log.endActiveSegment() }
        try store.log.sealFull()
        try store.removeValue(forKey: "back")
        let sealed = store.log.table.visibleSegments.filter(\.isSealed)
        let input = try #require(sealed.max { $0.number < $1.number })
        let compaction = Compaction(
            of: [input], others: sealed.filter { $0 !== input }, in: store.compactor)
        while compaction.phase != .committing { _ = try compaction.step() }
        try store.set("new", forKey: "changed")
        while try compaction.step() {}
        let copy = folder.path("copy")
        try store.copyAsKilled(to: copy)
        for options in [options(), .reading] {
            let opened = try Store(path: copy, options: options)
            #expect(opened.index.keydir.checkpointTables != nil)
            #expect(try opened.value(forKey: "changed") == Array("new".utf8))
            #expect(try opened.value(forKey: "back") == nil)
            #expect(try opened.value(forKey: "other") == Array("kept".utf8))
            try opened.close()
        }
    }

    @Test("of a store that was killed later is brought up to date from the records since")
    func replay() throws {
        let store = try Store(path: path, options: options())
        let more = History.random(300, keys: 80)
        try more.play(on: store)
        let copy = folder.path("copy")
        try store.copyAsKilled(to: copy)
        var all = history
        all.writes += more.writes
        for options in [options(), .reading] {
            let opened = try Store(path: copy, options: options)
            #expect(opened.index.keydir.checkpointTables != nil && opened.notices == [])
            #expect(opened.count == all.state().count)
            #expect(try opened.gets(all.keys) == all.state())
            #expect(try opened.dictionary() == all.state())
            let recounted = try opened.statistics().liveBytes
            #expect(try recounted == store.statistics().liveBytes)
        }
    }

    @Test("is stale after a compaction, and replaced at the next close")
    func stale() throws {
        let store = try Store(path: path, options: options())
        _ = try store.compact()
        let before = try StoreFolder.bytes(path, name)
        let killed = try Store(path: copy(), options: options())
        #expect(killed.index.keydir.checkpointTables == nil && killed.notices == [])
        try check(killed)
        try store.close()
        #expect(try StoreFolder.bytes(path, name) != before)
        let again = try Store(path: path, options: options())
        #expect(again.index.keydir.checkpointTables != nil)
        try check(again)
    }

    @Test("is written only when the next open would read many entries without it")
    func bound() throws {
        let before = try StoreFolder.items(path)[name]
        do {
            let store = try Store(path: path, options: options(10))
            for number: UInt8 in 0..<10 { try store.set([1], forKey: [number]) }
        }
        #expect(try StoreFolder.items(path)[name] == before)
        do {
            let store = try Store(path: path, options: options(10))
            #expect(store.index.keydir.checkpointTables != nil)
            try store.set([1], forKey: [11])
        }
        #expect(try StoreFolder.items(path)[name] != before)
    }

    @Test("with any byte flipped or cut anywhere changes no answer")
    func damage() throws {
        let copy = try copy()
        let bytes = try StoreFolder.bytes(copy, name)
        var random = SeededRandom.forTest()
        let head = stride(from: 0, to: 300, by: 3)
        let anywhere = (0..<100).map { _ in Int.random(in: bytes.indices, using: &random) }
        // Of the tables, mostly zeros, those bytes that name records.
        let tables = bytes.indices.filter { $0 > 25_000 && bytes[$0] != 0 }
        let named = (0..<100).map { _ in tables.randomElement(using: &random)! }
        for offset in head + anywhere + named {
            var changed = bytes
            changed[offset] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            try StoreFolder.write(changed, copy, name)
            try check(Store(path: copy, options: .reading))
        }
        for length in [0, 1, 63, 64, 65, 1000] + anywhere.prefix(20) {
            try StoreFolder.write(Array(bytes.prefix(length)), copy, name)
            let store = try Store(path: copy, options: .reading)
            #expect(store.index.keydir.checkpointTables == nil)
            #expect(store.notices.count == 1 && store.notices[0].contains(name))
            try check(store)
        }
    }

    /// What is in the file as `change` leaves it, with checksums that are right.
    private func rewrite(
        _ path: String, _ change: (inout KeydirCheckpoint, inout [[UInt64]]) -> Void
    ) throws {
        let bytes = try StoreFolder.bytes(path, name)
        var checkpoint = unsafe try KeydirCheckpoint(
            decoding: bytes.span.bytes, fileLength: bytes.count)
        var offset = checkpoint.tablesOffset
        var tables: [[UInt64]] = []
        for shard in checkpoint.shards {
            tables.append(
                (0..<(shard.buckets * 8)).map { place in
                    (0..<8).reduce(0) { $0 | UInt64(bytes[offset + place * 8 + $1]) << ($1 * 8) }
                })
            offset += shard.buckets * 64
        }
        change(&checkpoint, &tables)
        offset = checkpoint.tablesOffset
        var rest: [UInt8] = []
        for (index, table) in tables.enumerated() {
            let bytes = table.flatMap { word in
                (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) }
            }
            checkpoint.shards[index].checksum = unsafe KeydirCheckpoint.checksum(
                bytes.span.bytes, at: offset + rest.count, of: checkpoint.storeID)
            rest += bytes
        }
        try StoreFolder.write(checkpoint.encoded() + rest, path, name)
    }

    @Test("that was made up, with right checksums, does not trap and changes no answer")
    func crafted() throws {
        let copy = try copy()
        try rewrite(copy) { _, tables in
            for index in tables.indices {
                // A segment that does not exist, with an offset beyond any file.
                for place in tables[index].indices where tables[index][place] > 1 {
                    tables[index][place] |= 1 << 40 - 1
                }
            }
        }
        try check(Store(path: copy, options: .reading))
        try StoreFolder.copy(path, to: copy)
        try rewrite(copy) { checkpoint, _ in
            for index in checkpoint.shards.indices where checkpoint.shards[index].liveSlots > 0 {
                checkpoint.shards[index].usedSlots -= 1
                checkpoint.shards[index].liveSlots -= 1
            }
        }
        let store = try Store(path: copy, options: .reading)
        // A table that neither checks out nor can be made again answers with an error.
        for key in history.keys {
            let answer = Result { try store.value(forKey: key) }
            switch answer {
            case .success(let value): #expect(value == history.state()[key])
            case .failure(let error): #expect("\(error)".contains(name))
            }
        }
    }

    @Test("whose table is lost together with a segment's records gives errors, not other answers")
    func lostTwice() throws {
        let copy = try copy()
        for hint in try StoreFolder.hints(copy) { try StoreFolder.write([1, 2, 3], copy, hint) }
        for segment in try StoreFolder.segments(copy) {
            var bytes = try StoreFolder.bytes(copy, segment)
            for record in try StoreFolder.records(copy, segment) { bytes[record.offset] ^= 1 }
            try StoreFolder.write(bytes, copy, segment)
        }
        try rewrite(copy) { _, tables in tables = tables.map { $0.map { _ in 0 } } }
        let store = try Store(path: copy, options: .reading)
        #expect(store.index.keydir.checkpointTables != nil)
        for key in history.keys where history.state()[key] != nil {
            #expect(throws: StoreError.self) { try store.value(forKey: key) }
        }
    }

    @Test("hides no damage of a hint: it is made again when it is needed, and told")
    func damagedHint() throws {
        let copy = try copy()
        let hint = try #require(try StoreFolder.hints(copy).first)
        let whole = try StoreFolder.bytes(copy, hint)
        var bytes = whole
        bytes[100] ^= 1
        try StoreFolder.write(bytes, copy, hint)
        let told = Counter()
        var options = options()
        options.onEvent = { event in
            if case .hintRebuilt(let file, _) = event, file.hasSuffix(hint) { told.add() }
        }
        let store = try Store(path: copy, options: options)
        #expect(store.index.keydir.checkpointTables != nil && told.count == 0)
        try check(store)
        #expect(told.count == 1)
        #expect(try StoreFolder.bytes(copy, hint) == whole)
    }

    @Test("hides no damage of the active segment: before and after a scan, a seal and a new start")
    func damagedActive() throws {
        let path = folder.path("active")
        var options = options()
        options.segmentSize = 1 << 20
        var store = try Store(path: path, options: options)
        for number in 0..<20 { try store.set("value \(number)", forKey: "key \(number)") }
        try store.close()
        let segment = try #require(try StoreFolder.segments(path).first)
        let record = try StoreFolder.records(path, segment)[7]
        var bytes = try StoreFolder.bytes(path, segment)
        bytes[record.offset + RecordHeader.byteCount] ^= 1
        try StoreFolder.write(bytes, path, segment)
        store = try Store(path: path, options: options)
        #expect(store.index.keydir.checkpointTables != nil)
        #expect(throws: StoreError.self) { try store.value(forKey: "key 7") }
        #expect(throws: StoreError.self) { try store.dictionary() }
        #expect(throws: StoreError.self) { try store.value(forKey: "key 7") }
        try store.sealActive()
        #expect(throws: StoreError.self) { try store.value(forKey: "key 7") }
        #expect(try store.value(forKey: "key 8") == Array("value 8".utf8))
        try store.close()
        #expect(try StoreFolder.hints(path) == [], "a hint would hide the key that it cannot name")
        try StoreFolder.remove(path, name)
        store = try Store(path: path, options: options)
        #expect(store.isReadOnly)
        #expect(throws: StoreError.self) { try store.value(forKey: "key 7") }
    }
}
