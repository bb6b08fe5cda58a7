import TestSupport
import Testing

/// Open quotes and pasted text: a newline runs nothing by surprise.
struct PromptPasteTests {
    private let scratch = Scratch()
    private let lines = Key.paste("set a 1\nset b 2\n")

    @Test("An open quote goes on in the next line, behind a prompt that shows it")
    func openQuote() throws {
        let shell = try scratch.shell()
        shell.type("set a 'one", .enter)
        try shell.shows("'> ")
        shell.type("two'", .enter)
        try shell.above("store> set a 'one", "'> two'", "OK")
        try shell.enter("get a", "\"one\\ntwo\"")
        shell.type("set a \"x", .enter)
        try shell.shows("\"> ")
        shell.type("y\"", .enter)
        try shell.above("OK")
        try shell.enter("get a", "\"x\\ny\"")
        try shell.leave()
    }

    @Test("Pasted newlines run nothing before Enter; then the lines run in order")
    func paste() throws {
        let shell = try scratch.shell()
        shell.type(lines)
        try shell.screen("both lines") {
            $0.lines.suffix(2).first == "store> set a 1" && $0.beforeCursor == "set b 2"
        }
        shell.type(.control("c"))
        try shell.empty()
        try shell.enter("count", "0")
        shell.type(lines, .enter)
        try shell.above("OK", "OK")
        try shell.enter("count", "2")
        try shell.leave()
    }

    @Test("An error stops the lines of a paste")
    func pasteWithError() throws {
        let shell = try scratch.shell()
        shell.type(.paste("set a 1\nfoo\nset b 2"), .enter)
        try shell.above("OK", "error: unknown command foo; help lists them")
        try shell.enter("count", "1")
        try shell.leave()
    }

    @Test("A paste inside Ctrl-R is searched for and runs nothing")
    func pasteInSearch() throws {
        let shell = try scratch.shell()
        try shell.enter("set needle 1", "OK")
        shell.type(.control("r"), .paste("needle\nset b 2\n"))
        try shell.anywhere("history: needle")
        shell.type(.control("c"))
        try shell.empty()
        try shell.enter("count", "1")
        try shell.leave()
    }

    @Test("A paste in vi's modes runs nothing, and its letters are no commands")
    func pasteInVi() throws {
        try scratch.write("bind -v\n", to: ".editrc")
        let shell = try scratch.shell()
        shell.type(lines)
        try shell.screen("both lines") {
            $0.lines.suffix(2).first == "store> set a 1" && $0.beforeCursor == "set b 2"
        }
        shell.type(.control("c"))
        try shell.empty()
        shell.type("x", .escape)
        try shell.screen("the cursor on x") { $0.cursorLine == "store> x" && $0.column == 7 }
        shell.type(lines)
        try shell.screen("both lines behind x") {
            $0.lines.suffix(2).joined(separator: "\n").contains("set a 1\nset b ")
        }
        shell.type(.control("c"))
        try shell.empty()
        try shell.enter("count", "0")
        try shell.leave()
    }

    @Test("A paste that comes in pieces, with tabs and a value of many kilobytes, is whole")
    func largePaste() throws {
        let shell = try scratch.shell()
        let value = String(repeating: "0123456789abcdef", count: 512)
        let text = "\u{1B}[200~set k\t'\(value)'\nget missing\u{1B}[201~\r"
        var rest = Substring(text)
        while !rest.isEmpty {
            shell.type(Key(String(rest.prefix(700))))
            rest = rest.dropFirst(700)
        }
        try shell.above("OK", "(not found)")
        try shell.leave()
        #expect(try run([scratch.store, "get", "k"]).text == value + "\n")
    }
}
