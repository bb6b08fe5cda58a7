import Stave
import TestSupport
import Testing

@testable import Stave

@Suite("From asynchronous code")
struct AsyncTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder(isInMemory: true) }

    @Test("Open, write, sync, verify, compact, back up and close, on threads that may block")
    func calls() async throws {
        let store = try await Store.open(folder.path("s"), .init(createsIfMissing: true))
        for number in 0..<1000 { try store.set("v\(number)", forKey: "k\(number % 100)") }
        try await store.sync()
        #expect(try await store.verify().isClean)
        let report = try await store.compact()
        #expect(report.droppedRecords == 900)
        _ = try await store.backup(to: folder.path("b"))
        try await store.close()
        #expect(store.state == .closed)
        await #expect(throws: StoreError.closed) { try await store.sync() }
        let backup = try await Store.open(folder.path("b"))
        var seen = 0
        for try await (key, value) in try backup.entries(prefix: "k") {
            let number = try #require(Int(String(decoding: key.dropFirst(), as: UTF8.self)))
            #expect(value == Array("v\(900 + number)".utf8))
            seen += 1
        }
        #expect(seen == 100)
    }

    @Test("An open that fails throws what the plain one does")
    func failure() async throws {
        let path = folder.path("missing")
        await #expect(throws: StoreError.noSuchDirectory(path: path)) {
            try await Store.open(path)
        }
    }

    @Test("A compaction of a cancelled task is cancelled, and the store as it was")
    func cancellation() async throws {
        let store = try await Store.open(folder.path("s"), .init(createsIfMissing: true))
        for number in 0..<1000 { try store.set("v", forKey: "k\(number % 10)") }
        store.pauseCompaction()
        let task = Task { () async throws -> CompactionReport in try await store.compact() }
        task.cancel()
        store.resumeCompaction()
        await #expect(throws: StoreError.cancelled) { try await task.value }
        #expect(store.count == 10)
        #expect(try await store.compact().droppedRecords == 990)
        let verification = Task { () async throws -> VerificationReport in
            unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
            return try await store.verify()
        }
        await #expect(throws: StoreError.cancelled) { try await verification.value }
    }

    @Test("Streams tell of events, each of all since it began, and end with the store")
    func events() async throws {
        let store = try await Store.open(folder.path("s"), .init(createsIfMissing: true))
        let first = store.events
        for number in 0..<1000 { try store.set("v", forKey: "k\(number % 10)") }
        store.log.events.tell(.compacted(CompactionReport()))
        let second = store.events
        store.log.events.tell(.setAside(file: "x"))
        try await store.close()
        var seen: [[String]] = []
        for stream in [first, second, store.events] {
            var names: [String] = []
            for await event in stream {
                switch event {
                case .compacted: names.append("compacted")
                case .setAside: names.append("aside")
                default: Issue.record("\(event)")
                }
            }
            seen.append(names)
        }
        #expect(seen == [["compacted", "aside"], ["aside"], []])
    }
}
