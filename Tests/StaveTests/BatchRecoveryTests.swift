import Foundation
import StaveDisk
import TestSupport
import Testing

@testable import Stave

/// What a crash leaves of a batch, and what readers see while one is made.
@Suite("Half a batch")
struct BatchRecoveryTests {
    private typealias State = [[UInt8]: [UInt8]]

    private let folder: TemporaryFolder
    private let segment = "0000000001.segment"

    init() throws { folder = try TemporaryFolder(isInMemory: true) }

    /// A store that was killed: two sets, a batch of five writes, a set, a batch of three, a set.
    /// Returns what it held after each of these.
    private func killed(_ name: String, synced: Bool = false) throws -> [State] {
        let store = try Store(path: folder.path("live \(name)"), options: .small(1 << 20))
        var states: [State] = [[:]]
        func did() throws { states.append(try store.dictionary()) }
        try store.set("1", forKey: "a")
        try did()
        try store.set("1", forKey: "b")
        try did()
        try store.write { batch in
            for key in ["c", "a", "d", "e"] { try batch.set("2 of \(key)", forKey: key) }
            try batch.removeValue(forKey: "b")
        }
        try did()
        try store.set("3", forKey: "a")
        try did()
        try store.write { batch in
            try batch.removeValue(forKey: "c")
            for key in ["b", "f"] { try batch.set("4 of \(key)", forKey: key) }
        }
        try did()
        try store.set("5", forKey: "g")
        try did()
        if synced { try store.sync() }
        try store.copyAsKilled(to: folder.path(name))
        try store.close()
        return states
    }

    /// Where each of the six writes ends.
    private func ends(_ path: String) throws -> [Int] {
        [SegmentHeader.byteCount]
            + (try StoreFolder.records(path, segment).filter { !$0.header.continues }
                .map { $0.offset + $0.header.recordLength })
    }

    @Test("Is never there, wherever a kill ends it", arguments: [true, false])
    func cutAnywhere(isReader: Bool) throws {
        let states = try killed("source")
        let source = folder.path("source")
        let bytes = try StoreFolder.bytes(source, segment)
        let ends = try ends(source)
        #expect(ends.count == states.count)
        let copy = folder.path("copy")
        for cut in ends[1]...ends.last! {
            try StoreFolder.copy(source, to: copy)
            // As in a file whose space was reserved.
            let zeros = [UInt8](repeating: 0, count: bytes.count - cut)
            try StoreFolder.write(Array(bytes[..<cut]) + zeros, copy, segment)
            var whole = ends.lastIndex { $0 <= cut }!
            // The last bytes of a record may be zeros.
            if whole + 1 < ends.count, !bytes[cut..<ends[whole + 1]].contains(where: { $0 != 0 }) {
                whole += 1
            }
            let store = try Store(path: copy, options: isReader ? .reading : .small())
            #expect(try store.dictionary() == states[whole], "\(cut)")
            #expect(try store.snapshot().count == states[whole].count, "\(cut)")
            let keys = "abcdefg".map { Array(String($0).utf8) }
            #expect(try store.gets(keys) == states[whole], "\(cut)")
            try store.close()
            if isReader { continue }
            // What was cut is gone for good: the file ends where the log does.
            #expect(try StoreFolder.bytes(copy, segment).count == ends[whole], "\(cut)")
            let again = try Store(path: copy, options: .small())
            #expect(again.notices == [], "\(cut)")
            #expect(try again.dictionary() == states[whole], "\(cut)")
            #expect(try again.statistics().nextSequence > 11, "\(cut)")
        }
    }

    @Test("Is never there, whichever sector a power cut takes out of it")
    func gaps() throws {
        let states = try killed("source")
        let source = folder.path("source")
        let bytes = try StoreFolder.bytes(source, segment)
        let ends = try ends(source)
        let copy = folder.path("copy")
        for start in stride(from: ends[0], to: ends.last!, by: 8) {
            try StoreFolder.copy(source, to: copy)
            var changed = bytes
            for offset in start..<min(start + 24, ends.last!) { changed[offset] = 0 }
            guard changed != bytes else { continue }
            try StoreFolder.write(changed, copy, segment)
            let first = bytes.indices.first { bytes[$0] != changed[$0] }!
            let whole = ends.lastIndex { $0 <= first }!
            let store = try Store(path: copy, options: .small())
            #expect(try store.dictionary() == states[whole], "\(start)")
            try store.close()
            #expect(try Store(path: copy).dictionary() == states[whole], "\(start)")
        }
    }

    @Test("Below the synced mark, damage in one of its records costs that one")
    func damage() throws {
        let states = try killed("source", synced: true)
        let path = folder.path("source")
        var bytes = try StoreFolder.bytes(path, segment)
        let record = try StoreFolder.records(path, segment)[4]
        #expect(record.header.continues && record.key == Array("d".utf8))
        bytes[record.offset + RecordHeader.byteCount + 1] ^= 1
        try StoreFolder.write(bytes, path, segment)
        let store = try Store(path: path, options: .small())
        #expect(throws: StoreError.self) { try store.value(forKey: "d") }
        for key in states[6].keys where key != Array("d".utf8) {
            #expect(try store.value(forKey: key) == states[6][key])
        }
    }

    @Test("Is named by verify and by the inspector's findings as a torn tail that begins with it")
    func named() throws {
        _ = try killed("source")
        let path = folder.path("source")
        var bytes = try StoreFolder.bytes(path, segment)
        let records = try StoreFolder.records(path, segment)
        let start = records[2].offset
        for offset in records[5].offset..<bytes.count { bytes[offset] = 0 }
        try StoreFolder.write(bytes, path, segment)
        let store = try Store(path: path, options: .small())
        #expect(store.notices.count == 1)
        #expect(
            store.notices[0].contains("ends in a batch that is not whole at offset \(start);"),
            "\(store.notices)")
    }

    @Test("In a store that was checked in when batches were new: one batch is whole, one is half")
    func fixture() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("StaveDiskTests/Fixtures/v2")
        let path = folder.path("fixture")
        try StoreFolder.copy(root.appendingPathComponent("batch").path, to: path)
        try StoreFolder.remove(path, "listing")
        let wanted = ["a": "2", "b": "2", "old": "2", "single": "3"]
        for options in [StoreOptions.reading, .small(), .small()] {
            let store = try Store(path: path, options: options)
            let found = try store.allEntries().map { entry in
                (
                    String(decoding: entry.key, as: UTF8.self),
                    String(decoding: entry.value, as: UTF8.self)
                )
            }
            #expect(Dictionary(uniqueKeysWithValues: found) == wanted)
            try store.close()
        }
    }

    // MARK: While it is made

    @Test("Is seen by no reader, no snapshot and no scan, while thousands are made")
    func readers() throws {
        let store = try Store(path: folder.path("store"), options: .small(1 << 20))
        let keys = (0..<300).map { Array("key \($0)".utf8) }
        func write(_ round: Int) throws {
            try store.write { batch in
                for (index, key) in keys.enumerated() {
                    if index % 7 == 3, round % 2 == 1 {
                        try batch.removeValue(forKey: key)
                    } else {
                        try batch.set(Array("\(round)".utf8), forKey: key)
                    }
                }
            }
        }
        try write(0)
        let isDone = Flag()
        func number(_ value: [UInt8]?) -> Int { Int(String(decoding: value!, as: UTF8.self))! }
        let gets = BackgroundThread { () -> Int in
            var (wrong, random) = (0, SeededRandom(seed: 1))
            while !isDone.isSet {
                // Who looks later sees no older batch; and a deleted key goes with its neighbours.
                let (first, second) = (
                    Int.random(in: 0..<42, using: &random) * 7,
                    Int.random(in: 0..<42, using: &random) * 7
                )
                let before = number(try store.value(forKey: keys[first]))
                let gone = try store.value(forKey: keys[second + 3])
                let after = number(try store.value(forKey: keys[second]))
                if before > after { wrong += 1 }
                if let gone, number(gone) < before { wrong += 1 }
                if gone == nil, before == after, before % 2 == 0 { wrong += 1 }
            }
            return wrong
        }
        let scans = BackgroundThread { () -> Int in
            var wrong = 0
            while !isDone.isSet {
                let snapshot = try store.snapshot()
                var cursor = try snapshot.entries()
                var rounds: Set<Int> = []
                while let entry = try cursor.next() { rounds.insert(number(entry.value)) }
                if rounds.count != 1 { wrong += 1 }
                let some = try [0, 140, 294].map { number(try snapshot.value(forKey: keys[$0])) }
                if Set(some) != rounds { wrong += 1 }
            }
            return wrong
        }
        for round in 1...3000 { try write(round) }
        isDone.set()
        #expect(try gets.join() == 0)
        #expect(try scans.join() == 0)
    }
}
