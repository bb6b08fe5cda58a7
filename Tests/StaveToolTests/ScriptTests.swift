import Glibc
import Stave
import TestSupport
import Testing

@testable import StaveTool

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
        #expect(outcome.errors.contains("stdin: stopped in line 2; 1 command before it was done\n"))
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
        #expect(stopped.errors.contains("the value of b is damaged ("))
        #expect(
            stopped.errors.contains("\nthe other keys: --keep-going; a clean copy: stave repair "))
        #expect(stopped.errors.hasSuffix("stopped in line 2; 1 command before it was done\n"))
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

    @Test("Under always, commands that wait in the pipe share one sync, ahead of their replies")
    func sharedSync() throws {
        var options = StoreOptions()
        options.createsIfMissing = true
        options.durability = .always
        let store = try Store(path: scratch.store, options: options)
        var settings = SessionSettings()
        settings.quiet = true
        let session = Session(store, place: .script, settings: settings)
        for number in 0..<100 { try session.run("set k\(number) v") }
        #expect(try store.statistics().pendingWrites == 100)
        try session.output.beforeWrite()
        #expect(try store.statistics().pendingWrites == 0)
        // A person gets each reply at once, so each write is durable at once.
        let prompt = Session(store, place: .prompt, settings: settings)
        try prompt.run("set k v")
        #expect(try store.statistics().pendingWrites == 0)
        try store.close()
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
            #expect(try scratch.isTrimmed)
        }
        #expect(try run([scratch.store, "get", "a"]).text == "1\n")
    }

    @Test("A signal ends the shell while its output is not read, and the store is closed")
    func blockedOutput() throws {
        for signal in [SIGTERM, SIGINT] {
            let child = try PipedChild([stave, "--create", scratch.store])
            child.send("set big \(String(repeating: "v", count: 1 << 20))\nget big\n")
            // There is far more than a pipe takes, and the reader stops.
            #expect(child.waitForOutput("vvv"))
            child.signal(signal)
            #expect(child.waitForExit(seconds: 20) == 128 + signal)
            #expect(try scratch.isTrimmed)
        }
        #expect(try run([scratch.store, "count"]).text == "1\n")
    }

    @Test("A reader that goes away ends the shell quietly")
    func brokenPipe() throws {
        let child = try PipedChild([stave, "--create", scratch.store])
        child.send("set a 1\n")
        #expect(child.waitForOutput("OK\n"))
        child.closeOutput()
        // A child that another test starts has the pipe open, too, until it runs its program.
        repeat { child.send("set b 2\nget a\n") } while child.waitForExit(seconds: 0.1) == nil
        #expect(child.finish() == 128 + SIGPIPE)
        #expect(child.errors == "")
        #expect(try scratch.isTrimmed)
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
