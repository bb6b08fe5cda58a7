import Foundation
import StaveDisk
import Synchronization
import TestSupport
import Testing

@testable import Stave

/// `Store.verify`: the open store against itself.
@Suite("Verifying an open store")
struct VerifyTests {
    private let folder = try! TemporaryFolder(isInMemory: true)
    private var path: String { folder.path("store") }

    /// Several segments, tombstones, dead records, and an active one.
    private func makeStore(keys: Int = 300) throws -> Store {
        var options = StoreOptions.small()
        options.compaction.isAutomatic = false
        let store = try Store(path: path, options: options)
        for number in 0..<(2 * keys) {
            try store.set("value \(number)", forKey: "key:\(number % keys)")
            if number % 7 == 0 { _ = try store.removeValue(forKey: "key:\(number % keys)") }
        }
        return store
    }

    @Test("A store that nothing happened to is clean, before and after closing and compacting")
    func clean() throws {
        var store = try makeStore()
        var fractions: [Double] = []
        let report = try store.verify {
            fractions.append($0)
            return true
        }
        #expect(report.problems == [])
        #expect(report.keyCount == store.count)
        #expect(report.segmentCount > 3 && report.recordCount > 600)
        #expect(fractions.last == 1 && fractions == fractions.sorted())
        try store.sync()
        _ = try store.compact()
        #expect(try store.verify().problems == [])
        try store.set("again", forKey: "key:0")
        try store.close()
        store = try Store(path: path, options: .small())
        let reopened = try store.verify()
        #expect(reopened.problems == [] && reopened.hintCount > 0 && reopened.comparedCounters)
        try store.close()
        #expect(throws: StoreError.closed) { try store.verify() }
        let reader = try Store(path: path, options: .reading)
        #expect(try reader.verify().problems == [])
    }

    @Test("Its progress handler may stop it")
    func cancelled() throws {
        let store = try makeStore()
        #expect(throws: StoreError.cancelled) { try store.verify { _ in false } }
        #expect(try store.verify().isClean)
    }

    @Test("A key that the keydir lost, moved or made up is found")
    func keydir() throws {
        let store = try makeStore()
        func slot(_ key: String) throws -> (Keydir.Slot, UInt64)? {
            let hash = unsafe Checksum.hash(Array(key.utf8).span.bytes, seed: store.index.hashSeed)
            var search = try store.index.keydir.search(
                hash, descriptor: store.index.keydir.descriptor(hash))
            guard let found = unsafe search.next() else { return nil }
            return unsafe (found.slot, hash)
        }
        // Moved: to an older version of the same key.
        let (moved, movedHash) = unsafe try #require(try slot("key:5"))
        let good = unsafe moved.pointee.load(ordering: .relaxed) & (1 << Location.bits - 1)
        let older = try #require(
            try StoreFolder.segments(path).lazy.flatMap { name in
                try StoreFolder.records(path, name).map { (name, $0.offset, $0.key) }
            }.first { $0.2 == Array("key:5".utf8) })
        let segment = try #require(
            store.log.table.visibleSegments.first { $0.path.hasSuffix(older.0) })
        unsafe store.index.keydir.replace(
            moved, hash: movedHash, with: Location(segmentIndex: segment.index, offset: older.1))
        #expect(try store.verify().problems.map(\.text).contains { $0.contains("\"key:5\"") })
        unsafe store.index.keydir.replace(moved, hash: movedHash, with: Location(bits: good))
        #expect(try store.verify().isClean)
        // Made up: a key that the log says was deleted.
        var deleted = ""
        for number in 0..<300 where try store.value(forKey: "key:\(number)") == nil {
            deleted = "key:\(number)"
        }
        let hash = unsafe Checksum.hash(Array(deleted.utf8).span.bytes, seed: store.index.hashSeed)
        let record = try #require(
            try StoreFolder.records(path, older.0).first)
        try store.index.keydir.makeRoom(hash)
        store.index.keydir.insert(
            hash, Location(segmentIndex: segment.index, offset: record.offset))
        #expect(
            try store.verify().problems.map(\.text).contains { $0.hasPrefix("the keydir has") })
        // Lost.
        unsafe store.index.keydir.remove(moved, hash: movedHash)
        #expect(try store.verify().problems.map(\.text).contains { $0.contains("\"key:5\"") })
    }

    @Test("Counters that are wrong are found")
    func counters() throws {
        let store = try makeStore()
        let segment = store.log.table.visibleSegments[1]
        segment.liveBytes += 8
        #expect(try store.verify().problems.map(\.text).first?.contains("live bytes") == true)
        segment.liveBytes -= 8
        segment.tombstoneBytes -= 1 << 20
        #expect(try store.verify().problems.map(\.text).first?.contains("tombstone bytes") == true)
        segment.tombstoneBytes += 1 << 20
        #expect(try store.verify().isClean)
    }

    @Test("A byte that rots under an open store is found: in a record, a hint file, MANIFEST")
    func rot() throws {
        try makeStore().close()
        let segment = try #require(try StoreFolder.segments(path).first)
        let hint = try #require(try StoreFolder.hints(path).first)
        for (name, offset) in [(segment, 90), (segment, 150), (hint, 100), ("MANIFEST", 20)] {
            let store = try Store(path: path, options: .small())
            #expect(try store.verify().isClean)
            let bytes = try StoreFolder.bytes(path, name)
            let handle = try #require(FileHandle(forWritingAtPath: path + "/" + name))
            func put(_ byte: UInt8) throws {
                try handle.seek(toOffset: UInt64(offset))
                try handle.write(contentsOf: Data([byte]))
            }
            try put(bytes[offset] ^ 0x10)
            let problems = try store.verify().problems
            #expect(problems.first?.file.hasSuffix(name) == true, "\(problems)")
            try put(bytes[offset])
            #expect(try store.verify().isClean)
            try store.close()
        }
    }

    /// Two threads change the store as fast as they can; nothing of that is a difference.
    ///
    ///     the test           thread 1                         thread 2
    ///     verify, 20 times   sets and deletes all keys        compacts
    @Test("It is exact beside writes, deletions and compactions")
    func beside() throws {
        let store = try makeStore()
        let stop = Flag()
        defer { stop.set() }
        let writer = BackgroundThread {
            var round = 0
            while !stop.isSet {
                round += 1
                for number in 0..<300 {
                    if (number + round) % 3 == 0 {
                        _ = try? store.removeValue(forKey: "key:\(number)")
                    } else {
                        try? store.set("round \(round)", forKey: "key:\(number)")
                    }
                }
            }
        }
        let compactor = BackgroundThread {
            while !stop.isSet { _ = try? store.compact() }
        }
        for _ in 0..<20 { #expect(try store.verify().problems == []) }
        stop.set()
        _ = try writer.join()
        _ = try compactor.join()
        #expect(try store.verify().problems == [])
    }
}
