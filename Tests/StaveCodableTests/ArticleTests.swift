import Foundation
import Stave
import StaveCodable
import TestSupport
import Testing

/// The Swift of the documentation's articles, compiled and run. Each block stands here as it stands
/// there, behind the article's name.
@Suite("Examples of the articles", .serialized)
struct ArticleTests {
    private let folder: TemporaryFolder
    private let store: Store

    init() throws {
        folder = try TemporaryFolder(isInMemory: true)
        store = try Store.open(folder.path("s"), .init(createsIfMissing: true))
        try store.set("Ada", forKey: "user:1")
        try store.set("Alan", forKey: "user:2")
    }

    /// Relative paths of examples lead into the test's folder.
    private func inFolder<Result>(_ body: () throws -> Result) rethrows -> Result {
        Self.directory.lock()
        defer { Self.directory.unlock() }
        let before = FileManager.default.currentDirectoryPath
        #expect(FileManager.default.changeCurrentDirectoryPath(folder.path("")))
        defer { _ = FileManager.default.changeCurrentDirectoryPath(before) }
        return try body()
    }

    private static let directory = NSLock()

    @Test("Getting started")
    func gettingStarted() throws {
        try inFolder {
            // GettingStarted
            let store = try Store.open("people", .init(createsIfMissing: true))
            try store.set("Ada Lovelace", forKey: "user:1")
            let name = try store.string(forKey: "user:1")
            try store.removeValue(forKey: "user:1")
            try store.close()
            // end
            #expect(name == "Ada Lovelace")
        }
        // GettingStarted
        let length = try store.read("user:1") { (bytes: RawSpan) in bytes.byteCount }
        // end
        #expect(length == 3)
        try store.removeValue(forKey: "user:1")
        try store.removeValue(forKey: "user:2")
        // GettingStarted
        struct User: Codable { var name: String }

        let users = TypedStore<Int, User>(store, prefix: "user:")
        try users.set(User(name: "Ada"), for: 1)
        try users.update(1) { $0?.name += " Lovelace" }
        try users.forEach { id, user in print(id, user.name) }
        // end
        #expect(try users.value(for: 1)?.name == "Ada Lovelace")
    }

    @Test("Durability")
    func durability() throws {
        try inFolder {
            // ChoosingDurability
            let store = try Store.open("people", .init(createsIfMissing: true, durability: .always))
            // end
            #expect(store.durability == .always)
        }
        // ChoosingDurability
        for number in 0..<1000 {
            try store.set("value \(number)", forKey: "key \(number)", deferringSync: true)
        }
        try store.sync()
        // end
        #expect(store.count == 1002)
    }

    @Test("Snapshots and scans")
    func snapshots() throws {
        // SnapshotsAndScans
        var entries = try store.entries(prefix: "user:")
        while let (key, value) = try entries.next() {
            print(String(decoding: key, as: UTF8.self), value.count)
        }
        // end
        // SnapshotsAndScans
        var total = 0
        try store.forEach(in: KeyRange(from: "user:1", to: "user:5"), direction: .descending) {
            _, value in
            total += value.byteCount
        }
        // end
        #expect(total == 7)
        // SnapshotsAndScans
        let snapshot = try store.snapshot()
        try store.set("Grace", forKey: "user:2")
        let before = try snapshot.string(forKey: "user:2")
        // end
        #expect(before == "Alan")
        // SnapshotsAndScans
        func names(in source: some ReadableStore) throws -> [String] {
            var names: [String] = []
            try source.forEach(in: KeyRange(prefix: "user:")) { _, value in
                names.append(String(decoding: value))
            }
            return names
        }
        // end
        #expect(try names(in: store) == ["Ada", "Grace"])
        #expect(try names(in: snapshot) == ["Ada", "Alan"])
    }

    private struct SoldOut: Error {}

    @Test("Batches")
    func batches() throws {
        // Batches
        try store.write { batch in
            try batch.set("Ada", forKey: "user:1")
            try batch.removeValue(forKey: "user:2")
        }
        // end
        #expect(try !store.contains(key: "user:2"))
        try store.set("1", forKey: "seats")
        func book() throws {
            // Batches
            try store.write { batch in
                let seats =
                    Int(String(decoding: try batch.value(forKey: "seats") ?? [], as: UTF8.self))
                    ?? 0
                guard seats > 0 else { throw SoldOut() }
                try batch.set("\(seats - 1)", forKey: "seats")
            }
            // end
        }
        try book()
        #expect(throws: SoldOut.self) { try book() }
        // Batches
        let isFirst = try store.set(Array("me".utf8), forKey: Array("lock".utf8), if: .absent)
        let visits = try store.increment(Array("visits".utf8), by: 1)
        let version = try store.version(forKey: "seats")
        // end
        #expect(isFirst && visits == 1 && version != nil)
    }

    @Test("Asynchronous code")
    func asynchronousCode() async throws {
        // Not run: it opens a store in the working directory.
        func example() async throws {
            // AsynchronousCode
            let store = try await Store.open("people", .init(createsIfMissing: true))
            try store.set("Ada", forKey: "user:1")
            try await store.sync()
            for try await (key, value) in try store.entries(prefix: "user:") {
                print(key.count, value.count)
            }
            try await store.compact()
            try await store.close()
            // end
        }
        // AsynchronousCode
        let watcher = Task {
            for await event in store.events {
                if case .writingEnded(let error) = event { print("no more writes: \(error)") }
            }
        }
        // end
        try await store.close()
        await watcher.value
    }

    @Test("Tuning, and larger than memory")
    func tuning() throws {
        // Tuning
        var keys = KeyBatch()
        for number in 0..<100 {
            keys.append("user:\(number)")
        }
        var found = 0
        try store.withValues(for: keys) { index, value in
            if value != nil { found += 1 }
        }
        // end
        #expect(found == 2)
        try inFolder {
            // Tuning
            var policy = CompactionPolicy()
            policy.startAmplification = 1.5
            policy.bytesPerSecond = 50 << 20
            let store = try Store.open(
                "people", .init(createsIfMissing: true, compaction: policy))
            // end
            #expect(store.state == .writable)
        }
        // LargerThanMemory
        let statistics = try store.statistics()
        print(statistics.keydirBytes, statistics.residentBytes, statistics.diskBytes)
        // end
    }

    @Test("From other stores")
    func fromOtherStores() throws {
        let rows = (0..<2500).map { (key: "row \($0)", value: "\($0)") }
        // FromOtherStores
        for start in stride(from: 0, to: rows.count, by: 1000) {
            try store.write { batch in
                for row in rows[start..<min(start + 1000, rows.count)] {
                    try batch.set(row.value, forKey: row.key)
                }
            }
        }
        // end
        #expect(store.count == 2502)
    }

    @Test("Every block of every article is one of those above")
    func blocks() throws {
        let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let articles = here.appendingPathComponent("../../Sources/Stave/Stave.docc").standardized
        let source = try String(contentsOfFile: #filePath, encoding: .utf8)
        var seen = 0
        for file in try FileManager.default.contentsOfDirectory(atPath: articles.path) {
            let text = try String(
                contentsOf: articles.appendingPathComponent(file), encoding: .utf8)
            let name = file.dropLast(".md".count)
            let compiled = source.components(separatedBy: "// \(name)\n").dropFirst()
                .map { bare($0.components(separatedBy: "// end")[0]) }
            let blocks = text.components(separatedBy: "```swift\n").dropFirst()
                .map { bare($0.components(separatedBy: "```")[0]) }
            #expect(blocks == compiled, "\(file)")
            seen += blocks.count
        }
        #expect(seen > 12)
    }

    /// Without blanks and ends of lines: a line may be broken elsewhere here.
    private func bare(_ text: String) -> String { text.filter { !$0.isWhitespace } }
}
