import TestSupport
import Testing

/// What words make a command, and what it says where they do not.
struct UsageTests {
    private let scratch = Scratch()

    @Test(
        "Wrong usage has status 64 on the command line, and 2 in a script",
        arguments: [
            "get", "nope", "keys --limit x", "keys --limit", "keys --nope", "scan a b c",
            "keys --limit=-1", "stats --json=1", "format nope", "timing 1", "help nope",
            "set a b c",
        ])
    func usage(_ line: String) throws {
        _ = try run(["--create", scratch.store, "set", "a", "1"])
        let words = line.split(separator: " ").map(String.init)
        #expect(try run([scratch.store] + words).status == 64)
        #expect(try run([scratch.store + "-missing"] + words).status == 64)
        #expect(try run([scratch.store], script: line + "\n").status == 2)
    }

    @Test("help of an unknown command has status 64")
    func help() throws {
        #expect(try run(["help", "nope"]).status == 64)
        #expect(try run(["help", "get"]).status == 0)
    }

    @Test(
        "What is wrong is said in a line, with what was most likely meant",
        arguments: [
            (
                ["--formt", "json", "data", "get", "a"],
                "unknown option --formt; did you mean --format?"
            ),
            (["data", "--qiet", "get", "a"], "unknown option --qiet; did you mean --quiet?"),
            (["-x", "data"], "unknown option -x"),
            (["data", "gte", "a"], "unknown command gte; did you mean get?"),
            (["data", "nonsense"], "unknown command nonsense; stave help lists them"),
        ])
    func mistakes(_ arguments: [String], _ what: String) throws {
        let outcome = try run(arguments)
        #expect(outcome.status == 64)
        #expect(outcome.errors == "stave: \(what)\n  stave --help says more\n")
    }

    @Test("Without any word, stave says how it is used")
    func nothing() throws {
        let outcome = try run([])
        #expect(outcome.status == 64)
        #expect(outcome.errors.contains("\n  stave [options] DIR COMMAND [ARG...] "))
    }

    @Test("help knows the words in the place of a directory, and near misses")
    func helpOfWords() throws {
        #expect(try run(["help", "inspect"]).text.contains("--columns"))
        #expect(try run(["help", "verify"]).text.contains("see stave verify --help"))
        #expect(
            try run(["help", "gte"]).errors == "stave: unknown command gte; did you mean get?\n")
    }

    @Test("A status that tells of damage or of a difference is no error: nothing is said besides")
    func statuses() throws {
        let (clean, broken) = (scratch.path + "/clean", scratch.store)
        for store in [clean, broken] {
            let script = "set a 1\nset key damaged\n"
            #expect(try run(["--create", store], script: script).status == 0)
        }
        try scratch.damage("damaged")
        for words in [
            ["inspect", broken, "--verify"], ["verify", broken], ["why", broken, "key"],
            ["diff", clean, broken], ["repair", broken, scratch.path + "/saved"],
        ] {
            let outcome = try run(words)
            #expect([1, 2].contains(outcome.status), "\(words)")
            #expect(!outcome.errors.contains("stave \(words[0])"), "\(outcome.errors)")
            #expect(!outcome.errors.contains("--help"), "\(outcome.errors)")
        }
        #expect(try run(["--create", clean, "set", "b", "2"]).status == 0)
        let diff = try run(["diff", clean, scratch.path + "/saved"])
        #expect(diff.status == 1)
        #expect(diff.errors == "")
        let usage = try run(["diff", clean])
        #expect(usage.status == 64)
        #expect(usage.errors.hasSuffix("  stave diff --help says more\n"))
    }

    @Test("--limit=1 is --limit 1")
    func attachedValue() throws {
        let script = "set a 1\nset b 2\nkeys --limit=1\n"
        #expect(try run(["--create", "--quiet", scratch.store], script: script).text == "a\n")
        #expect(try run([scratch.store, "keys", "--limit=1"]).text == "a\n")
    }

    @Test("-- ends the options, and what begins with - is a key all the same")
    func dashes() throws {
        let script = """
            set -k 1
            set --k 2
            set -- --
            get -- -k
            get -- --k
            get -k --k
            get --
            exists -- -k --k
            set -- -k 3
            get -k

            """
        let outcome = try run(["--create", "--quiet", scratch.store], script: script)
        #expect(outcome.text == "1\n2\n1\n2\n--\n2\n3\n")
        #expect(outcome.errors == "")
        #expect(try run([scratch.store, "get", "--", "-k"]).text == "3\n")
        #expect(try run([scratch.store, "get", "--k"]).text == "2\n")
    }

    @Test("To ask for what can be no key is an error", arguments: ["get", "exists", "delete"])
    func impossibleKeys(_ command: String) throws {
        for key in ["''", String(repeating: "k", count: 65536)] {
            let script = "set a 1\n\(command) a \(key)\n"
            let outcome = try run(["--create", scratch.store], script: script)
            #expect(outcome.status == 2)
            #expect(outcome.errors.hasPrefix("stdin:2:"), "\(outcome.errors)")
        }
        #expect(try run([scratch.store, command, ""]).status == 2)
    }

    @Test("compact --dry-run looks beside a writer")
    func dryRun() throws {
        let writer = try PipedChild([stave, "--create", scratch.store])
        writer.send("set a 1\n")
        #expect(writer.waitForOutput("OK\n"))
        let outcome = try run([scratch.store, "compact", "--dry-run"])
        #expect(outcome.status == 0)
        #expect(outcome.text == "nothing to compact\n")
        #expect(try run([scratch.store, "compact"]).status == 2)
        #expect(writer.finish() == 0)
    }
}
