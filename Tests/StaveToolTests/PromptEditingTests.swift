import Glibc
import TestSupport
import Testing

struct PromptEditingTests {
    private let scratch = Scratch()

    @Test("The prompt names the store; a missing one is made; Ctrl-D leaves with status 0")
    func session() throws {
        let shell = try scratch.shell()
        try shell.enter("set user:1 \"Ada Lovelace\"", "OK")
        try shell.enter("get user:1", "\"Ada Lovelace\"")
        try shell.enter("get nope", "(not found)")
        try shell.leave()
    }

    @Test("The prompt says that a store is open read-only, and writes are refused")
    func readOnly() throws {
        _ = try run(["--create", scratch.store, "set", "a", "1"])
        let shell = try scratch.shell(["--read-only"], prompt: "store (read-only)> ")
        shell.type("set a 2", .enter)
        try shell.anywhere("read-only:")
        try shell.enter("get a", "1")
        try shell.leave()
    }

    @Test("A directory named . is called by its name")
    func dot() throws {
        let shell = try Shell(
            ["/bin/sh", "-c", "mkdir \"$0\" && cd \"$0\" && exec \"$1\" .", scratch.store, stave],
            environment: scratch.environment())
        try shell.leave()
    }

    @Test("Emacs keys move and kill: Ctrl-A, Ctrl-E, Ctrl-B, Ctrl-K, Ctrl-Y, Ctrl-U, Ctrl-W")
    func emacs() throws {
        let shell = try scratch.shell()
        shell.type("world", .control("a"), "echo hello ", .control("e"), "!")
        try shell.line("echo hello world!")
        shell.type(.control("b"), .control("k"), .control("w"))
        try shell.line("echo hello ")
        shell.type(.control("y"))
        try shell.line("echo hello world")
        shell.type(.control("u"))
        try shell.empty()
        try shell.leave()
    }

    @Test("Home, End, arrows, Delete and Backspace, in each terminal's spelling")
    func cursorKeys() throws {
        let shell = try scratch.shell()
        shell.type("cho abc", .home, "e", .end, "d", .left, .left, .delete, .backspace)
        try shell.line("echo a")
        shell.type("\u{1B}[4~", "x\u{1B}[1~\u{1B}OF\u{1B}OD", .enter)
        try shell.above("store> echo adx", "adx")
        try shell.leave()
    }

    @Test("Word keys: Ctrl-Left, Ctrl-Right, Alt-B, Alt-F, Alt-D")
    func wordKeys() throws {
        let shell = try scratch.shell()
        shell.type("echo one two", .wordLeft, .wordLeft, "x", .wordRight, "y")
        try shell.line("echo xoney")
        shell.type(.end, "\u{1B}b", "\u{1B}d", "three", .enter)
        try shell.above("store> echo xoney three", "xoney three")
        try shell.leave()
    }

    @Test("PgUp, PgDn, Insert and F-keys insert nothing")
    func junkKeys() throws {
        let shell = try scratch.shell()
        shell.type("echo a\u{1B}[5~\u{1B}[6~\u{1B}[2~\u{1B}OP\u{1B}[15~\u{1B}[24;2~\u{1B}[[Bb")
        try shell.line("echo ab")
        shell.type(.enter)
        try shell.above("store> echo ab", "ab")
        try shell.leave()
    }

    @Test("Lines are edited by character, UTF-8 under any locale", arguments: ["C", "en_US.UTF-8"])
    func utf8(locale: String) throws {
        let shell = try scratch.shell([], ["LC_ALL": locale])
        shell.type("echo é漢😀", .left, .backspace, "Z", .home, .end, "!", .enter)
        try shell.above("store> echo éZ😀!", "éZ😀!")
        try shell.leave()
    }

    @Test("A line longer than the screen is wide wraps, also in the middle of wide characters")
    func wrapping() throws {
        let shell = try scratch.shell(["--quiet"], columns: 40, rows: 12)
        shell.type("echo ", Key(String(repeating: "漢", count: 20)), .home, .end, "!")
        try shell.screen("two rows") {
            $0.lines == [
                "store> echo " + String(repeating: "漢", count: 14),
                String(repeating: "漢", count: 6) + "!",
            ]
        }
        shell.type(.enter)
        try shell.above(String(repeating: "漢", count: 20), "!")
        try shell.leave()
    }

    @Test("Up and Down walk through earlier lines")
    func walking() throws {
        let shell = try scratch.shell()
        try shell.enter("echo one", "one")
        try shell.enter("echo two", "two")
        shell.type(.up, .up)
        try shell.line("echo one")
        shell.type(.down)
        try shell.line("echo two")
        shell.type(.enter)
        try shell.above("store> echo two", "two")
        try shell.leave()
    }

    @Test("In vi's mode ESC may be pressed more often than once, and Ctrl-L clears the screen")
    func viEscape() throws {
        try scratch.write("bind -v\n", to: ".editrc")
        let shell = try scratch.shell()
        for count in 1...3 {
            shell.type("echo ab")
            try shell.line("echo ab")
            for _ in 0..<count { shell.type(.escape) }
            shell.type("iX")
            try shell.screen("X before the last letter") {
                $0.cursorLine.hasPrefix("store> echo aXb")
            }
            shell.type(.control("l"))
            try shell.screen("the line at the top") {
                $0.row == 0 && $0.cursorLine.hasPrefix("store> echo aXb")
            }
            shell.type(.enter)
            try shell.above("aXb")
        }
        try shell.leave()
    }

    @Test("In vi's mode a search is no state of the line that Ctrl-_ could bring back")
    func viSearchIsNoState() throws {
        try scratch.write("bind -v\n", to: ".editrc")
        let shell = try scratch.shell()
        shell.type("echo one", .enter)
        try shell.above("one")
        shell.type("ab")
        try shell.line("ab")
        shell.type(.escape, "/one")
        try shell.screen("the question") { $0.cursorLine == "/one" }
        shell.type(.enter)
        try shell.screen("the line") { $0.cursorLine.hasPrefix("store> echo one") }
        shell.type(.control("_"))
        try shell.screen("the line before the search") { $0.cursorLine == "store> ab" }
        shell.type(.control("c"))
        try shell.empty()
        try shell.leave()
    }

    @Test("In vi's mode a letter that is typed before a mark takes the mark, cursor behind both")
    func viMarks() throws {
        try scratch.write("bind -v\n", to: ".editrc")
        let shell = try scratch.shell()
        shell.type("\u{301}")
        try shell.screen("the mark") { $0.cursorLine.unicodeScalars.contains("\u{301}") }
        shell.type(.home, "e")
        try shell.line("e\u{301}")
        shell.type("x")
        try shell.line("e\u{301}x")
        shell.type(.control("c"))
        try shell.empty()
        try shell.leave()
    }

    @Test("~/.editrc: bind -v gives vi's keys, and ours work in both of its modes")
    func vi() throws {
        try scratch.write("bind -v\n", to: ".editrc")
        let shell = try scratch.shell()
        shell.type("echo word one", .left, .left, "X")
        try shell.line("echo word oX")
        shell.type(.end, .escape)
        try shell.line("echo word oXn")
        shell.type("b", "x", .enter)
        try shell.above("store> echo word Xne", "word Xne")
        shell.type("echo a", .escape)
        try shell.line("echo ")
        shell.type(.up)
        try shell.anywhere("store> echo word Xne")
        shell.type(.control("c"))
        try shell.empty()
        try shell.enter("count", "0")
        try shell.leave()
    }

    @Test("A sequence bound in ~/.editrc does what it is bound to")
    func boundSequence() throws {
        try scratch.write("bind \"\\e[5~\" ed-search-prev-history\n", to: ".editrc")
        let shell = try scratch.shell()
        try shell.enter("echo one", "one")
        try shell.enter("count", "0")
        shell.type("ec\u{1B}[5~", .end)
        try shell.line("echo one")
        shell.type(.control("c"))
        try shell.empty()
        try shell.leave()
    }

    @Test("A resize keeps what was typed, and the line is drawn for the new width")
    func resize() throws {
        let shell = try scratch.shell()
        shell.type("echo abc")
        try shell.line("echo abc")
        shell.terminal.resize(columns: 40, rows: 10)
        shell.type("def", .enter)
        try shell.above("abcdef")
        shell.type("get ")
        try shell.screen("a hint at the new edge") {
            $0.cursorLine == "store> get           get KEY... [--...]"
        }
        shell.type(.control("c"))
        try shell.empty()
        try shell.leave()
    }
}
