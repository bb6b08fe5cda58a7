import Glibc
import TestSupport
import Testing

@testable import StaveTool

@Suite("stave changes")
struct ChangesCommandTests {
    private let scratch = Scratch()

    private func stave(_ words: String...) throws -> Outcome {
        try run(words)
    }

    private func filled() throws {
        let script = "set a 1\nset b 'two words'\nset c 3\ndelete a\nset b \"\\xff\\n\"\n"
        #expect(try run(["--create", scratch.store], script: script).status == 0)
    }

    /// What stands behind `next` last.
    private func next(_ outcome: Outcome) -> String {
        let lines = (outcome.text + outcome.errors).split(separator: "\n")
        let line = lines.last { $0.contains("next") }
        return String(line?.split(whereSeparator: { " \":}".contains($0) }).last ?? "")
    }

    @Test("Writes what the shell takes, objects, or what Redis takes, and where to go on")
    func formats() throws {
        try filled()
        let quoted = try stave("changes", scratch.store)
        let position = next(quoted)
        #expect(position.hasPrefix("5@") && position.utf8.count == 18)
        #expect(
            quoted.text == "set c 3\ndelete a\nset b \"\\xff\\n\"\n# next \(position)\n")
        let json = try stave("changes", scratch.store, "--format", "json")
        #expect(
            json.text == """
                {"key":"c","value":"3","version":3}
                {"key":"a","value":null,"version":4}
                {"key":"b","valueHex":"ff0a","version":5}
                {"next":"\(position)"}

                """)
        let resp = try stave("changes", scratch.store, "--format", "resp", "--prefix", "c")
        #expect(resp.text == "*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$1\r\n3\r\n")
        #expect(resp.errors == "next \(position)\n")
        let none = try stave("changes", scratch.store, "--since", position)
        #expect(none.text == "# next \(position)\n")
        #expect(try stave("changes", scratch.store, "--since", "now").text == none.text)
        #expect(try stave("changes", scratch.store, "--since", "4").text.hasPrefix("set b"))
    }

    @Test("Makes another store the same, and again behind what follows")
    func replica() throws {
        try filled()
        let copy = scratch.path + "/copy"
        var since: [String] = []
        for script in ["", "delete b\nset d 4\n", "begin\nset a 9\nset d 9\ncommit\n"] {
            #expect(try run([scratch.store], script: script).status == 0)
            let changes = try run(["changes", scratch.store] + since)
            since = ["--since", next(changes)]
            #expect(try run(["--create", copy], script: changes.text).status == 0)
            let outcome = try stave("diff", scratch.store, copy)
            #expect(outcome.status == 0, "\(outcome.text)")
        }
    }

    @Test("Ends with 3 where a follower has to begin anew, and says so")
    func anew() throws {
        try filled()
        #expect(try stave(scratch.store, "compact").status == 0)
        let lost = try stave("changes", scratch.store, "--since", "3")
        #expect(lost.status == 3 && lost.text == "")
        #expect(lost.errors.contains("deletions up to number 4; begin anew"))
        let foreign = try stave("changes", scratch.store, "--since", "5@0123456789abcdef")
        #expect(foreign.status == 3)
        #expect(try stave("changes", scratch.store, "--since", "6").status == 3)
        #expect(try stave("changes", scratch.store).text.hasPrefix("set c 3\nset b"))
        #expect(try stave("changes", scratch.store + ".not").status == 66)
        for words in [
            ["--since", "x"], ["--slots", "7-3"], ["--mark", "m"], ["--format", "xml"],
        ] {
            #expect(try run(["changes", scratch.store] + words).status == 64)
        }
    }

    @Test("--keep-deletions keeps what a follower still needs")
    func keeping() throws {
        try filled()
        #expect(try stave("--keep-deletions", "1h", scratch.store, "compact").status == 0)
        let outcome = try stave("changes", scratch.store, "--since", "3")
        #expect(outcome.text.hasPrefix("delete a\nset b"))
        for word in ["x", "1w", "-1", "1.5h", "9999999999d", ""] {
            #expect(try stave("--keep-deletions", word, scratch.store, "count").status == 64)
        }
    }

    @Test("--follow goes on beside a writer that compacts, and ends with 0 at a signal")
    func follow() throws {
        let writer = try PipedChild([
            builtProduct("stave"), "--create", "--segment-size", "4K", "--keep-deletions", "1h",
            scratch.store,
        ])
        writer.send("set first 1\nsync\necho ready\n")
        #expect(writer.waitForOutput("ready\n"))
        let follower = try PipedChild([
            builtProduct("stave"), "changes", scratch.store, "--follow",
        ])
        #expect(follower.waitForOutput("set first 1\n# next 1@"))
        var random = SeededRandom.forTest()
        for round in 0..<30 {
            var lines = ""
            for _ in 0..<100 {
                let key = "key:\(Int.random(in: 0..<50, using: &random))"
                lines += random.chance(30) ? "delete \(key)\n" : "set \(key) \(random.next())\n"
            }
            writer.send(lines + (round % 5 == 4 ? "compact\n" : "sync\n"))
        }
        writer.send("set last 1\nsync\nkeys\necho done\n")
        #expect(writer.waitForOutput("done\n"))
        #expect(follower.waitForOutput("set last 1\n# next "))
        follower.signal(SIGTERM)
        #expect(follower.finish() == 0)
        #expect(follower.errors == "")
        #expect(writer.finish() == 0)
        // Each stretch up to a number is a batch of the other store.
        let copy = scratch.path + "/copy"
        let text = String(decoding: follower.output, as: UTF8.self)
        #expect(try run(["--create", copy], script: text).status == 0)
        let outcome = try stave("diff", scratch.store, copy)
        #expect(outcome.status == 0, "\(outcome.text)")
    }

    @Test("--follow ends where its reader has gone")
    func closedPipe() throws {
        try filled()
        let follower = try PipedChild([
            builtProduct("stave"), "changes", scratch.store, "--follow",
        ])
        #expect(follower.waitForOutput("# next "))
        follower.closeOutput()
        #expect(follower.waitForExit(seconds: 60) == 128 + SIGPIPE)
    }

    @Test("watch PREFIX shows what another process writes to such keys")
    func watch() throws {
        let writer = try PipedChild([builtProduct("stave"), "--create", scratch.store])
        writer.send("set user:1 old\nsync\necho ready\n")
        #expect(writer.waitForOutput("ready\n"))
        let watcher = try PipedChild([
            builtProduct("stave"), "--format", "quoted", scratch.store, "watch", "user:",
        ])
        // What is written before it looks is not shown: so until it shows one.
        for number in 0..<600 where !watcher.waitForOutput("user:0", timeout: 0.1) {
            writer.send("set user:0 \(number)\nsync\n")
        }
        writer.send("set user:2 'a b'\nset other 1\ndelete user:1\nsync\n")
        #expect(watcher.waitForOutput("user:1 (deleted)\n"))
        let text = String(decoding: watcher.output, as: UTF8.self)
        #expect(text.hasSuffix("user:2 \"a b\"\nuser:1 (deleted)\n") && !text.contains("other"))
        watcher.signal(SIGINT)
        _ = watcher.finish()
        #expect(writer.finish() == 0)
    }
}
