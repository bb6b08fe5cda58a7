import StaveDisk
import TestSupport
import Testing

@testable import Stave

@Suite("One sorted sequence")
struct SequenceTests {
    private let folder: TemporaryFolder
    private let path: String

    init() throws {
        folder = try TemporaryFolder(isInMemory: true)
        path = folder.path("store")
    }

    private func store() throws -> Store {
        var options = StoreOptions.small()
        options.segmentSize = 16 << 10
        return try Store(path: path, options: options)
    }

    private func key(_ number: Int) -> [UInt8] {
        Array("key \(String(number + 100_000))".utf8)
    }

    private func set(_ numbers: some Sequence<Int>, in store: Store, value: String = "v") throws {
        for number in numbers {
            try store.set(Array("\(value) \(number)".utf8), forKey: key(number))
        }
    }

    /// Images of all segments, by their first keys, and the segments' numbers.
    private func images(_ store: Store) throws -> [(number: UInt64, image: HintImage)] {
        let segments = store.index.withLock { store.log.table.visibleSegments }
        return segments.map {
            (number: $0.number, image: store.log.sortedRun(of: $0, upTo: $0.end).image)
        }.sorted { unsafe compareKeys($0.image.first, $1.image.first) < 0 }
    }

    private func expectSequence(_ store: Store) throws {
        let images = try images(store).map(\.image)
        #expect(images.allSatisfy { $0.isInKeyOrder })
        for (image, next) in zip(images, images.dropFirst()) {
            #expect(unsafe compareKeys(image.last, next.first) < 0, "two overlap")
        }
        #expect(try store.compactionPlan() == CompactionReport())
        #expect(try store.compact() == CompactionReport(), "a second one has nothing to do")
    }

    /// `compact` does what its plan says.
    private func compact(_ store: Store) throws -> CompactionReport {
        let plan = try store.compactionPlan()
        let report = try store.compact()
        #expect(report.segmentsBefore == plan.segmentsBefore)
        #expect(report.segmentsAfter == plan.segmentsAfter)
        #expect(report.copiedRecords == plan.copiedRecords)
        #expect(report.freedBytes == plan.freedBytes)
        return report
    }

    private func expectKeys(_ numbers: some Sequence<Int>, in store: Store) throws {
        var cursor = try store.entries()
        for number in numbers.sorted() { #expect(try cursor.nextKey() == key(number)) }
        #expect(try cursor.nextKey() == nil)
    }

    @Test("is what compact leaves, where nothing is dead and segments overlap")
    func overlapping() throws {
        let store = try store()
        for part in 0..<4 { try set(stride(from: part, to: 2000, by: 4), in: store) }
        #expect(try images(store).count > 4)
        let report = try compact(store)
        #expect(report.copiedRecords == 2000 && report.droppedRecords == 0)
        #expect(report.segmentsAfter > 4)
        try expectSequence(store)
        try expectKeys(0..<2000, in: store)
        try store.close()
        // Also by what the hint files say.
        let again = try self.store()
        try expectSequence(again)
    }

    @Test("is what compact makes of one segment in the order of its writes")
    func unordered() throws {
        let store = try store()
        try set((0..<300).reversed(), in: store)
        #expect(try compact(store).copiedRecords == 300)
        try expectSequence(store)
        try expectKeys(0..<300, in: store)
    }

    @Test("is made around a segment that fits in already, which stays as it is")
    func around() throws {
        let store = try store()
        try set(500..<1000, in: store)
        _ = try compact(store)
        let kept = try images(store).map(\.number)
        // Before and behind it, dead records each.
        for numbers in [0..<200, 2000..<2200] {
            try set(numbers, in: store)
            try set(numbers, in: store, value: "w")
            try store.sealActive()
        }
        let report = try compact(store)
        #expect(report.copiedRecords >= 400 && report.copiedRecords < 900)
        #expect(try images(store).filter { kept.contains($0.number) }.count >= kept.count - 1)
        try expectSequence(store)
        try expectKeys(Array(0..<200) + Array(500..<1000) + Array(2000..<2200), in: store)
    }

    @Test("has no two small segments beside each other, and keeps small ones apart by a full one")
    func small() throws {
        let store = try store()
        try set(500..<1000, in: store)
        _ = try compact(store)
        let middle = try images(store)
        #expect(middle.count > 1)
        for numbers in [0..<5, 10..<15, 2000..<2005] {
            try set(numbers, in: store)
            try store.sealActive()
        }
        let report = try compact(store)
        #expect(report.segmentsBefore >= 2 && report.copiedRecords < 300)
        try expectSequence(store)
        try expectKeys(
            Array(0..<5) + Array(10..<15) + Array(500..<1000) + Array(2000..<2005), in: store)
    }

    @Test("has a gap where a segment is damaged, and compact does not begin anew each time")
    func damaged() throws {
        var store = try store()
        for part in 0..<2 {
            try set(stride(from: part, to: 100, by: 2), in: store)
            try store.sealActive()
        }
        try store.close()
        let name = try StoreFolder.segments(path)[0]
        var bytes = try StoreFolder.bytes(path, name)
        bytes[bytes.count - 1 - 8] ^= 1
        try StoreFolder.write(bytes, path, name)
        store = try self.store()
        let first = try store.compact()
        #expect(first.damage.count == 1)
        #expect(try store.compact() == CompactionReport())
    }

    @Test("of any writes, in one compaction after the other, has the newest values")
    func model() throws {
        var random = SeededRandom.forTest()
        let store = try store()
        var model: [[UInt8]: [UInt8]] = [:]
        for round in 0..<12 {
            // Some rounds write anywhere, some in one place.
            let start = Int.random(in: 0..<1500, using: &random)
            let width = [50, 500, 3000].randomElement(using: &random)!
            for write in 0..<Int.random(in: 1...600, using: &random) {
                let key = key(start + Int.random(in: 0..<width, using: &random))
                if random.chance(20) {
                    try store.removeValue(forKey: key)
                    model[key] = nil
                } else {
                    let value = Array("\(round) \(write)".utf8)
                    try store.set(value, forKey: key)
                    model[key] = value
                }
            }
            if random.chance(30) { _ = try store.compactor.compactOnce() }
            if random.chance(30) { continue }
            _ = try compact(store)
            try expectSequence(store)
            #expect(try store.dictionary() == model)
        }
    }
}
