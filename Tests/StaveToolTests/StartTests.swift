import Foundation
import Stave
import TestSupport
import Testing

/// What the program makes of the way in which it is started.
struct StartTests {
    private let scratch = Scratch()

    private func shell(_ line: String, input: String = "") throws -> Outcome {
        let child = try PipedChild(["/bin/sh", "-c", line])
        child.send(input)
        let status = child.finish()
        return Outcome(status: status, output: child.output, errors: child.errors)
    }

    @Test("A path that is not UTF-8 is refused; a key may be any bytes")
    func brokenText() throws {
        let broken = "$(printf \\\\377)"
        let create = "\(stave) --create"
        let outcome = try shell("\(create) \(scratch.path)/\(broken) set a 1")
        #expect(outcome.status == 64)
        #expect(outcome.errors.contains(#"\xff" is not UTF-8"#), "\(outcome.errors)")
        #expect(try shell("\(stave) inspect \(scratch.path)/\(broken)").status == 64)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path).isEmpty)
        #expect(try shell("\(create) \(scratch.store) set \(broken) 1").status == 0)
        #expect(try run(["--format", "hex", scratch.store, "keys"]).text == "ff\n")
    }

    @Test(
        "Nothing from the arguments reaches the terminal as a control character",
        arguments: [
            ["nope\u{1B}[31m"], ["set", "a", "b", "c"], ["get", "x"], ["keys", "--\u{7}"],
        ])
    func controls(_ words: [String]) throws {
        for options in [[], ["--\u{1B}]0;x\u{7}"], ["--format", "\u{1B}c"]] {
            let path = scratch.path + "/a\u{1B}[31mb\nc\u{9B}"
            let outcome = try run(options + [path] + words)
            #expect(outcome.status != 0)
            #expect(!outcome.errors.isEmpty)
            let isClean = outcome.errors.unicodeScalars.allSatisfy {
                $0 == "\n" || ($0.value >= 0x20 && !(0x7F..<0xA0).contains($0.value))
            }
            #expect(isClean, "\(Array(outcome.errors.utf8))")
        }
        let script = "set a < '/nope\u{1B}[31m'\nkeys '--\u{1B}'\nformat '\u{1B}'\n"
        let outcome = try run(["--create", "--keep-going", scratch.store], script: script)
        #expect(outcome.errors.utf8.allSatisfy { $0 == 10 || $0 >= 0x20 })
    }

    @Test("A file goes in and out of a single command byte for byte")
    func exactBytes() throws {
        let bytes = [0, 10, 0xFF, 13, 10] + [UInt8](repeating: 7, count: 700_000) + [10]
        let stored = try run(["--create", scratch.store, "set", "photo", "-"], input: bytes)
        #expect(stored.text == "OK\n")
        #expect(try run([scratch.store, "get", "--exact", "photo"]).output == bytes)
        #expect(try run([scratch.store, "get", "photo"]).output == bytes + [10])
        #expect(try run([scratch.store], script: "get --exact photo\n").output == bytes)
        #expect(try run([scratch.store, "set", "--", "-k", "-"], input: [1]).status == 0)
        #expect(try run([scratch.store, "get", "--exact", "-k"]).output == [1])
        #expect(try run([scratch.store, "set", "empty", "-"]).status == 0)
        #expect(try run([scratch.store, "get", "--exact", "empty"]).output == [])
        #expect(try run([scratch.store, "get", "--exact", "nope"]).status == 1)
    }

    @Test("--create makes the store for commands that only read, too")
    func create() throws {
        let count = try run(["--create", scratch.store, "count"])
        #expect(count.text == "0\n")
        #expect(count.status == 0)
        let writer = try PipedChild([stave, "--create", scratch.store])
        writer.send("set a 1\n")
        #expect(writer.waitForOutput("OK\n"))
        #expect(try run(["--create", scratch.store, "get", "a"]).text == "1\n")
        #expect(writer.finish() == 0)
        let nested = try run(["--create", scratch.path + "/no/store", "count"])
        #expect(nested.status == 2)
        #expect(nested.errors.hasSuffix("make it first: \(scratch.path)/no\n"))
        #expect(!nested.errors.contains("--create"))
        #expect(try run(["--create", "--read-only", scratch.store, "count"]).status == 64)
    }

    @Test("A value that is missing is an error, and what stdin holds stays there")
    func missingValue() throws {
        let loop = """
            while read k v; do \(stave) --create --quiet \(scratch.store) set $k $v; done; echo $?
            """
        let outcome = try shell(loop, input: "a 1\nb\nc 3\n")
        #expect(
            outcome.errors
                == "stave: set needs a value: set KEY VALUE, or set KEY - to take it from stdin\n")
        #expect(try run([scratch.store, "scan"]).text == "a\t1\nc\t3\n")
        #expect(try run([scratch.store, "set", "a"], input: [7]).status == 64)
        #expect(try run([scratch.store, "set", "--", "a"], input: [7]).status == 64)
        #expect(try run([scratch.store, "set", "--", "--", "v"], input: [7]).status == 0)
        #expect(try run([scratch.store, "get", "a", "--"]).text == "1\nv\n")
    }

    @Test("A lone - is stdin for a single command, and has to be quoted in a script")
    func minus() throws {
        let create = ["--create", "--quiet", scratch.store]
        #expect(try run(create + ["set", "-", "-"], input: Array("in".utf8)).status == 0)
        #expect(try run([scratch.store, "get", "-"]).text == "in\n")
        for line in ["set k -", "set  k -", "set 'k' -"] {
            let outcome = try run([scratch.store], script: line + "\nset other 1\n")
            #expect(outcome.status == 2)
            #expect(outcome.errors.contains("quote it to store it: '-'\n"), "\(outcome.errors)")
        }
        let script = "count\nset k '-'\nset l \"-\"\nset - v\nset m -1\nget k l - m\n"
        #expect(
            try run(["--quiet", scratch.store], script: script).text == "1\n-\n-\nv\n-1\n")
        let entries = try run(["--format", "quoted", scratch.store, "scan", "k"]).text
        #expect(entries == "k \"-\"\n", "what is printed can be pasted")
    }

    @Test("Closed descriptors end in an error, never in the store's files")
    func closedDescriptors() throws {
        _ = try run(["--create", scratch.store, "set", "a", "1"])
        let stave = "\(stave) \(scratch.store)"
        #expect(try shell("\(stave) set b 2 >&-").status == 2)
        #expect(try shell("\(stave) get a >&-").status == 2)
        #expect(try shell("\(stave) >&-", input: "set c 3\nget a\n").status == 2)
        _ = try shell("\(stave) >&- 2>&-", input: "set d 4\nnope\n")
        #expect(try shell("\(stave) set e 5 <&- >&- 2>&-").status == 2)
        for line in ["\(stave) <&-", "\(stave) set a - <&-", "\(stave) --quiet <&- >&- 2>&-"] {
            #expect(try shell("timeout 20 \(line)").status == 2)
        }
        let closed = try shell("\(stave) set a - <&-")
        #expect(closed.errors == "stave: cannot read stdin: it is closed\n")
        #expect(try shell("\(stave) get a <&-").text == "1\n", "a command that reads none of it")
        #expect(try run([scratch.store, "get", "a"]).text == "1\n")
        #expect(try run(["inspect", scratch.store, "--verify"]).status == 0)
    }

    @Test("Input of which nothing can be read leaves the store as it was found")
    func unreadableInput() throws {
        let writer = try Store(path: scratch.store, options: .small(durability: .os))
        for number in 0..<100 { try writer.set("1", forKey: "key \(number)") }
        // As after a kill: nothing is sealed.
        let killed = "\(scratch.path)/killed"
        try StoreFolder.copy(writer.path, to: killed)
        let names = try StoreFolder.names(killed).filter { $0 != "LOCK" }
        let before = try names.map { try StoreFolder.bytes(killed, $0) }
        let run = try shell("\(stave) \(killed) < .")
        #expect(run.status == 2 && run.errors.hasPrefix("stave: cannot read stdin: "))
        #expect(try StoreFolder.names(killed).filter { $0 != "LOCK" } == names)
        #expect(try names.map { try StoreFolder.bytes(killed, $0) } == before)
    }
}
