import Foundation
import Stave
import StaveDisk
import TestSupport
import Testing

@testable import StaveTool

/// `stave repair` where a segment's head or end is damaged: "nothing was lost" must be true.
@Suite("Repairing heads and ends of segments")
struct RepairEndsTests {
    private let folder = try! TemporaryFolder(isInMemory: true)
    private var new: String { folder.path("new") }

    /// A store of one segment, ten records, all synced.
    private func makeStore(_ state: String, _ name: String = "store") throws -> SegmentMaker {
        var maker = SegmentMaker()
        for number in 0..<10 { maker.set("k\(number)", "value \(number)") }
        maker.sync()
        folder.makeFolder(name)
        var listed = state == "sealed" ? maker.sealed : maker.unsealed
        if state == "durable" { listed.state = .unsealed(durableLength: maker.bytes.count) }
        folder.write(Manifest.of([listed]).encoded(), to: "\(name)/MANIFEST")
        folder.write(maker.bytes, to: "\(name)/0000000001.segment")
        return maker
    }

    private func repair(
        _ name: String = "store", keepsUnsynced: Bool = false
    ) throws -> (repair: Repair, found: [[UInt8]: [UInt8]]) {
        try? FileManager.default.removeItem(atPath: new)
        let directory = try Directory(path: folder.path(name))
        let survey = try StoreSurvey(directory, .overview, finder: SegmentFinder(directory))
        var repair = Repair(of: survey, keepsUnsynced: keepsUnsynced)
        try repair.write(to: try StoreBuilder(path: new))
        let store = try Store(path: new, options: .small())
        defer { try? store.close() }
        return (repair, try store.dictionary())
    }

    /// A store whose first sector was zeroed, or whose segment was emptied, was "repaired" with the
    /// words "nothing was lost" and no keys.
    @Test(
        "Whatever the start of a segment becomes, nothing is lost in silence",
        arguments: ["sealed", "unsealed", "durable"])
    func heads(_ state: String) throws {
        let name = "store/0000000001.segment"
        let maker = try makeStore(state)
        var random = SeededRandom.forTest()
        var damages: [(String, [UInt8]?)] = [
            ("missing", nil), ("empty", []),
            ("all zeros", [UInt8](repeating: 0, count: maker.bytes.count)),
        ]
        for length in [1, 8, 17, 64, 72, 80, 90, 100, 200, maker.bytes.count] {
            let rest = maker.bytes[length...]
            damages.append(("\(length) zeros", [UInt8](repeating: 0, count: length) + rest))
            damages.append(("\(length) random bytes", random.bytes(length) + rest))
        }
        for length in stride(from: 1, to: maker.bytes.count, by: 7) {
            damages.append(("cut to \(length)", Array(maker.bytes[..<length])))
        }
        for (what, bytes) in damages {
            folder.remove(name)
            if let bytes { folder.write(bytes, to: name) }
            let (repair, found) = try repair()
            let whole = maker.records.filter { record in
                // Nothing lies in the padding.
                let end =
                    record.offset + RecordHeader.byteCount + record.header.keyLength
                    + record.header.valueLength
                guard let bytes, bytes.count >= end else { return false }
                return bytes[record.offset..<end] == maker.bytes[record.offset..<end]
            }
            #expect(found.count == whole.count, "\(what)")
            #expect(!repair.isLossless || found.count == 10, "\(what)")
            let worst = try Verification(of: folder.path("store")).findings.worst
            #expect(worst == .damage || bytes == maker.bytes, "\(what)")
        }
    }

    @Test("A sealed segment that is gone is told with the numbers that MANIFEST says it had")
    func sequences() throws {
        _ = try makeStore("sealed")
        folder.remove("store/0000000001.segment")
        #expect(try repair().repair.unknown.first?.bytes.sequences == 1...10)
        folder.write(SegmentMaker(identity: 77).bytes, to: "store/0000000001.segment")
        #expect(try repair().repair.unknown.first?.bytes.sequences == 1...10)
    }

    @Test("A segment under another name is found by its header, and a copy is not taken twice")
    func names() throws {
        let maker = try makeStore("sealed")
        folder.remove("store/0000000001.segment")
        folder.write(maker.bytes, to: "store/0000000001.segment.bak")
        let moved = try repair()
        #expect(moved.repair.isLossless && moved.found.count == 10)
        // An older copy is not taken for the segment whose header was damaged since.
        folder.write(Array(maker.bytes[..<200]), to: "store/0000000001.segment.bak")
        var damaged = maker.bytes
        damaged[20] ^= 1
        folder.write(damaged, to: "store/0000000001.segment")
        let headless = try repair()
        #expect(headless.repair.isLossless && headless.found.count == 10)
        // Without MANIFEST a copy of a neighbour counts once.
        folder.write(maker.bytes, to: "store/0000000001.segment")
        folder.write(maker.bytes, to: "store/0000000002.segment")
        folder.remove("store/MANIFEST")
        let copied = try repair()
        #expect(copied.repair.readRecords == 10 && copied.found.count == 10)
        #expect(copied.repair.notes.contains { $0.file == "0000000002.segment" })
        #expect(!copied.repair.isLossless)
    }

    @Test("Whole records behind a torn tail are listed and left out, or taken on request")
    func unsynced() throws {
        var maker = SegmentMaker()
        for number in 0..<3 { maker.set("k\(number)", "value") }
        maker.sync()
        let torn = maker.set("torn", "value")
        for number in 0..<30 { maker.set("late \(number)", "value") }
        var bytes = maker.bytes
        bytes[torn + 9] ^= 1
        folder.makeFolder("store")
        // As the crash left it, and sealed where the log ended, as the next process does.
        var sealed = maker.sealed
        sealed.state = .sealed(Manifest.Extent(length: torn, sequences: 1...3))
        for listed in [maker.unsealed, sealed] {
            folder.write(Manifest.of([listed]).encoded(), to: "store/MANIFEST")
            folder.write(bytes, to: "store/0000000001.segment")
            let left = try repair()
            #expect(left.repair.isLossless && left.found.count == 3)
            let unsynced = try #require(left.repair.unsynced.first?.records)
            #expect(unsynced.count == 30 && unsynced.keys.count == UnsyncedRecords.named)
            #expect(unsynced.keys.first == Array("late 0".utf8))
            let kept = try repair(keepsUnsynced: true)
            #expect(kept.found.count == 33 && kept.repair.readRecords == 3)
            try? FileManager.default.removeItem(atPath: new)
            let told = try run(["repair", folder.path("store"), new])
            #expect(told.status == 0)
            #expect(told.text.contains("30 whole records behind the end of the log"))
            #expect(told.text.contains(/late 19"?, 10 more\n/))
        }
    }

    @Test("A damaged mark may have covered what looks torn: that is unknown, the rest is taken")
    func marks() throws {
        var maker = try makeStore("unsealed")
        let torn = maker.set("torn", "value")
        maker.set("late", "value")
        maker.sync()
        var bytes = maker.bytes
        bytes[torn + 9] ^= 1
        bytes[SegmentHeader.markOffset(turn: 1)] ^= 1
        folder.write(bytes, to: "store/0000000001.segment")
        let (repair, found) = try repair()
        #expect(!repair.isLossless && repair.unsynced.isEmpty)
        #expect(found.count == 11 && found[Array("late".utf8)] != nil)
    }

    @Test("Segments that were set aside are named, and no part of the store")
    func aside() throws {
        _ = try makeStore("sealed")
        var other = SegmentMaker(number: 2, identity: 9, firstSequence: 100)
        other.set("k1", "another moment's")
        for suffix in [".aside", ".aside2"] {
            folder.write(other.bytes, to: "store/0000000002.segment" + suffix)
        }
        let path = folder.path("store")
        let survey = try StoreSurvey(try Directory(path: path), .overview)
        #expect(survey.aside.count == 2 && survey.foreign.isEmpty)
        #expect(try run(["inspect", path]).text.contains("0000000002.segment.aside2"))
        #expect(try run(["verify", path]).text.contains("set aside 0000000002.segment.aside2,"))
        let told = try run(["repair", path, new])
        #expect(told.status == 0)
        #expect(told.text.contains("0000000002.segment.aside: set aside, no part of the store:"))
        #expect(StoreSurvey.isAside("0000000001.segment.aside") && !StoreSurvey.isAside("x.aside"))
        // One that the next write would set aside.
        folder.write(other.bytes, to: "store/0000000002.segment")
        try? FileManager.default.removeItem(atPath: new)
        let again = try run(["repair", path, new])
        #expect(again.text.contains("MANIFEST does not name it: 1 record newer"))
    }
}
