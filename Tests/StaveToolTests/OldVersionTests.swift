import TestSupport
import Testing

@testable import StaveTool

@Suite("Old versions")
struct OldVersionTests {
    private let scratch = Scratch()

    /// One process, so that all versions are in one segment.
    private func script(_ lines: String) throws -> Outcome {
        try run(["--create", scratch.store], script: lines)
    }

    @Test("get --at shows the value as of a write")
    func at() throws {
        let outcome = try script(
            """
            set a one
            set b x
            set a two
            delete a
            set a three
            get --at 1 a
            get --at 2 a
            get --at 3 --exact a
            echo
            get --at 4 --missing none a
            get --at 5 a
            get --at 99 a b
            get --at 1 --missing none b
            get --at 5 c

            """)
        #expect(outcome.status == 0)
        #expect(
            outcome.text.split(separator: "\n").suffix(8)
                == ["one", "one", "two", "none", "three", "three", "x", "none"])
        #expect(outcome.errors == "not found: c\n")
        #expect(try run([scratch.store, "get", "--at", "3", "a"]).text == "two\n")
        #expect(try run([scratch.store, "get", "--at", "4", "a"]).status == 1)
        for words in [["--at", "x", "a"], ["--at", "1", "--version", "a"]] {
            #expect(try run([scratch.store, "get"] + words).status == 64)
        }
    }

    @Test("undo writes the version before, and undo again takes it back")
    func undo() throws {
        let outcome = try script(
            """
            set a one
            set a two
            undo a
            get a
            undo a
            get a
            delete a
            undo a
            get a
            set new 1
            undo new
            exists new
            undo new
            get new
            undo nothing
            get --version a

            """)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let lines = outcome.text.split(separator: "\n").filter { $0 != "OK" }
        #expect(lines == ["one", "two", "1", "two", "0", "1", "6"])
        #expect(outcome.errors == "not found: nothing\n")
        let batch = try run([scratch.store], script: "begin\nundo a\n")
        #expect(batch.status == 2 && batch.errors.contains("undo takes no part in a batch"))
    }

    @Test("What a compaction may have freed is said to be, and never taken for absent")
    func freed() throws {
        let text = "set a one\nset b 1\nset a two\nset a three\nset late 1\ncompact\n"
        #expect(try script(text).status == 0)
        #expect(try run([scratch.store, "get", "--at", "4", "a"]).text == "three\n")
        for moment in ["1", "2", "3"] {
            let outcome = try run([scratch.store, "get", "--at", moment, "a"])
            #expect(outcome.status == 2 && outcome.text == "")
            #expect(outcome.errors.contains("may have been freed by a compaction"))
        }
        for key in ["a", "late"] {
            let outcome = try run([scratch.store, "undo", key])
            #expect(outcome.status == 2)
            #expect(outcome.errors.contains("what \(key) was before"))
        }
        #expect(try run([scratch.store, "get", "a"]).text == "three\n")
        // A key of which every trace is gone.
        #expect(try run([scratch.store, "get", "--at", "4", "gone"]).status == 2)
        // From here on all is there again.
        let later = try script("set a four\nset a five\nundo a\nget a\n")
        #expect(later.text.hasSuffix("four\n"))
    }

    @Test("A version in between that was freed is not skipped")
    func between() throws {
        // The first version stays in a segment of its own; the second goes with its segment.
        let long = String(repeating: "x", count: 3000)
        let options = ["--create", "--segment-size", "4K", scratch.store]
        let lines = ["a one", "p \(long)", "a two", "q \(long)", "a three", "r \(long)"]
            .map { "set \($0)\n" }.joined()
        #expect(try run(options, script: lines).status == 0)
        #expect(try run([scratch.store, "get", "--at", "4", "a"]).text == "two\n")
        #expect(try run([scratch.store, "get", "--at", "2", "a"]).text == "one\n")
        // Without the segment of the second one, as after its compaction alone.
        let history = try run([scratch.store, "why", "a", "--json"]).text
        #expect(history.split(separator: "\n").count == 4)
    }

    @Test("import --atomic takes all of a file into a store that is there, or nothing")
    func atomicImport() throws {
        #expect(try script("set a old\nset b old\n").status == 0)
        let good = try run(
            ["import", scratch.store, "--from", "csv", "--atomic"], script: "a,1\nc,2\nc,3\n")
        #expect(good.status == 0 && good.text.hasPrefix("3 keys: 1 new, 2 replaced"))
        let bad = try run(
            ["import", scratch.store, "--from", "csv", "--atomic"], script: "a,9\nd,4\n,x\n")
        #expect(bad.status == 2 && bad.errors.contains("nothing was imported"))
        #expect(try run([scratch.store, "scan"]).text == "a\t1\nb\told\nc\t3\n")
        let absent = try run(
            ["import", scratch.store, "--from", "csv", "--atomic", "--if-absent"],
            script: "a,9\nd,4\n")
        #expect(absent.text.hasPrefix("1 key: 1 new, 0 replaced, 1 there already"))
        #expect(try run([scratch.store, "get", "a", "d"]).text == "1\n4\n")
        let deletes = try run(
            ["import", scratch.store, "--from", "resp", "--atomic"],
            script: "*2\r\n$3\r\nDEL\r\n$1\r\na\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n7\r\n")
        #expect(deletes.status == 0, "\(deletes.errors)")
        #expect(try run([scratch.store, "scan"]).text == "b\t7\nc\t3\nd\t4\n")
    }

    @Test("import --atomic refuses what is more than a batch, with nothing written")
    func atomicTooLarge() throws {
        #expect(try script("set a old\n").status == 0)
        let value = String(repeating: "x", count: 32 << 20)
        let input = (0..<9).map { "k\($0),\(value)\n" }.joined()
        let outcome = try run(
            ["import", scratch.store, "--from", "csv", "--atomic"], script: input)
        #expect(outcome.status == 2 && outcome.errors.contains("batch too large"))
        #expect(outcome.errors.contains("nothing was imported"))
        #expect(try run([scratch.store, "count"]).text == "1\n")
    }
}
