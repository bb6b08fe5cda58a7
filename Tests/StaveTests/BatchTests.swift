import Foundation
import StaveDisk
import TestSupport
import Testing

@testable import Stave

@Suite("A batch of writes")
struct BatchTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder(isInMemory: true) }

    private func open(_ name: String = "store", _ options: StoreOptions = .small()) throws -> Store
    {
        try Store(path: folder.path(name), options: options)
    }

    private struct Refusal: Error {}

    @Test("Makes all of its writes, and answers what its body answers")
    func all() throws {
        let store = try open()
        try store.set("old", forKey: "b")
        try store.set("gone", forKey: "c")
        let answer = try store.write { batch in
            try batch.set("1", forKey: "a")
            try batch.set("2", forKey: "b")
            #expect(try batch.removeValue(forKey: "c"))
            #expect(try !batch.removeValue(forKey: "never"))
            return batch.count
        }
        #expect(answer == 3)
        let wanted = [Array("a".utf8): Array("1".utf8), Array("b".utf8): Array("2".utf8)]
        #expect(try store.dictionary() == wanted)
        #expect(try store.gets(["a", "b", "c"].map { Array($0.utf8) }) == wanted)
        #expect(store.count == 2)
        try store.close()
        #expect(try open().dictionary() == wanted)
    }

    @Test("Writes nothing where its body throws, is empty, or only reads")
    func nothing() throws {
        let store = try open()
        try store.set("1", forKey: "a")
        let before = try store.statistics().nextSequence
        #expect(throws: Refusal.self) {
            try store.write { batch in
                try batch.set("2", forKey: "a")
                throw Refusal()
            }
        }
        try store.write { _ in }
        #expect(try store.write { try $0.value(forKey: "a") } == Array("1".utf8))
        #expect(try store.statistics().nextSequence == before)
        #expect(try store.value(forKey: "a") == Array("1".utf8))
    }

    @Test("Shows its own writes, and nothing of them to the store before it is made")
    func reads() throws {
        let store = try open()
        try store.set("1", forKey: "a")
        try store.write { batch in
            try batch.set("2", forKey: "a")
            try batch.set("3", forKey: "a")
            try batch.set("4", forKey: "b")
            #expect(try batch.value(forKey: "a") == Array("3".utf8))
            #expect(try store.value(forKey: "a") == Array("1".utf8))
            try batch.removeValue(forKey: "b")
            #expect(try batch.value(forKey: "b") == nil)
            #expect(try !batch.removeValue(forKey: "b"))
            #expect(try store.value(forKey: "b") == nil)
        }
        #expect(try store.dictionary() == [Array("a".utf8): Array("3".utf8)])
        try store.checkInvariants()
        #expect(
            try store.statistics().liveBytes == RecordHeader.recordLength(key: 1, value: 1))
    }

    @Test("Is made again where a key that it read has changed meanwhile")
    func conflict() throws {
        let store = try open()
        try store.set("1", forKey: "a")
        var attempts = 0
        try store.write { batch in
            attempts += 1
            let value = try batch.value(forKey: "a") ?? []
            if attempts == 1 { try store.set("changed", forKey: "a") }
            try batch.set(value + Array("+".utf8), forKey: Array("a".utf8))
        }
        #expect(attempts == 2)
        #expect(try store.value(forKey: "a") == Array("changed+".utf8))
        // A key that was absent and is there now; and one that is gone.
        for change in [true, false] {
            var batch = store.makeBatch()
            _ = try batch.value(forKey: "x")
            try batch.set("2", forKey: "b")
            if change {
                try store.set("1", forKey: "x")
            } else {
                try store.removeValue(forKey: "x")
            }
            #expect(try !store.commit(batch))
            #expect(try store.value(forKey: "b") == nil)
        }
    }

    @Test(
        "Says with a flag of all its records but the last that more follow; a single one has none")
    func flags() throws {
        let store = try open()
        try store.write { batch in
            for number in 0..<4 { try batch.set("v", forKey: "k\(number)") }
        }
        try store.write { try $0.set("v", forKey: "alone") }
        let records = try StoreFolder.records(store.path, "0000000001.segment").map(\.header)
        #expect(records.map(\.flags) == [1, 1, 1, 0, 0])
        #expect(records.map(\.sequence) == [1, 2, 3, 4, 5])
    }

    @Test("Lies in one segment, however large it is")
    func oneSegment() throws {
        let store = try open()
        let value = [UInt8](repeating: 7, count: 900)
        for round in 0..<6 {
            try store.write { batch in
                for number in 0..<(2 + 3 * round) {
                    try batch.set(value, forKey: Array("\(round) \(number)".utf8))
                }
            }
        }
        var counts: [Int] = []
        for name in try StoreFolder.segments(store.path) {
            var isOpen = false
            for record in try StoreFolder.records(store.path, name) {
                counts.append(Int(String(decoding: record.key.prefix(1), as: UTF8.self)) ?? 0)
                isOpen = record.header.continues
            }
            #expect(!isOpen, "\(name)")
        }
        #expect(counts.count == 2 + 5 + 8 + 11 + 14 + 17)
        try store.checkInvariants()
        #expect(try store.verify().isClean)
    }

    @Test("Of many new keys finds room in the index for all of them")
    func newKeys() throws {
        let store = try open("store", .small(16 << 20))
        let keys = (0..<30_000).map { Array("key \($0)".utf8) }
        try store.write { batch in for key in keys { try batch.set(key, forKey: key) } }
        #expect(store.count == keys.count)
        #expect(try store.values(forKeys: keys) == keys)
        try store.checkInvariants()
    }

    @Test("Larger than a segment can be, is refused before anything is written")
    func tooLarge() throws {
        let store = try open()
        let value = [UInt8](repeating: 7, count: 64 << 20)
        var batch = store.makeBatch()
        for number in 0..<4 { try batch.set(value, forKey: Array("\(number)".utf8)) }
        let error = storeError { try batch.set([1], forKey: [1]) }
        guard case .batchTooLarge? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(try store.statistics().nextSequence == 1)
    }

    @Test("Refuses what is no key or value, as a single write does")
    func refused() throws {
        let store = try open()
        var batch = store.makeBatch()
        #expect(throws: StoreError.emptyKey) { try batch.set([1], forKey: []) }
        #expect(throws: StoreError.emptyKey) { try batch.removeValue(forKey: []) }
        #expect(throws: StoreError.emptyKey) { try batch.value(forKey: []) }
        let long = [UInt8](repeating: 1, count: 65_536)
        #expect(throws: StoreError.keyTooLong(length: 65_536)) {
            try batch.set([1], forKey: long)
        }
        #expect(batch.count == 0)
    }

    @Test("Is refused where the store may not be written")
    func readOnly() throws {
        try open().close()
        let reader = try open("store", .reading)
        #expect(throws: StoreError.self) { try reader.write { try $0.set("1", forKey: "a") } }
        try reader.close()
        #expect(throws: StoreError.closed) { try reader.commit(reader.makeBatch()) }
    }

    @Test("Takes one sync at `always`")
    func oneSync() throws {
        let store = try open("store", .small(1 << 20, durability: .always))
        try store.set("1", forKey: "a")
        let mark = try StoreFolder.mark(try StoreFolder.bytes(store.path, "0000000001.segment"))
        try store.write { batch in
            for number in 0..<50 { try batch.set("v", forKey: "k\(number)") }
        }
        let bytes = try StoreFolder.bytes(store.path, "0000000001.segment")
        let records = try StoreFolder.records(store.path, "0000000001.segment")
        let end = records.last!.offset + records.last!.header.recordLength
        #expect(try StoreFolder.mark(bytes) == end)
        // The marks are written in turn: the one before tells of the sync before.
        let words = unsafe bytes.span.bytes.extracting(64..<80)
        let lengths = [0, 8].map { Int(words.load($0, as: UInt32.self)) * 8 }
        #expect(lengths.min() == mark)
    }

    @Test("Clears the flag in what a compaction or a later process copies")
    func copies() throws {
        let options = StoreOptions.small(64 << 10)
        var store = try open("store", options)
        try store.write { batch in
            for number in 0..<6 { try batch.set("v", forKey: "k\(number)") }
        }
        // Half of it is dead.
        for number in 1..<4 { try store.set("w", forKey: "k\(number)") }
        let wanted = try store.dictionary()
        try store.close()
        // The first write of this process takes the small segment's records along.
        store = try open("store", options)
        try store.set("x", forKey: "x")
        try store.copyAsKilled(to: folder.path("killed"))
        let names = try StoreFolder.segments(store.path)
        #expect(names == ["0000000002.segment"])
        let flags = try StoreFolder.records(store.path, names[0]).map(\.header.flags)
        #expect(flags == [UInt8](repeating: 0, count: 7))
        try store.close()
        let killed = try open("killed", options)
        #expect(try killed.dictionary().count == wanted.count + 1)

        let compacted = try open("compacted", options)
        try compacted.write { batch in
            for number in 0..<6 { try batch.set("v", forKey: "k\(number)") }
        }
        try compacted.removeValue(forKey: "k5")
        try compacted.sealActive()
        _ = try compacted.compact()
        for name in try StoreFolder.segments(compacted.path) {
            for record in try StoreFolder.records(compacted.path, name) {
                #expect(record.header.flags == 0)
            }
        }
        #expect(compacted.count == 5)
        #expect(try compacted.verify().isClean)
    }
}
