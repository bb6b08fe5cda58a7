import Foundation
import Stave
import TestSupport
import Testing

@testable import StaveTool

/// What a newcomer stumbled over, and what is said now.
struct AnswerTests {
    private let scratch = Scratch()

    @Test(
        "A word is written with the quotes that need no escapes",
        arguments: [
            (#"{"Version": "3.0.5"}"#, #"'{"Version": "3.0.5"}'"#), ("it's", #""it's""#),
            (#"a"'b"#, #""a\"'b""#), ("two words", #""two words""#), (#"C:\x"#, #"'C:\x'"#),
            ("日本", "日本"), ("नमस्ते", "नमस्ते"), ("é", "é"), ("", "\"\""), ("-x", "\"-x\""),
            ("a\nb", #""a\nb""#), ("\u{301}a", "\"\u{301}a\""), ("|", "\"|\""), ("😀", "\"😀\""),
            ("#a", "\"#a\""), ("\u{a0}", "\"\u{a0}\""),
        ])
    func quotes(_ text: String, _ expected: String) throws {
        let word = Quoting.quoted(Array(text.utf8))
        #expect(String(decoding: word, as: UTF8.self) == expected)
        let parser = WordParser()
        parser.takesPrograms = true
        let read = try unsafe (Array("set ".utf8) + word).withUnsafeBytes { line in
            unsafe _ = try parser.parse(line)
            return parser.words.map(\.array)
        }
        #expect(read == [Array("set".utf8), Array(text.utf8)])
    }

    @Test("Damage names the key and what to do; --keep-going gives the others")
    func damage() throws {
        let value = "a value to be damaged"
        let script = "set a 1\nset user:2 '\(value)'\nset z 3\n"
        _ = try run(["--create", scratch.store], script: script)
        try scratch.damage(value)
        let said = "the value of user:2 is damaged (\(scratch.store)/000000000"
        let copy = "a clean copy: stave repair \(scratch.store) NEWDIR\n"
        let one = try run([scratch.store, "get", "a", "user:2", "z"])
        #expect(one.status == 2 && one.text == "1\n")
        #expect(one.errors.hasPrefix("stave: \(said)"), "\(one.errors)")
        #expect(one.errors.hasSuffix("\nthe other keys: --keep-going; \(copy)"))
        let all = try run(["--keep-going", scratch.store, "get", "a", "user:2", "z"])
        #expect(all.status == 2 && all.text == "1\n3\n")
        #expect(all.errors.contains("error: \(said)") && all.errors.hasSuffix("\n" + copy))
        // A scan knows no key before it reads it.
        let scan = try run([scratch.store, "scan"])
        #expect(scan.errors.hasPrefix("stave: \(said)"), "\(scan.errors)")
        let batch = try run([scratch.store], script: "get a\nget user:2\n")
        #expect(batch.errors.hasPrefix("stdin:2:5: \(said)"), "\(batch.errors)")
    }

    @Test(
        "What is wrong on the command line is said in words of the shell",
        arguments: [
            (["get", "a"], "stave: the directory comes first: stave DIR get a\n"),
            (["keys"], "stave: the directory comes first: stave DIR keys\n"),
            (["verfy", "d"], "stave: no such directory: verfy; did you mean stave verify d?\n"),
            (
                ["--format", "xml", "d"],
                "stave: no format xml; there are "
                    + OutputFormat.allCases.map(\.rawValue).joined(separator: ", ") + "\n"
            ),
            (["--format=xml", "d"], "stave: no format xml; there are "),
            (["--durability", "never", "d"], "stave: no durability never; there are "),
        ])
    func usage(_ arguments: [String], _ expected: String) throws {
        let outcome = try run(arguments)
        #expect(outcome.status == 64)
        #expect(outcome.errors.hasPrefix(expected), "\(outcome.errors)")
    }

    @Test("A script that stops says where, and how much was done")
    func stopped() throws {
        let none = try run(["--create", scratch.store], script: "foo\n")
        #expect(none.errors.hasSuffix("\nstdin: stopped in line 1; nothing was done\n"))
        let some = try run([scratch.store], script: "set a 1\nset b 1\n\nexpire a\n")
        #expect(
            some.errors.hasSuffix("\nstdin: stopped in line 4; 2 commands before it were done\n"))
        #expect(some.errors.contains("unknown command expire; "))
        #expect(!some.errors.contains("did you mean"))
    }

    @Test("Who knows another store's words is told what there is instead")
    func foreignWords() throws {
        for (words, wanted) in [
            (["dump", "save", "backup"], ["export --to", "stave backup DIR NEWDIR"]),
            (["load", "restore"], ["import FILE --from", "stave backup"]),
            (["select", "use"], ["stave DIR"]), (["insert"], ["get, set and scan"]),
        ] {
            for word in words {
                let errors = try run(["--create", scratch.store], script: word + "\n").errors
                #expect(errors.contains("unknown command \(word); "), "\(errors)")
                for text in wanted { #expect(errors.contains(text), "\(errors)") }
            }
        }
    }

    @Test("A file size limit is told apart from a full disk")
    func fileSizeLimit() throws {
        let child = try PipedChild([
            "/bin/sh", "-c",
            "ulimit -f 64; head -c 200000 /dev/zero | exec \"$0\" --create \"$1\" set big -",
            stave, scratch.store,
        ])
        #expect(child.finish() == 2)
        #expect(child.errors.contains("(ulimit -f)"), "\(child.errors)")
    }

    @Test("A store that was made by a slip of the finger is gone at Ctrl-D; one with a key stays")
    func newStore() throws {
        let empty = try scratch.shell()
        try empty.anywhere("new store ")
        try empty.leave()
        #expect(!FileManager.default.fileExists(atPath: scratch.store))
        let used = try scratch.shell()
        try used.enter("set a 1", "OK")
        try used.leave()
        let again = try scratch.shell()
        try again.anywhere("store: 1 key, ")
        // Deleted again is not the same as never written.
        try again.enter("delete a", "1")
        try again.leave()
        #expect(try run([scratch.store, "count"]).text == "0\n")
    }

    @Test("What was asked for by --create, or was there before, stays")
    func madeOnPurpose() throws {
        let shell = try scratch.shell(["--create"])
        try shell.leave()
        #expect(try run([scratch.store, "count"]).text == "0\n")
        let other = try scratch.shell()
        try other.leave()
        #expect(try run([scratch.store, "count"]).text == "0\n")
    }

    @Test("A new store into which another process wrote is not removed")
    func notOurs() throws {
        let path = scratch.path + "/new"
        let new = try #require(NewStore(at: path))
        var options = StoreOptions()
        options.createsIfMissing = true
        var store = try Store(path: path, options: options)
        // In use: the lock is another's.
        new.removeIfUnused()
        try store.close()
        store = try Store(path: path, options: options)
        try store.set("1", forKey: "a")
        try store.close()
        new.removeIfUnused()
        store = try Store(path: path, options: options)
        #expect(try store.value(forKey: "a") == Array("1".utf8))
        try store.close()
        #expect(NewStore(at: path) == nil)
    }

    @Test("Nothing found is said to a person, and only to one")
    func nothing() throws {
        let shell = try scratch.shell(["--quiet", "--create"])
        try shell.enter("scan zzz")
        try shell.leave()
        let loud = try scratch.shell()
        try loud.enter("scan zzz", "(no keys with zzz)")
        try loud.enter("keys a b", "(no keys from a to b)")
        try loud.enter("keys --match 'x*'", "(no such keys)")
        try loud.enter("compact", "nothing to compact")
        try loud.leave()
        #expect(try run([scratch.store, "scan", "zzz"]).text == "")
    }

    @Test("Many equal answers to a paste are one line")
    func pastedSets() throws {
        let shell = try scratch.shell()
        let lines = (0..<1000).map { "set k\($0) 1" } + ["count"]
        shell.type(.paste(lines.joined(separator: "\n")), .enter)
        try shell.above("OK (1,000 times)", "1000")
        try shell.leave()
    }

    @Test("--pretty shows JSON in lines, text as it is, and other bytes in hex")
    func pretty() {
        let pretty = Pretty()
        func text(_ value: String) -> String { pretty.text(of: Array(value.utf8)) }
        #expect(
            text(#" {"a":[1,{"b":"x, y"},[]],"c":null} "#) == """
                {
                  "a": [
                    1,
                    {
                      "b": "x, y"
                    },
                    []
                  ],
                  "c": null
                }

                """)
        // What is no JSON stays as it is.
        for value in [#"{"a":}"#, "[1,]", "[1", "{", #"{"a" 1}"#, "[1] x", "[01x]", #"["a]"#] {
            #expect(text(value) == value + "\n", "\(value)")
        }
        #expect(text("one\ntwo\n") == "one\ntwo\n")
        #expect(text("a\u{1B}[2J").hasPrefix("5 B of bytes that are no text:\n0  61 1b 5b"))
        let rows = pretty.text(of: [UInt8](repeating: 0xFF, count: 1000)).split(separator: "\n")
        #expect(rows.count == 10)
        let deep = String(repeating: "[", count: 100_000)
        #expect(text(deep) == deep + "\n")
    }

    @Test(
        "A table's lines are as wide as the screen, wide characters counted", arguments: [40, 80])
    func table(columns: UInt16) throws {
        let script =
            "set short 1\nset 日本語日本語日本語 \(String(repeating: "語", count: 24))\nset 'k k' '\(String(repeating: "long ", count: 100))'\n"
        _ = try run(["--create", "--quiet", scratch.store], script: script)
        let shell = try scratch.shell(["--format", "table"], columns: columns)
        shell.type("scan", .enter)
        try shell.anywhere("500 B")
        try shell.screen("three rows") { screen in
            let rows = screen.lines.filter { $0.hasSuffix(" B") }
            return rows.count == 3 && rows.allSatisfy { Cells.width(of: $0) == Int(columns) - 1 }
        }
        try shell.leave()
    }
}
