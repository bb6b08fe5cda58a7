import Foundation
import TestSupport
import Testing

@testable import StaveTool

@Suite("Import")
struct TransferImportTests {
    private let scratch = Scratch()

    private func bring(
        _ text: String, _ words: [String] = ["--create"], from format: String = "csv"
    ) throws -> Outcome {
        try run(["import", scratch.store, "--from", format] + words, script: text)
    }

    private var contents: String {
        get throws { try run(["--format", "csv", scratch.store, "scan"]).text }
    }

    @Test("A missing store is made with --create only; the error names it")
    func missingStore() throws {
        let refused = try bring("a,1\n", [])
        #expect(refused.status == 2 && refused.errors.contains("--create"))
        #expect(!FileManager.default.fileExists(atPath: scratch.store))
        #expect(try bring("a,1\n").status == 0)
        #expect(try contents == "a,1\n")
    }

    @Test("A bad record stops the import where it stands, or is skipped and counted")
    func badRecord() throws {
        try scratch.write("a,1\nb\nc,3\n,4\n", to: "in.csv")
        let file = scratch.path + "/in.csv"
        let stopped = try run(["import", scratch.store, file, "--from", "csv", "--create"])
        #expect(stopped.status == 2)
        #expect(stopped.errors == "\(file):2: 1 field where 2 belong\n")
        #expect(stopped.text.hasPrefix("1 key: 1 new, 0 replaced, 1 bad, "))
        #expect(try contents == "a,1\n")
        let all = try run(["import", scratch.store, file, "--from", "csv", "--keep-going"])
        #expect(all.status == 2)
        #expect(
            all.errors == "\(file):2: 1 field where 2 belong\n\(file):4: the key is empty\n")
        #expect(all.text.hasPrefix("2 keys: 1 new, 1 replaced, 2 bad, "))
        #expect(try contents == "a,1\nc,3\n")
    }

    @Test(
        "--atomic makes all of a new store or nothing, and all again in one that is there",
        arguments: ["b,2\na,1\n", "a,1\nb,2\n"])
    func atomic(_ good: String) throws {
        let bad = try bring(good + "c\n", ["--create", "--atomic"])
        #expect(bad.status == 2 && bad.errors.contains("stdin:3: 1 field"))
        #expect(bad.output.isEmpty)
        #expect(!FileManager.default.fileExists(atPath: scratch.store))
        #expect(!FileManager.default.fileExists(atPath: scratch.store + ".importing"))
        #expect(try bring(good, ["--create", "--atomic"]).status == 0)
        #expect(try contents == "a,1\nb,2\n")
        let again = try bring(good, ["--create", "--atomic"])
        #expect(again.status == 0 && again.text.hasPrefix("2 keys: 0 new, 2 replaced"))
        #expect(try contents == "a,1\nb,2\n")
    }

    @Test("--if-absent keeps what is there, also against a log that sets a key twice")
    func ifAbsent() throws {
        _ = try bring("a,old\n")
        #expect(try bring("a,new\nb,new\n", ["--if-absent"]).text.contains("1 there already"))
        #expect(try contents == "a,old\nb,new\n")
        func command(_ words: String...) -> String {
            "*\(words.count)\r\n" + words.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()
        }
        let log =
            command("SET", "c", "1") + command("SET", "c", "2") + command("SET", "d", "1")
            + command("DEL", "d", "a") + command("SET", "a", "3")
        #expect(try bring(log, ["--if-absent"], from: "resp").status == 0)
        #expect(try contents == "a,old\nb,new\nc,2\n")
    }

    @Test("--dry-run says what would be, and writes nothing")
    func dryRun() throws {
        let new = try bring("a,1\nb,2\n", ["--dry-run"])
        #expect(new.text.hasPrefix("would import 2 keys: 2 new, 0 replaced, "))
        #expect(!FileManager.default.fileExists(atPath: scratch.store))
        _ = try bring("a,1\n")
        #expect(
            try bring("a,2\nb,2\n", ["--dry-run"]).text.hasPrefix(
                "would import 2 keys: 1 new, 1 replaced, "))
        #expect(try contents == "a,1\n")
    }

    @Test("--prefix stands before each key; fields have names or numbers")
    func fields() throws {
        #expect(
            try bring(
                "id,x,name\n1,,Ada\n",
                [
                    "--create", "--header", "--key-field", "id",
                    "--value-field", "name", "--prefix", "user:",
                ]
            ).status == 0)
        #expect(
            try bring("Ada,1\n", ["--key-field", "2", "--value-field", "1"]).status == 0)
        let json = #"{"id": 7, "doc": {"a": [1, "}"]}}"# + "\n"
        #expect(
            try bring(json, ["--key-field", "id", "--value-field", "doc"], from: "jsonl").status
                == 0)
        #expect(
            try contents == "1,Ada\n7,\"{\"\"a\"\": [1, \"\"}\"\"]}\"\nuser:1,Ada\n")
        let wrong = try bring("id,name\n", ["--header", "--key-field", "nme"])
        #expect(wrong.errors.contains("there is no column nme, but id, name"))
        #expect(try bring("", ["--header"], from: "rdb").status == 64)
    }

    @Test("What a store cannot hold is counted and named: other types, and times at which keys end")
    func remarks() throws {
        let text = """
            {"key":"a","value":"1","type":"STRING","ttl":-1}
            {"key":"b","value":"2","type":"string","ttl":1893456000000}
            {"key":"c","type":"hash","value":{"f":"v"}}

            """
        let outcome = try bring(text, from: "jsonl")
        #expect(outcome.status == 0)
        #expect(
            outcome.text.hasPrefix(
                "2 keys: 2 new, 0 replaced, 1 without their expiry, not taken: 1 hash, "))
        let json = try bring(text, ["--json"], from: "jsonl").text
        #expect(json.hasPrefix(#"{"keys":2,"new":0,"replaced":2,"kept":0,"deleted":0,"bad":0,"#))
        #expect(try bring(text, ["--quiet"], from: "jsonl").text == "")
    }

    @Test("import and export are commands of the shell as well")
    func commands() throws {
        try scratch.write("a,1\nbad\n", to: "in.csv")
        let (file, copy) = (scratch.path + "/in.csv", scratch.path + "/out.jsonl")
        let script = """
            set old x
            import '\(file)' --from csv --prefix p: --dry-run
            export --to jsonl
            import '\(file)' --from csv
            count
            """
        let outcome = try run(["--create", scratch.store], script: script)
        #expect(outcome.status == 2)
        #expect(outcome.text.contains("OK\nwould import 1 key: 1 new, 0 replaced, 1 bad, "))
        #expect(outcome.errors.contains("stdin:2:1: the import did not take all of"))
        let more = try run(
            ["--keep-going", scratch.store],
            script: """
                import '\(file)' --from csv
                export --to quoted
                export a b --to csv > '\(copy)'
                export --to nothing
                import - --from csv
                export --to csv > '\(scratch.store)/x'
                """)
        #expect(more.text.hasSuffix("a 1\nold x\n"))
        #expect(more.errors.contains("stdin:4:1: no format nothing to write"))
        #expect(more.errors.contains("stdin:5:8: - is stdin on a command line only"))
        #expect(more.errors.contains("lies in the store's own directory"))
        #expect(try run([scratch.store, "import", copy, "--from", "csv"]).status == 0)
        #expect(try run([scratch.store, "export", "a", "--to", "csv"]).text == "a,1\n")
    }

    @Test("A signal ends an import that waits, and what was read is kept")
    func interrupted() throws {
        let child = try PipedChild(
            [stave, "import", scratch.store, "--from", "csv", "--create"])
        child.send(String(repeating: "a,1\n", count: 5000) + "b,2\n")
        // The store is there once a key came twice.
        for _ in 0..<6000 where !FileManager.default.fileExists(atPath: scratch.store + "/MANIFEST")
        {
            usleep(10_000)
        }
        child.signal(SIGTERM)
        #expect(child.waitForExit(seconds: 60) == 128 + SIGTERM)
        #expect(try contents.hasPrefix("a,1\n"))
    }
}
