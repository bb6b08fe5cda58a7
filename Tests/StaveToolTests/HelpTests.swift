import Glibc
import TestSupport
import Testing

@testable import StaveTool

/// What the table of commands promises.
struct HelpTests {
    private let scratch = Scratch()

    @Test("Every command has a usage, a summary and two examples, and each example runs")
    func examples() throws {
        for command in CommandTable.all {
            #expect(command.usage.hasPrefix(command.name))
            #expect(!command.summary.isEmpty)
            #expect(command.examples.count >= 2, "\(command.name)")
            for example in command.examples {
                #expect(try runs(example) == "", "\(example)")
            }
            let help = Help.text(for: command)
            for part in ["usage: \(command.usage)\n", command.summary] + command.examples {
                #expect(help.contains(part))
            }
        }
    }

    /// What stderr says of a script with the example in it, run where its files and keys are.
    private func runs(_ example: String) throws -> String {
        let here = Scratch()
        try here.write("bytes", to: "cat.jpg")
        let script =
            "set user:1 x\nset a 1\nset b 2\nset c 3\nset photo p\nset 2024-03 x\n\(example)\n"
        let child = try PipedChild([
            "/bin/sh", "-c", "cd \"$0\" && exec \"$1\" --create data", here.path, stave,
        ])
        child.send(script)
        let status = child.finish()
        return status == 0 ? child.errors : "status \(status): \(child.errors)"
    }

    @Test("Names are told apart by their first eight bytes, and none is taken twice")
    func names() {
        #expect(CommandTable.names.allSatisfy { $0.utf8.count <= 8 })
        #expect(Set(CommandTable.names).count == CommandTable.names.count)
    }

    @Test("The manual and the guide know every command")
    func documents() throws {
        for name in ["stave.1", "shell.md"] {
            let text = try documentText(name)
            for command in CommandTable.all {
                #expect(text.contains(command.name), "\(command.name)")
            }
        }
    }

    private func documentText(_ name: String) throws -> String {
        let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
        let outcome = try PipedChild(["/bin/cat", root + "/docs/" + name])
        #expect(outcome.finish() == 0)
        return String(decoding: outcome.output, as: UTF8.self)
    }
}

struct CompletionScriptTests {
    private let scratch = Scratch()

    @Test("bash completes options, directories, commands and their words")
    func bash() throws {
        let script = try run(["--generate-completion-script", "bash"])
        #expect(script.status == 0)
        try scratch.write(script.text, to: "completion")
        let program = """
            cd "$0"; mkdir -p data; source ./completion
            offer() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _stave; echo "${COMPREPLY[*]}"; }
            offer stave da; offer stave data ge; offer stave --format j; offer stave data scan --l
            offer stave data compact ''; offer stave --re; offer stave inspect --ver
            offer stave help co; offer stave --format json data wa
            """
        let child = try PipedChild(
            ["/bin/bash", "--norc", "-c", program, scratch.path],
            environment: ["PATH": "/usr/bin:/bin"])
        #expect(child.finish() == 0)
        #expect(child.errors == "")
        let offered = [
            "data", "get", "json", "--limit", "--dry-run pause resume", "--read-only", "--verify",
            "count compact", "warm",
        ]
        let output = String(decoding: child.output, as: UTF8.self)
        #expect(output == offered.map { $0 + "\n" }.joined())
    }

    @Test("Each shell's script names every command; others are refused")
    func shells() throws {
        for shell in CompletionScript.shells {
            let text = try #require(CompletionScript.text(for: shell))
            for command in CommandTable.all {
                #expect(text.contains(command.name), "\(shell): \(command.name)")
                for option in command.options { #expect(text.contains(option.name)) }
            }
            for option in ["--durability", "--keep-going", "--verify"] {
                #expect(text.contains(shell == "fish" ? " -l \(option.dropFirst(2))" : option))
            }
        }
        #expect(try run(["--generate-completion-script", "csh"]).status == 64)
    }

    /// Where the shells are installed, they read it.
    @Test("zsh and fish find no fault in theirs", arguments: ["zsh", "fish"])
    func syntax(shell: String) throws {
        guard unsafe access("/usr/bin/" + shell, X_OK) == 0 else { return }
        try scratch.write(try #require(CompletionScript.text(for: shell)), to: "completion")
        let child = try PipedChild(["/usr/bin/" + shell, "-n", scratch.path + "/completion"])
        #expect(child.finish() == 0, "\(child.errors)")
    }
}
