import Stave
import TestSupport
import Testing

@testable import Stave

@Suite("What is read of a store or a snapshot")
struct ReadableStoreTests {
    private struct Odd: Error, Equatable { var length: Int }

    private let folder: TemporaryFolder
    private let store: Store

    init() throws {
        folder = try TemporaryFolder(isInMemory: true)
        store = try Store.open(folder.path("s"), .init(createsIfMissing: true))
        for key in ["a", "b:1", "b:2", "b:3", "c"] { try store.set("<\(key)>", forKey: key) }
        try store.set([0xff], forKey: "z")
    }

    private func check(_ source: some ReadableStore) throws {
        #expect(try source.value(forKey: "a") == Array("<a>".utf8))
        #expect(try source.value(forKey: Array("a".utf8)) == Array("<a>".utf8))
        #expect(try source.value(forKey: "xa".dropFirst()) == Array("<a>".utf8))
        #expect(try source.value(forKey: Array("xa".utf8).dropFirst()) == Array("<a>".utf8))
        #expect(try source.value(forKey: ContiguousArray("a".utf8)) == Array("<a>".utf8))
        #expect(try source.string(forKey: "b:1") == "<b:1>")
        #expect(try source.string(forKey: "z") == "\u{fffd}")
        #expect(try source.string(forKey: "none") == nil)
        #expect(try source.contains(key: "a"))
        #expect(try !source.contains(key: "b"))
        #expect(try source.read("c") { (bytes: RawSpan) throws(Odd) in bytes.byteCount } == 3)
        #expect(try source.read("none") { (_: RawSpan) throws(Odd) in throw Odd(length: 0) } == nil)
        #expect(throws: Odd(length: 3)) {
            try source.read("c") { (bytes: RawSpan) throws(Odd) in
                throw Odd(length: bytes.byteCount)
            }
        }
        #expect(try source.read("") { _ in 0 } == nil)

        func keys(_ cursor: EntryCursor) throws -> [String] {
            var (cursor, keys) = (cursor, [String]())
            while let key = try cursor.nextKey() {
                keys.append(String(decoding: key, as: UTF8.self))
            }
            return keys
        }
        let all = ["a", "b:1", "b:2", "b:3", "c", "z"]
        #expect(try keys(source.entries()) == all)
        #expect(try keys(source.entries(prefix: "b:")) == Array(all[1..<4]))
        #expect(try keys(source.entries(in: KeyRange(from: "b:2", to: "c"))) == ["b:2", "b:3"])
        #expect(try keys(source.entries(in: KeyRange(from: "b:3"))) == ["b:3", "c", "z"])
        #expect(try keys(source.entries(in: KeyRange(to: "b:2"))) == ["a", "b:1"])
        var cursor = try source.entries(prefix: "b:")
        _ = try cursor.next()
        #expect(try keys(cursor.reversed()) == ["b:3", "b:2", "b:1"])
        #expect(try keys(cursor.reversed().reversed()) == ["b:1", "b:2", "b:3"])
        #expect(try keys(cursor) == ["b:2", "b:3"])
        #expect(try source.count(in: .all) == 6)
        #expect(try source.count(in: KeyRange(prefix: "b:")) == 3)

        var seen: [String] = []
        try source.forEach(in: KeyRange(prefix: "b:"), direction: .descending) { key, value in
            seen.append(String(decoding: key) + String(decoding: value))
        }
        #expect(seen == ["b:3<b:3>", "b:2<b:2>", "b:1<b:1>"])
        seen = []
        #expect(throws: Odd(length: 2)) {
            try source.forEach { (key, _) throws(Odd) in
                if seen.count == 2 { throw Odd(length: 2) }
                seen.append(String(decoding: key))
            }
        }
        #expect(seen == ["a", "b:1"])
    }

    @Test("Is the same, in text and in bytes, whichever of the two it is")
    func both() throws {
        try check(store)
        let snapshot = try store.snapshot()
        try store.set("new", forKey: "a")
        try store.set("new", forKey: "d")
        try store.removeValue(forKey: "b:2")
        try check(snapshot)
    }

    @Test("The state of a store says whether it may be written to, and why not")
    func state() throws {
        #expect(store.state == .writable)
        let reader = try Store.open(folder.path("s"), .init(access: .readOnly))
        #expect(reader.state == .readOnly(.asked))
        try store.sync()
        try store.close()
        #expect(store.state == .closed)
        // Damage that names no key: a segment that was emptied.
        let name = "0000000001.segment"
        try? StoreFolder.remove(folder.path("s"), "keydir.checkpoint")
        var bytes = try StoreFolder.bytes(folder.path("s"), name)
        for index in 80..<bytes.count { bytes[index] = 0 }
        try StoreFolder.write(bytes, folder.path("s"), name)
        let damaged = try Store.open(folder.path("s"))
        guard case .readOnly(.damaged(let damage)) = damaged.state else {
            Issue.record("\(damaged.state)")
            return
        }
        #expect(damage.count == 1)
    }
}
