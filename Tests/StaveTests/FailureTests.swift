import Glibc
import StaveDisk
import Synchronization
import TestSupport
import Testing

@testable import Stave

@Suite("After a failure")
struct FailureTests {
    private let folder: TemporaryFolder
    private let path: String

    init() throws {
        folder = try TemporaryFolder(isInMemory: true)
        path = folder.path("store")
    }

    @Test("After a failed sync nothing is written, synced, sealed or called durable")
    func failedSync() throws {
        let store = try Store(path: path, options: .small())
        try store.set("1", forKey: "a")
        try store.sync()
        try store.set("2", forKey: "b")
        let failure = StoreError.syncFailed(file: "x", reason: "it failed")
        store.index.withLock {
            store.log.writer.failure = failure
            store.log.writer.full.append(store.log.writer.appender!)
            store.log.writer.appender = nil
        }
        let before = try itemsWithoutLock(path)
        #expect(storeError { try store.set("3", forKey: "c") } == failure)
        #expect(storeError { try store.removeValue(forKey: "a") } == failure)
        #expect(storeError { try store.sync() } == failure)
        #expect(storeError { try store.log.sealFull() } == failure)
        #expect(storeError { try store.compact() } == failure)
        #expect(try store.statistics().durableSequence == 2)
        #expect(try store.value(forKey: "b") == [UInt8(ascii: "2")])
        #expect(storeError { try store.close() } == failure)
        #expect(try itemsWithoutLock(path) == before)
        #expect(try Store(path: path).dictionary().count == 2)
    }

    @Test("The end of writing is told once, and is the store's state from then on")
    func endOfWriting() throws {
        let told = Mutex<[StoreError]>([])
        var options = StoreOptions.small()
        options.onEvent = { event in
            if case .writingEnded(let error) = event { told.withLock { $0.append(error) } }
        }
        let store = try Store(path: path, options: options)
        try store.set("1", forKey: "a")
        try StoreFolder.remove(path, "MANIFEST")
        let failure = try #require(storeError { try store.sync() })
        #expect(storeError { try store.sync() } == failure)
        #expect(storeError { try store.set("2", forKey: "a") } == failure)
        #expect(told.withLock { $0 } == [failure])
        #expect(store.state == .ended(failure))
    }

    @Test("A new segment that cannot be committed fails that write only, and leaves no file behind")
    func failedRotation() throws {
        let store = try Store(path: path, options: .small())
        let value = [UInt8](repeating: 1, count: 3000)
        try store.set(value, forKey: [1])
        let before = try StoreFolder.names(path)
        try Obstacle.put(path + "/MANIFEST.tmp")
        #expect(throws: StoreError.self) { try store.set(value, forKey: [2]) }
        #expect(throws: StoreError.self) {
            try store.set([2], forKey: [1]); try store.set(value, forKey: [1])
        }
        try Obstacle.remove(path + "/MANIFEST.tmp")
        #expect(try StoreFolder.names(path) == before)
        #expect(try store.dictionary() == [[1]: [2]])
        try store.set(value, forKey: [2])
        try store.close()
        let again = try Store(path: path)
        #expect(try again.dictionary() == [[1]: [2], [2]: value])
    }

    @Test(
        "Damage to a record's key while the store is open is an error until the key is removed or set"
    )
    func damageWhileOpen() throws {
        let store = try Store(path: path, options: .small())
        try store.set("old", forKey: "key")
        #expect(try store.dictionary().count == 1)
        try store.set("new", forKey: "key")
        let name = try StoreFolder.segments(path)[0]
        let record = try StoreFolder.records(path, name)[1]
        let byte = unsafe store.log.table.segments[0]!.mapping.base + record.offset + 29
        unsafe byte.storeBytes(of: byte.load(as: UInt8.self) ^ 1, as: UInt8.self)
        #expect(throws: StoreError.self) { try store.value(forKey: "key") }
        #expect(throws: StoreError.self) { try store.contains(key: Array("key".utf8)) }
        #expect(throws: StoreError.self) { try store.values(forKeys: [Array("key".utf8)]) }
        #expect(try store.removeValue(forKey: "key"))
        #expect(try store.value(forKey: "key") == nil && store.count == 0)
        try store.set("newer", forKey: "key")
        #expect(try store.value(forKey: "key") == Array("newer".utf8))
    }

    @Test("A store that is dropped without closing lets everything go, after compactions too")
    func dropped() throws {
        weak var dropped: Store?
        do {
            let store = try Store(path: path, options: .small())
            for number in 0..<200 { try store.set("\(number)", forKey: "key \(number % 10)") }
            let epoch = ReaderEpoch.enter()
            _ = try store.compact()
            epoch.leave()
            dropped = store
        }
        // The background may be in the middle of its work: it lets go when it is done.
        for _ in 0..<60_000 where dropped != nil { usleep(1000) }
        #expect(dropped == nil)
        #expect(try Store(path: path).count == 10)
    }
}
