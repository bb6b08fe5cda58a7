import StaveDisk
import TestSupport
import Testing

@testable import Stave

@Suite("Recovery of the active segment")
struct RecoveryTests {
    private let folder: TemporaryFolder
    private let history = History.random(16)
    private let segment = "0000000001.segment"

    init() throws { folder = try TemporaryFolder(isInMemory: true) }

    /// A store that was killed after all of `history`, synced after the first `synced` writes.
    private func killedStore(_ name: String, synced: Int) throws -> String {
        let store = try Store(path: folder.path("live \(name)"), options: .small(1 << 20))
        try history.play(0..<synced, on: store)
        if synced > 0 { try store.sync() }
        try history.play(synced..<history.writes.count, on: store)
        try store.copyAsKilled(to: folder.path(name))
        try store.close()
        return folder.path(name)
    }

    @Test("A segment cut at any byte above the synced mark keeps the writes before the cut")
    func cutAnywhere() throws {
        let source = try killedStore("source", synced: 4)
        let records = try StoreFolder.records(source, segment)
        let bytes = try StoreFolder.bytes(source, segment)
        let ends = records.map { $0.offset + $0.header.recordLength }
        let copy = folder.path("copy")
        for cut in ends[3]...ends.last! {
            try StoreFolder.copy(source, to: copy)
            try StoreFolder.write(Array(bytes[..<cut]), copy, segment)
            let whole = ends.count { $0 <= cut }
            // A cut that leaves only zeros behind the last whole record leaves reserved space.
            let isTorn = bytes[ends[whole - 1]..<cut].contains { $0 != 0 }
            var wanted = history.state(after: whole)
            do {
                let store = try Store(path: copy, options: .small())
                #expect(store.notices.count == (isTorn ? 1 : 0), "\(cut): \(store.notices)")
                #expect(store.isReadOnly == false)
                #expect(try store.dictionary() == wanted, "\(cut)")
                #expect(try store.gets(history.keys) == wanted, "\(cut)")
                #expect(try StoreFolder.bytes(copy, segment) == Array(bytes[..<cut]))
                try store.set("after", forKey: "new key")
                wanted[Array("new key".utf8)] = Array("after".utf8)
                try store.close()
            }
            let size = try StoreFolder.bytes(copy, segment).count
            #expect(size == ends[whole - 1], "the torn tail stays: cut \(cut), size \(size)")
            let again = try Store(path: copy, options: .small())
            #expect(again.notices == [], "\(cut)")
            #expect(try again.dictionary() == wanted, "\(cut)")
        }
    }

    @Test("A segment cut below the synced mark is damage: no answer is wrong, nothing is changed")
    func cutBelowMark() throws {
        let source = try killedStore("source", synced: history.writes.count)
        let bytes = try StoreFolder.bytes(source, segment)
        let end = try StoreFolder.records(source, segment).last!
        let copy = folder.path("copy")
        let known = end.offset + RecordHeader.byteCount + end.header.keyLength
        for cut in 1..<known {
            try StoreFolder.copy(source, to: copy)
            try StoreFolder.write(Array(bytes[..<cut]), copy, segment)
            let before = try itemsWithoutLock(copy)
            do {
                let store = try Store(path: copy, options: .small())
                #expect(store.isReadOnly, "\(cut)")
                #expect(store.notices.contains { $0.contains(segment) }, "\(cut)")
                for key in history.keys {
                    #expect(throws: StoreError.self, "\(cut)") { try store.value(forKey: key) }
                }
                #expect(throws: StoreError.self, "\(cut)") { try store.dictionary() }
                #expect(throws: StoreError.self, "\(cut)") { try store.set("x", forKey: "x") }
            }
            #expect(try itemsWithoutLock(copy) == before, "\(cut)")
        }
        // Where the last record's header and key are left, only its key is lost.
        for cut in known..<(known + end.header.valueLength) {
            try StoreFolder.copy(source, to: copy)
            try StoreFolder.write(Array(bytes[..<cut]), copy, segment)
            for step in 0..<3 {
                let store = try Store(path: copy, options: .small())
                #expect(!store.isReadOnly, "\(cut)")
                for key in history.keys where key != end.key {
                    #expect(try store.value(forKey: key) == history.state()[key], "\(cut)")
                }
                #expect(throws: StoreError.self, "\(cut)") { try store.value(forKey: end.key) }
                #expect(throws: StoreError.self, "\(cut)") { try store.dictionary() }
                if step == 1 { try store.set("x", forKey: "x") }
                try store.close()
            }
        }
    }

    @Test("An emptied segment is an error that names it")
    func emptied() throws {
        let source = try killedStore("source", synced: 4)
        try StoreFolder.write([], source, segment)
        let error = storeError { try Store(path: source) }
        #expect(error?.description.contains(segment) == true)
    }

    @Test("Bytes behind the records that are not zero are a torn tail, wherever they stand")
    func strayBytes() throws {
        let source = try killedStore("source", synced: 4)
        let bytes = try StoreFolder.bytes(source, segment)
        let last = try StoreFolder.records(source, segment).last!
        let end = last.offset + last.header.recordLength
        let copy = folder.path("copy")
        for offset in [end, end + 1, end + 26, end + 1000, bytes.count - 1] {
            try StoreFolder.copy(source, to: copy)
            var changed = bytes
            changed[offset] = 0x80
            try StoreFolder.write(changed, copy, segment)
            let store = try Store(path: copy)
            #expect(store.notices.count == 1)
            #expect(try store.dictionary() == history.state())
            try store.close()
            #expect(try Store(path: copy).notices == [])
        }
    }

    @Test("Whole records behind a tear are neither served nor removed, not even by a compaction")
    func recordsBehindTear() throws {
        let source = try killedStore("source", synced: 4)
        var bytes = try StoreFolder.bytes(source, segment)
        let torn = try StoreFolder.records(source, segment)[9]
        bytes[torn.offset + 30] ^= 1
        try StoreFolder.write(bytes, source, segment)
        let wanted = history.state(after: 9)
        let reader = try Store(path: source, options: .reading)
        #expect(reader.notices.count == 1)
        #expect(reader.notices.first?.contains("6 whole records") == true, "\(reader.notices)")
        try reader.close()
        for round in 0..<3 {
            let store = try Store(path: source, options: .small(1 << 20))
            #expect(store.notices.count == (round == 0 ? 1 : 0))
            if round == 0 { #expect(store.notices.first?.contains("6 whole records") == true) }
            #expect(try store.dictionary() == wanted)
            #expect(try store.gets(history.keys) == wanted)
            try store.set("x", forKey: "other")
            _ = try store.compact()
            try store.removeValue(forKey: "other")
            #expect(try store.dictionary() == wanted)
            let kept = try StoreFolder.bytes(source, segment)
            #expect(kept[80...].starts(with: bytes[80...].prefix(kept.count - 80)))
            #expect(try StoreFolder.records(source, segment).count == 15)
            try store.close()
        }
    }

    @Test(
        "No sequence number is used twice, whatever a power cut took and however often it is closed"
    )
    func sequencesAfterCut() throws {
        let source = try killedStore("source", synced: 4)
        let records = try StoreFolder.records(source, segment)
        let bytes = try StoreFolder.bytes(source, segment)
        let highest = records.last!.header.sequence
        let copy = folder.path("copy")
        for record in records.dropFirst(5) {
            try StoreFolder.copy(source, to: copy)
            try StoreFolder.write(Array(bytes[..<record.offset]), copy, segment)
            for _ in 0..<3 {
                let store = try Store(path: copy)
                #expect(try store.statistics().nextSequence > highest)
                try store.close()
            }
        }
    }

    @Test("The number of a first write that a power cut took is not used again")
    func firstWriteLost() throws {
        let path = folder.path("store")
        let store = try Store(path: path, options: .small(1 << 20))
        try history.play(on: store)
        try store.close()
        let again = try Store(path: path)
        try again.set("x", forKey: "x")
        let copy = folder.path("copy")
        try again.copyAsKilled(to: copy)
        // What a power cut may leave: what was durable when MANIFEST named the segment.
        let entry = try #require(try StoreFolder.manifest(copy).segments.last)
        let name = FileName.segment(entry.number).name
        let bytes = try StoreFolder.bytes(copy, name)
        let zeros = [UInt8](repeating: 0, count: 4096)
        try StoreFolder.write(bytes.prefix(entry.durableLength) + zeros, copy, name)
        let next = try again.statistics().nextSequence
        #expect(try Store(path: copy).statistics().nextSequence >= next)
    }

    @Test("What a killed process left counts as durable only after a sync")
    func syncAfterKill() throws {
        let source = try killedStore("source", synced: 4)
        let store = try Store(path: source, options: .small())
        let records = try StoreFolder.records(source, segment)
        #expect(try store.statistics().durableSequence == records[4].header.sequence)
        try store.sync()
        let after = try store.statistics()
        #expect(after.durableSequence == after.nextSequence)
        let bytes = try StoreFolder.bytes(source, segment)
        #expect(try StoreFolder.mark(bytes) == after.segments.last?.bytes)
    }

    /// A reader in another process keeps its mapping; here one in this process does.
    ///
    ///     reader                         writer
    ///     opens, maps the torn tail
    ///                                    opens, takes the tail away
    ///     still may touch its pages
    @Test("A torn tail that a reader has mapped is zeroed, not cut")
    func tornTailBesideReader() throws {
        let source = try killedStore("source", synced: 4)
        var bytes = try StoreFolder.bytes(source, segment)
        let last = try StoreFolder.records(source, segment).last!
        bytes[last.offset + 2] ^= 1
        try StoreFolder.write(bytes, source, segment)
        let reader = try Store(path: source, options: .reading)
        let writer = try Store(path: source)
        let wanted = history.state(after: history.writes.count - 1)
        #expect(try StoreFolder.bytes(source, segment).count == bytes.count)
        #expect(try reader.dictionary() == wanted)
        #expect(try writer.dictionary() == wanted)
        try writer.set("x", forKey: "x")
        try writer.close()
        #expect(try Store(path: source).notices == [])
    }
}
