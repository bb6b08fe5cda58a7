import Foundation
import StaveDisk
import TestSupport
import Testing

@testable import StaveTool

/// The inspector reads what it was asked for, and gives back what it has read.
@Suite("What the inspector reads")
struct InspectReadingTests {
    private let store = WrittenStore.shared
    private let folder = try! TemporaryFolder()

    private func list(_ key: String, segment: UInt64? = nil) throws -> (Severity, String) {
        let output = Output(isKept: true)
        let filter = RecordFilter(key: KeyPattern(key))
        let inspection = Inspection(
            path: folder.path, segment: segment, filter: filter, limit: .max, hex: false,
            json: true, stats: false, verify: false, output: output)
        return (try inspection.run(), output.text)
    }

    /// With hint files only the segments are read that have the key; without them all are.
    @Test("A key and a prefix have the same records with hint files and without them")
    func sameRecords() throws {
        let keys = store.versions.keys.map { String(decoding: $0, as: UTF8.self) }
        let patterns = keys + ["k1*", "k8*", "*", "k", "nothing", "nothing*", "z*"]
        store.write(to: folder)
        let withHints = try patterns.map { try list($0).1 }
        for name in store.names where name.hasSuffix(".hint") { folder.remove(name) }
        #expect(withHints == (try patterns.map { try list($0).1 }))
        let lines = withHints.map { $0.split(separator: "\n").count - 1 }
        #expect(lines[keys.count + 2] > 200)
        #expect(lines.suffix(4) == [0, 0, 0, 0])
    }

    @Test("Damage of a segment that cannot have the key is not read; of one that can, it is")
    func skipped() throws {
        store.write(to: folder)
        let sealed = try #require(store.manifest.segments.first { $0.extent != nil })
        let name = FileName.segment(sealed.number).name
        let records = try StoreFolder.records(folder.path, name)
        var bytes = folder.read(name)
        bytes[records[3].offset + 9] ^= 1
        folder.write(bytes, to: name)
        let there = String(decoding: records[3].key, as: UTF8.self)
        #expect(try list(there).0 == .damage)
        #expect(try list("nothing").0 == .note)
    }

    @Test("--segment with --verify reads the values of that segment alone")
    func chosen() throws {
        store.write(to: folder)
        let directory = try Directory(path: folder.path)
        let survey = try StoreSurvey(directory, .everything, of: 2)
        let checked = survey.segments.filter(\.valuesAreChecked)
        #expect(checked.allSatisfy { $0.number == 2 || !$0.isSealed } && !checked.isEmpty)
    }

    /// Beside a busy writer most looks once ended in "torn tail", and some could in "damage":
    ///
    ///     inspector                         writer
    ///     maps the file, 2.5 MiB
    ///                                       extends it, writes and syncs behind 2.5 MiB
    ///     reads the mark, scans, finds
    ///     half a record at the end
    @Test("A log that was extended since it was mapped is no torn tail, synced or not")
    func extended() throws {
        var maker = SegmentMaker(number: 7, identity: 5)
        for number in 0..<20 { maker.set("key \(number)", "value") }
        let (cut, before) = (maker.records[18].offset + 9, maker.bytes)
        maker.sync()
        let listed = Manifest.Segment(number: 7, identity: 5)
        let directory = try Directory(path: folder.path)
        for (bytes, grows) in [(before, true), (maker.bytes, true), (before, false)] {
            let name = "0000000007.segment"
            folder.write(Array(bytes[..<cut]), to: name)
            let file = try directory.open(name, .readWrite)
            let image = try FileImage(following: try directory.open(name, .read))
            if grows { unsafe try file.write(bytes.span.bytes, at: 0) }
            let survey = SegmentSurvey(name: name, listed: listed, image: image)
            survey.scan(verifies: true)
            #expect(survey.recordCount == 18)
            #expect(survey.findings.worst == (grows ? .note : .torn))
        }
    }

    /// The kernel says in smaps how much of a mapping this process holds.
    private func residentKilobytes(_ name: String) throws -> Int {
        let file = try #require(FileHandle(forReadingAtPath: "/proc/self/smaps"))
        let text = String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
        var (isInside, sum) = (false, 0)
        for line in text.split(separator: "\n") {
            if line.contains("-"), line.contains(" r") { isInside = line.hasSuffix("/" + name) }
            guard isInside, line.hasPrefix("Rss:") else { continue }
            sum += Int(line.dropFirst(4).dropLast(2).filter(\.isNumber)) ?? 0
        }
        return sum
    }

    @Test("A segment that was walked over does not stay in memory")
    func givenBack() throws {
        var maker = SegmentMaker(number: 1, identity: 5)
        for number in 0..<300 { maker.set("key \(number)", String(repeating: "v", count: 9000)) }
        folder.write(maker.bytes, to: "0000000077.segment")
        let directory = try Directory(path: folder.path)
        let file = try directory.open("0000000077.segment", .read)
        let survey = SegmentSurvey(
            name: "0000000077.segment", listed: nil, image: try FileImage(mapping: file))
        var most = 0
        var count = 0
        survey.walk(checksValues: true) { _, _ in
            count += 1
            if count == 290 { most = (try? residentKilobytes("0000000077.segment")) ?? 0 }
            return true
        }
        #expect(most > 1000)
        #expect(try residentKilobytes("0000000077.segment") == 0)
    }
}
