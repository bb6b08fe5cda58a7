import Glibc
import TestSupport
import Testing

/// History as a person meets it; `HistoryTests` are about the file.
struct PromptHistoryTests {
    private let scratch = Scratch()

    private func saved(_ path: String) -> String {
        let descriptor = unsafe open(path, O_RDONLY)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        // SAFETY: reads into the array.
        let count = unsafe read(descriptor, &bytes, bytes.count)
        return String(decoding: bytes[..<max(0, count)], as: UTF8.self)
    }

    private func mode(_ path: String) -> mode_t {
        var status = stat()
        // SAFETY: fills in the struct.
        return unsafe stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
    }

    @Test("Ctrl-R finds a line of an earlier session")
    func search() throws {
        let first = try scratch.shell()
        try first.enter("set needle 42", "OK")
        try first.leave()
        let second = try scratch.shell()
        second.type(.control("r"), "set need")
        try second.anywhere("history: set need")
        try second.anywhere("store> set needle 42")
        second.type(.enter)
        try second.above("OK")
        try second.leave()
    }

    @Test("Ctrl-R takes any character; the key that ends it does what it always does")
    func searchAnything() throws {
        let shell = try scratch.shell()
        try shell.enter("echo 一語 one", "一語 one")
        try shell.enter("count", "0")
        shell.type(.control("r"), "一")
        try shell.screen("the search") {
            $0.allLines.contains("history: 一") && $0.beforeCursor == "store> echo "
        }
        shell.type("語 ")
        try shell.anywhere("history: 一語")
        shell.type(.end, "!")
        try shell.line("echo 一語 one!")
        shell.type(.control("u"), .control("r"), .control("r"))
        try shell.line("echo ")
        // ESC alone ends the search, and what follows is no part of a key.
        shell.type(.escape)
        try shell.screen("no search") { !$0.allLines.contains { $0.hasPrefix("history") } }
        shell.type("x", .enter)
        try shell.above("store> echo x一語 one", "x一語 one")
        shell.type("ec", .control("r"), "zzz")
        try shell.anywhere("not in the history: zzz")
        shell.type(.control("g"))
        try shell.line("ec")
        shell.type(.control("c"))
        try shell.above("store> ec^C")
        try shell.leave()
    }

    @Test("Ctrl-R in both of vi's modes")
    func searchInVi() throws {
        try scratch.write("bind -v\n", to: ".editrc")
        let shell = try scratch.shell()
        try shell.enter("echo 一語", "一語")
        try shell.enter("count", "0")
        shell.type(.control("r"), "語", .enter)
        try shell.above("store> echo 一語", "一語")
        try shell.enter("count", "0")
        shell.type(.escape, .control("r"), "一")
        try shell.anywhere("history: 一")
        shell.type(.enter)
        try shell.above("store> echo 一語", "一語")
        try shell.leave()
    }

    @Test("A history that the user may not write to is left alone", arguments: [true, false])
    func notWritable(isWritable: Bool) throws {
        try scratch.write("# stave history 1\necho old\n", to: "mine")
        let path = scratch.path + "/mine"
        unsafe chmod(path, isWritable ? 0o600 : 0o444)
        let other = try OtherUser(scratch)
        let terminal = try Terminal(
            other.command + [other.stave, scratch.path + "/own"],
            environment: scratch.environment(["STAVE_HISTORY": path]), columns: 200)
        try terminal.expect("own> ")
        terminal.type("echo new\r")
        try terminal.expect("\nnew\r\n")
        terminal.type("quit\r")
        #expect(terminal.waitForExit() == 0)
        #expect(
            saved(path) == "# stave history 1\necho old\n" + (isWritable ? "echo new\nquit\n" : ""))
        #expect(mode(path) == (isWritable ? 0o600 : 0o444))
    }

    @Test("Repetitions and lines that begin with a space are left out")
    func leftOut() throws {
        let shell = try scratch.shell()
        try shell.enter("echo a", "a")
        try shell.enter("echo a", "a")
        try shell.enter(" echo secret", "secret")
        try shell.enter("history", "echo a", "history")
        try shell.leave()
        #expect(saved(scratch.history) == "# stave history 1\necho a\nhistory\n")
    }

    @Test("What was entered survives the end by any signal", arguments: [SIGTERM, SIGHUP, SIGKILL])
    func signals(signal: Int32) throws {
        let shell = try scratch.shell()
        try shell.enter("echo one", "one")
        try shell.enter("echo two", "two")
        shell.terminal.signal(signal)
        #expect(shell.terminal.waitForExit() == 128 + signal)
        #expect(saved(scratch.history) == "# stave history 1\necho one\necho two\n")
    }

    @Test(
        "A terminal that goes away closes the store and saves the history",
        arguments: [false, true])
    func hangUp(isTyping: Bool) throws {
        let shell = try scratch.shell(["--durability", "os"])
        try shell.enter("set a 1", "OK")
        if isTyping {
            shell.type("set b ")
            try shell.line("set b ")
        }
        #expect(shell.terminal.hangUp() == 128 + SIGHUP)
        let next = try run([scratch.store], script: "get a\ncount\n")
        #expect(next.text == "1\n1\n")
        #expect(next.errors == "")
        #expect(saved(scratch.history) == "# stave history 1\nset a 1\n")
    }

    @Test("Two shells at once keep both their lines, in the order of entering")
    func twoShells() throws {
        let one = try scratch.shell()
        _ = try run(["--create", scratch.path + "/other", "set", "a", "1"])
        let two = try Shell(
            [stave, "--read-only", scratch.path + "/other"], environment: scratch.environment(),
            prompt: "other (read-only)> ")
        try one.enter("echo 1", "1")
        try two.enter("echo 2", "2")
        try one.enter("echo 3", "3")
        try two.leave()
        try one.leave()
        #expect(saved(scratch.history) == "# stave history 1\necho 1\necho 2\necho 3\n")
    }

    @Test("A file of another program is named and left alone")
    func foreign() throws {
        try scratch.write("_HiStOrY_V2_\nmine\n", to: "other-history")
        let path = scratch.path + "/other-history"
        let shell = try scratch.shell([], ["STAVE_HISTORY": path], columns: 200)
        try shell.anywhere("is not a history of stave; it is left alone")
        try shell.enter("echo a", "a")
        try shell.leave()
        #expect(saved(path) == "_HiStOrY_V2_\nmine\n")
        #expect(mode(path) == 0o644)
    }

    @Test("Where the history cannot be kept, that is said once, and the shell works")
    func unwritable() throws {
        let shell = try scratch.shell([], ["STAVE_HISTORY": "/proc/none/history"], columns: 120)
        shell.type("echo a", .enter)
        try shell.anywhere("note: cannot ")
        try shell.enter("echo b", "b")
        try shell.enter("history", "echo a", "echo b", "history")
        try shell.leave()
    }

    @Test("In the default place, directories and file are the user's alone whatever the umask")
    func defaultPlace() throws {
        var environment = scratch.environment()
        environment["STAVE_HISTORY"] = nil
        let shell = try Shell(
            ["/bin/sh", "-c", "umask 0; exec \"$0\" \"$1\"", stave, scratch.store],
            environment: environment)
        try shell.enter("echo a", "a")
        let path = scratch.path + "/.local/state/stave"
        #expect(mode(path) == 0o700)
        #expect(mode(path + "/history") == 0o600)
        try shell.leave()
    }
}
