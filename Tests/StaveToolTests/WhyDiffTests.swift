import Glibc
import Stave
import StaveDisk
import TestSupport
import Testing

@testable import StaveTool

@Suite("Why, and diff")
struct WhyDiffTests {
    private let store = WrittenStore.shared
    private let folder = try! TemporaryFolder(isInMemory: true)

    private func history(_ key: String) throws -> KeyHistory {
        let survey = try StoreSurvey(try Directory(path: folder.path), .overview)
        return KeyHistory(of: Array(key.utf8), in: survey)
    }

    /// A live record with a value, in a segment that has a hint file.
    private func liveRecord() throws -> (
        name: String, record: (offset: Int, header: RecordHeader, key: [UInt8])
    ) {
        for hint in store.names where hint.hasSuffix(".hint") {
            let name = String(hint.dropLast(5)) + ".segment"
            for record in try StoreFolder.records(folder.path, name) {
                let newest = try history(String(decoding: record.key, as: UTF8.self)).versions.first
                if newest?.segment.name == name, newest?.offset == record.offset,
                    record.header.valueLength > 0
                {
                    return (name, record)
                }
            }
        }
        preconditionFailure("the store has live records in sealed segments")
    }

    @Test("why shows each record of a key, newest first, each superseded by the one before it")
    func everyKey() throws {
        store.write(to: folder)
        var all: [[UInt8]: [(place: String, sequence: UInt64)]] = [:]
        for segment in store.manifest.segments {
            let name = FileName.segment(segment.number).name
            for record in try StoreFolder.records(folder.path, name) {
                all[record.key, default: []].append(
                    ("\(segment.number):\(record.offset)", record.header.sequence))
            }
        }
        #expect(all.count == store.versions.count)
        for (key, records) in all {
            let history = try history(String(decoding: key, as: UTF8.self))
            let newestFirst = records.sorted { $0.sequence > $1.sequence }
            #expect(history.versions.map(\.place) == newestFirst.map(\.place))
            #expect(history.findings.worst == .note)
            let isThere = store.contents[key] != nil
            #expect(history.state(0) == (isThere ? "live" : "tombstone"))
            #expect((history.freed(0) == nil) == isThere)
            for index in history.versions.indices.dropFirst() {
                #expect(history.state(index) == "dead")
                #expect(history.successor(index)?.place == newestFirst[index - 1].place)
                #expect(history.freed(index)?.hasPrefix("freed when segment ") == true)
            }
        }
        #expect(try history("no such key").versions.isEmpty)
    }

    /// A merge of two branches once left tombstones counted twice, so that `why` saw less dead
    /// space than there was and said of a compaction that was due that it was not.
    @Test("The forecast counts each byte of a segment once: live, tombstone or dead")
    func countedOnce() throws {
        store.write(to: folder)
        let survey = try StoreSurvey(try Directory(path: folder.path), .overview)
        var found: [String: Int] = [:]
        for (key, versions) in store.versions where versions.last! == nil {
            let newest = try history(String(decoding: key, as: UTF8.self)).versions[0]
            found[newest.segment.name, default: 0] += Format.aligned(
                RecordHeader.byteCount + key.count)
        }
        #expect(found.values.reduce(0, +) > 0)
        for segment in survey.segments {
            #expect(segment.tombstoneBytes == found[segment.name] ?? 0, "\(segment.name)")
        }
    }

    @Test("The newest record that is damaged still shows, by its own key or by the hint file's")
    func damaged() throws {
        store.write(to: folder)
        let (name, record) = try liveRecord()
        let hint = String(name.dropLast(8)) + ".hint"
        let key = String(decoding: record.key, as: UTF8.self)
        let good = folder.read(name)
        for (offset, check) in [(28 + record.key.count, "BAD value"), (9, "BAD record")] {
            var bytes = good
            bytes[record.offset + offset] ^= 2
            folder.write(bytes, to: name)
            let history = try history(key)
            #expect(history.state(0) == "damaged")
            #expect(history.versions.first?.offset == record.offset)
            #expect(history.findings.worst == .damage)
            let outcome = try run(["why", folder.path, key])
            #expect(outcome.status == 1 && outcome.text.contains(check), "\(outcome.text)")
            #expect(try run(["--read-only", folder.path, "why", key]).status == 2)
        }
        folder.write(Array(good[..<record.offset]), to: name)
        #expect(try history(key).state(0) == "damaged")
        // A damaged hint file is told, and the records are read instead.
        folder.write(good, to: name)
        folder.write(Array(folder.read(hint).dropLast()), to: hint)
        let outcome = try run(["why", "--json", folder.path, key])
        #expect(outcome.status == 1 && outcome.text.contains("\"file\":\"\(hint)\""))
        #expect(outcome.text.contains("\"state\":\"live\""))
    }

    /// Segments 1 and 2 are live, 3 and 4 all dead, and 5 is what the share does not need any more.
    @Test("What the background takes next, by the forecast, is what it takes")
    func nextInBackground() throws {
        var options = StoreOptions()
        options.createsIfMissing = true
        options.segmentSize = 4 << 20
        options.compaction.isAutomatic = false
        let value = [UInt8](repeating: 7, count: 256 << 10)
        func set(_ keys: [Int], _ options: StoreOptions) throws -> [String] {
            let store = try Store(path: folder.path, options: options)
            for key in keys { try store.set(value, forKey: Array("key \(key)".utf8)) }
            for _ in 0..<10_000 where options.compaction.isAutomatic {
                if try store.statistics().compactionCount > 0 { break }
                usleep(1000)
            }
            let names = try store.statistics().segments.map { FileName.segment($0.number).name }
            try store.close()
            return names
        }
        let before = try set(Array(0..<30) + Array(repeating: 0, count: 45), options)
        let taken = try history("key 0").versions.indices.compactMap { index -> String? in
            let history = try history("key 0")
            let isNext = history.freed(index)?.contains("the next one in the background takes it")
            return isNext == true ? history.versions[index].segment.name : nil
        }
        #expect(Set(taken) == Set(before[2...3]))
        options.compaction.isAutomatic = true
        let after = try set(Array(30..<35), options)
        #expect(Set(before).subtracting(after) == Set(taken))
    }

    /// What the forecast says is what a compaction then does.
    @Test("What compact takes by the forecast is freed by compact, and nothing else goes")
    func forecast() throws {
        store.write(to: folder)
        let writer = try Store(path: folder.path, options: .small())
        defer { try? writer.close() }
        try writer.sync()
        let keys = store.versions.keys.map { String(decoding: $0, as: UTF8.self) }
        var promised = 0
        for key in keys {
            let history = try history(key)
            for index in history.versions.indices.dropFirst() {
                #expect(history.freed(index)?.contains("compact takes it") == true)
                promised += 1
            }
        }
        #expect(promised > 50)
        let report = try writer.compact()
        #expect(report.droppedRecords >= promised)
        for key in keys { #expect(try history(key).versions.count <= 1) }
        #expect(try run([folder.path, "why", keys[0]]).status == 0)
    }

    @Test("diff shows long values from just before where they differ; --values says how much")
    func differentTails() throws {
        let other = try TemporaryFolder()
        let long = String(repeating: "x", count: 100)
        for (path, end) in [(folder.path, "A"), (other.path, "B")] {
            let store = try Store(path: path, options: .small())
            try store.set(long + end, forKey: "long")
            try store.set("short " + end, forKey: "short")
            try store.set("same", forKey: "same")
            try store.close()
        }
        func diff(_ options: String...) throws -> [Substring] {
            let outcome = try run(["diff", folder.path, other.path] + options)
            #expect(outcome.status == 1)
            return outcome.text.split(separator: "\n")
        }
        let shown = try diff()
        #expect(
            shown[0] == "! long ...xxxxxxxxxxA (101 bytes, from byte 90)"
                + " -> ...xxxxxxxxxxB (101 bytes, from byte 90)")
        #expect(shown[1] == "! short \"short A\" -> \"short B\"")
        #expect(shown[2] == "2 with other values; 1 key the same")
        #expect(try diff("--values", "full")[0] == "! long \(long)A -> \(long)B")
        #expect(try diff("--values", "none")[0] == "! long (101 bytes) -> (101 bytes)")
        let same = try run(["diff", folder.path, folder.path])
        #expect(same.status == 0 && same.text == "the same: 3 keys\n")
    }

    @Test("diff finds just the keys that differ, and says so by its status")
    func differences() throws {
        store.write(to: folder)
        let other = try TemporaryFolder(isInMemory: true)
        store.write(to: other)
        #expect(try run(["diff", folder.path, other.path]).status == 0)
        let writer = try Store(path: other.path, options: .small())
        let keys = store.contents.keys.sorted { $0.lexicographicallyPrecedes($1) }
        try writer.set(Array("changed".utf8), forKey: keys[0])
        _ = try writer.removeValue(forKey: keys[1])
        try writer.set("new", forKey: "zzz")
        // The same value written again is no difference.
        try writer.set(store.contents[keys[2]]!, forKey: keys[2])
        // In another place after a compaction, and beside the writer: the same.
        _ = try writer.compact()
        let outcome = try run(["diff", folder.path, other.path])
        #expect(outcome.status == 1)
        let lines = outcome.text.split(separator: "\n")
        func word(_ key: [UInt8]) -> String { Printable.quoted(key) }
        try #require(lines.count == 4)
        #expect(lines[0].hasPrefix("! \(word(keys[0])) "), "\(lines)")
        #expect(lines[0].hasSuffix(" -> changed"), "\(lines)")
        #expect(lines[1].hasPrefix("< \(word(keys[1])) "), "\(lines)")
        #expect(lines[2] == "> zzz new")
        #expect(lines[3].hasPrefix("1 only in "), "\(lines)")
        try writer.close()
        let json = try run(["diff", "--json", other.path, folder.path])
        #expect(json.text.contains(#""kind":"onlyInFirst","key":"zzz""#))
        #expect(
            json.text.hasSuffix(
                "{\"type\":\"diff\",\"same\":\(store.contents.count - 2),\"different\":3,"
                    + "\"damaged\":0,\"certain\":true}\n"))
    }

    @Test("diff of what cannot be read is an error, never the same")
    func errors() throws {
        store.write(to: folder)
        let other = try TemporaryFolder(isInMemory: true)
        store.write(to: other)
        #expect(try run(["diff", folder.path, folder.path("nothing")]).status == 2)
        #expect(try run(["diff", folder.path]).status == 64)
        let (name, record) = try liveRecord()
        var bytes = folder.read(name)
        bytes[record.offset + 28 + record.key.count] ^= 1
        folder.write(bytes, to: name)
        #expect(try run(["diff", folder.path, other.path]).status == 2)
        #expect(try run(["diff", other.path, folder.path]).status == 2)
    }
}
