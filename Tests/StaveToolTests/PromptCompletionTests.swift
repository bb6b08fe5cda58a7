import Glibc
import TestSupport
import Testing

@testable import StaveTool

/// Tab, and the hint at the right edge.
struct PromptCompletionTests {
    private let scratch = Scratch()

    private func shell(_ script: String) throws -> Shell {
        #expect(try run(["--create", scratch.store], script: script).status == 0)
        return try scratch.shell()
    }

    @Test("Tab completes commands, and help's and format's words")
    func commands() throws {
        let shell = try scratch.shell()
        shell.type("sta", .tab)
        try shell.line("stats ")
        shell.type(.control("u"), "help comp", .tab)
        try shell.line("help compact ")
        shell.type(.control("u"), "format h", .tab)
        try shell.line("format hex ")
        shell.type(.control("u"), "compact re", .tab)
        try shell.line("compact resume ")
        shell.type(.control("c"))
        try shell.empty()
        try shell.leave()
    }

    @Test("Tab completes options")
    func options() throws {
        let shell = try self.shell("set a 1\nset b 2\n")
        shell.type("keys --l", .tab, "1", .enter)
        try shell.above("store> keys --limit 1", "a")
        try shell.leave()
    }

    @Test("Tab completes keys by prefix from the store, first what all have in common")
    func keys() throws {
        let shell = try self.shell("set user:alpha 1\nset user:beta 2\n")
        shell.type("get us", .tab)
        try shell.line("get user:")
        shell.type(.tab)
        try shell.screen("the candidates below the line") {
            $0.beforeCursor == "store> get user:"
                && $0.allLines[$0.row + 1] == "user:alpha  user:beta"
        }
        shell.type("a", .tab, .enter)
        try shell.above("store> get user:alpha", "1")
        try shell.leave()
    }

    @Test("A key that needs quotes is completed in quotes, also inside an open one")
    func quotedKeys() throws {
        let shell = try self.shell("set 'two words' 3\n")
        shell.type("get tw", .tab, .enter)
        try shell.above("store> get \"two words\"", "3")
        shell.type("exists \"two w", .tab, .enter)
        try shell.above("store> exists \"two words\"", "1")
        try shell.leave()
    }

    @Test("Of many keys a screenful is listed, and how many more there are")
    func manyKeys() throws {
        var script = ""
        for number in 100..<700 { script += "set a-key-of-some-length-\(number) v\n" }
        let shell = try self.shell(script)
        shell.type("get a", .tab, .tab)
        try shell.anywhere(" more; type on to narrow")
        try shell.line("get a-key-of-some-length-")
        try shell.screen("no more rows than the screen has") {
            let rows = $0.allLines.filter { $0.contains("a-key-of-some-length") }.count
            // The line itself, too.
            return $0.rows - 2...$0.rows - 1 ~= rows
        }
        shell.type(.control("c"))
        try shell.empty()
        try shell.leave()
    }

    @Test("Keys are listed by level: what several begin with stands there once, with their number")
    func levels() throws {
        var script = "set note 1\nset a/b/c 1\nset url:http://x 1\nset url:http://y 1\n"
        for number in 1...1200 { script += "set user:\(number % 3):\(number) v\n" }
        let shell = try self.shell(script)
        shell.type("get ", .tab)
        try shell.screen("groups and keys") { screen in
            let rows = screen.allLines[(screen.row + 1)...].joined(separator: " ")
            let words = rows.split(separator: " ").map(String.init)
            return words == ["a/b/c", "note", "url:", "(2)", "user:", "(1,000+)"]
        }
        shell.type("us", .tab, .tab)
        try shell.screen("the next level") {
            $0.beforeCursor == "store> get user:"
                && $0.allLines[$0.row + 1] == "user:0: (400)  user:1: (400)  user:2: (400)"
        }
        shell.type(.control("u"), "get url", .tab)
        try shell.line("get url:http://")
        shell.type(.control("u"), "get n", .tab)
        try shell.line("get note ")
        shell.type(.control("c"))
        try shell.empty()
        try shell.leave()
    }

    @Test("Behind set KEY, Tab puts the present value, so that Enter stores it again as it was")
    func presentValue() throws {
        let values = [
            "plain", "two words", "--if-absent", "-", "<", "#", "it's \"so\"", "a\nb\tc", "名前",
        ]
        var script = ""
        for (number, value) in values.enumerated() {
            let word = String(decoding: Quoting.quoted(Array(value.utf8)), as: UTF8.self)
            script += "set k\(number) \(word)\n"
        }
        let shell = try self.shell(script)
        for (number, value) in values.enumerated() {
            let word = String(decoding: Quoting.quoted(Array(value.utf8)), as: UTF8.self)
            shell.type(Key("set k\(number) "), .tab)
            try shell.line("set k\(number) \(word)")
            shell.type(.enter)
            try shell.above("store> set k\(number) \(word)", "OK")
        }
        shell.type("set k0 new --if-value ", .tab)
        try shell.line("set k0 new --if-value plain")
        shell.type(.control("c"))
        try shell.empty()
        try shell.leave()
        for (number, value) in values.enumerated() {
            let outcome = try run([scratch.store, "get", "--exact", "k\(number)"])
            #expect(outcome.output == Array(value.utf8))
        }
    }

    @Test("A value that is long or no text is not put into the line; a row below says why")
    func noValue() throws {
        let long = String(repeating: "v", count: 5000)
        let shell = try self.shell("set long \(long)\nset bytes \"a\\0\"\n")
        shell.type("set long ", .tab)
        try shell.anywhere("the value is too long for a line (4.9 KiB): edit KEY changes it")
        try shell.line("set long ")
        shell.type(.control("u"), "set bytes ", .tab)
        try shell.anywhere("the value is binary (2 B): get KEY > FILE, then set KEY < FILE")
        try shell.line("set bytes ")
        let bells = shell.terminal.screen.bellCount
        shell.type(.control("u"), "set absent ", .tab)
        try shell.screen("a bell") { $0.bellCount > bells }
        shell.type(.control("c"))
        try shell.empty()
        try shell.leave()
    }

    @Test("Behind < and > Tab completes names of files")
    func files() throws {
        for name in ["one file.txt", "other.txt"] { try scratch.write("x", to: name) }
        unsafe mkdir(scratch.path + "/folder", 0o700)
        let shell = try scratch.shell(columns: 200)
        shell.type(Key("set k < \(scratch.path)/on"), .tab, .enter)
        try shell.anywhere("one file.txt\"")
        try shell.above("OK")
        shell.type(Key("get k > \(scratch.path)/fol"), .tab)
        try shell.screen("a directory with its slash") { $0.beforeCursor.hasSuffix("/folder/") }
        shell.type(.control("c"))
        try shell.empty()
        try shell.leave()
    }

    @Test("Where nothing fits, Tab rings and inserts nothing")
    func nothing() throws {
        let shell = try scratch.shell()
        shell.type("get zzz", .tab)
        try shell.screen("a bell") { $0.bellCount > 0 }
        shell.type("!", .enter)
        try shell.above("store> get zzz!", "(not found)")
        try shell.leave()
    }

    @Test("The hint stands at the right edge once the command is typed, and goes with Enter")
    func hint() throws {
        let shell = try scratch.shell()
        shell.type("set ")
        try shell.screen("the hint at the right edge") {
            $0.cursorLine.hasSuffix(" set KEY VALUE  (or: set KEY < FILE)")
                && $0.cursorLine.count >= 77
        }
        shell.type("a 1", .enter)
        try shell.above("store> set a 1", "OK")
        try shell.empty()
        try shell.leave()
    }

    @Test("What begins a command's name is no command; the hint is as long as there is room for")
    func shortHint() throws {
        let shell = try scratch.shell(columns: 40, rows: 12)
        shell.type("se")
        try shell.screen("no hint") { $0.cursorLine == "store> se" }
        shell.type("t ")
        try shell.screen("the short form in 40 columns") {
            $0.cursorLine == "store> set" + String(repeating: " ", count: 16) + "set KEY VALUE"
                && $0.column == 11
        }
        shell.type("a-key-of-thirty-columns")
        try shell.screen("no hint where it would not fit") {
            $0.cursorLine == "store> set a-key-of-thirty-columns"
        }
        shell.type(.control("c"))
        try shell.empty()
        try shell.leave()
    }
}
