import StaveDisk
import TestSupport
import Testing

@Suite("The inspector on healthy stores")
struct InspectTests {
    let folder: TemporaryFolder
    let store = SmallStore()

    init() throws {
        folder = try TemporaryFolder()
        store.write(to: folder)
    }

    private func run(_ arguments: String...) throws -> InspectRun {
        try InspectRun(arguments, in: folder)
    }

    @Test(
        "What is printed is what was printed before",
        arguments: [
            ("overview", ["."]), ("overview-verified", [".", "--verify"]),
            ("overview-json", [".", "--json"]),
            ("segment-1", [".", "--segment", "1"]), ("segment-2", [".", "--segment", "2"]),
            ("segment-3", [".", "--segment", "3", "--values", "full"]),
            ("segment-2-json", [".", "--segment", "2", "--json"]),
            ("segment-2-none", [".", "--segment", "2", "--values", "none"]),
            ("key", [".", "--key", "apple"]), ("key-prefix", [".", "--key", "a*"]),
            ("key-escaped", [".", "--key", #""\0\xff\n""#]),
            ("tombstones", [".", "--kind", "tombstone"]), ("limit", [".", "--limit", "3"]),
            ("range", [".", "--segment", "1", "--from", "100", "--to", "200"]),
            ("hex", [".", "--segment", "2", "--from", "80", "--hex"]),
            ("hex-header", [".", "--segment", "2", "--from", "0", "--hex"]),
            ("stats", [".", "--stats"]), ("stats-json", [".", "--stats", "--json"]),
            ("segment-stats", [".", "--segment", "1", "--stats"]),
            ("file-segment", ["0000000001.segment"]), ("file-hint", ["0000000001.hint"]),
            ("file-manifest", ["MANIFEST"]),
        ])
    func snapshot(_ name: String, _ arguments: [String]) throws {
        let run = try InspectRun(arguments, in: folder)
        #expect(run.status == 0)
        #expect(run.errors == "")
        #expect(try matchesSnapshot(run.output, name))
    }

    @Test("A new store, whose MANIFEST names no segment, is clean")
    func newStore() throws {
        let folder = try TemporaryFolder()
        folder.write(Manifest(storeID: SegmentMaker.storeID).encoded(), to: "MANIFEST")
        let run = try InspectRun(["."], in: folder)
        #expect(run.status == 0)
        #expect(run.output.contains("no segments"))
    }

    @Test("Nothing in the directory changes")
    func changesNothing() throws {
        _ = try run(".", "--verify")
        _ = try run(".", "--segment", "3")
        for (name, bytes) in store.files { #expect(folder.read(name) == bytes, "\(name)") }
    }

    @Test("A segment copied away from its store is read alone")
    func alone() throws {
        let elsewhere = try TemporaryFolder()
        elsewhere.write(store.second.bytes, to: "copy")
        let run = try InspectRun(["copy"], in: elsewhere)
        #expect(run.status == 0)
        #expect(try matchesSnapshot(run.output, "file-alone"))
    }

    @Test("A hint file alone is listed without its segment")
    func hintAlone() throws {
        let elsewhere = try TemporaryFolder()
        elsewhere.write(store.first.hint, to: "0000000001.hint")
        let run = try InspectRun(["0000000001.hint"], in: elsewhere)
        #expect(run.status == 0)
        #expect(run.output.contains("apple"))
        #expect(!run.output.contains("agrees"))
    }

    @Test("Nothing at the path: status 66", arguments: ["none", "none/0000000001.segment"])
    func noInput(_ path: String) throws {
        let run = try InspectRun([path], in: folder)
        #expect(run.status == 66)
        #expect(run.output == "")
        #expect(run.errors.hasPrefix("stave: cannot open "))
    }

    @Test("A directory that is no store: status 66")
    func noStore() throws {
        let empty = try TemporaryFolder()
        empty.write([1, 2, 3], to: "notes.txt")
        #expect(try InspectRun(["."], in: empty).status == 66)
        #expect(try InspectRun(["notes.txt"], in: empty).status == 66)
        #expect(try InspectRun([".", "--segment", "9"], in: folder).status == 66)
    }

    @Test(
        "What cannot be meant: status 64",
        arguments: [
            [], [".", "--hex"], [".", "--hex", "--from", "80"], [".", "--from", "-1"],
            [".", "--kind", "batch"], [".", "--key", #""\q""#], [".", "--unknown"],
            ["0000000001.segment", "--segment", "1"],
            [".", "--segment", "1", "--hex", "--from", "100000"],
        ])
    func usage(_ arguments: [String]) throws {
        #expect(try InspectRun(arguments, in: folder).status == 64)
    }
}
