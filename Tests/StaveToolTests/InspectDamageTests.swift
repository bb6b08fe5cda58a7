import StaveDisk
import TestSupport
import Testing

@Suite("The inspector on damaged stores")
struct InspectDamageTests {
    let folder: TemporaryFolder
    let store = SmallStore()

    init() throws {
        folder = try TemporaryFolder()
        store.write(to: folder)
    }

    private func overview(_ arguments: String...) throws -> InspectRun {
        let run = try InspectRun(["."] + arguments, in: folder)
        #expect(!run.crashed)
        return run
    }

    private func change(_ name: String, _ edit: (inout [UInt8]) -> Void) {
        var bytes = folder.read(name)
        edit(&bytes)
        folder.write(bytes, to: name)
    }

    @Test("A damaged record of a sealed segment: its key is named by the hint file")
    func damagedRecord() throws {
        change("0000000001.segment") { $0[store.first.records[1].offset + 9] ^= 4 }
        let run = try overview("--verify")
        #expect(run.status == 1)
        #expect(try matchesSnapshot(run.output, "damaged-record"))
        let listing = try InspectRun([".", "--segment", "1"], in: folder)
        #expect(listing.status == 1)
        #expect(try matchesSnapshot(listing.output, "damaged-record-listing"))
    }

    @Test("A damaged value is named with both checksums")
    func damagedValue() throws {
        change("0000000002.segment") { $0[store.second.records[0].offset + 28 + 5] ^= 1 }
        #expect(try overview().status == 0, "an overview does not read values")
        let run = try overview("--verify")
        #expect(run.status == 1)
        #expect(try matchesSnapshot(run.output, "damaged-value"))
        let listing = try InspectRun([".", "--segment", "2"], in: folder)
        #expect(listing.status == 1)
        #expect(listing.output.contains("BAD stored="))
    }

    @Test("A record above the synced mark that is not whole: torn tail, status 2")
    func tornTail() throws {
        change("0000000003.segment") { $0[store.active.records[1].offset + 28] ^= 1 }
        let run = try overview()
        #expect(run.status == 2)
        #expect(try matchesSnapshot(run.output, "torn-tail"))
    }

    @Test("The same record below the mark: damage, status 1")
    func damageBelowMark() throws {
        change("0000000003.segment") { bytes in
            bytes[store.active.records[0].offset + 28] ^= 1
        }
        let run = try overview()
        #expect(run.status == 1)
        #expect(try matchesSnapshot(run.output, "damage-below-mark"))
    }

    @Test("A sealed segment that was cut is damaged from there on")
    func cut() throws {
        change("0000000002.segment") { $0.removeLast(40) }
        let run = try overview()
        #expect(run.status == 1)
        #expect(run.output.contains("cut: the file has"))
    }

    @Test("An active segment cut below its synced mark is damaged")
    func cutBelowMark() throws {
        change("0000000003.segment") { $0.removeLast($0.count - 100) }
        let run = try overview()
        #expect(run.status == 1)
        #expect(run.output.contains("cut: the file has 100 bytes of "))
    }

    @Test("Leftovers and foreign files are named and harm nothing")
    func leftovers() throws {
        folder.write(store.first.bytes, to: "0000000009.segment")
        folder.write([], to: "0000000009.hint")
        folder.write([1], to: "MANIFEST.tmp")
        folder.write([1], to: "notes\n.txt")
        let run = try overview()
        #expect(run.status == 0)
        #expect(try matchesSnapshot(run.output, "leftovers"))
    }

    @Test(
        "Without MANIFEST the segments are shown as they stand, status 1", arguments: [true, false])
    func noManifest(_ isMissing: Bool) throws {
        if isMissing {
            folder.remove("MANIFEST")
        } else {
            change("MANIFEST") { $0[40] ^= 1 }
        }
        let run = try overview()
        #expect(run.status == 1)
        #expect(run.output.contains("0000000002"))
        #expect(run.output.contains("alone"))
    }

    @Test("A segment that is missing is named")
    func missing() throws {
        folder.remove("0000000002.segment")
        let run = try overview()
        #expect(run.status == 1)
        #expect(run.output.contains("missing, but MANIFEST names it"))
    }

    @Test(
        "A hint file that is stale, damaged, empty or another segment's is reported",
        arguments: 0..<4)
    func badHint(_ way: Int) throws {
        let wrong: [UInt8]
        switch way {
        case 0: wrong = []
        case 1:
            var hint = store.first.hint
            hint[70] ^= 1
            wrong = hint
        case 2: wrong = store.second.hint
        default:
            var longer = store.first
            longer.set("more", "")
            wrong = longer.hint
        }
        folder.write(wrong, to: "0000000001.hint")
        let run = try overview()
        #expect(run.status == 1)
        #expect(run.output.contains("the store makes it again"))
        #expect(run.output.contains("bad"))
    }

    @Test("A hint file that checks out and does not say what the segment says is found by --verify")
    func lyingHint() throws {
        var other = SegmentMaker(number: 1, identity: store.first.header.identity)
        other.set("apple", "red")
        other.set("banana", "yellow")
        other.set("zebra", "dark red")
        other.set("empty", "")
        let hint = unsafe other.bytes.withUnsafeBytes {
            // The same length, as a hint file is bound to it; "empty" is left out.
            unsafe RecordList(other.records.prefix(3)).image(
                of: $0, identity: other.header.identity,
                segmentLength: store.first.bytes.count)
        }
        folder.write(withExtendedLifetime(hint) { unsafe Array(hint.bytes) }, to: "0000000001.hint")
        #expect(try overview().status == 0)
        let run = try overview("--verify")
        #expect(run.status == 1)
        #expect(run.output.contains("zebra is not in the segment"))
        #expect(run.output.contains("empty is in the segment, but not in the hint file"))
        #expect(try InspectRun(["0000000001.hint"], in: folder).status == 1)
    }

    @Test(
        "A FIFO, directory, link, device or nothing in a file's place neither hangs nor crashes",
        arguments: ["MANIFEST", "0000000001.segment", "0000000001.hint", "0000000003.segment"])
    func strangers(_ name: String) throws {
        for way in 0..<5 {
            store.write(to: folder)
            folder.remove(name)
            switch way {
            case 0: folder.makeFIFO(name)
            case 1: folder.makeFolder(name)
            case 2: folder.makeLink(name, to: "/dev/zero")
            case 3: folder.makeLink(name, to: name)
            default: folder.write([], to: name)
            }
            for arguments in [["."], [".", "--verify"], [".", "--segment", "1"], [name]] {
                let run = try InspectRun(arguments, in: folder)
                #expect(!run.crashed)
                #expect([0, 1, 66].contains(run.status), "\(name) \(way) \(arguments)")
                if arguments == ["."] { #expect(run.status == 1, "\(name) \(way)") }
            }
            folder.remove(name)
        }
    }

    @Test("Padding that is not zero is found by --verify and harms nothing else")
    func padding() throws {
        let record = store.first.records[0]
        let used = record.offset + 28 + 5 + 3
        change("0000000001.segment") { $0[used] = 1 }
        #expect(try overview().status == 0)
        let run = try overview("--verify")
        #expect(run.status == 1)
        #expect(run.output.contains("padding is not zero"))
    }

    @Test("A record with flags of a newer version is not called clean")
    func newerFlags() throws {
        var active = store.active
        active.set("future", "x", flags: 2)
        active.sync()
        folder.write(active.bytes, to: "0000000003.segment")
        let run = try overview()
        #expect(run.status == 66)
        #expect(run.output.contains("newer version"))
    }

    @Test("A value that is not to be shown is not shown byte by byte either")
    func hiddenValue() throws {
        var active = store.active
        active.set("card", "4111-secret")
        active.sync()
        folder.write(active.bytes, to: "0000000003.segment")
        let offset = try #require(active.records.last?.offset)
        let place = ["--segment", "3", "--from", "\(offset)", "--hex"]
        let shown = try InspectRun(["."] + place, in: folder)
        #expect(shown.output.contains("4111-secret"))
        let hidden = try InspectRun(["."] + place + ["--values", "none"], in: folder)
        #expect(hidden.output.contains("value, 11 bytes, fingerprint "))
        #expect(!hidden.output.contains("4111") && !hidden.output.contains("34 31 31 31"))
    }
}
