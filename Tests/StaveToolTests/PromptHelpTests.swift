import Glibc
import TestSupport
import Testing

/// What helps while a line is typed: dim text, earlier lines, undo, an editor, and refusals.
struct PromptHelpTests {
    private let scratch = Scratch()

    private func shell(_ script: String = "", color: Bool = true) throws -> Shell {
        #expect(try run(["--create", scratch.store], script: script).status == 0)
        return try scratch.shell([], ["NO_COLOR": color ? "" : "1"])
    }

    private func cancel(_ shell: Shell) throws {
        shell.type(.control("c"))
        try shell.empty()
        try shell.leave()
    }

    @Test(
        "Right, End, Ctrl-F and Ctrl-E take the rest of an earlier line", arguments: [0, 1, 2, 3])
    func suggestion(way: Int) throws {
        let shell = try shell("set user:1 Ada\n")
        try shell.enter("get user:1", "Ada")
        shell.type("ge")
        try shell.screen("the rest behind the cursor") {
            $0.beforeCursor == "store> ge" && $0.cursorLine == "store> get user:1"
        }
        shell.type([.right, .end, .control("f"), .control("e")][way])
        try shell.line("get user:1")
        shell.type(.enter)
        try shell.above("store> get user:1", "Ada")
        try shell.leave()
    }

    @Test("Alt-F takes a word; with the cursor inside the line it moves")
    func suggestedWord() throws {
        let shell = try shell()
        try shell.enter("echo one two", "one two")
        shell.type("ec")
        try shell.screen("the rest") { $0.cursorLine == "store> echo one two" }
        shell.type("\u{1B}f")
        try shell.line("echo")
        shell.type("\u{1B}f")
        try shell.line("echo one")
        shell.type(.home, "\u{1B}f")
        try shell.line("echo")
        try cancel(shell)
    }

    @Test("The only key, or command, that goes on is suggested")
    func onlyCompletion() throws {
        let shell = try shell("set user:alpha 1\nset user:beta 2\nset other 3\n")
        shell.type("exi")
        try shell.screen("exists or exit: nothing") { $0.cursorLine == "store> exi" }
        shell.type("sts us")
        try shell.screen("two keys: nothing") { $0.cursorLine.hasPrefix("store> exists us   ") }
        shell.type("er:a")
        try shell.screen("one key") { $0.cursorLine.hasPrefix("store> exists user:alpha   ") }
        shell.type(.end, .enter)
        try shell.above("store> exists user:alpha", "1")
        try shell.leave()
    }

    @Test("Enter takes nothing of the dim text, and without color there is none")
    func notTaken() throws {
        let shell = try shell()
        try shell.enter("echo one two", "one two")
        shell.type("echo one", .enter)
        try shell.above("store> echo one", "one")
        try shell.leave()
        let plain = try self.shell(color: false)
        plain.type("ec")
        try plain.screen("nothing behind it") { $0.cursorLine == "store> ec" }
        try cancel(plain)
    }

    @Test("Up looks for what begins as what was typed; Down comes back to it")
    func upByPrefix() throws {
        let shell = try shell()
        for line in ["echo one", "count", "echo two", "count"] { shell.type(Key(line), .enter) }
        try shell.above("store> count", "0")
        shell.type("ec", .up)
        try shell.line("echo two")
        shell.type(.up)
        try shell.line("echo one")
        shell.type(.up, .down)
        try shell.line("echo two")
        shell.type(.down)
        try shell.line("ec")
        try cancel(shell)
    }

    @Test("Up and Down move between the rows of a value with newlines")
    func rows() throws {
        let shell = try shell()
        shell.type("set a 'one", .enter, "a long row", .up, "X", .down, "Y'", .enter)
        try shell.above("OK")
        try shell.enter("get a", "\"oneX\\na long rowY\"")
        try shell.leave()
    }

    @Test("Alt-. inserts the last word of the line before, again the one before that")
    func lastWord() throws {
        let shell = try shell()
        try shell.enter("echo one two", "one two")
        try shell.enter("echo 'three four'", "three four")
        shell.type("get \u{1B}.")
        try shell.line("get 'three four'")
        shell.type("\u{1B}.")
        try shell.line("get two")
        try cancel(shell)
    }

    @Test("Ctrl-_ takes back: a word that was typed, a kill, a paste")
    func undo() throws {
        let shell = try shell()
        shell.type("echo one", .control("u"), .control("_"))
        try shell.line("echo one")
        shell.type(.control("_"))
        try shell.line("echo")
        shell.type(.paste("a\nb"), .control("_"))
        try shell.line("echo")
        try cancel(shell)
    }

    @Test("Ctrl-W kills to the blank, and Ctrl-Y brings it back")
    func killWord() throws {
        let shell = try shell()
        shell.type("get user:alpha-1/x", .control("w"))
        try shell.line("get ")
        shell.type(.control("y"), "!")
        try shell.line("get user:alpha-1/x!")
        try cancel(shell)
    }

    @Test("Keys that ~/.editrc binds are left to it")
    func ownBindings() throws {
        try scratch.write("bind ^W ed-delete-prev-word\nbind -s ^X hello\n", to: ".editrc")
        let shell = try shell()
        shell.type("get user:alpha", .control("w"))
        try shell.line("get user:")
        shell.type(.control("x"))
        try shell.line("get user:hello")
        try cancel(shell)
    }

    @Test("Ctrl-X Ctrl-E edits the line in $EDITOR; the terminal is put in order for it")
    func editor() throws {
        try scratch.write(
            "#!/bin/sh\nstty -a | grep -q ' icanon' || exit 1\n"
                + "printf 'set k \"%s\\nx\"' \"$(cat $1)\" > $1\n",
            to: "edit.sh")
        unsafe chmod(scratch.path + "/edit.sh", 0o700)
        #expect(try run(["--create", scratch.store], script: "").status == 0)
        let shell = try scratch.shell([], ["EDITOR": scratch.path + "/edit.sh"])
        shell.type("abc", .control("x"), .control("e"))
        try shell.screen("two rows") { $0.beforeCursor == "\"> x\"" }
        shell.type(.enter)
        try shell.above("OK")
        try shell.enter("get k", "\"abc\\nx\"")
        try shell.leave()
    }

    @Test(
        "A paste that holds what a line must not is refused, and told how to write it",
        arguments: [("\u{1B}", "\\x1b"), ("\u{1}", "\\x01"), ("\0", "\\x00")])
    func refusedPaste(text: String, spelled: String) throws {
        let shell = try scratch.shell(columns: 200)
        shell.type("set a ", .paste("one\(text)two\n"))
        try shell.above(
            "nothing was pasted: the control character \(spelled) is in it; write \(spelled)"
                + " in double quotes, or read the value from a file: set KEY < FILE")
        try shell.line("set a ")
        try cancel(shell)
    }

    @Test("A line with bytes that are not UTF-8 is refused, and can be mended")
    func refusedLine() throws {
        let shell = try scratch.shell(columns: 200)
        shell.terminal.type(bytes: Array("set a x".utf8) + [0xFF] + Array("y\r".utf8))
        try shell.above(
            "store> set a xy",
            "error: nothing was done: the byte \\xff cannot be typed or pasted; write \\xff"
                + " in double quotes")
        try shell.enter("count", "0")
        shell.type(.up, .up)
        try shell.line("set a xy")
        shell.type(.enter)
        try shell.above("store> set a xy", "OK")
        try shell.leave()
    }

    @Test("On a dumb terminal the terminal edits, and such a line is refused, too")
    func refusedPlainLine() throws {
        let shell = try scratch.shell([], ["TERM": "dumb"], columns: 200)
        shell.terminal.type(bytes: Array("set a x".utf8) + [0xFF] + Array("y\r".utf8))
        try shell.anywhere("error: nothing was done: the line is not UTF-8")
        try shell.empty()
        shell.type("set a 'one", .enter)
        try shell.shows("'> ")
        shell.type("two'", .enter)
        try shell.empty()
        shell.type("get a", .enter)
        try shell.anywhere("\"one\\ntwo\"")
        try shell.empty()
        shell.type("half", .control("c"))
        try shell.empty()
        try shell.leave()
        #expect(!shell.terminal.screen.hasSequences)
    }
}
