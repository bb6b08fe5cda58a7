import TestSupport
import Testing

struct CommandLineTests {
    private let scratch = Scratch()

    @Test("One command answers and exits; an absent key has status 1")
    func oneShot() throws {
        #expect(try run(["--create", scratch.store, "set", "a", "-1"]).text == "OK\n")
        #expect(try run([scratch.store, "get", "a"]).text == "-1\n")
        let absent = try run([scratch.store, "get", "nope"])
        #expect(absent.status == 1)
        #expect(absent.output.isEmpty)
        #expect(absent.errors == "not found: nope\n")
        #expect(try run([scratch.store, "exists", "nope"]).status == 1)
        #expect(try run([scratch.store, "exists", "a"]).status == 0)
    }

    @Test("Options stand before or behind DIR, and the command's words are its own")
    func options() throws {
        _ = try run(["--create", scratch.store, "set", "--format", "--help"])
        #expect(
            try run([scratch.store, "--format", "hex", "get", "--format"]).text == "2d2d68656c70\n")
        #expect(try run([scratch.store, "keys", "--limit", "1"]).text == "--format\n")
        #expect(try run([scratch.store, "keys", "--", "--f"]).text == "--format\n")
    }

    @Test("Errors have status 2, wrong usage 64")
    func statuses() throws {
        let missing = try run([scratch.store, "count"])
        #expect(missing.status == 2)
        #expect(missing.errors.contains("--create"))
        #expect(try run([scratch.store], script: "count\n").status == 2)
        #expect(try run([]).status == 64)
        #expect(try run(["--nope", scratch.store]).status == 64)
        #expect(try run(["--segment-size", "1", scratch.store]).status == 64)
        let unknown = try run([scratch.store, "gte", "a"])
        #expect(unknown.status == 64)
        #expect(unknown.errors.contains("did you mean get?"))
    }

    @Test("A second writer is told who holds the store and how to read beside it")
    func locked() throws {
        let writer = try PipedChild([stave, "--create", scratch.store])
        writer.send("set a 1\n")
        #expect(writer.waitForOutput("OK\n"))
        let second = try run([scratch.store, "set", "b", "2"])
        #expect(second.status == 2)
        #expect(second.errors.contains("stave --read-only \(scratch.store)"))
        #expect(try run([scratch.store, "get", "a"]).text == "1\n")
        #expect(try run(["--read-only", scratch.store], script: "get a\n").text == "1\n")
        #expect(writer.finish() == 0)
    }

    @Test(
        "The line to paste is quoted for the shell and begins with no dash",
        arguments: [
            ("a", "a"), ("it's $HOME", "'it'\\''s $HOME'"), ("-x", "./-x"), ("a\"b", "'a\"b'"),
        ])
    func lockedName(_ name: String, _ shown: String) throws {
        let script = "cd \(scratch.path) && exec \(stave) --create -- \"$0\" "
        let writer = try PipedChild(["/bin/sh", "-c", script, name])
        writer.send("set a 1\n")
        #expect(writer.waitForOutput("OK\n"))
        let second = try PipedChild(["/bin/sh", "-c", script + "set b 2", name])
        #expect(second.finish() == 2)
        #expect(second.errors.contains("stave --read-only \(shown)\n"), "\(second.errors)")
        #expect(writer.finish() == 0)
    }

    @Test("A read-only store refuses writes")
    func readOnly() throws {
        _ = try run(["--create", scratch.store, "set", "a", "1"])
        let outcome = try run(["--read-only", scratch.store], script: "set a 2\n")
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("read-only"))
    }

    @Test("stats --json is one line with every number")
    func stats() throws {
        _ = try run(["--create", scratch.store, "set", "a", "1"])
        let text = try run([scratch.store, "stats", "--json"]).text
        #expect(text.hasPrefix("{\"path\":") && text.hasSuffix("}]}\n"))
        #expect(text.contains("\"count\":1,"))
        #expect(try run([scratch.store, "stats"]).text.contains("keys        1\n"))
        let people = try run([scratch.store, "stats"]).text
        #expect(!people.contains("read-only") && !people.contains("B a key"))
        let beside = try run(["--read-only", scratch.store], script: "stats\n").text
        #expect(beside.contains(" (read-only)\n"))
    }

    @Test("help explains a command with two examples")
    func help() throws {
        let text = try run(["help", "scan"]).text
        #expect(text.hasPrefix("usage: scan "))
        #expect(text.contains("examples:\n"))
        #expect(try run(["help"]).text.contains("compact"))
        #expect(try run(["--help"]).status == 0)
        #expect(try run(["--version"]).status == 0)
    }
}
