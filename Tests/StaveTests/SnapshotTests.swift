import TestSupport
import Testing

@testable import Stave

@Suite("A snapshot")
struct SnapshotTests {
    private let folder: TemporaryFolder
    private let store: Store

    init() throws {
        folder = try TemporaryFolder(isInMemory: true)
        store = try Store(path: folder.path("store"), options: .small())
    }

    private func keys(_ snapshot: Snapshot) throws -> [[UInt8]] {
        var cursor = try snapshot.entries()
        var keys: [[UInt8]] = []
        while let key = try cursor.nextKey() { keys.append(key) }
        return keys
    }

    @Test("shows each key as it was: changed, deleted, made and untouched ones")
    func asItWas() throws {
        for key: UInt8 in 1...4 { try store.set([key, 1], forKey: [key]) }
        try store.removeValue(forKey: [4])
        let snapshot = try store.snapshot()
        try store.set([1, 2], forKey: [1])
        try store.removeValue(forKey: [2])
        try store.set([4, 2], forKey: [4])
        try store.set([5, 2], forKey: [5])
        for _ in 0..<2 {
            #expect(try snapshot.value(forKey: [1]) == [1, 1])
            #expect(try snapshot.value(forKey: [2]) == [2, 1])
            #expect(try snapshot.value(forKey: [3]) == [3, 1])
            #expect(try snapshot.value(forKey: [4]) == nil)
            #expect(try snapshot.value(forKey: [5]) == nil)
            #expect(try snapshot.count == 3 && keys(snapshot) == [[1], [2], [3]])
            #expect(try store.value(forKey: [1]) == [1, 2])
            // The second time, what the snapshot shows lies in a file that is gone.
            _ = try store.compact()
        }
    }

    @Test("does not see what a compaction copies after later writes as older than itself")
    func compactedLater() throws {
        try store.set([1], forKey: [1])
        let before = try store.snapshot()
        try store.set([2], forKey: [1])
        let after = try store.snapshot()
        _ = try store.compact()
        #expect(try before.value(forKey: [1]) == [1])
        #expect(try after.value(forKey: [1]) == [2])
    }

    @Test("of a store that was closed says so")
    func closed() throws {
        let snapshot = try store.snapshot()
        try store.close()
        #expect(throws: StoreError.closed) { try snapshot.value(forKey: [1]) }
        #expect(throws: StoreError.closed) { try snapshot.entries() }
    }
}
