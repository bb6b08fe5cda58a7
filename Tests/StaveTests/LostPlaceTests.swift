import Foundation
import Glibc
import StaveDisk
import TestSupport
import Testing

@testable import Stave

/// What was written to a file that has lost its name is gone when the process ends, and no system
/// call fails: the store itself must look.
@Suite("A store whose directory or files are taken away while it is open")
struct LostPlaceTests {
    private let folder: TemporaryFolder
    private let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.path("store")
    }

    /// What is done, and what the error must say.
    struct Loss: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let file: String
        let body: @Sendable (_ path: String) throws -> Void
    }

    static let losses: [Loss] = [
        Loss(testDescription: "the directory is removed", file: "") { path in
            try FileManager.default.removeItem(atPath: path)
        },
        Loss(testDescription: "the directory is removed and made again", file: "") { path in
            try FileManager.default.removeItem(atPath: path)
            unsafe mkdir(path, 0o700)
        },
        Loss(testDescription: "another directory takes its place", file: "") { path in
            unsafe rename(path, path + ".old")
            unsafe mkdir(path, 0o700)
        },
        Loss(testDescription: "a copy takes its place", file: "") { path in
            unsafe rename(path, path + ".old")
            try FileManager.default.copyItem(atPath: path + ".old", toPath: path)
        },
        Loss(testDescription: "LOCK is removed", file: "/LOCK") { path in
            try StoreFolder.remove(path, "LOCK")
        },
        Loss(testDescription: "LOCK is replaced", file: "/LOCK") { path in
            try Self.replace(path + "/LOCK")
        },
        Loss(testDescription: "the segment is removed", file: "/0000000001.segment") { path in
            try StoreFolder.remove(path, "0000000001.segment")
        },
        Loss(testDescription: "the segment is replaced", file: "/0000000001.segment") { path in
            try Self.replace(path + "/0000000001.segment")
        },
        Loss(testDescription: "MANIFEST is removed", file: "/MANIFEST") { path in
            try StoreFolder.remove(path, "MANIFEST")
        },
        Loss(testDescription: "MANIFEST is replaced by an older one", file: "/MANIFEST") { path in
            let older = try Self.olderManifest(path)
            try StoreFolder.write(older, path, "MANIFEST~")
            unsafe rename(path + "/MANIFEST~", path + "/MANIFEST")
        },
        Loss(testDescription: "MANIFEST is overwritten by an older one", file: "/MANIFEST") {
            path in
            try StoreFolder.overwrite(Self.olderManifest(path), path, "MANIFEST")
        },
        Loss(testDescription: "MANIFEST is emptied", file: "/MANIFEST") { path in
            try StoreFolder.write([], path, "MANIFEST")
        },
    ]

    private static func olderManifest(_ path: String) throws -> [UInt8] {
        var manifest = try StoreFolder.manifest(path)
        manifest.revision -= 1
        return Array(manifest.encoded())
    }

    /// As an editor does.
    private static func replace(_ file: String) throws {
        try FileManager.default.copyItem(atPath: file, toPath: file + "~")
        unsafe rename(file + "~", file)
    }

    private func expect(_ loss: Loss, _ error: StoreError?) {
        guard case .directoryLost(let path, _)? = error else {
            Issue.record("\(error?.description ?? "no error")")
            return
        }
        #expect(path == self.path + loss.file)
        #expect(error?.description.contains("reopen the store") == true)
    }

    @Test("A write that counts as durable, and every later one, is refused", arguments: losses)
    func writes(loss: Loss) throws {
        let store = try Store(path: path, options: .small(1 << 20, durability: .always))
        try store.set("1", forKey: "a")
        try loss.body(path)
        expect(loss, storeError { try store.set("2", forKey: "b") })
        expect(loss, storeError { try store.set("3", forKey: "c") })
        expect(loss, storeError { try store.removeValue(forKey: "a") })
        expect(loss, storeError { try store.sync() })
        expect(loss, storeError { try store.compact() })
        #expect(try store.value(forKey: "a") == [UInt8(ascii: "1")])
        #expect(try store.dictionary().count == 2)
        expect(loss, storeError { try store.close() })
    }

    @Test(
        "A sync says so, with something to be synced or without", arguments: losses, [true, false])
    func sync(loss: Loss, isPending: Bool) throws {
        let store = try Store(path: path, options: .small(1 << 20))
        try store.set("1", forKey: "a")
        try store.sync()
        if isPending { try store.set("2", forKey: "b") }
        try loss.body(path)
        expect(loss, storeError { try store.sync() })
        expect(loss, storeError { try store.set("3", forKey: "c") })
    }

    @Test("A close says so", arguments: losses)
    func close(loss: Loss) throws {
        let store = try Store(path: path, options: .small(1 << 20))
        try store.set("1", forKey: "a")
        try loss.body(path)
        expect(loss, storeError { try store.close() })
    }

    @Test("The background finds it, and the next write is told", arguments: losses)
    func background(loss: Loss) throws {
        let store = try Store(path: path, options: .small(1 << 20, durability: .interval))
        try store.set("1", forKey: "a")
        try loss.body(path)
        var error: StoreError?
        for _ in 0..<20_000 where error == nil {
            error = storeError { try store.set("2", forKey: "a") }
            usleep(1000)
        }
        expect(loss, error)
    }

    private static let spoiled: [Loss] = [
        Loss(testDescription: "cut to its header", file: "/0000000001.segment") { path in
            unsafe truncate(path + "/0000000001.segment", 80)
        },
        Loss(testDescription: "cut behind its last record", file: "/0000000001.segment") { path in
            unsafe truncate(path + "/0000000001.segment", 112)
        },
        Loss(testDescription: "overwritten by a copy", file: "/0000000001.segment") { path in
            let copy = try StoreFolder.bytes(path + ".copy", "0000000001.segment")
            try StoreFolder.overwrite(copy, path, "0000000001.segment")
        },
    ]

    @Test(
        "A segment that was cut or overwritten under its writer ends writing",
        arguments: spoiled, [true, false])
    func spoiledSegment(loss: Loss, isPending: Bool) throws {
        let store = try Store(path: path, options: .small(1 << 20, durability: .os))
        try store.set("1", forKey: "a")
        try store.sync()
        try store.copyAsKilled(to: path + ".copy")
        try store.set("2", forKey: "b")
        if !isPending || loss.testDescription.hasPrefix("overwritten") { try store.sync() }
        try loss.body(path)
        if isPending { try store.set("3", forKey: "c") }
        expect(loss, storeError { try store.sync() })
        expect(loss, storeError { try store.set("4", forKey: "d") })
        expect(loss, storeError { try store.close() })
    }

    @Test("A MANIFEST that was touched, or replaced by its like, is no loss")
    func touched() throws {
        let store = try Store(path: path, options: .small(durability: .always))
        try store.set("1", forKey: "a")
        try Self.replace(path + "/MANIFEST")
        try store.set("2", forKey: "b")
        unsafe utimes(path + "/MANIFEST", nil)
        try store.set("3", forKey: "c")
        try store.sealActive()
        try store.close()
        #expect(try Store(path: path).dictionary().count == 3)
    }

    @Test("A directory that was renamed keeps what is written, and its writer goes on")
    func renamed() throws {
        let store = try Store(path: path, options: .small(durability: .always))
        try store.set("1", forKey: "a")
        let moved = folder.path("moved")
        unsafe #expect(rename(path, moved) == 0)
        try store.set("2", forKey: "b")
        try store.sealActive()
        try store.set("3", forKey: "c")
        _ = try store.compact()
        try store.close()
        #expect(try Store(path: moved).dictionary().count == 3)
    }

    @Test("Where LOCK is gone, a second writer is refused all the same", arguments: [false, true])
    func secondWriter(isReplaced: Bool) throws {
        let store = try Store(path: path, options: .small())
        try store.set("1", forKey: "a")
        try StoreFolder.remove(path, "LOCK")
        if isReplaced { try StoreFolder.write([], path, "LOCK") }
        #expect(storeError { try Store(path: path) } == .locked(path: path, holder: nil))
        #expect(throws: StoreError.self) { try store.close() }
        let second = try Store(path: path)
        #expect(try second.value(forKey: "a") == [UInt8(ascii: "1")])
    }

    @Test("A segment that a compaction took away while a sync ran is no loss")
    func compacted() throws {
        let store = try Store(path: path, options: .small())
        for _ in 0..<2 {
            try store.set("1", forKey: "a")
            try store.sealActive()
        }
        try store.set("2", forKey: "a")
        let appender = try #require(store.index.withLock { store.log.writer.appender })
        try store.sealActive()
        _ = try store.compact()
        let isInPlace = appender.isInPlace(in: store.log.directory)
        #expect(!isInPlace)
        try store.log.requirePlace(of: [appender])
        try store.set("3", forKey: "a")
        try store.close()
    }

    @Test("A compaction removes nothing once a file that it wrote is gone")
    func output() throws {
        let store = try Store(path: path, options: .small())
        for number in 0..<200 { try store.set("\(number)", forKey: "key \(number % 20)") }
        try store.sealActive()
        let before = try store.dictionary()
        let names = try StoreFolder.segments(path)
        let inputs = store.index.withLock { store.log.table.visibleSegments.filter(\.isSealed) }
        let compaction = Compaction(of: inputs, others: [], in: store.compactor)
        let error = storeError {
            while try compaction.step() {
                guard case .syncing = compaction.phase else { continue }
                let output = try #require(
                    try StoreFolder.segments(path).first { !names.contains($0) })
                try StoreFolder.remove(path, output)
            }
        }
        guard case .directoryLost? = error else {
            Issue.record("\(error?.description ?? "no error")")
            return
        }
        #expect(try store.dictionary() == before)
        try store.close()
        #expect(try Store(path: path).dictionary() == before)
    }
}
