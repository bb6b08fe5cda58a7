import StaveDisk
import TestSupport
import Testing

@testable import Stave

@Suite("The store against a dictionary")
struct ModelTests {
    @Test(
        "Random operations, compactions, reopenings and crashes agree with a dictionary",
        arguments: Seeds.some(24))
    func random(seed: UInt64) throws {
        print("seed \(seed)")
        let run = try ModelRun(seed: seed)
        for step in 0..<250 {
            do {
                try run.step()
                try run.checkInvariants()
            } catch {
                Issue.record("seed \(seed), step \(step), \(run.lastOperation): \(error)")
                return
            }
        }
        try run.checkAll()
    }
}

/// A store and the dictionary that it must agree with.
private final class ModelRun {
    private let folder: TemporaryFolder
    private var random: SeededRandom
    private var store: Store
    private var model: [[UInt8]: [UInt8]] = [:]
    private let keys: [[UInt8]]
    private var copies = 0
    private(set) var lastOperation = ""

    init(seed: UInt64) throws {
        random = SeededRandom(seed: seed)
        folder = try TemporaryFolder()
        let prefix = random.bytes(140)
        var keys: Set<[UInt8]> = [[0], [0xff], [0xff, 0xff]]
        while keys.count < 40 {
            let shared = random.chance(70) ? Int.random(in: 0...140, using: &random) : 0
            keys.insert(
                prefix.prefix(shared) + random.bytes(Int.random(in: 1...160, using: &random)))
            if let some = keys.randomElement(using: &random) { keys.insert(some + [0]) }
        }
        self.keys = keys.sorted { $0.lexicographicallyPrecedes($1) }
        store = try Store(path: folder.path("0"), options: .small())
    }

    private func options() -> StoreOptions {
        .small(4096, durability: Durability.allCases.randomElement(using: &random)!)
    }

    private func key() -> [UInt8] { keys.randomElement(using: &random)! }

    private func value() -> [UInt8] {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<8: []
        case 8..<70: random.bytes(Int.random(in: 0...200, using: &random))
        case 70..<96: random.bytes(Int.random(in: 0...2000, using: &random))
        default: random.bytes(Int.random(in: 3000...12_000, using: &random))
        }
    }

    func step() throws {
        switch Int.random(in: 0..<1000, using: &random) {
        case 0..<380: try set()
        case 380..<450: try writeBatch()
        case 450..<640: try remove()
        case 640..<700: try get()
        case 700..<740: try getMany()
        case 740..<860: try scan()
        case 860..<890: try note("sync") { try store.sync() }
        case 890..<920: try compact()
        case 920..<940: try reopen()
        case 940..<965: try readBeside()
        default: try crash()
        }
    }

    private func note(_ name: String, _ body: () throws -> Void) throws {
        lastOperation = name
        try body()
    }

    // MARK: Operations

    private func set() throws {
        let (key, value) = (key(), value())
        lastOperation = "set \(key) (\(value.count) bytes)"
        try store.set(value, forKey: key, deferringSync: random.chance(50))
        model[key] = value
    }

    private func writeBatch() throws {
        lastOperation = "batch"
        var next = model
        try store.write(deferringSync: random.chance(50)) { batch in
            for _ in 0..<Int.random(in: 0...20, using: &random) {
                let key = key()
                switch Int.random(in: 0..<3, using: &random) {
                case 0:
                    let wasThere = try batch.removeValue(forKey: key)
                    #expect(wasThere == (next.removeValue(forKey: key) != nil))
                case 1: #expect(try batch.value(forKey: key) == next[key])
                default:
                    next[key] = value()
                    try batch.set(next[key]!, forKey: key)
                }
            }
        }
        model = next
    }

    private func remove() throws {
        let key = key()
        lastOperation = "remove \(key)"
        let wasThere = try store.removeValue(forKey: key)
        #expect(wasThere == (model.removeValue(forKey: key) != nil))
    }

    private func get() throws {
        let key = key()
        lastOperation = "get \(key)"
        #expect(try store.value(forKey: key) == model[key])
        #expect(try store.contains(key: key) == (model[key] != nil))
    }

    private func getMany() throws {
        lastOperation = "batched get"
        let wanted = (0..<Int.random(in: 0...50, using: &random)).map { _ in key() }
        let answers = try store.values(forKeys: wanted)
        #expect(answers == wanted.map { model[$0] })
    }

    private func scan() throws {
        let direction: KeyDirection = random.chance(50) ? .ascending : .descending
        let (range, isInside) = range()
        lastOperation = "scan \(direction)"
        var wanted = model.filter { isInside($0.key) }
            .sorted { $0.key.lexicographicallyPrecedes($1.key) }
        #expect(try store.count(in: range) == wanted.count)
        if direction == .descending { wanted.reverse() }
        let found = try store.allEntries(in: range, direction: direction)
        #expect(found.map(\.key) == wanted.map(\.key))
        #expect(found.map(\.value) == wanted.map(\.value))
    }

    private func range() -> (KeyRange, ([UInt8]) -> Bool) {
        switch Int.random(in: 0..<3, using: &random) {
        case 0: return (.all, { _ in true })
        case 1:
            let prefix = Array(key().prefix(Int.random(in: 0...5, using: &random)))
            return (KeyRange(prefix: prefix), { $0.starts(with: prefix) })
        default:
            let from = random.chance(80) ? key() : nil
            let to = random.chance(80) ? key() : nil
            return (
                KeyRange(from: from, to: to),
                { key in
                    !(from.map { key.lexicographicallyPrecedes($0) } ?? false)
                        && (to.map { key.lexicographicallyPrecedes($0) } ?? true)
                }
            )
        }
    }

    private func compact() throws {
        lastOperation = "compact"
        let plan = try store.compactionPlan()
        let report = try store.compact()
        #expect(report.damage == [])
        #expect(report.segmentsBefore == plan.segmentsBefore)
        #expect(report.copiedRecords == plan.copiedRecords)
        #expect(report.copiedBytes == plan.copiedBytes)
        #expect(report.droppedRecords == plan.droppedRecords)
        #expect(report.segmentsAfter == plan.segmentsAfter)
        try checkAll()
    }

    private func reopen() throws {
        lastOperation = "reopen"
        try store.close()
        store = try Store(path: store.path, options: options())
        #expect(store.notices == [])
        try checkAll()
    }

    private func readBeside() throws {
        lastOperation = "open read-only beside the writer"
        let reader = try Store(path: store.path, options: .reading)
        #expect(reader.notices == [])
        #expect(try reader.dictionary() == model)
        for key in keys { #expect(try reader.value(forKey: key) == model[key]) }
        #expect(reader.count == model.count)
    }

    private func crash() throws {
        lastOperation = "crash"
        copies += 1
        let copy = folder.path("\(copies)")
        try store.copyAsKilled(to: copy)
        let before = try store.statistics().nextSequence
        try store.close()
        store = try Store(path: copy, options: options())
        #expect(store.notices == [])
        #expect(try store.statistics().nextSequence >= before)
        try checkAll()
    }

    // MARK: Checks

    func checkAll() throws {
        #expect(try store.dictionary() == model)
        for key in keys { #expect(try store.value(forKey: key) == model[key]) }
    }

    func checkInvariants() throws {
        #expect(store.count == model.count)
        try store.checkInvariants()
        let statistics = try store.statistics()
        let liveBytes = model.reduce(0) {
            $0 + RecordHeader.recordLength(key: $1.key.count, value: $1.value.count)
        }
        #expect(statistics.liveBytes == liveBytes)
        for segment in statistics.segments {
            let sum = segment.liveBytes + segment.deadBytes + segment.tombstoneBytes
            #expect(sum + SegmentHeader.byteCount == segment.bytes)
        }
        try store.whileFrozen {
            let named = try StoreFolder.manifest(store.path).segments.map {
                FileName.segment($0.number).name
            }
            #expect(try StoreFolder.segments(store.path) == named.sorted())
            #expect(try StoreFolder.names(store.path).allSatisfy { !$0.hasSuffix(".tmp") })
        }
    }
}
