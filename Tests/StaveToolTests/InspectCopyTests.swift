import Glibc
import StaveDisk
import TestSupport
import Testing

@testable import StaveTool

@Suite("The inspector on parts of a store, and on files that shrink")
struct InspectCopyTests {
    let folder: TemporaryFolder
    let store = SmallStore()

    init() throws { folder = try TemporaryFolder() }

    private func put(_ names: String...) {
        for (name, bytes) in store.files where names.contains(name) {
            folder.write(bytes, to: name)
        }
    }

    private func run(_ arguments: String...) throws -> InspectRun {
        let run = try InspectRun(arguments, in: folder)
        #expect(!run.crashed)
        return run
    }

    @Test("A hint file alone in a directory still says what its segment held")
    func hintOnly() throws {
        put("0000000001.hint")
        let overview = try run(".")
        #expect(overview.status == 1)
        #expect(try matchesSnapshot(overview.output, "hint-only"))
        #expect(try run("0000000001.hint").status == 0)
    }

    @Test("MANIFEST alone names what is missing")
    func manifestOnly() throws {
        put("MANIFEST")
        let overview = try run(".")
        #expect(overview.status == 1)
        #expect(try matchesSnapshot(overview.output, "manifest-only"))
        #expect(try run("MANIFEST").status == 0)
        for arguments in [["--segment", "1"], ["--space"], ["--stats"], ["--verify"]] {
            #expect(try InspectRun(["."] + arguments, in: folder).status == 1, "\(arguments)")
        }
    }

    @Test("A segment and its hint file without MANIFEST are held against each other")
    func noManifest() throws {
        put("0000000001.segment", "0000000001.hint")
        var listing = try run(".", "--segment", "1")
        #expect(listing.status == 0)
        #expect(listing.output.contains("apple = red  (live)"))
        folder.write(store.second.hint, to: "0000000001.hint")
        listing = try run(".")
        #expect(listing.status == 1)
        #expect(listing.output.contains("belongs to another segment"))
    }

    @Test("A segment under another one's name is noticed without MANIFEST, too")
    func renamed() throws {
        folder.write(store.first.bytes, to: "0000000002.segment")
        let overview = try run(".")
        #expect(overview.output.contains("number is 1, the file's name says 2"))
    }

    @Test("A keydir checkpoint tells of its segments, and which of its tables is damaged")
    func checkpoint() throws {
        let table = [UInt8](repeating: 0, count: 128)
        var checkpoint = KeydirCheckpoint(
            storeID: SegmentMaker.storeID, nextSequence: 77,
            segments: [
                KeydirCheckpoint.Segment(
                    number: 3, identity: 0x3333, end: 4096, liveBytes: 4000, tombstoneBytes: 16,
                    sequences: 5...76, slot: 1)
            ],
            shards: [KeydirCheckpoint.Shard(buckets: 2, usedSlots: 9, liveSlots: 8, checksum: 0)])
        checkpoint.shards[0].checksum = unsafe KeydirCheckpoint.checksum(
            table.span.bytes, at: checkpoint.tablesOffset, of: checkpoint.storeID)
        var bytes = checkpoint.encoded() + table
        folder.write(bytes, to: "keydir.checkpoint")
        let whole = try run("keydir.checkpoint")
        #expect(whole.status == 0)
        #expect(try matchesSnapshot(whole.output, "checkpoint"))
        #expect(try run("keydir.checkpoint", "--json").output.contains("\"keys\":8,"))
        #expect(try run("keydir.checkpoint", "--hex", "--from", "0").status == 64)
        for place in bytes.indices {
            bytes[place] ^= 4
            folder.write(bytes, to: "copy")
            let isKnown = place >= 8
            let output = Output(isKept: true)
            let inspection = Inspection(
                path: folder.path("copy"), segment: nil, filter: RecordFilter(), limit: .max,
                hex: false, json: false, stats: false, verify: false, output: output)
            let worst = try? inspection.run()
            #expect(worst == (isKnown ? .damage : nil) || worst == .unreadable, "\(place)")
            bytes[place] ^= 4
        }
    }

    @Test("A segment that is cut while it is read is damage, not the end of the inspector")
    func cutWhileRead() throws {
        var maker = SegmentMaker(number: 1)
        for number in 0..<500 { maker.set("key \(number)", String(repeating: "v", count: 100)) }
        maker.sync()
        folder.write(maker.bytes, to: "0000000001.segment")
        for seal in [maker.sealed, maker.unsealed] {
            folder.write(maker.bytes, to: "0000000001.segment")
            let directory = try Directory(path: folder.path)
            let image = try FileImage(mapping: directory.open("0000000001.segment", .read))
            let survey = SegmentSurvey(name: "0000000001.segment", listed: seal, image: image)
            unsafe #expect(truncate(folder.path("0000000001.segment"), 10_000) == 0)
            survey.scan(verifies: true)
            #expect(survey.findings.worst == .damage)
            #expect(image.firstLostOffset == 12_288)
            #expect(survey.findings.list.contains { $0.text.contains("cannot be read from here") })
            #expect(survey.recordCount < 100)
        }
    }

    @Test("A log that is trimmed behind its records while it is read is clean")
    func trimmedWhileRead() throws {
        var maker = SegmentMaker(number: 1)
        maker.set("a", "1")
        maker.sync()
        folder.write(
            maker.bytes + [UInt8](repeating: 0, count: 40_000), to: "0000000001.segment")
        let directory = try Directory(path: folder.path)
        let image = try FileImage(mapping: directory.open("0000000001.segment", .read))
        let survey = SegmentSurvey(name: "0000000001.segment", listed: maker.unsealed, image: image)
        unsafe #expect(truncate(folder.path("0000000001.segment"), off_t(maker.bytes.count)) == 0)
        survey.scan(verifies: true)
        #expect(survey.findings.count == 0)
        #expect(survey.recordCount == 1)
    }

    @Test("A hint file that is cut or overwritten after it was checked traps nowhere")
    func hintChanges() throws {
        var maker = SegmentMaker(number: 1)
        for number in 0..<2000 { maker.set("key \(number)", "") }
        let bytes = maker.hint
        for way in 0..<3 {
            folder.write(bytes, to: "0000000001.hint")
            let directory = try Directory(path: folder.path)
            let image = try FileImage(mapping: directory.open("0000000001.hint", .read))
            let hint = try image.hint(identity: nil, segmentLength: nil)
            if way == 0 {
                unsafe #expect(truncate(folder.path("0000000001.hint"), 5000) == 0)
            } else {
                let file = try directory.open("0000000001.hint", .readWrite)
                let noise = [UInt8](repeating: way == 1 ? 0xFF : 0x7F, count: bytes.count)
                unsafe try file.write(noise.span.bytes, at: 0)
            }
            var merge = SortedMerge([hint, hint])
            while merge.next() != nil {}
            for index in 0..<hint.count { _ = hint[index].recordLength }
            _ = unsafe Array("key 77".utf8).withUnsafeBytes { unsafe hint.entry(for: $0) }
        }
    }
}

@Suite("Columns of the inspector's listings")
struct InspectColumnTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        SmallStore().write(to: folder)
    }

    @Test("Every column can be asked for, in any order, by people and programs")
    func all() throws {
        let names = Column.allCases.reversed().map(\.rawValue).joined(separator: ",")
        let text = try InspectRun([".", "--columns", names], in: folder)
        #expect(text.status == 0)
        #expect(try matchesSnapshot(text.output, "columns"))
        let json = try InspectRun([".", "--columns", names, "--json"], in: folder)
        #expect(try matchesSnapshot(json.output, "columns-json"))
    }

    @Test("Stretches that are no record keep their place among chosen columns")
    func damage() throws {
        var bytes = folder.read("0000000001.segment")
        bytes[SmallStore().first.records[1].offset + 9] ^= 1
        folder.write(bytes, to: "0000000001.segment")
        let run = try InspectRun([".", "--columns", "key,offset,sequence"], in: folder)
        #expect(run.status == 1)
        #expect(try matchesSnapshot(run.output, "columns-damage"))
    }

    @Test("An unknown column is refused, and the known ones are listed")
    func unknown() throws {
        for names in ["key,size", "", "key,", "key value"] {
            let run = try InspectRun([".", "--columns", names], in: folder)
            #expect(run.status == 64)
            #expect(run.errors.contains("there are segment, offset, length, sequence"))
        }
    }

    @Test("--values none hides values in every form of output")
    func none() throws {
        var store = SmallStore()
        store.active.set("card", "4111-secret")
        store.active.sync()
        folder.write(store.active.bytes, to: "0000000003.segment")
        let offset = try #require(store.active.records.last?.offset)
        let hidden = ["4111", "34 31 31 31", "34313131"]
        let forms: [[String]] = [
            ["."], [".", "--limit", "99"], [".", "--json", "--limit", "99"],
            [".", "--columns", "value,fingerprint"], [".", "--columns", "value", "--json"],
            [".", "--verify", "--segment", "3"], [".", "--space"], [".", "--stats"],
            ["0000000003.segment"], ["0000000003.segment", "--json"],
        ]
        for form in forms {
            let run = try InspectRun(form + ["--values", "none"], in: folder)
            #expect(run.status == 0)
            for text in hidden { #expect(!run.output.contains(text), "\(form)") }
        }
        // From every offset, whether or not a record begins there.
        for place in offset..<store.active.bytes.count {
            for json in [[], ["--json"]] {
                let output = Output(isKept: true)
                let inspection = Inspection(
                    path: folder.path("0000000003.segment"), segment: nil,
                    filter: RecordFilter(from: place, values: .none), limit: .max, hex: true,
                    json: !json.isEmpty, stats: false, verify: false, output: output)
                _ = try inspection.run()
                for text in hidden { #expect(!output.text.contains(text), "\(place)") }
            }
        }
    }
}
