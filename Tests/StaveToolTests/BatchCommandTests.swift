import Foundation
import Stave
import TestSupport
import Testing

@testable import StaveTool

@Suite("Writes together, and on a condition, in the shell")
struct BatchCommandTests {
    private let scratch = Scratch()

    private func script(
        _ text: String, _ options: String..., status: Int32 = 0
    ) throws -> (text: String, errors: String) {
        let outcome = try run(["--create", scratch.store] + options, script: text)
        #expect(outcome.status == status, "\(outcome.errors)")
        return (outcome.text, outcome.errors)
    }

    private func once(_ words: String...) throws -> (text: String, status: Int32) {
        let outcome = try run([scratch.store] + words)
        return (outcome.text, outcome.status)
    }

    @Test("Between begin and commit commands answer as usual and see the batch")
    func batch() throws {
        let outcome = try script(
            """
            set a 1
            begin
            set a 2
            incr n 5
            get a n
            delete a nope
            get a
            exists a n
            append n 0
            copy n m
            rename m k
            get --version a n
            keys
            commit
            keys
            get n k
            """)
        #expect(
            outcome.text
                == "OK\nOK\nOK\n5\n2\n5\n1\n1\nOK\nOK\nOK\nnot committed yet\na\nOK\nk\nn\n50\n50\n"
        )
        #expect(
            outcome.errors == """
                not found: a
                not found: a
                note: without the batch that was begun (7 writes)

                """)
    }

    @Test("abort forgets a batch; so does the end of the script, with an error")
    func abort() throws {
        let outcome = try script("begin\nset a 1\nabort\nget a\nbegin\nset b 2\n", status: 2)
        #expect(outcome.text == "OK\nOK\nOK\nOK\nOK\n")
        #expect(
            outcome.errors.hasPrefix(
                "not found: a\nstdin: the batch was not committed: nothing of its 1 write was"
                    + " written\n"))
        #expect(try once("count").text == "0\n")
    }

    @Test("A batch of which a command failed is not committed, not even by a script that goes on")
    func failed() throws {
        _ = try script("begin\nset a 1\nbad\ncommit\n", status: 2)
        let outcome = try script(
            "begin\nset a 1\nbad\ncommit\nset b 2\n", "--keep-going", status: 2)
        #expect(outcome.errors.contains("stdin:4:1: a command of the batch failed; nothing of it"))
        #expect(try once("keys").text == "b\n")
    }

    @Test("begin, commit and abort have their places")
    func places() throws {
        for (text, error) in [
            ("commit", "there is no batch"), ("abort", "there is no batch"),
            ("begin\nbegin", "a batch has begun already"),
            ("begin\nget a > file", "get KEY > FILE takes no part in a batch"),
            ("begin\ndelete --prefix a --yes", "delete of a range takes no part in a batch"),
        ] {
            #expect(try script(text, status: 2).errors.contains(error), "\(text)")
        }
        let outcome = try run([scratch.store, "begin"])
        #expect(outcome.status == 64)
        let reader = try run(["--read-only", scratch.store], script: "begin\n")
        #expect(reader.status == 2 && reader.errors.contains("read-only"))
    }

    @Test("--atomic makes the whole script, or nothing of it")
    func atomic() throws {
        #expect(try script("set a 1\nget a\nset b 2\n", "--atomic").text == "OK\n1\nOK\n")
        #expect(try once("keys").text == "a\nb\n")
        let failed = try script("set a 9\nset c 3\nincr b x\n", "--atomic", status: 2)
        #expect(failed.errors.contains("nothing of its 2 writes was written"))
        _ = try script("set c 3\nbegin\n", "--atomic", status: 2)
        _ = try script("set c 3\nbad\nset d 4\n", "--atomic", "--keep-going", status: 2)
        #expect(try once("scan").text == "a\t1\nb\t2\n")
        #expect(try script("get a\n", "--atomic").text == "1\n")
        #expect(try run(["--atomic", scratch.store, "set", "a", "1"]).status == 64)
    }

    @Test("set writes where its condition holds; else the answer is 0, and the status 1")
    func conditions() throws {
        _ = try script("set a 1\n")
        #expect(try once("set", "a", "2", "--if-absent") == ("0\n", 1))
        #expect(try once("set", "a", "2", "--if-present") == ("OK\n", 0))
        #expect(try once("set", "a", "3", "--if-value", "1") == ("0\n", 1))
        #expect(try once("set", "a", "3", "--if-value=2") == ("OK\n", 0))
        let version = try once("get", "a", "--version").text.dropLast()
        #expect(try once("set", "a", "4", "--if-version", "1") == ("0\n", 1))
        #expect(try once("set", "a", "4", "--if-version", String(version)) == ("OK\n", 0))
        #expect(try once("set", "b", "--if-absent", "5") == ("OK\n", 0))
        #expect(try once("get", "a", "b").text == "4\n5\n")
        #expect(try once("set", "a", "4", "--if-absent", "--if-present").status == 64)
        let input = try run([scratch.store, "set", "c", "-", "--if-absent"], script: "in\n")
        #expect(input.status == 0)
        #expect(try once("get", "--exact", "c").text == "in\n")
        // A long value of the option, attached to it.
        let long = String(repeating: "x", count: 100)
        #expect(try once("set", "d", long).status == 0)
        #expect(try once("set", "d", "e", "--if-value=\(long)") == ("OK\n", 0))
    }

    @Test("incr, append, rename and copy as single commands")
    func single() throws {
        _ = try script("set a 1\n")
        #expect(try once("incr", "a") == ("2\n", 0))
        #expect(try once("incr", "a", "-5") == ("-3\n", 0))
        #expect(try once("incr", "a", "x").status == 64)
        #expect(try once("append", "a", "0") == ("OK\n", 0))
        #expect(try once("copy", "a", "b") == ("OK\n", 0))
        #expect(try once("rename", "a", "b") == ("0\n", 1))
        #expect(try once("rename", "a", "c") == ("OK\n", 0))
        #expect(try once("rename", "a", "d") == ("", 1))
        #expect(try once("copy", "c", "b", "--replace") == ("OK\n", 0))
        #expect(try once("scan").text == "b\t-30\nc\t-30\n")
        #expect(try run([scratch.store, "incr", "b", "9223372036854775807"]).status == 0)
        let large = try run([scratch.store, "incr", "b", "9223372036854775807"])
        #expect(large.status == 2 && large.errors.contains("64 bits"))
    }

    @Test("A range is deleted with --yes, and only counted with --dry-run")
    func range() throws {
        _ = try script("set a:1 x\nset a:2 x\nset b:1 x\nset c x\n")
        #expect(try once("delete", "--prefix", "a:").status == 64)
        #expect(try once("delete", "--prefix", "a:", "--dry-run") == ("2\n", 0))
        #expect(try once("delete", "--prefix", "", "--yes").status == 64)
        #expect(try once("delete", "--from", "a", "--yes").status == 64)
        #expect(try once("delete", "--prefix", "a", "--from", "a", "--to", "b").status == 64)
        #expect(try once("delete", "a:1", "--prefix", "a", "--yes").status == 64)
        #expect(try once("count").text == "4\n")
        #expect(try once("delete", "--prefix", "a:", "--yes") == ("2\n", 0))
        #expect(try script("delete --from b --to c --yes\n").text == "1\n")
        #expect(try script("delete --prefix c\n", status: 2).errors.contains("--yes"))
        #expect(try script("delete --from '' --to ''\n", "--yes").text == "1\n")
        #expect(try once("count").text == "0\n")
    }

    @Test("--wait waits for the lock, and no longer than it says")
    func wait() throws {
        let holder = try PipedChild([builtProduct("stave"), "--create", scratch.store])
        holder.send("set a 1\necho ready\n")
        _ = holder.waitForOutput("ready\n")
        #expect(try once("set", "b", "2").status == 2)
        #expect(try run(["--wait", "0.05", scratch.store, "set", "b", "2"]).status == 2)
        let waiting = try PipedChild([
            builtProduct("stave"), "--wait", "600", scratch.store, "set", "b", "2",
        ])
        holder.closeInput()
        #expect(holder.finish() == 0)
        #expect(waiting.finish() == 0)
        #expect(try once("get", "a", "b").text == "1\n2\n")
        #expect(try run(["--wait", "x", scratch.store, "count"]).status == 64)
    }

    @Test("A backup of a store that another process writes to, made again, and restored")
    func backup() throws {
        let holder = try PipedChild([builtProduct("stave"), "--create", scratch.store])
        holder.send("set a 1\nset b 2\necho ready\n")
        _ = holder.waitForOutput("ready\n")
        let target = scratch.store + ".backup"
        let first = try run(["backup", scratch.store, target, "--verify"])
        #expect(first.status == 0, "\(first.errors)")
        #expect(first.text.hasPrefix("backed up 2 keys, "))
        #expect(first.text.hasSuffix("verified: the backup is clean\n"))
        holder.send("set c 3\necho again\n")
        _ = holder.waitForOutput("again\n")
        holder.closeInput()
        #expect(holder.finish() == 0)
        let second = try run(["backup", scratch.store, target, "--json"])
        #expect(second.text.contains(#""type":"backup","keys":3,"#), "\(second.text)")
        #expect(try run(["backup", target, scratch.store + ".restored", "--quiet"]).text == "")
        let restored = try run([scratch.store + ".restored", "scan"])
        #expect(restored.text == "a\t1\nb\t2\nc\t3\n")
        #expect(try run([scratch.store + ".restored", "set", "d", "4"]).status == 0)
        #expect(try run(["backup", scratch.store, scratch.store + ".restored"]).status == 73)
        #expect(try run(["backup", scratch.store + ".missing", target]).status == 66)
        #expect(try run(["backup", scratch.store]).status == 64)
    }
}
