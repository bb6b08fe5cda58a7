import Foundation
import StaveDisk
import TestSupport
import Testing

@testable import Stave

@Suite("A backup")
struct BackupTests {
    private let folder: TemporaryFolder
    private let target: String

    init() throws {
        folder = try TemporaryFolder(isInMemory: true)
        target = folder.path("backup")
    }

    private func open(_ name: String = "store", _ options: StoreOptions = .small()) throws -> Store
    {
        try Store(path: folder.path(name), options: options)
    }

    private func filled(_ count: Int = 300) throws -> Store {
        let store = try open()
        let history = History.random(count, keys: 60)
        try history.play(on: store)
        return store
    }

    private func inode(_ path: String, _ name: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path + "/" + name)
        return try #require((attributes[.systemFileNumber] as? NSNumber)?.intValue)
    }

    private func isSame(_ name: String) throws -> Bool {
        try inode(folder.path("store"), name) == inode(target, name)
    }

    /// What a backup holds, by a reader and then by a writer of a copy, which makes writes of its
    /// own.
    private func contents(_ path: String? = nil) throws -> [[UInt8]: [UInt8]] {
        let path = path ?? target
        let reader = try Store(path: path, options: .reading)
        #expect(reader.notices == [])
        #expect(try reader.verify().isClean)
        let found = try reader.dictionary()
        try reader.close()
        try StoreFolder.copy(path, to: folder.path("restored"))
        let restored = try open("restored")
        try restored.set("after", forKey: "after")
        _ = try restored.compact()
        let isNew = found[Array("after".utf8)] == nil
        #expect(try restored.dictionary().count == found.count + (isNew ? 1 : 0))
        try restored.close()
        return found
    }

    @Test("Is the store as it was, by links of what is sealed and a copy of what is not")
    func asItWas() throws {
        let store = try filled()
        let wanted = try store.dictionary()
        let report = try store.backup(to: target)
        #expect(report.linkedCount > 1 && report.copiedCount >= 1 && report.keptCount == 0)
        #expect(report.keyCount == wanted.count)
        try store.set("later", forKey: "later")
        try store.sync()
        #expect(try contents() == wanted)
        #expect(try isSame("0000000001.segment"))
        #expect(try StoreFolder.manifest(target).segments.allSatisfy(\.isSealed))
        #expect(try StoreFolder.names(target).allSatisfy { !$0.hasSuffix(".tmp") })
        // The store goes on, and loses nothing of the backup.
        for round in 0..<4 {
            try History.random(300, keys: 60, seed: UInt64(round + 2)).play(on: store)
            _ = try store.compact()
        }
        #expect(try contents() == wanted)
        try store.close()
    }

    @Test("Made again in the same place takes what is new and removes what is not needed")
    func incremental() throws {
        let store = try filled()
        _ = try store.backup(to: target)
        try store.set("later", forKey: "later")
        let second = try store.backup(to: target)
        #expect(second.keptCount > 1 && second.linkedCount == 0 && second.copiedCount == 1)
        var wanted = try store.dictionary()
        #expect(try contents() == wanted)
        // The segment that was copied half full is linked when it is sealed.
        try store.set("more", forKey: "more")
        wanted = try store.dictionary()
        try store.sealActive()
        #expect(try store.backup(to: target).linkedCount == 1)
        #expect(try contents() == wanted)
        _ = try store.compact()
        let third = try store.backup(to: target)
        #expect(third.removedCount > 0)
        wanted = try store.dictionary()
        #expect(try contents() == wanted)
        let named = try StoreFolder.manifest(target).segments.map {
            FileName.segment($0.number).name
        }
        #expect(try StoreFolder.segments(target) == named)
        // Nothing changed: nothing is done.
        let again = try store.backup(to: target)
        #expect(again.keptCount == again.segmentCount && again.removedCount == 0)
        try store.close()
    }

    @Test("Copies where that is asked for, and checks what it copies")
    func copies() throws {
        let store = try filled()
        let wanted = try store.dictionary()
        let report = try store.backup(to: target, copying: true)
        #expect(report.linkedCount == 0 && report.copiedCount > 1)
        #expect(report.copiedBytes == report.byteCount)
        #expect(try !isSame("0000000001.segment"))
        #expect(try contents() == wanted)
        let hints = try StoreFolder.hints(target)
        let known = try StoreFolder.hints(store.path)
        #expect(hints.count > 1 && Set(hints).isSubset(of: known))
        // A damaged record is told of, and the older backup stays.
        let before = try StoreFolder.items(target)
        var bytes = try StoreFolder.bytes(store.path, "0000000001.segment")
        let record = try StoreFolder.records(store.path, "0000000001.segment")[2]
        bytes[record.offset + 30 + record.key.count] ^= 1
        let url = URL(fileURLWithPath: store.path + "/0000000001.segment")
        let handle = try FileHandle(forWritingTo: url)
        try handle.write(contentsOf: Data(bytes))
        try handle.close()
        let other = folder.path("other")
        let error = storeError { try store.backup(to: other, copying: true) }
        #expect(error?.description.contains("0000000001.segment") == true)
        #expect(storeError { try Store(path: other, options: .reading) } != nil)
        #expect(try StoreFolder.items(target) == before)
        try store.close()
    }

    @Test("Works from a reader beside the writer, and of a store that was killed")
    func beside() throws {
        let store = try filled()
        let wanted = try store.dictionary()
        let reader = try open("store", .reading)
        try store.set("later", forKey: "later")
        _ = try store.compact()
        _ = try reader.backup(to: target)
        #expect(try contents() == wanted)
        try reader.close()
        try store.copyAsKilled(to: folder.path("killed"))
        let killed = try open("killed", .reading)
        _ = try killed.backup(to: folder.path("of killed"))
        #expect(try contents(folder.path("of killed")) == (try store.dictionary()))
        try store.close()
    }

    @Test("Of a backup is the way back")
    func restored() throws {
        let store = try filled()
        let wanted = try store.dictionary()
        _ = try store.backup(to: target)
        try store.close()
        let backup = try Store(path: target, options: .reading)
        _ = try backup.backup(to: folder.path("again"))
        try backup.close()
        #expect(try contents(folder.path("again")) == wanted)
    }

    @Test("Leaves alone what is no older backup of this store")
    func refused() throws {
        let store = try filled()
        func refuse(_ path: String, _ reason: String) {
            let error = storeError { try store.backup(to: path) }
            #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
        }
        refuse(store.path, "the store's own directory")
        refuse(store.path + "/inside", "lies in the store's own directory")
        refuse(folder.path("missing/backup"), "No such file")
        try open("other").set("1", forKey: "a")
        refuse(folder.path("other"), "a store is there that is no backup")
        try FileManager.default.createDirectory(
            atPath: folder.path("full"), withIntermediateDirectories: false)
        try StoreFolder.write([1], folder.path("full"), "file")
        refuse(folder.path("full"), "it is not empty")
        let other = try open("third")
        try other.set("1", forKey: "a")
        _ = try other.backup(to: target)
        refuse(target, "the backup of another store")
        // Written to since.
        let mine = folder.path("mine")
        _ = try store.backup(to: mine)
        let changed = try Store(path: mine, options: .small())
        refuse(mine, "in use")
        try changed.set("own", forKey: "own")
        try changed.close()
        let before = try StoreFolder.items(mine)
        refuse(mine, "the backup in it was written to")
        #expect(try itemsWithoutLock(mine) == before.filter { $0.key != FileName.lockName })
    }

    @Test("Beside a writer at full speed shows one moment, and whole batches")
    func underLoad() throws {
        let store = try open("store", .small(64 << 10))
        let keys = (0..<50).map { Array("key \($0)".utf8) }
        let isDone = Flag()
        let writer = BackgroundThread { () -> Int in
            var round = 0
            while !isDone.isSet {
                round += 1
                try store.write { batch in
                    for key in keys { try batch.set(Array("\(round)".utf8), forKey: key) }
                }
                if round % 500 == 0 { _ = try store.compact() }
            }
            return round
        }
        for _ in 0..<40 {
            _ = try store.backup(to: target)
            let backup = try Store(path: target, options: .reading)
            #expect(try Set(backup.dictionary().values).count <= 1)
            #expect(try backup.verify().isClean)
            try backup.close()
        }
        isDone.set()
        #expect(try writer.join() > 0)
        try store.close()
    }

    #if STAVE_FAULTS
        @Test("That fails at any system call, or ends there, is no store, or the older one, whole")
        func faults() throws {
            let store = try filled(120)
            let first = try store.dictionary()
            for isSecond in [false, true] {
                if isSecond {
                    try store.set("later", forKey: "later")
                    _ = try store.compact()
                }
                let second = try store.dictionary()
                func begin() throws {
                    try? FileManager.default.removeItem(atPath: target)
                    if isSecond { try StoreFolder.copy(folder.path("first"), to: target) }
                }
                try begin()
                let counting = FaultPlan(nil)
                try counting.run(at: target) { _ = try store.backup(to: target) }
                if !isSecond { try StoreFolder.copy(target, to: folder.path("first")) }
                for call in SystemCall.allCases {
                    for number in stride(
                        from: 1, through: counting.counts[call, default: 0], by: 1)
                    {
                        for fault in call.faults(number: number) {
                            try begin()
                            var failure: StoreError?
                            FaultPlan(fault).run(at: target) {
                                failure = storeError { try store.backup(to: target) }
                            }
                            let isThere = FileManager.default.fileExists(
                                atPath: target + "/MANIFEST")
                            if failure == nil { #expect(isThere, "\(fault)") }
                            guard isThere else { continue }
                            let backup = try Store(path: target, options: .reading)
                            let found = try backup.dictionary()
                            #expect(try backup.verify().isClean, "\(fault)")
                            try backup.close()
                            let isOld = isSecond && failure != nil && found == first
                            #expect(found == second || isOld, "\(fault)")
                            // And it can be made again.
                            _ = try store.backup(to: target)
                        }
                    }
                }
            }
            try store.close()
        }
    #endif
}
