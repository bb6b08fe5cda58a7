import Foundation
import StaveDisk
import TestSupport
import Testing

@testable import Stave

/// What saves time is hurt while it is in use, or together with what it saves reading.
@Suite("Shortcuts that went bad")
struct ShortcutTests {
    private let folder: TemporaryFolder
    private let path: String

    init() throws {
        folder = try TemporaryFolder(isInMemory: true)
        path = folder.path("store")
    }

    private func options(checkpoint: Int = .max) -> StoreOptions {
        var options = StoreOptions.small(1 << 20)
        options.checkpointEntries = checkpoint
        options.compaction.isAutomatic = false
        return options
    }

    private func overwrite(_ name: String, at offset: Int, with bytes: [UInt8]) throws {
        var all = try StoreFolder.bytes(path, name)
        all.replaceSubrange(offset..<(offset + bytes.count), with: bytes)
        try StoreFolder.overwrite(all, path, name)
    }

    @Test("A hint that goes bad while it is mapped costs no key when its segment is compacted")
    func mappedHint() throws {
        do {
            let store = try Store(path: path, options: options())
            // Too large for the next process to take its records along.
            let value = String(repeating: "1", count: 4096)
            for number in 0..<30 { try store.set(value, forKey: "key \(number)") }
            try store.removeValue(forKey: "key 7")
            try store.sealActive()
            try store.close()
        }
        let hint = try #require(try StoreFolder.hints(path).first)
        let whole = try StoreFolder.bytes(path, hint)
        for offset in 0..<whole.count {
            try StoreFolder.write(whole, path, hint)
            let copy = folder.path("copy")
            try? FileManager.default.removeItem(atPath: copy)
            try StoreFolder.copy(path, to: copy)
            let store = try Store(path: copy, options: options())
            let wanted = try store.dictionary()
            try store.set("2", forKey: "key 3")
            var bytes = whole
            bytes[offset] ^= 1
            try StoreFolder.overwrite(bytes, copy, hint)
            _ = try store.compact()
            try store.close()
            var state = wanted
            state[Array("key 3".utf8)] = [UInt8(ascii: "2")]
            let again = try Store(path: copy)
            #expect(try again.dictionary() == state && again.count == state.count, "\(offset)")
        }
    }

    @Test("A hint that goes bad while a compaction runs ends it, and nothing is gone")
    func hintDuringCompaction() throws {
        let store = try Store(path: path, options: options())
        for number in 0..<30 { try store.set("1", forKey: "key \(number)") }
        try store.sealActive()
        try store.set("2", forKey: "key 3")
        let wanted = try store.dictionary()
        let hint = try #require(try StoreFolder.hints(path).first)
        let inputs = store.index.withLock { store.log.table.visibleSegments.filter(\.isSealed) }
        let compaction = Compaction(of: inputs, others: [], in: store.compactor)
        let error = storeError {
            while try compaction.step() {
                guard case .syncing = compaction.phase else { continue }
                try overwrite(hint, at: 80, with: [255])
            }
        }
        guard case .damaged(let file, _, _, _)? = error else {
            Issue.record("\(error?.description ?? "no error")")
            return
        }
        #expect(file == path + "/" + hint)
        #expect(try store.dictionary() == wanted)
        _ = try store.compact()
        try store.close()
        #expect(try Store(path: path).dictionary() == wanted)
    }

    @Test("A compaction drops no record that the keydir does not know, unless it was deleted")
    func unknownToTheKeydir() throws {
        let store = try Store(path: path, options: options())
        for number in 0..<30 { try store.set("1", forKey: "key \(number)") }
        try store.sealActive()
        let key = Array("key 4".utf8)
        try store.index.withLock {
            let hash = unsafe key.withUnsafeBytes { unsafe store.index.hash(of: $0) }
            let found = unsafe try store.index.existing(key.span.bytes, hash: hash)
            guard let found = unsafe found else { throw NeverCame(what: "the key's slot") }
            unsafe store.index.keydir.remove(found.slot, hash: hash)
        }
        let error = storeError { _ = try store.compact() }
        guard case .damaged? = error else {
            Issue.record("\(error?.description ?? "no error")")
            return
        }
        try store.close()
        try? StoreFolder.remove(path, "keydir.checkpoint")
        #expect(try Store(path: path).value(forKey: "key 4") == [UInt8(ascii: "1")])
    }

    /// A store that was closed with a checkpoint, whose one segment has no hint.
    private func checkpointed() throws -> (segment: String, records: [(offset: Int, key: [UInt8])])
    {
        let store = try Store(path: path, options: options(checkpoint: 1))
        for number in 0..<200 { try store.set("old \(number)", forKey: "key \(number)") }
        try store.close()
        #expect(try StoreFolder.hints(path) == [])
        let segment = try #require(try StoreFolder.segments(path).first)
        return (
            segment, try StoreFolder.records(path, segment).map { ($0.offset, $0.key) }
        )
    }

    @Test(
        "A damaged record that only the checkpoint knows is superseded by its key's next write",
        arguments: [true, false])
    func damagedBehindCheckpoint(isReopened: Bool) throws {
        let (segment, records) = try checkpointed()
        let whole = try StoreFolder.bytes(path, segment)
        // Headers and keys of twenty records.
        for record in records[40..<60] {
            try overwrite(segment, at: record.offset, with: [UInt8](repeating: 0, count: 34))
        }
        var store = try Store(path: path, options: options(checkpoint: 1))
        for number in 45..<50 { try store.set("new", forKey: "key \(number)") }
        for number in 50..<55 { #expect(try store.removeValue(forKey: "key \(number)")) }
        if isReopened {
            // Killed: the log is replayed behind the checkpoint.
            try store.copyAsKilled(to: folder.path("killed"))
            try store.close()
            try FileManager.default.removeItem(atPath: path)
            try StoreFolder.copy(folder.path("killed"), to: path)
            store = try Store(path: path, options: options(checkpoint: 1))
        }
        #expect(store.count == 195)
        // The damage heals: a cable, a controller, a copy put back.
        try StoreFolder.overwrite(whole, path, segment)
        for number in 45..<50 {
            #expect(try store.value(forKey: "key \(number)") == Array("new".utf8))
        }
        for number in 50..<55 { #expect(try store.value(forKey: "key \(number)") == nil) }
        #expect(try store.dictionary().count == 195 && store.count == 195)
        try store.close()
    }

    @Test("Where one of the marks is damaged, records behind the other one's end are not torn")
    func oneMark() throws {
        let store = try Store(path: path, options: options())
        for number in 0..<100 {
            try store.set("1", forKey: "key \(number)")
            if number % 50 == 49 { try store.sync() }
        }
        let killed = folder.path("killed")
        try store.copyAsKilled(to: killed)
        try store.close()
        let segment = try #require(try StoreFolder.segments(killed).first)
        let records = try StoreFolder.records(killed, segment)
        for mark in 0..<2 {
            for record in [0, 17, 60, 99] {
                let copy = folder.path("copy \(mark) \(record)")
                try StoreFolder.copy(killed, to: copy)
                var bytes = try StoreFolder.bytes(copy, segment)
                bytes[64 + 8 * mark] ^= 1
                bytes[records[record].offset + 3] ^= 1
                try StoreFolder.write(bytes, copy, segment)
                let hurt = try Store(path: copy)
                #expect(!hurt.notices.isEmpty)
                // What cannot be certain is an error: only the hurt record's key may be absent, and
                // that only where its damage looks like a torn write at the end.
                for number in 0..<100 where number != record || record < 99 {
                    let value = Result { try hurt.value(forKey: "key \(number)") }
                    guard case .success(nil) = value else { continue }
                    Issue.record("mark \(mark), record \(record): key \(number) is absent")
                }
                #expect(hurt.isReadOnly || record == 99, "mark \(mark), record \(record)")
            }
        }
    }

    @Test("With both marks gone, MANIFEST still says how much was durable", arguments: [0, 16, 29])
    func bothMarks(record: Int) throws {
        let store = try Store(path: path, options: options())
        for number in 0..<30 { try store.set("1", forKey: "old \(number)") }
        try store.sealActive()
        for number in 0..<30 { try store.set("1", forKey: "new \(number)") }
        try store.sync()
        let inputs = store.index.withLock { store.log.table.visibleSegments.filter(\.isSealed) }
        // Its commit says in MANIFEST how far the active segment is durable.
        _ = try Compaction(of: inputs, others: [], in: store.compactor).run()
        let active = try #require(store.log.withLock { store.log.activeSegment?.number })
        let killed = folder.path("killed")
        try store.copyAsKilled(to: killed)
        try store.close()
        let name = FileName.segment(active).name
        let offset = try StoreFolder.records(killed, name)[record].offset
        var bytes = try StoreFolder.bytes(killed, name)
        bytes.replaceSubrange(64..<80, with: [UInt8](repeating: 0, count: 16))
        bytes[offset + 3] ^= 1
        try StoreFolder.write(bytes, killed, name)
        let hurt = try Store(path: killed)
        #expect(hurt.isReadOnly)
        #expect(throws: StoreError.self) { try hurt.value(forKey: "new \(record)") }
        #expect(throws: StoreError.self) { try hurt.count(in: .all) }
    }

    @Test("Writes of a clone are set aside, not removed, even with numbers that the store has used")
    func clone() throws {
        let clone = folder.path("clone")
        do {
            let store = try Store(path: path, options: options())
            try store.set("1", forKey: "a")
            try store.close()
            try StoreFolder.copy(path, to: clone)
            let other = try Store(path: clone, options: options())
            try other.set("precious", forKey: "only")
            try other.close()
            // Each takes the records of the one before along.
            for number in 0..<3 {
                let again = try Store(path: path, options: options())
                try again.set("1", forKey: "key \(number)")
                try again.close()
            }
        }
        // What lies in the clone and is not overwritten by the copy.
        let theirs = try Set(StoreFolder.segments(clone)).subtracting(StoreFolder.segments(path))
        let mine = try StoreFolder.names(path)
        for name in mine {
            try StoreFolder.write(StoreFolder.bytes(path, name), clone, name)
        }
        let store = try Store(path: clone, options: options())
        try store.set("1", forKey: "z")
        try store.close()
        let names = try StoreFolder.names(clone)
        for name in theirs { #expect(names.contains(name + ".aside"), "\(names)") }
        #expect(!theirs.isEmpty)
    }
}
