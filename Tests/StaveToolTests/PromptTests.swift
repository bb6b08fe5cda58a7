import Glibc
import TestSupport
import Testing

@testable import StaveTool

struct PromptTests {
    private let scratch = Scratch()

    private func started(_ options: [String] = [], _ more: [String: String] = [:]) throws
        -> Terminal
    {
        let terminal = try scratch.terminal(options, more)
        try terminal.expect("store> ")
        return terminal
    }

    @Test("A session: set, get, a missing key, and Ctrl-D leaves with status 0")
    func session() throws {
        let terminal = try started()
        terminal.type("set user:1 \"Ada Lovelace\"\r")
        try terminal.expect("OK\r\n")
        try terminal.expect("store> ")
        terminal.type("get user:1\r")
        try terminal.expect("\r\n\"Ada Lovelace\"\r\n")
        try terminal.expect("store> ")
        terminal.type("get nope\r")
        try terminal.expect("(not found)")
        try terminal.expect("store> ")
        terminal.type("gte a\r")
        try terminal.expect("did you mean get?")
        try terminal.expect("store> ")
        terminal.type("\u{04}")
        #expect(terminal.waitForExit() == 0)
    }

    @Test("Lines are edited by character, UTF-8 under any locale")
    func editing() throws {
        for locale in ["C", "en_US.UTF-8"] {
            let terminal = try started([], ["LC_ALL": locale])
            terminal.type("echo é漢😀\u{1B}[D\u{7F}Z\u{1B}[H\u{1B}[F!\r")
            try terminal.expect("\r\né Z😀!".replacing(" ", with: ""))
            try terminal.expect("store> ")
            terminal.type("echo \u{1B}[31m\r")
            try terminal.expect("store> ")
            terminal.type("quit\r")
            #expect(terminal.waitForExit() == 0)
        }
    }

    @Test("Ctrl-C cancels the line and never leaves")
    func cancel() throws {
        let terminal = try started()
        terminal.type("set half \u{03}")
        try terminal.expect("^C")
        try terminal.expect("store> ")
        terminal.type("\u{03}")
        try terminal.expect("^C")
        try terminal.expect("store> ")
        terminal.type("\u{12}ec\u{03}")
        try terminal.expect("^C")
        try terminal.expect("store> ")
        terminal.type("count\r")
        try terminal.expect("\r\n0\r\n")
        try terminal.expect("store> ")
        terminal.type("\u{04}")
        #expect(terminal.waitForExit() == 0)
    }

    @Test("An open quote goes on in the next line, and Ctrl-C gives it up")
    func openQuote() throws {
        let terminal = try started()
        terminal.type("set a 'one\r")
        try terminal.expect("'> ")
        terminal.type("two'\r")
        try terminal.expect("OK")
        try terminal.expect("store> ")
        terminal.type("get a\r")
        try terminal.expect("\"one\\ntwo\"")
        try terminal.expect("store> ")
        terminal.type("set a \"one\r")
        try terminal.expect("\"> ")
        terminal.type("\u{03}")
        try terminal.expect("store> ")
        terminal.type("get a\r")
        try terminal.expect("\"one\\ntwo\"")
        try terminal.expect("> ")
        terminal.type("\u{04}")
        #expect(terminal.waitForExit() == 0)
    }

    @Test("Tab completes commands, options and keys")
    func completion() throws {
        let terminal = try started()
        terminal.type("set user:alpha 1\rset user:beta 2\rset 'two words' 3\r")
        for _ in 0..<3 { try terminal.expect("OK") }
        try terminal.expect("store> ")
        terminal.type("ge\tus\t")
        try terminal.expect("user:")
        terminal.type("\t")
        try terminal.expect("user:alpha  user:beta")
        terminal.type("a\t\r")
        try terminal.expect("\r\n1\r\n")
        try terminal.expect("store> ")
        terminal.type("get tw\t\r")
        try terminal.expect("\"two words\"")
        try terminal.expect("\r\n3\r\n")
        try terminal.expect("store> ")
        terminal.type("keys --l\t1\r")
        try terminal.expect("--limit 1")
        try terminal.expect("\r\n\"two words\"\r\n")
        try terminal.expect("> ")
        terminal.type("\u{04}")
        #expect(terminal.waitForExit() == 0)
    }

    @Test("Pasted newlines run nothing before Enter")
    func paste() throws {
        let terminal = try started()
        terminal.type("\u{1B}[200~set a 1\nset b 2\n\u{1B}[201~")
        try terminal.expect("set b 2")
        terminal.type("\u{03}")
        try terminal.expect("store> ")
        terminal.type("count\r")
        try terminal.expect("\r\n0\r\n")
        try terminal.expect("store> ")
        terminal.type("\u{1B}[200~set a 1\nset b 2\n\u{1B}[201~\r")
        try terminal.expect("OK\r\nOK\r\n")
        try terminal.expect("> ")
        terminal.type("\u{04}")
        #expect(terminal.waitForExit() == 0)
    }

    @Test("Ctrl-R finds a line of an earlier session")
    func historySearch() throws {
        let first = try started()
        first.type("set needle 42\r")
        try first.expect("OK")
        try first.expect("store> ")
        first.type(" echo secret\r")
        try first.expect("\r\nsecret\r\n")
        try first.expect("store> ")
        first.signal(SIGTERM)
        #expect(first.waitForExit() == 128 + SIGTERM)

        let second = try started()
        second.type("\u{12}need")
        try second.expect("set needle 42")
        second.type("\r")
        try second.expect("OK")
        try second.expect("store> ")
        second.type("history\r")
        try second.expect("\r\nset needle 42\r\nhistory\r\n")
        try second.expect("> ")
        second.type("\u{04}")
        #expect(second.waitForExit() == 0)
    }

    @Test("A read-only shell says so and refuses writes")
    func readOnly() throws {
        _ = try run(["--create", scratch.store, "set", "a", "1"])
        let terminal = try scratch.terminal(["--read-only"])
        try terminal.expect("store (read-only)> ")
        terminal.type("set a 2\r")
        try terminal.expect("read-only")
        try terminal.expect("> ")
        terminal.type("\u{04}")
        #expect(terminal.waitForExit() == 0)
    }

    @Test("A dumb terminal gets plain text")
    func dumb() throws {
        let terminal = try started([], ["TERM": "dumb"])
        terminal.type("set a 1\r")
        try terminal.expect("OK")
        try terminal.expect("store> ")
        terminal.type("\u{04}")
        #expect(terminal.waitForExit() == 0)
    }

    @Test("A resize keeps what was typed")
    func resize() throws {
        let terminal = try started()
        terminal.type("echo abc")
        try terminal.expect("abc")
        terminal.resize(columns: 40, rows: 10)
        terminal.type("def\r")
        try terminal.expect("\r\nabcdef\r\n")
        try terminal.expect("> ")
        terminal.type("\u{04}")
        #expect(terminal.waitForExit() == 0)
    }
}

struct HistoryTests {
    private let scratch = Scratch()

    @Test("Two shells keep both their lines")
    func merged() {
        let one = History(path: scratch.history)
        let two = History(path: scratch.history)
        #expect(one.add("first"))
        #expect(two.add("second\nline \\n"))
        #expect(one.add("third"))
        one.save(waiting: true)
        two.save(waiting: true)
        #expect(
            History(path: scratch.history).lines.sorted() == ["first", "second\nline \\n", "third"])
    }

    @Test("Repetitions, empty lines and lines that begin with a space are left out")
    func leftOut() {
        let history = History(path: scratch.history)
        #expect(history.add("a"))
        #expect(!history.add("a"))
        #expect(!history.add(""))
        #expect(!history.add(" secret"))
        #expect(history.add("b"))
        #expect(history.add("a"))
        history.save(waiting: true)
        #expect(History(path: scratch.history).lines == ["a", "b", "a"])
    }

    @Test("The file is the user's alone, and has an end")
    func file() throws {
        let history = History(path: scratch.path + "/new/folders/history")
        for number in 0..<(History.capacity + 5) { _ = history.add("line \(number)") }
        // Children that other tests start may hold the lock for a moment between fork and exec.
        history.save(waiting: true)
        #expect(history.problem == nil)
        var status = stat()
        // SAFETY: fills in the struct.
        #expect(unsafe stat(scratch.path + "/new/folders/history", &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        let again = History(path: scratch.path + "/new/folders/history")
        #expect(again.lines.count == History.capacity)
        #expect(again.lines.last == "line \(History.capacity + 4)")
    }

    @Test("A file of somebody else is never written")
    func foreign() throws {
        let descriptor = unsafe open(scratch.history, O_WRONLY | O_CREAT, 0o644)
        // SAFETY: the literal has five bytes.
        unsafe _ = write(descriptor, "mine\n", 5)
        close(descriptor)
        let history = History(path: scratch.history)
        #expect(history.problem != nil)
        _ = history.add("a")
        var status = stat()
        // SAFETY: fills in the struct.
        unsafe _ = stat(scratch.history, &status)
        #expect(status.st_size == 5)
    }
}
