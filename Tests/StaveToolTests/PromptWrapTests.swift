import Glibc
import TestSupport
import Testing

/// What stands on the screen is what Enter carries out.
struct PromptWrapTests {
    private let scratch = Scratch()

    @Test("A wrapped line into which is typed shows all of its words")
    func hiddenWords() throws {
        let shell = try scratch.shell(["--quiet"])
        let keys = [132, 121, 105, 140, 123, 154, 111, 193, 110].map { "user:\($0)" }
        shell.type(
            Key("delete " + keys.joined(separator: " ")), .control("a"), "\u{1B}f", " user:7")
        let line = "store> delete user:7 " + keys.joined(separator: " ")
        try shell.screen("all ten keys") {
            $0.allLines[0] == String(line.prefix(80)) && $0.beforeCursor == "store> delete user:7"
                && $0.allLines[1].hasPrefix(String(line.dropFirst(80)))
        }
        shell.type(.control("c"))
        try shell.empty()
        try shell.leave()
    }

    @Test("What is inserted in front of a row that repeats itself is all there")
    func repetition() throws {
        let shell = try scratch.shell(["--quiet"], columns: 40, rows: 12)
        shell.type("ab--limit 3 --limit 3 ", .control("a"))
        for _ in 0..<22 { shell.type("x") }
        try shell.screen("22 x and the rest") {
            $0.allLines[0] == "store> " + String(repeating: "x", count: 22) + "ab--limit 3"
                && $0.allLines[1] == "--limit 3"
                || $0.allLines.joined().hasPrefix(
                    "store> " + String(repeating: "x", count: 22) + "ab--limit 3 --limit 3")
        }
        shell.type(.control("c"))
        try shell.empty()
        try shell.leave()
    }

    @Test(
        "Characters of several code points stand there while they are typed, and go as one",
        arguments: ["e\u{301}", "ते", "กำ", "שָׁ", "❤\u{FE0F}", "👩\u{200D}👧", "🇩🇪", "👍🏽"])
    func clusters(text: String) throws {
        let shell = try scratch.shell()
        shell.type(Key("echo a" + text))
        try shell.screen("\(text) before the cursor") {
            let line = $0.beforeCursor.filter { $0 != " " }
            return line.unicodeScalars.elementsEqual(("store>echoa" + text).unicodeScalars)
        }
        shell.type(.left, "-", .right, .backspace)
        try shell.line("echo a-")
        shell.type(Key(text), .home, .end, .left, .delete, Key(text), .enter)
        try shell.screen("the same again") {
            $0.lines.dropLast().last.map {
                $0.filter { $0 != " " }.unicodeScalars.elementsEqual(("a-" + text).unicodeScalars)
            } == true
        }
        try shell.leave()
    }

    @Test("नमस्ते is drawn as it is typed")
    func devanagari() throws {
        let shell = try scratch.shell()
        shell.type("echo नमस्ते")
        try shell.line("echo नमस्ते")
        shell.type(.enter)
        try shell.above("store> echo नमस्ते", "नमस्ते")
        try shell.leave()
    }

    @Test("A terminal that says how it draws emoji gets no gaps behind them")
    func measured() throws {
        let shell = try scratch.shell(isAwaited: false)
        var manner = Screen.Manner()
        manner.joins = true
        shell.terminal.draw(in: manner)
        try shell.empty()
        shell.type("echo 👩\u{200D}👧🇩🇪👍🏽❤\u{FE0F}.")
        try shell.line("echo 👩\u{200D}👧🇩🇪👍🏽❤\u{FE0F}.")
        shell.type(.control("c"))
        try shell.empty()
        try shell.leave()
    }

    @Test(
        "A key at the end of the line writes at most 60 bytes, 5,000 without a pause are all there")
    func bytes() throws {
        let shell = try scratch.shell([], ["NO_COLOR": ""])
        shell.type("set key 'a")
        try shell.line("set key 'a")
        let text = "value that is long enough to go on in the next row, and in the one behind that"
        var line = "set key 'a"
        for letter in text {
            let before = shell.terminal.byteCount
            shell.type(Key(String(letter)))
            line.append(letter)
            let shown = "store> " + line
            try shell.screen("\(line)") {
                shown.hasSuffix($0.beforeCursor) && $0.column == shown.count % 80
            }
            #expect(shell.terminal.byteCount - before <= 60)
        }
        shell.type(Key(String(repeating: "0123456789", count: 500)), "'", .enter)
        try shell.above("OK")
        try shell.leave()
        let value = "a" + text + String(repeating: "0123456789", count: 500)
        #expect(try run([scratch.store, "get", "key"]).text == value + "\n")
    }

    @Test("What is typed ahead is not mixed with replies, and not lost")
    func typedAhead() throws {
        // The command waits until the pipe is read.
        let pipe = scratch.path + "/pipe"
        #expect(unsafe mkfifo(pipe, 0o600) == 0)
        let shell = try scratch.shell(["--yes"], columns: 200)
        try shell.enter("set k v", "OK")
        shell.type(Key("get k > \(pipe)"), .enter)
        try shell.screen("a command that runs") {
            $0.column == 0 && $0.row > 0 && $0.allLines[$0.row - 1].hasPrefix("store> get k >")
        }
        shell.type("count", .enter, "echo half", .control("w"), "one")
        let descriptor = unsafe open(pipe, O_RDONLY)
        defer { close(descriptor) }
        try shell.above("store> get k > \(pipe)", "store> count", "1")
        try shell.line("echo one")
        shell.type(.control("c"))
        try shell.empty()
        try shell.leave()
    }

    @Test("A message during Ctrl-R stands above it, and the line is drawn")
    func messageInSearch() throws {
        let path = scratch.path + "/value"
        try scratch.write(String(repeating: "v", count: 6 << 20), to: "value")
        let shell = try scratch.shell(["--segment-size", "1M"], columns: 200)
        try shell.enter("set k < \(path)", "OK")
        shell.type(Key("set k < \(path)"), .enter, .control("r"), "set")
        try shell.anywhere("compaction freed 6.0 MiB")
        try shell.screen("the search and what it found") {
            $0.allLines[$0.row] == "store> set k < \(path)"
                && $0.allLines[$0.row + 1] == "history: set"
        }
        shell.type(.control("g"))
        try shell.empty()
        try shell.leave()
    }
}
