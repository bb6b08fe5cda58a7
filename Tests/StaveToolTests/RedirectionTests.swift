import Foundation
import TestSupport
import Testing

@testable import StaveTool

/// Replies that go elsewhere, and what a script may not do.
struct RedirectionTests {
    private let scratch = Scratch()

    private func contents(_ name: String) throws -> String {
        try String(contentsOfFile: scratch.path + "/" + name, encoding: .utf8)
    }

    @Test("With --allow-shell a script writes files and runs programs")
    func allowed() throws {
        let path = scratch.path
        let script = """
            set a 1
            set b 'two words'
            scan > \(path)/out
            keys >> \(path)/out
            scan | sort -r | head -1
            !echo 'from $0' "outside"
            get a > \(path)/exact
            count

            """
        let outcome = try run(["--create", "--allow-shell", scratch.store], script: script)
        #expect(outcome.errors == "")
        #expect(outcome.text == "OK\nOK\nb\ttwo words\nfrom $0 outside\n2\n")
        #expect(try contents("out") == "a\t1\nb\ttwo words\na\nb\n")
        #expect(try contents("exact") == "1")
    }

    @Test(
        "Without it the sign is an error, and nothing is written",
        arguments: [
            ("keys > FILE", "> FILE in a script needs --allow-shell"),
            ("keys >> FILE", ">> FILE in a script needs --allow-shell"),
            ("keys | cat", "| PROGRAM in a script needs --allow-shell"),
            ("set a |", "| PROGRAM in a script needs --allow-shell"),
            ("!touch FILE", "!PROGRAM in a script needs --allow-shell"),
            ("edit a", "edit needs a person"), ("watch 1 count", "watch needs a person"),
        ])
    func refused(_ line: String, _ reason: String) throws {
        let file = scratch.path + "/written"
        let outcome = try run(
            ["--create", scratch.store],
            script: "set a 1\n" + line.replacing("FILE", with: file) + "\n")
        #expect(outcome.status == 2)
        #expect(outcome.text == "OK\n")
        #expect(outcome.errors.contains(reason), "\(outcome.errors)")
        #expect(!FileManager.default.fileExists(atPath: file))
    }

    @Test("Quoted signs are words, as before")
    func quoted() throws {
        let script = "set a '|'\nset b \">>\"\nset '!' x\nget a b '!'\n"
        let outcome = try run(["--create", scratch.store], script: script)
        #expect(outcome.text == "OK\nOK\nOK\n|\n>>\nx\n")
    }

    @Test("No reply goes into the store's own directory, and what fails is told")
    func places() throws {
        _ = try run(["--create", scratch.store], script: "set a 1\n")
        for (file, reason) in [
            (scratch.store + "/x", "the store's own directory"), ("/nowhere/x", "cannot open"),
        ] {
            let outcome = try run(
                ["--allow-shell", scratch.store], script: "keys > \(file)\ncount\n")
            #expect(outcome.status == 2)
            #expect(outcome.errors.contains(reason), "\(outcome.errors)")
            #expect(outcome.text == "")
        }
        let full = try run(["--allow-shell", scratch.store], script: "keys > /dev/full\n")
        #expect(full.errors.contains("No space left"), "\(full.errors)")
    }

    @Test("A program that reads no further is no error")
    func earlyEnd() throws {
        let sets = (0..<20_000).map { "set key:\($0) value\n" }.joined()
        _ = try run(["--create", "--quiet", scratch.store], script: sets)
        let outcome = try run(
            ["--allow-shell", scratch.store], script: "keys | head -1\ncount\n")
        #expect(outcome.text == "key:0\n20000\n")
        #expect(outcome.errors == "")
    }

    @Test("After 2>&1 messages stand between the replies, in the order of the commands")
    func order() throws {
        _ = try run(["--create", scratch.store], script: "set a 1\n")
        let child = try PipedChild([
            "/bin/sh", "-c", "exec \"$0\" --keep-going \"$1\" 2>&1", stave, scratch.store,
        ])
        child.send("get nope\nget a\nget nope2\nfoo\nget a\n")
        #expect(child.finish() == 2)
        let lines = String(decoding: child.output, as: UTF8.self).split(separator: "\n")
        #expect(lines[..<3] == ["not found: nope", "1", "not found: nope2"])
        #expect(lines[3].hasPrefix("stdin:4:1: unknown command foo"))
        #expect(lines[6...] == ["1", "stdin: 1 failed, 4 commands succeeded"])
    }

    @Test("source carries out a file, names the line of an error, and ends in a circle")
    func source() throws {
        try scratch.write("set a 1\n# nothing\nset b 'x y'\n", to: "good")
        try scratch.write("set c 1\nfoo\nset d 1\n", to: "bad")
        let path = scratch.path
        try scratch.write("source \(path)/circle\n", to: "circle")
        let good = try run(
            ["--create", scratch.store], script: "source \(path)/good\nget b\n")
        #expect(good.text == "OK\nOK\nx y\n")
        let bad = try run([scratch.store], script: "source \(path)/bad\n")
        #expect(bad.text == "OK\n")
        #expect(bad.errors.contains("/bad:2:1: unknown command foo"), "\(bad.errors)")
        let circle = try run([scratch.store], script: "source \(path)/circle\n")
        #expect(circle.status == 2)
        #expect(circle.errors.contains("in a circle"))
        #expect(try run([scratch.store, "count"]).text == "3\n")
    }

    @Test("At the prompt any command goes to files and programs")
    func prompt() throws {
        let shell = try scratch.shell(["--quiet"])
        let file = scratch.path + "/out"
        shell.type("set a 1", .enter, "set b 2", .enter)
        try shell.empty()
        try shell.enter("keys | tac", "b", "a")
        try shell.enter("keys > \(file)")
        try shell.enter("!cat \(file)", "a", "b")
        try shell.enter("keys >> \(file)")
        try shell.enter("!wc -l < \(file)", "4")
        try shell.leave()
    }

    @Test("edit stores what was changed, and keeps the text where the key was changed, too")
    func edit() throws {
        try scratch.write("#!/bin/sh\nsed -i s/old/new/ \"$1\"\n", to: "editor")
        let editor = scratch.path + "/editor"
        unsafe chmod(editor, 0o755)
        let shell = try scratch.shell(["--quiet"], ["EDITOR": editor, "TMPDIR": scratch.path])
        shell.type("set a 'old text'", .enter)
        try shell.empty()
        try shell.enter("edit a")
        try shell.enter("get a", "\"new text\"")
        try shell.enter("edit a", "(unchanged)")
        try shell.leave()
        let left = try FileManager.default.contentsOfDirectory(atPath: scratch.path)
        #expect(left == ["editor"])
        let failing = try scratch.shell([], ["EDITOR": "false", "TMPDIR": scratch.path])
        try failing.enter("edit a", "error: the editor failed; nothing was stored")
        try failing.leave()
    }
}
