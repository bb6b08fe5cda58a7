import StaveDisk
import TestSupport
import Testing

@testable import Stave

@Suite("A cursor")
struct CursorTests {
    private let folder: TemporaryFolder
    private let store: Store

    init() throws {
        folder = try TemporaryFolder(isInMemory: true)
        store = try Store(path: folder.path("store"), options: .small())
    }

    private func key(_ number: Int) -> [UInt8] { Array("key \(number + 1000)".utf8) }

    private func fill(_ count: Int) throws {
        for number in (0..<count).shuffled() { try store.set(key(number), forKey: key(number)) }
    }

    private func rest(_ cursor: EntryCursor) throws -> [[UInt8]] {
        var cursor = cursor
        var keys: [[UInt8]] = []
        while let (key, value) = try cursor.next() {
            #expect(key == value)
            keys.append(key)
        }
        return keys
    }

    @Test("goes on where it is, whichever way its entries are taken, and so does its copy")
    func taking() throws {
        try fill(200)
        for step in 0..<60 {
            var cursor = try store.entries()
            for number in 0..<step {
                switch (number + step) % 3 {
                case 0: #expect(try cursor.next()?.key == key(number))
                case 1: #expect(try cursor.nextKey() == key(number))
                default: #expect(try cursor.skip())
                }
            }
            let copy = cursor
            let wanted = (step..<200).map(key)
            #expect(try rest(cursor) == wanted)
            #expect(try rest(copy) == wanted)
        }
    }

    @Test("sees the moment it was made at, through writes, deletes and compactions")
    func moment() throws {
        try fill(100)
        var cursors = [try store.entries()]
        for step in 0..<10 {
            try store.removeValue(forKey: key(step))
            cursors.append(try store.entries())
            if step % 3 == 0 { _ = try store.compact() }
            cursors.append(try store.entries())
        }
        try store.set([1], forKey: key(500))
        for (made, cursor) in cursors.enumerated() {
            #expect(try rest(cursor) == ((made + 1) / 2..<100).map(key), "cursor \(made)")
        }
    }

    @Test(
        "made again after nothing was written searches what is sorted already; after a write, anew")
    func again() throws {
        try fill(10)
        _ = try store.entries()
        let first = try #require(store.index.withLock { store.log.table.lastSources })
        #expect(try store.allEntries().count == 10)
        #expect(store.index.withLock { store.log.table.lastSources } === first)
        try store.set(key(10), forKey: key(10))
        #expect(try store.allEntries().count == 11)
        #expect(store.index.withLock { store.log.table.lastSources } !== first)
    }

    @Test("keeps a segment that a compaction replaced, and nothing else does")
    func released() throws {
        try fill(50)
        try fill(50)
        try store.sealActive()
        var cursor: EntryCursor? = try store.entries()
        weak let segment = store.index.withLock { store.log.table.visibleSegments.first }
        #expect(try store.count(in: .all) == 50)
        _ = try store.compact()
        #expect(try cursor.map { try rest($0) }?.count == 50)
        #expect(segment != nil)
        cursor = nil
        store.index.withLock { store.log.writer.limbo.collect(for: store.path) }
        #expect(segment == nil)
    }

    @Test("needs few sorted runs, however often something is written between two")
    func runs() throws {
        var random = SeededRandom.forTest()
        var options = StoreOptions.small()
        options.segmentSize = 4 << 20
        let store = try Store(path: folder.path("large"), options: options)
        var keys: Set<[UInt8]> = []
        while keys.count < 3000 {
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let key = key(Int.random(in: 0..<100_000, using: &random))
                keys.insert(key)
                try store.set(key, forKey: key)
            }
            let from = key(Int.random(in: 0..<100_000, using: &random))
            var cursor = try store.entries(in: KeyRange(from: from, to: nil))
            let next = keys.filter { !$0.lexicographicallyPrecedes(from) }.min {
                $0.lexicographicallyPrecedes($1)
            }
            try #require(try cursor.nextKey() == next)
        }
        let segment = try #require(store.log.writer.appender?.segment)
        #expect(segment.runs.count <= 12)
        #expect(segment.runs.reduce(0) { $0 + $1.image.recordCount } > 3000 - 1)
        #expect(try rest(store.entries()).count == keys.count)
    }
}
