import StaveDisk
import TestSupport
import Testing

@testable import Stave

/// Segments that nothing is appended to any more and that are not known to be durable yet.
@Suite("Recovery of full segments")
struct FullSegmentTests {
    private let folder: TemporaryFolder
    private let history = History.random(200, keys: 30)
    private let source: String

    init() throws {
        folder = try TemporaryFolder(isInMemory: true)
        source = folder.path("source")
        let live = folder.path("live")
        let store = try Store(path: live, options: .small())
        try history.play(on: store)
        try store.log.sealFull()
        try store.copyAsKilled(to: source)
        try store.close()
    }

    /// Makes segment `index` one that is full and not known to be durable, synced nowhere.
    private func unseal(_ path: String, from index: Int) throws -> [Manifest.Segment] {
        var manifest = try StoreFolder.manifest(path)
        for index in index..<manifest.segments.count {
            manifest.segments[index].makeFull()
            let entry = manifest.segments[index]
            let name = FileName.segment(entry.number).name
            var bytes = try StoreFolder.bytes(path, name)
            bytes.replaceSubrange(
                64..<80, with: SegmentHeader.encodedMarks(80, identity: entry.identity))
            try StoreFolder.write(bytes, path, name)
            if entry.extent != nil {
                try StoreFolder.remove(path, FileName.hint(entry.number).name)
            }
        }
        try StoreFolder.write(manifest, path)
        return manifest.segments
    }

    @Test("Full segments that are whole are sealed, with a hint, and nothing is lost")
    func fullSegments() throws {
        _ = try unseal(source, from: 1)
        for _ in 0..<2 {
            let store = try Store(path: source)
            #expect(store.notices == [])
            #expect(try store.dictionary() == history.state())
            try store.close()
        }
        let after = try StoreFolder.manifest(source)
        #expect(after.segments.allSatisfy { $0.isSealed })
        #expect(try StoreFolder.hints(source).count == after.segments.count)
    }

    @Test("A full segment that ends early drops what follows: a prefix of the writes survives")
    func fullSegmentEndsEarly() throws {
        let segments = try unseal(source, from: 1)
        let highest = try segments.flatMap {
            try StoreFolder.records(source, FileName.segment($0.number).name)
        }.map(\.header.sequence).max()!
        let first = try StoreFolder.records(source, FileName.segment(segments[0].number).name).count
        let name = FileName.segment(segments[1].number).name
        let records = try StoreFolder.records(source, name)
        let bytes = try StoreFolder.bytes(source, name)
        let copy = folder.path("copy")
        func laterRecords(_ path: String) throws -> [[UInt8]] {
            try segments.dropFirst(2).flatMap {
                try StoreFolder.records(path, FileName.segment($0.number).name).map(\.key)
            }
        }
        let later = try laterRecords(source)
        #expect(later.count > 10)
        for (index, record) in records.enumerated() {
            for cut in [record.offset, record.offset + 1, record.offset + 33] {
                try StoreFolder.copy(source, to: copy)
                try StoreFolder.write(Array(bytes[..<cut]), copy, name)
                let wanted = history.state(after: first + index)
                for round in 0..<3 {
                    let store = try Store(path: copy)
                    #expect(store.notices.isEmpty == (round > 0), "\(store.notices)")
                    #expect(try store.dictionary() == wanted)
                    #expect(try store.gets(history.keys) == wanted)
                    #expect(try store.statistics().nextSequence > highest)
                    // Those behind it stay as files, whose records are not served.
                    #expect(try laterRecords(copy) == later)
                    if round == 1 { _ = try store.compact() }
                    try store.close()
                }
            }
        }
    }

    @Test("Records behind the tear of a full segment stay on disk, through compactions too")
    func recordsBehindTearOfFull() throws {
        let segments = try unseal(source, from: 1)
        let name = FileName.segment(segments[1].number).name
        let first = try StoreFolder.records(source, FileName.segment(segments[0].number).name).count
        let torn = try StoreFolder.records(source, name)[3]
        var bytes = try StoreFolder.bytes(source, name)
        bytes[torn.offset + 40] ^= 4
        try StoreFolder.write(bytes, source, name)
        for _ in 0..<3 {
            let store = try Store(path: source)
            #expect(try store.dictionary() == history.state(after: first + 3))
            _ = try store.compact()
            #expect(try store.dictionary() == history.state(after: first + 3))
            try store.close()
            #expect(try StoreFolder.bytes(source, name)[80...].elementsEqual(bytes[80...]))
        }
    }

    @Test(
        "A write synced after a log ended early outlives the next power cut; what was left out stays so",
        arguments: [0, 1, 3])
    func secondPowerCut(index: Int) throws {
        let segments = try unseal(source, from: 1)
        let name = FileName.segment(segments[1].number).name
        let first = try StoreFolder.records(source, FileName.segment(segments[0].number).name).count
        let torn = try StoreFolder.records(source, name)[index]
        var bytes = try StoreFolder.bytes(source, name)
        bytes[torn.offset + 40] ^= 4
        try StoreFolder.write(bytes, source, name)
        var wanted = history.state(after: first + index)
        let store = try Store(path: source)
        #expect(try store.dictionary() == wanted)
        let cut = folder.path("cut")
        // Nothing is sealed between the sync and the cut.
        try store.log.sealLock.withLock {
            try store.set("1", forKey: "synced")
            try store.sync()
            try StoreFolder.copy(source, to: cut)
        }
        wanted[Array("synced".utf8)] = [UInt8(ascii: "1")]
        #expect(try store.dictionary() == wanted)
        try store.close()
        for path in [cut, source] {
            for _ in 0..<2 {
                let again = try Store(path: path)
                #expect(try again.dictionary() == wanted)
                try again.set("1", forKey: "synced")
                try again.close()
                #expect(try StoreFolder.bytes(path, name)[80...].elementsEqual(bytes[80...]))
            }
        }
    }

    /// A compaction ends the active segment; before it is sealed, a writer begins the next one, and
    /// the process is killed.
    @Test("Two unsealed segments are both taken up")
    func twoUnsealed() throws {
        let store = try Store(path: source, options: .small(1 << 20))
        let copy = folder.path("copy")
        // The background does not seal meanwhile.
        try store.log.sealLock.withLock {
            try store.set("1", forKey: "ended")
            store.index.withLock {
                store.log.writer.full.append(store.log.writer.appender!)
                store.log.writer.appender = nil
            }
            try store.set("2", forKey: "active")
            try StoreFolder.copy(source, to: copy)
        }
        // A program of version 1 left both without a word.
        var manifest = try StoreFolder.manifest(copy)
        #expect(manifest.segments.count { !$0.isSealed } == 3)
        for index in manifest.segments.indices
        where manifest.segments[index].isFull {
            manifest.segments[index].state = .new
        }
        try StoreFolder.write(manifest, copy)
        let wanted = try store.dictionary()
        let again = try Store(path: copy)
        #expect(try again.dictionary() == wanted)
        _ = try again.compact()
        #expect(try again.dictionary() == wanted)
        #expect(try StoreFolder.manifest(copy).segments.allSatisfy { $0.isSealed })
    }

    @Test("Reserved space behind a full segment that a kill left does not keep it from compaction")
    func reservedSpaceOfFull() throws {
        let segments = try unseal(source, from: 1)
        let name = FileName.segment(segments[1].number).name
        let bytes = try StoreFolder.bytes(source, name)
        try StoreFolder.write(bytes + [UInt8](repeating: 0, count: 4096), source, name)
        // A reader keeps the first writer from cutting the file.
        let reader = try Store(path: source, options: .reading)
        try Store(path: source).close()
        #expect(try reader.dictionary() == history.state())
        let store = try Store(path: source)
        _ = try store.compact()
        #expect(try StoreFolder.segments(source).contains(name) == false)
        #expect(try store.dictionary() == history.state())
    }
}
