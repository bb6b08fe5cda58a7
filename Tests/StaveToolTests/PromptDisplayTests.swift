import Glibc
import TestSupport
import Testing

/// What stands on the screen besides the line that is edited.
struct PromptDisplayTests {
    private let scratch = Scratch()

    private func filled(_ count: Int) throws {
        var script = ""
        for number in 0..<count { script += "set key:\(1000 + number) value\n" }
        #expect(try run(["--create", "--quiet", scratch.store], script: script).status == 0)
    }

    @Test("Errors are told, and an unknown command comes with the nearest one")
    func errors() throws {
        let shell = try scratch.shell()
        try shell.enter("gte a", "error: unknown command gte; did you mean get?")
        try shell.enter("set a", "error: too few words; usage: set KEY VALUE  (or: set KEY < FILE)")
        try shell.enter(
            "echo \"\\q\"",
            "error: column 7: unknown escape; known are \\n \\t \\r \\0 \\\\ \\\" \\' \\xHH \\u{...}",
            "\\uHHHH \\/ \\b \\f")
        try shell.leave()
    }

    @Test("help NAME shows usage, options and two examples")
    func help() throws {
        let shell = try scratch.shell()
        shell.type("help warm", .enter)
        try shell.above(
            "store> help warm", "usage: warm", "", "  load the live segments into memory",
            "  Reads after it find their records there, until the system needs the memory",
            "  otherwise.",
            "  stats says how much is resident. Ctrl-C stops it; what is loaded stays.", "",
            "examples:", "  warm", "  warm  # before a measurement, or after a restart")
        try shell.leave()
    }

    @Test("timing on prints how long each command takes")
    func timing() throws {
        let shell = try scratch.shell()
        shell.type("timing on", .enter, "count", .enter)
        try shell.anywhere("store> count")
        try shell.screen("a time") { screen in
            let last = screen.lines.dropLast().last ?? ""
            return last.hasPrefix("(") && (last.hasSuffix("s)"))
        }
        try shell.leave()
    }

    @Test("Control characters in values never reach the terminal")
    func controlCharacters() throws {
        let shell = try scratch.shell()
        try shell.enter("set a \"\\x1b[2J\\x07\\x9b\"", "OK")
        try shell.enter("get a", "\"\\x1b[2J\\x07\\x9b\"")
        try shell.enter("echo \"\\x1b]0;x\\x07\"", "\\x1b]0;x\\x07")
        try shell.leave()
    }

    @Test("A dumb terminal gets plain text: no sequence at all, hint, bar or color")
    func dumb() throws {
        let shell = try scratch.shell([], ["TERM": "dumb", "NO_COLOR": ""])
        shell.type("set a 1", .enter)
        try shell.anywhere("OK")
        shell.type("stats", .enter)
        try shell.anywhere("segment")
        try shell.leave()
        #expect(!shell.terminal.screen.hasSequences)
    }

    @Test("Colors unless NO_COLOR or --no-color say otherwise", arguments: [0, 1, 2])
    func colors(way: Int) throws {
        let shell = try scratch.shell(
            way == 1 ? ["--no-color"] : [], ["NO_COLOR": way == 2 ? "1" : ""])
        shell.type("stats", .enter)
        try shell.anywhere("segment")
        try shell.leave()
        #expect(shell.terminal.screen.hasStyles == (way == 0))
    }

    @Test("stats fits a narrow terminal: no row is wrapped by it", arguments: [30, 40, 80, 200])
    func stats(columns: UInt16) throws {
        try filled(50)
        let shell = try scratch.shell(columns: columns, rows: 50)
        // The first write takes the small sealed segment along.
        try shell.enter("set key:1000 value", "OK")
        shell.type("stats", .enter)
        try shell.anywhere("segment")
        try shell.empty()
        // A path may be longer than any row.
        let lines = shell.terminal.screen.lines.drop { !$0.hasPrefix("keys ") }
        #expect(lines.allSatisfy { $0.count < Int(columns) })
        #expect(lines.contains { $0.hasPrefix("keys ") && $0.hasSuffix(" 50") })
        #expect(lines.contains { $0.hasPrefix("resident ") })
        #expect(lines.contains { $0.contains(columns < 60 ? "2*" : "active") })
        try shell.leave()
    }

    @Test("In a locale without UTF-8 bars are of ASCII")
    func plainBars() throws {
        try filled(50)
        let shell = try scratch.shell([], ["LC_ALL": "C"])
        try shell.enter("set key:2000 value", "OK")
        shell.type("stats", .enter)
        try shell.anywhere("########  active")
        try shell.anywhere("# live  . dead  t tombstones")
        try shell.leave()
    }

    @Test("A result longer than the screen goes through $PAGER; leaving it early is no error")
    func pager() throws {
        try filled(100)
        let shell = try scratch.shell([], ["PAGER": "head -n 3; echo paged"])
        try shell.enter("scan", "key:1000 value", "key:1001 value", "key:1002 value", "paged")
        try shell.enter("scan --limit 2", "key:1000 value", "key:1001 value")
        try shell.enter("get key:1005", "value")
        try shell.leave()
    }

    @Test("The pager reads to the end, also from the inspector", arguments: [["scan"], []])
    func pagedToEnd(command: [String]) throws {
        try filled(100)
        let arguments =
            command.isEmpty
            ? ["inspect", scratch.store, "--segment", "1"] : [scratch.store] + command
        let terminal = try Terminal(
            [stave] + arguments,
            environment: scratch.environment(["PAGER": "tail -n 1; echo paged"]))
        try terminal.expect(command.isEmpty ? "verdict: clean" : "key:1099")
        try terminal.expect("paged")
        #expect(terminal.waitForExit() == 0)
    }

    @Test("Without a pager, or on a dumb terminal, all of it is printed", arguments: [0, 1, 2])
    func noPager(way: Int) throws {
        try filled(100)
        let more = way == 0 ? ["PAGER": ""] : way == 1 ? ["PAGER": "cat"] : ["TERM": "dumb"]
        let terminal = try Terminal(
            [stave, scratch.store, "keys"], environment: scratch.environment(more))
        try terminal.expect("key:1000\r\n")
        try terminal.expect("key:1099\r\n")
        #expect(terminal.waitForExit() == 0)
    }

    @Test("Overwriting a file asks, unless --yes was given")
    func overwriting() throws {
        try scratch.write("old", to: "file")
        let file = scratch.path + "/file"
        var shell = try scratch.shell(columns: 200)
        try shell.enter("set a new", "OK")
        shell.type(Key("get a > \(file)"), .enter)
        try shell.screen("a question") { $0.beforeCursor.hasSuffix("[y/N] ") }
        shell.type("n", .enter)
        try shell.empty()
        try shell.enter("set b < \(file)", "OK")
        try shell.enter("get b", "old")
        try shell.leave()
        shell = try scratch.shell(["--yes"], columns: 200)
        try shell.enter("get a > \(file)")
        try shell.enter("set b < \(file)", "OK")
        try shell.enter("get b", "new")
        try shell.leave()
    }

    @Test(
        "Where stdout leads elsewhere, replies go there clean, and the rest stays on the terminal")
    func outputElsewhere() throws {
        let file = scratch.path + "/output"
        let shell = try Shell(
            ["/bin/sh", "-c", "exec \"$0\" \"$1\" > \"$2\"", stave, scratch.store, file],
            environment: scratch.environment(["NO_COLOR": ""]))
        try shell.enter("set a \"1\\n2\"")
        try shell.enter("get a")
        try shell.enter("get nope", "not found: nope")
        shell.type("ge", .tab)
        try shell.line("get ")
        shell.type(.control("c"))
        try shell.empty()
        try shell.leave()
        #expect(try run([scratch.store, "set", "o", "-"], input: []).status == 0)
        let terminal = try Terminal(["/bin/cat", file], environment: [:])
        try terminal.expect("OK\r\n1\r\n2\r\n")
        #expect(terminal.waitForExit() == 0)
        #expect(!terminal.screen.hasSequences)
    }

    @Test("A store in use: the error names who holds it, and the read-only command line to paste")
    func locked() throws {
        let shell = try scratch.shell()
        try shell.enter("set a 1", "OK")
        let other = try Terminal(
            [stave, scratch.store], environment: scratch.environment(), columns: 300)
        try other.expect(" is in use by `")
        // Its command line, of each word the beginning.
        try other.expect(String(scratch.store.prefix(50)))
        try other.expect("` (pid ")
        try other.expect("); to read beside it: stave --read-only \(scratch.store)\r\n")
        #expect(other.waitForExit() == 2)
        try shell.leave()
    }

    @Test("A long scan into a file shows how far it is, on the terminal only")
    func progress() throws {
        var script = ""
        for number in 0..<60_000 { script += "set key:\(number) value\n" }
        #expect(try run(["--create", "--quiet", scratch.store], script: script).status == 0)
        let file = scratch.path + "/output"
        // A reader that takes little at a time, until the bar was seen.
        let reader = "(until [ -e go ]; do head -c 500; sleep 0.02; done; cat)"
        let terminal = try Terminal(
            [
                "/bin/sh", "-c",
                "cd \"$3\"; \"$0\" \"$1\" scan | \(reader) > \"$2\"; wc -l < \"$2\"", stave,
                scratch.store, file, scratch.path,
            ], environment: scratch.environment(["NO_COLOR": ""]))
        try terminal.expect("scan  ")
        try terminal.expect(" %")
        try scratch.write("", to: "go")
        try terminal.expect("60000\r\n")
        #expect(terminal.waitForExit() == 0)
    }

    @Test("warm says how much is in memory")
    func warm() throws {
        try filled(100)
        let shell = try scratch.shell()
        shell.type("warm", .enter)
        try shell.screen("all of it") {
            let words = ($0.lines.dropLast().last ?? "").split(separator: " ")
            return words.suffix(2) == ["in", "memory"] && words.first == words.dropFirst(3).first
        }
        try shell.leave()
    }
}

/// Many at once, as on a machine under load.
struct ManyShellsTests {
    @Test("A hundred shells at the same time each do what they are told")
    func hundred() throws {
        let scratches = (0..<100).map { _ in Scratch() }
        let shells = try scratches.map {
            try $0.shell(columns: 60, rows: 10, isAwaited: false)
        }
        for shell in shells { try shell.empty() }
        for (number, shell) in shells.enumerated() {
            shell.type("set k ", Key("\(number)"), .left, .left, .end, .enter)
        }
        for shell in shells {
            try shell.above("OK")
            try shell.empty()
            shell.type("echo half", .control("c"))
        }
        for shell in shells {
            try shell.above("store> echo half^C")
            try shell.empty()
            shell.type(.control("r"), "set k", .enter)
        }
        for shell in shells { try shell.above("OK") }
        for (number, shell) in shells.enumerated() { try shell.enter("get k", "\(number)") }
        for shell in shells { try shell.leave() }
    }
}
