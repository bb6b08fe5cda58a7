import StaveDisk
import TestSupport
import Testing

@testable import Stave

/// What opening makes of the records of unsealed segments and the entries of the others.
@Suite("The replay at open")
struct ReplayTests {
    private let folder = try! TemporaryFolder(isInMemory: true)
    private var path: String { folder.path }

    /// Pairs whose hashes agree in shard and tag where the store's id is `SegmentMaker.storeID`.
    private static let colliding = [
        99335, 795641, 338735, 603151, 550981, 1_148_937, 929031, 1_144_006,
    ].map { "key \($0)" }
    private static let keys = colliding + (0..<12).map { "key \($0)" }

    private func hash(_ key: String) -> UInt64 {
        unsafe Checksum.hash(Array(key.utf8).span.bytes, seed: SegmentMaker.storeID.low)
    }

    @Test("is tried with keys whose tags collide")
    func collisions() {
        for pair in stride(from: 0, to: Self.colliding.count, by: 2) {
            let hashes = Self.colliding[pair...(pair + 1)].map { hash($0) & Keydir.hashMask }
            #expect(hashes[0] == hashes[1])
        }
    }

    /// What a key's records come to.
    private struct Newest {
        var sequence: UInt64
        var value: String?
        var segment: Int
        var length: Int
    }

    /// Sealed with a hint, sealed without, full, active.
    private func makers() -> [SegmentMaker] {
        (1...4).map { SegmentMaker(number: UInt64($0), identity: UInt64($0) << 32 | 5) }
    }

    private func write(_ makers: [SegmentMaker]) {
        var segments = makers.map(\.sealed)
        segments[2].makeFull()
        segments[3].state = .new
        for maker in makers {
            folder.write(maker.bytes, to: FileName.segment(maker.header.number).name)
        }
        folder.write(makers[0].hint, to: FileName.hint(1).name)
        for number: UInt64 in 2...4 { folder.remove(FileName.hint(number).name) }
        folder.remove(FileName.checkpoint.name)
        folder.write(Manifest.of(segments).encoded(), to: "MANIFEST")
    }

    @Test("keeps each key's record with the highest number, wherever it lies and in whatever order")
    func order() throws {
        for seed in Seeds.some(60) {
            var random = SeededRandom(seed: seed)
            var makers = makers()
            var newest: [String: Newest] = [:]
            let isInOrder = random.chance(50)
            var sequences = (1...UInt64(Int.random(in: 4...150, using: &random))).map { $0 }
            if !isInOrder { sequences.shuffle(using: &random) }
            for (number, sequence) in sequences.enumerated() {
                // In order as a store writes them: one segment after the other.
                let segment =
                    isInOrder
                    ? number * 4 / sequences.count : Int.random(in: 0..<4, using: &random)
                let key = Self.keys.randomElement(using: &random)!
                let value = random.chance(40) ? nil : "value \(sequence)"
                if let value {
                    makers[segment].set(key, value, sequence: sequence)
                } else {
                    makers[segment].delete(key, sequence: sequence)
                }
                if sequence > newest[key]?.sequence ?? 0 {
                    newest[key] = Newest(
                        sequence: sequence, value: value, segment: segment,
                        length: makers[segment].records.last!.header.recordLength)
                }
            }
            write(makers)
            var ahead = StoreOptions.reading
            // Merged by a thread of its own, in many batches.
            ahead.mergeBatch = Int.random(in: 1...16, using: &random)
            for options in [StoreOptions.reading, ahead, .small()] {
                let store = try Store(path: path, options: options)
                try check(store, newest, "seed \(seed)")
                try store.close()
            }
        }
    }

    /// The keydir and what is counted are exactly those of `newest`.
    private func check(_ store: Store, _ newest: [String: Newest], _ comment: Comment) throws {
        #expect(store.notices == [], comment)
        #expect(store.count == newest.values.count { $0.value != nil }, comment)
        for key in Self.keys {
            #expect(
                try store.value(forKey: key) == newest[key]?.value.map { Array($0.utf8) }, comment)
        }
        for segment in store.log.table.visibleSegments {
            let records = newest.values.filter { $0.segment == Int(segment.number) - 1 }
            let (values, tombstones) = (
                records.filter { $0.value != nil }, records.filter { $0.value == nil }
            )
            #expect(segment.liveBytes == values.reduce(0) { $0 + $1.length }, comment)
            #expect(segment.tombstoneBytes == tombstones.reduce(0) { $0 + $1.length }, comment)
        }
        try store.index.checkInvariants()
        #expect(try store.verify().problems == [], comment)
    }

    @Test("reads no record of a sealed segment that has a hint")
    func sealedRecords() throws {
        var makers = makers()
        for (number, key) in Self.keys.enumerated() {
            makers[0].set(key, "old \(number)")
        }
        makers[3] = SegmentMaker(
            number: 4, identity: makers[3].header.identity,
            firstSequence: makers[0].nextSequence)
        for key in Self.keys.dropLast(5) { makers[3].set(key, "new") }
        for key in Self.keys.prefix(4) { makers[3].delete(key) }
        makers[1].set("other", "value", sequence: 1)
        makers[2].set("another", "value", sequence: 1)
        write(makers)
        let start = SegmentHeader.byteCount
        let lost = [UInt8](repeating: 0, count: makers[0].bytes.count - start)
        folder.write(makers[0].bytes[..<start] + lost, to: FileName.segment(1).name)
        let store = try Store(path: path, options: .reading)
        #expect(store.count == Self.keys.count - 4 + 2)
        for key in Self.keys.prefix(4) { #expect(try store.value(forKey: key) == nil) }
        for key in Self.keys.dropFirst(4).dropLast(5) {
            #expect(try store.value(forKey: key) == Array("new".utf8))
        }
        for key in Self.keys.suffix(5) {
            #expect(throws: StoreError.self) { try store.value(forKey: key) }
        }
    }

    @Test("of a log with many versions of few keys leaves no more memory than the keys need")
    func memory() throws {
        var makers = makers()
        for round in 0..<3 {
            for number in 0..<20_000 { makers[3].set("key \(number)", "\(round)") }
        }
        for maker in 0..<3 { makers[maker].set("key", "value", sequence: 1) }
        write(makers)
        let store = try Store(path: path, options: .reading)
        #expect(store.count == 20_001)
        #expect(store.index.keydir.byteCount <= 12 * store.count + (128 << 10))
        #expect(try store.value(forKey: "key 19999") == Array("2".utf8))
        try store.index.checkInvariants()
    }

    @Test("behind a checkpoint goes on from it, with sets and deletes of one key many times over")
    func checkpoint() throws {
        // Its id makes the hashes collide.
        folder.write(Manifest(storeID: SegmentMaker.storeID).encoded(), to: "MANIFEST")
        var options = StoreOptions.small(1 << 16)
        options.checkpointEntries = 0
        options.compaction.isAutomatic = false
        var model: [[UInt8]: [UInt8]] = [:]
        var random = SeededRandom.forTest()
        func play(on store: Store) throws {
            for _ in 0..<600 {
                let key = Self.keys.randomElement(using: &random)!
                if random.chance(40) {
                    try store.removeValue(forKey: key)
                    model[Array(key.utf8)] = nil
                } else {
                    let value = random.bytes(9)
                    try store.set(value, forKey: Array(key.utf8))
                    model[Array(key.utf8)] = value
                }
            }
        }
        for _ in 0..<10 {
            var store = try Store(path: path, options: options)
            try play(on: store)
            try store.close()
            store = try Store(path: path, options: options)
            #expect(store.index.keydir.checkpointTables != nil)
            try play(on: store)
            if random.chance(50) { try store.sealActive() }
            try play(on: store)
            let copy = folder.path("copy")
            try store.copyAsKilled(to: copy)
            for options in [options, .reading] {
                let opened = try Store(path: copy, options: options)
                #expect(opened.index.keydir.checkpointTables != nil && opened.notices == [])
                #expect(try opened.dictionary() == model)
                #expect(try opened.verify().problems == [])
                try opened.index.checkInvariants()
                try opened.close()
            }
            try store.close()
        }
    }
}
