import Foundation
import Stave
import StaveCodable
import TestSupport
import Testing

@Suite("Typed entries")
struct TypedStoreTests {
    private struct User: Codable, Equatable, Sendable {
        var name: String
        var born: Date?
        var tags: [String] = []
    }

    private struct NotToday: Error {}

    private let folder: TemporaryFolder
    private let store: Store

    init() throws {
        folder = try TemporaryFolder(isInMemory: true)
        store = try Store.open(folder.path("s"), .init(createsIfMissing: true))
    }

    @Test("What was set is read back, with each codec, and after reopening")
    func roundTrip() throws {
        let codecs: [any ValueCodec] = [JSONCodec(), PropertyListCodec()]
        for (index, codec) in codecs.enumerated() {
            let users = TypedStore<Int, User>(store, prefix: "user\(index):", codec: codec)
            let ada = User(name: "Ada", born: Date(timeIntervalSince1970: -4_866_000_000.25))
            try users.set(ada, for: -1)
            try users.set(User(name: "日本 \"\u{0}", tags: ["a/b", ""]), for: 2)
            #expect(try users.value(for: -1) == ada)
            #expect(try users.value(for: 2)?.tags == ["a/b", ""])
            #expect(try users.value(for: 3) == nil)
            #expect(try users.contains(2))
            #expect(try users.count == 2)
            #expect(try users.remove(2))
            #expect(try !users.remove(2))
            #expect(try users.count == 1)
        }
        let dates = TypedStore<String, User>(store, codec: JSONCodec(usesTextDates: true))
        try dates.set(User(name: "x", born: Date(timeIntervalSince1970: 0)), for: "d")
        #expect(
            try store.string(forKey: "d")
                == #"{"born":"1970-01-01T00:00:00Z","name":"x","tags":[]}"#)
        try store.close()
        let again = try Store.open(folder.path("s"))
        let users = TypedStore<Int, User>(again, prefix: "user0:")
        #expect(try users.value(for: -1)?.name == "Ada")
    }

    @Test("Entries come in the order of their keys, both ways and within a range, as a model says")
    func order() throws {
        var random = SeededRandom.forTest()
        let numbers = TypedStore<Int, Int>(store, prefix: "n")
        // Neighbours in the store that are no entries of it.
        try store.set("x", forKey: "m")
        try store.set("x", forKey: "o")
        var model: [Int: Int] = [:]
        for _ in 0..<300 {
            let key = Int.random(in: -100..<100, using: &random)
            if random.chance(30) {
                #expect(try numbers.remove(key) == (model.removeValue(forKey: key) != nil))
            } else {
                model[key] = Int.random(in: 0..<1000, using: &random)
                try numbers.set(model[key]!, for: key)
            }
        }
        let moment = try numbers.snapshot()
        try numbers.set(1, for: 1000)
        for direction in [KeyDirection.ascending, .descending] {
            var seen: [Int] = []
            try moment.forEach(direction: direction) { key, value in
                #expect(model[key] == value)
                seen.append(key)
            }
            let sorted = model.keys.sorted()
            #expect(seen == (direction == .ascending ? sorted : sorted.reversed()))
        }
        for _ in 0..<50 {
            let bounds = [0, 1].map { _ in Int.random(in: -120..<120, using: &random) }.sorted()
            let range = bounds[0]..<bounds[1]
            var seen: [Int] = []
            try moment.forEach(in: range) { key, _ in seen.append(key) }
            #expect(seen == model.keys.sorted().filter(range.contains))
            #expect(try moment.count(in: range) == seen.count)
        }
    }

    @Test("A change that nothing comes in between, from several threads")
    func update() throws {
        let hits = TypedStore<String, Int>(store)
        DispatchQueue.concurrentPerform(iterations: 4) { _ in
            for _ in 0..<100 {
                do { try hits.update("/") { $0 = ($0 ?? 0) + 1 } } catch { Issue.record(error) }
            }
        }
        #expect(try hits.value(for: "/") == 400)
        try hits.update("/") { $0 = nil }
        #expect(try !hits.contains("/"))
        #expect(throws: NotToday.self) {
            try hits.update("/") { (value) in
                value = 1
                throw NotToday()
            }
        }
        #expect(try hits.value(for: "/") == nil)
    }

    @Test("In a batch: all or none")
    func batch() throws {
        let users = TypedStore<Int, User>(store, prefix: "u")
        try users.set(User(name: "old"), for: 1)
        #expect(throws: NotToday.self) {
            try store.write { batch in
                try users.set(User(name: "new"), for: 2, in: &batch)
                try users.remove(1, in: &batch)
                throw NotToday()
            }
        }
        #expect(try users.count == 1)
        try store.write { batch in
            try users.set(User(name: "new"), for: 2, in: &batch)
            try users.remove(1, in: &batch)
        }
        #expect(try users.value(for: 1) == nil)
        #expect(try users.value(for: 2)?.name == "new")
    }

    @Test("A value or key of another type is an error that names the key")
    func otherTypes() throws {
        let users = TypedStore<Int, User>(store, prefix: "u")
        try store.set("{}", forKey: users.bytes(of: 1))
        let error = #expect(throws: ValueDecodingError.self) { try users.value(for: 1) }
        #expect(error?.key == users.bytes(of: 1))
        #expect(throws: ValueDecodingError.self) { try users.update(1) { _ in } }
        try store.set("{}", forKey: "u too long a key")
        #expect(throws: (any Error).self) { try users.forEach { _, _ in } }
        #expect(throws: StoreError.emptyKey) {
            try TypedStore<String, Int>(store).set(1, for: "")
        }
    }
}
