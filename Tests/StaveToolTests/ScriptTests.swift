import Glibc
import TestSupport
import Testing

struct ScriptTests {
    private let scratch = Scratch()

    @Test("A script's replies come in order, one line a command")
    func transcript() throws {
        let script = """
            set a 1
            set "b c" 'two words'   # a comment

            get a "b c"
            exists a nope "b c"
            count
            count b
            keys
            scan --reverse
            scan a b
            delete a nope
            echo done "x y"
            count
            sync
            """
        let outcome = try run(["--create", scratch.store], script: script)
        #expect(
            outcome.text == """
                OK
                OK
                1
                two words
                2
                2
                1
                a
                b c
                b c\ttwo words
                a\t1
                a\t1
                1
                done x y
                1
                OK

                """)
        #expect(outcome.errors == "")
        #expect(outcome.status == 0)
    }

    @Test("CR LF, a missing last newline, NUL and bytes that are not UTF-8 are taken as they are")
    func rawBytes() throws {
        let script = Array("set k a".utf8) + [0, 0xFF] + Array("b\r\nget k".utf8)
        let outcome = try run(["--create", scratch.store], input: script)
        #expect(outcome.output == Array("OK\na".utf8) + [0, 0xFF] + Array("b\n".utf8))
        #expect(outcome.status == 0)
    }

    @Test("A byte order mark before the first command is skipped, and only there")
    func byteOrderMark() throws {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let script = mark + Array("set a 1\nset b ".utf8) + mark + Array("\n".utf8)
        #expect(try run(["--create", scratch.store], input: script).text == "OK\nOK\n")
        #expect(try run([scratch.store, "get", "b"]).output == mark + [10])
    }

    @Test("An error names line and column, shows the place, stops the script and counts")
    func errorPosition() throws {
        let outcome = try run(
            ["--create", scratch.store], script: "set a 1\nset 日本 \"\\q\"\nset b 2\n")
        #expect(outcome.text == "OK\n")
        #expect(
            outcome.errors.hasPrefix("stdin:2:9: unknown escape"), "\(outcome.errors)")
        #expect(outcome.errors.contains("\n  set 日本 \"\\q\"\n            ^\n"))
        #expect(outcome.errors.contains("stopped after 1 command succeeded"))
        #expect(outcome.status == 2)
    }

    @Test("With --keep-going the rest runs, and the status is 2 all the same")
    func keepGoing() throws {
        let outcome = try run(
            ["--create", "--keep-going", scratch.store], script: "nope\nset a 1\nset '' x\nget a\n")
        #expect(outcome.text == "OK\n1\n")
        #expect(outcome.errors.contains("stdin:1:1: unknown command nope"))
        #expect(outcome.errors.contains("stdin:3:5: "))
        #expect(outcome.status == 2)
    }

    @Test("A get that fails among gets counts as one command, and nothing behind it is done")
    func failingBatch() throws {
        let value = "the value that is damaged"
        let script = "set a 1\nset b '\(value)'\nset c 3\nset d 4\n"
        _ = try run(["--create", scratch.store], script: script)
        try scratch.damage(value)
        let gets = "get a a\nget a b b c\nget c d\n"
        let stopped = try run([scratch.store], script: gets)
        #expect(stopped.text == "1\n1\n1\n")
        #expect(stopped.errors.contains("stdin:2:7: "), "\(stopped.errors)")
        #expect(stopped.errors.contains("stopped after 1 command succeeded"))
        let whole = try run(["--keep-going", scratch.store], script: gets)
        #expect(whole.text == "1\n1\n1\n3\n3\n4\n")
        #expect(whole.errors.contains("1 failed, 2 commands succeeded"), "\(whole.errors)")
        #expect(whole.status == 2)
    }

    @Test("Controls in a faulty line never reach the terminal")
    func faultyLineIsHarmless() throws {
        let outcome = try run(["--create", scratch.store], script: "nope \u{1B}[31m\u{7}\n")
        #expect(outcome.errors.utf8.allSatisfy { $0 >= 0x20 || $0 == 10 })
    }

    @Test("An absent key is a result: a note on stderr, status 0 in a script")
    func absentKey() throws {
        let outcome = try run(
            ["--create", scratch.store], script: "get nope\nset a 1\nget a nope a\n")
        #expect(outcome.text == "OK\n1\n1\n")
        #expect(outcome.errors == "not found: nope\nnot found: nope\n")
        #expect(outcome.status == 0)
    }

    @Test("--quiet leaves out OK, counts of set and delete, and not found")
    func quiet() throws {
        let outcome = try run(
            ["--create", "--quiet", scratch.store],
            script: "set a 1\ndelete a b\nget a\nsync\ncount\n")
        #expect(outcome.text == "0\n")
        #expect(outcome.errors == "")
    }

    @Test("Replies are written before the shell waits, so that a program can drive it")
    func conversation() throws {
        let child = try PipedChild(
            [stave, "--create", "--durability", "always", scratch.store])
        child.send("set a 1\n")
        #expect(child.waitForOutput("OK\n"))
        child.send("get a\necho --fence--\n")
        #expect(child.waitForOutput("OK\n1\n--fence--\n"))
        #expect(child.finish() == 0)
    }

    @Test("What was acknowledged is there after SIGKILL")
    func killed() throws {
        let child = try PipedChild([stave, "--create", "--durability", "always", scratch.store])
        child.send("set a 1\nset b 2\n")
        #expect(child.waitForOutput("OK\nOK\n"))
        child.signal(SIGKILL)
        #expect(child.finish() == 128 + SIGKILL)
        #expect(try run([scratch.store, "count"]).text == "2\n")
    }

    @Test("SIGTERM and SIGINT close the store and end the process by that signal")
    func terminated() throws {
        for signal in [SIGTERM, SIGINT] {
            let child = try PipedChild([stave, "--create", scratch.store])
            child.send("set a 1\n")
            #expect(child.waitForOutput("OK\n"))
            child.signal(signal)
            #expect(child.waitForOutput("never", timeout: 60) == false)
            #expect(child.finish() == 128 + signal)
            #expect(child.errors == "")
        }
        #expect(try run([scratch.store, "get", "a"]).text == "1\n")
    }

    @Test("A signal ends the shell while nobody reads its output, and the store is closed")
    func blockedOutput() throws {
        for signal in [SIGTERM, SIGINT] {
            let child = try PipedChild([stave, "--create", scratch.store])
            child.send("set big \(String(repeating: "v", count: 1 << 20))\nget big\n")
            usleep(500_000)
            child.signal(signal)
            #expect(child.waitForExit(seconds: 20) == 128 + signal)
        }
        #expect(try run([scratch.store, "count"]).text == "1\n")
    }

    @Test("A reader that goes away ends the shell quietly")
    func brokenPipe() throws {
        let child = try PipedChild([stave, "--create", scratch.store])
        child.send("set a 1\n")
        #expect(child.waitForOutput("OK\n"))
        child.closeOutput()
        child.send("set b 2\nget a\n")
        #expect(child.finish() == 128 + SIGPIPE)
        #expect(child.errors == "")
    }

    @Test("A full disk behind stdout is said, with status 2")
    func fullOutput() throws {
        let outcome = try run(["--create", scratch.store], script: "set a 1\n")
        #expect(outcome.status == 0)
        let child = try PipedChild(["/bin/sh", "-c", "exec \(stave) \(scratch.store) > /dev/full"])
        child.send("get a\n")
        #expect(child.finish() == 2)
        #expect(child.errors.contains("cannot write to stdout"))
    }

    @Test("A line as long as a large value, and many lines, are read in any pieces")
    func long() throws {
        let value = String(repeating: "v", count: 5_000_000)
        var script = "set big \(value)\n"
        for number in 0..<20_000 { script += "set key\(number) value\(number)\n" }
        for number in 0..<20_000 { script += "get key\(number)\n" }
        let outcome = try run(["--create", "--quiet", scratch.store], script: script + "get big\n")
        let expected = (0..<20_000).map { "value\($0)\n" }.joined() + value + "\n"
        #expect(outcome.text == expected)
        #expect(outcome.status == 0)
    }

    @Test(
        "A bare < or > is no key",
        arguments: [
            "delete a < out", "delete a > out", "exists <", "count >", "keys < a", "scan > a",
            "echo a > out", "help <", "sync > out",
        ])
    func strayRedirection(_ line: String) throws {
        let script = "set a 1\nset '<' 2\nset '>' 3\nset out 4\n"
        let outcome = try run(
            ["--create", "--quiet", scratch.store], script: script + line + "\n")
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("quote"), "\(outcome.errors)")
        #expect(try run([scratch.store, "count"]).text == "4\n")
        #expect(try run([scratch.store], script: "exists '<' \">\"\n").text == "2\n")
    }

    @Test("Values go to files and come from files byte for byte")
    func files() throws {
        let path = scratch.path + "/value"
        let script = """
            set a "\\x00\\xff\\n"
            get a > \(path)
            set b < \(path)
            format hex
            get b
            set c < \(path).nope
            """
        let outcome = try run(["--create", scratch.store], script: script)
        #expect(outcome.text == "OK\nOK\n00ff0a\n")
        #expect(outcome.errors.hasPrefix("stdin:6:9: cannot open"), "\(outcome.errors)")
    }
}

struct FormatTests {
    private let scratch = Scratch()

    private func print(_ format: String, _ command: String = "scan") throws -> String {
        let script = #"set a "x,\"y\"\n"\#nset "\xff" ""\#nset é '漢'"#
        _ = try run(["--create", scratch.store], script: script)
        return try run(["--format", format, scratch.store, command]).text
    }

    @Test("quoted pastes back")
    func quoted() throws {
        #expect(try print("quoted") == "a \"x,\\\"y\\\"\\n\"\n\"é\" \"漢\"\n\"\\xff\" \"\"\n")
    }

    @Test("csv follows RFC 4180 and leaves bytes alone")
    func csv() throws {
        let script = #"set a "x,\"y\"\n"\#nset b """#
        _ = try run(["--create", scratch.store], script: script)
        #expect(
            try run(["--format", "csv", scratch.store, "scan"]).text
                == "a,\"x,\"\"y\"\"\n\"\nb,\"\"\n")
        #expect(try run(["--format", "csv", scratch.store, "get", "b"]).text == "\"\"\n")
    }

    @Test("json is valid for any bytes: what is not UTF-8 is named Hex")
    func json() throws {
        #expect(
            try print("json") == """
                {"key":"a","value":"x,\\"y\\"\\n"}
                {"key":"é","value":"漢"}
                {"keyHex":"ff","value":""}

                """)
        #expect(
            try print("json", "keys") == "{\"key\":\"a\"}\n{\"key\":\"é\"}\n{\"keyHex\":\"ff\"}\n")
    }

    @Test("hex shows every byte")
    func hex() throws {
        #expect(try print("hex", "keys") == "61\nc3a9\nff\n")
    }

    @Test("What quoted prints after set restores every entry")
    func paste() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        var script = ""
        for number in 0..<200 {
            let bytes = (0..<Int.random(in: 0...20, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            let hex = bytes.map { "\\x" + String(Int($0) + 0x100, radix: 16).dropFirst() }
            script += "set k\(number) \"\(hex.joined())\"\n"
        }
        _ = try run(["--create", scratch.store], script: script)
        let quoted = try run(["--format", "quoted", scratch.store, "scan"]).text
        let again = quoted.split(separator: "\n").map { "set \($0)\n" }.joined()
        #expect(try run(["--create", scratch.path + "/copy"], script: again).status == 0)
        let copy = try run(["--format", "hex", scratch.path + "/copy", "scan"]).text
        #expect(try run(["--format", "hex", scratch.store, "scan"]).text == copy, "seed \(seed)")
    }
}

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
