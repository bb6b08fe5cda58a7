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
            // What needs a person is run where one is.
            for example in command.examples where !command.isForPeople {
                #expect(try runs(example) == "", "\(example)")
            }
            let help = Help.text(for: command)
            for part in ["usage: \(command.usage)\n", command.summary] + command.examples {
                #expect(help.contains(part))
            }
        }
    }

    /// The commands of a batch stand in one.
    private static func around(_ example: String) -> String {
        if example.hasPrefix("begin") { return "\(example)\nabort\n" }
        let isEnd = example.hasPrefix("commit") || example.hasPrefix("abort")
        return (isEnd ? "begin\n" : "") + "\(example)\n"
    }

    /// What stderr says of a script with the example in it, run where its files and keys are.
    private func runs(_ example: String) throws -> String {
        let here = Scratch()
        try here.write("bytes", to: "cat.jpg")
        try here.write("{\"key\":\"a\",\"value\":\"1\"}\n", to: "people.jsonl")
        for name in ["commands", "my commands"] { try here.write("count\n", to: name) }
        let script =
            "set user:1 x\nset a 1\nset b 2\nset c 3\nset photo p\nset 2024-03 x\n"
            + Self.around(example)
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

    @Test("The manual knows every option, variable and exit status")
    func manual() throws {
        let text = try documentText("stave.1")
        let commands = CommandTable.all.flatMap { $0.options.map(\.name) }
        let options =
            CompletionScript.options + CompletionScript.subcommands.flatMap(\.options)
        for option in options.map(\.name) + commands {
            #expect(text.contains("Fl -\(option.dropFirst(2))"), "\(option)")
        }
        let sources = try sourceText("StaveTool")
        let variables = sources.matches(of: /(?:value|getenv)\("([A-Z_]+)"/).map { String($0.1) }
        #expect(variables.count > 8)
        for name in variables where name != "HOME" {
            let line = try #require(text.split(separator: "\n").first { $0.contains("Ev \(name)") })
            #expect(line.hasPrefix(".It") || name == "XDG_STATE_HOME", "\(name)")
        }
        for status in ["0", "1", "2", "64", "74", "128+n"] {
            #expect(text.contains(".It \(status)\n"))
        }
    }

    private func sourceText(_ target: String) throws -> String {
        let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
        let outcome = try PipedChild([
            "/bin/sh", "-c", "cat \"$0\"/*/*.swift", root + "/Sources/" + target,
        ])
        #expect(outcome.finish() == 0)
        return String(decoding: outcome.output, as: UTF8.self)
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

    /// What bash offers behind each of the lines, in a folder with two stores.
    private func bashOffers(_ lines: [String]) throws -> [String] {
        let script = "set user:1 a\nset user:2 b\nset \"a b\" c\nset \"x\\n\" d\n"
        _ = try run(["--create", scratch.path + "/data"], script: script)
        _ = try run(["--create", scratch.path + "/my data"], script: "set only 1\n")
        let completion = try run(["--generate-completion-script", "bash"])
        #expect(completion.status == 0)
        try scratch.write(completion.text, to: "completion")
        let program = """
            cd "$0"; stave=$1; source ./completion
            while IFS= read -r COMP_LINE; do
                COMP_POINT=${#COMP_LINE}; _stave "$stave"; echo "${COMPREPLY[*]}"
            done
            """
        let child = try PipedChild(
            ["/bin/bash", "--norc", "-c", program, scratch.path, stave],
            environment: ["PATH": "/usr/bin:/bin"])
        child.send(Array(lines.map { $0 + "\n" }.joined().utf8))
        #expect(child.finish() == 0)
        #expect(child.errors == "")
        return String(decoding: child.output, as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false
        ).dropLast().map(String.init)
    }

    @Test("bash completes directories, subcommands, options and what they may be")
    func bashArguments() throws {
        let cases = [
            ("stave da", "data"), ("stave my", "my data"), ("stave ver", "verify"),
            ("stave --re", "--read-only"),
            ("stave --format j", "json"), ("stave --format=j", "json"),
            ("stave --durability ", "always interval os"),
            ("stave inspect --kind ", "value tombstone"),
            ("stave inspect da", "data"), ("stave inspect data --ver", "--verify"),
            ("stave inspect --html", "--html"),
            ("stave repair --", "--keep-unsynced --json --help"),
            ("stave import da", "data"), ("stave import data comp", "completion"),
            ("stave import data --from bit", "bitcask"), ("stave export data --to rd", "rdb"),
            ("stave export data use", "user:1 user:2"), ("stave export data --slo", "--slots"),
            ("stave data import comp", "completion"), ("stave data export us", "user:1 user:2"),
            ("stave diff data da", "data"), ("stave backup data my", "my data"),
            ("stave why data on", ""),
            ("stave help co", "copy count commit compact"),
        ]
        #expect(try bashOffers(cases.map(\.0)) == cases.map(\.1))
    }

    @Test("bash completes the shell's commands, their words, and keys of the store")
    func bashCommands() throws {
        let cases = [
            ("stave data ge", "get"), ("stave data --q", "--quiet"),
            ("stave data scan --l", "--limit"),
            ("stave data compact ", "pause resume"), ("stave data compact -", "--dry-run"),
            ("stave --format json data wa", "watch warm"),
            // Behind the colon, at which bash cuts words.
            ("stave data get user:", "1 2"), ("stave data get user:1 user:2", "2"),
            ("stave data get us", "user:1 user:2"), ("stave data set a", "a\\ b"),
            ("stave data set user:1 u", ""), ("stave why data user:2", "2"),
            // A key that needs escapes is none for a command line.
            ("stave data get x", ""), ("stave my\\ data get ", "only"), ("stave nowhere get ", ""),
        ]
        #expect(try bashOffers(cases.map(\.0)) == cases.map(\.1))
    }

    @Test("Each shell's script names every command; others are refused")
    func shells() throws {
        for shell in CompletionScript.shells {
            let text = try #require(CompletionScript.text(for: shell))
            func long(_ option: String) -> String {
                shell == "fish" ? " -l \(option.dropFirst(2))" : option
            }
            for command in CommandTable.all {
                #expect(text.contains(command.name), "\(shell): \(command.name)")
                for option in command.options { #expect(text.contains(long(option.name))) }
            }
            for option in ["--durability", "--keep-going", "--verify"] {
                #expect(text.contains(long(option)))
            }
        }
        #expect(try run(["--generate-completion-script", "csh"]).status == 64)
    }

    /// Where it is installed.
    @Test(
        "fish offers each with a word about it, and keys of the store",
        .enabled(if: isInstalled("fish"), "fish is not installed"))
    func fish() throws {
        _ = try run(["--create", scratch.path + "/data"], script: "set user:1 a\nset \"a b\" c\n")
        try scratch.write(try #require(CompletionScript.text(for: "fish")), to: "completion")
        let cases = [
            ("stave rep", "repair\twrite what can be read into a new store"),
            ("stave --read", "--read-only\tOpen without the lock, beside a writer"),
            ("stave inspect data --read", ""),
            ("stave --format c", "csv\tHow keys and values are printed"),
            ("stave data sy", "sync\tmake everything written so far durable"),
            ("stave data get us", "user:1"), ("stave data delete a", "a b"),
            ("stave data keys --li", "--limit\tstop after N entries"),
            (
                "stave inspect --deli",
                "--delimiter\tWhat ends the prefix of a key, for --space and --html"
            ),
        ]
        let program =
            "cd $argv[1]; function stave; \(stave) $argv; end; source completion; "
            + cases.map { "complete -C '\($0.0)'; echo ." }.joined(separator: "; ")
        let child = try PipedChild(
            ["/usr/bin/fish", "--no-config", "-c", program, scratch.path],
            environment: ["HOME": scratch.path, "PATH": "/usr/bin:/bin"])
        #expect(child.finish() == 0, "\(child.errors)")
        let expected = cases.map { ($0.1.isEmpty ? "" : $0.1 + "\n") + ".\n" }.joined()
        #expect(String(decoding: child.output, as: UTF8.self) == expected)
    }

    @Test(
        "zsh finds no fault in its script",
        .enabled(if: isInstalled("zsh"), "zsh is not installed"))
    func zsh() throws { try expectNoFault("zsh") }

    @Test(
        "fish finds no fault in its script",
        .enabled(if: isInstalled("fish"), "fish is not installed"))
    func fishSyntax() throws { try expectNoFault("fish") }

    private func expectNoFault(_ shell: String) throws {
        try scratch.write(try #require(CompletionScript.text(for: shell)), to: "completion")
        let child = try PipedChild(["/usr/bin/" + shell, "-n", scratch.path + "/completion"])
        #expect(child.finish() == 0, "\(child.errors)")
    }
}

private func isInstalled(_ shell: String) -> Bool {
    // SAFETY: only looks at the file.
    unsafe access("/usr/bin/" + shell, X_OK) == 0
}
