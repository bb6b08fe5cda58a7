import Glibc
import TestSupport
import Testing

/// Lines that libedit's pictures of the screen would not hold, and cursors outside of the line: it
/// writes over other memory then.
struct PromptTallTests {
    private let scratch = Scratch()

    private func longer(_ text: String, _ count: Int) -> String {
        String(repeating: text, count: count)
    }

    @Test(
        "A line taller than the screen, left and gone on with at its end, arrives whole",
        arguments: ["", "bind -v\n"], [(columns: 40, rows: 5), (20, 1), (5, 3)])
    func tall(settings: String, size: (columns: Int, rows: Int)) throws {
        try scratch.write(settings, to: ".editrc")
        let shell = try scratch.shell(
            columns: UInt16(size.columns), rows: UInt16(size.rows), isAwaited: false)
        shell.type(Key("set k " + longer("x", 300)), .home, .end, Key(longer("y", 200)), .enter)
        try shell.terminal.expect("\nOK\r\n")
        shell.terminal.signal(SIGTERM)
        #expect(shell.terminal.waitForExit() == 128 + SIGTERM)
        let value = try run([scratch.store, "get", "k"]).text
        #expect(value == longer("x", 300) + longer("y", 200) + "\n")
    }

    @Test("A line that grows a lot at once has room: by a paste, by history, and by a macro")
    func grown() throws {
        try scratch.write("bind -s \"^X\" \"\(longer("m", 900))\"\n", to: ".editrc")
        let shell = try scratch.shell(columns: 20, rows: 3)
        let text = longer("word 漢 ", 3000)
        shell.type(.paste("set p '" + text), "'", .enter)
        try shell.terminal.expect("\nOK\r\n")
        shell.type(.up, .home, .end, .backspace, .control("x"), .control("x"), "'", .home)
        shell.type("  ", .enter)
        try shell.terminal.expect("\nOK\r\n")
        try shell.terminal.expect("store> ")
        shell.terminal.signal(SIGTERM)
        #expect(shell.terminal.waitForExit() == 128 + SIGTERM)
        #expect(try run([scratch.store, "get", "p"]).text == text + longer("m", 1800) + "\n")
    }

    @Test(
        "In vi's mode nothing is written in front of an empty line",
        arguments: [["\u{1B}", "$", "i"], ["\u{1B}", "\u{1B}[F", "i"], ["\u{1B}[F"]])
    func beforeEmptyLine(keys: [String]) throws {
        try scratch.write("bind -v\n", to: ".editrc")
        let shell = try scratch.shell()
        for key in keys { shell.type(Key(key)) }
        shell.type("echo hello", .enter)
        try shell.above("store> echo hello", "hello")
        try shell.leave()
    }

    @Test("In vi's insert mode End goes behind the last character")
    func end() throws {
        try scratch.write("bind -v\n", to: ".editrc")
        let shell = try scratch.shell()
        shell.type("echo a", .home, .end, "b", .enter)
        try shell.above("store> echo ab", "ab")
        try shell.leave()
    }

    @Test(
        "Random keys on small screens that change their size: it lives", arguments: Seeds.some(24))
    func random(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let isVi = random.chance(35)
        try scratch.write(isVi ? "bind -v\n" : "", to: ".editrc")
        let terms = ["xterm-256color", "linux", "vt100", "screen"]
        let shell = try scratch.shell(
            [], ["TERM": terms.randomElement(using: &random)!, "NO_COLOR": ""],
            columns: 80, rows: 24)
        func pick(_ choices: [String]) -> String { choices.randomElement(using: &random)! }
        for _ in 0..<Int.random(in: 20...60, using: &random) {
            let way = Int.random(in: 0..<100, using: &random)
            if way < 45 {
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    shell.type(Key(pick(Self.texts)))
                }
            } else if way < 90 || !isVi {
                shell.type(Key(pick(Self.keys)))
            } else {
                shell.type(Key(pick(Self.viKeys)))
            }
            if random.chance(10) {
                shell.terminal.resize(
                    columns: [2, 3, 5, 8, 20, 40, 80].randomElement(using: &random)!,
                    rows: [1, 2, 3, 5, 10].randomElement(using: &random)!)
            }
        }
        shell.terminal.resize(columns: 80, rows: 24)
        // One of vi's commands may still wait for a character.
        shell.type("x", .control("c"))
        try shell.terminal.expect("^C")
        shell.type("echo alive", .enter)
        try shell.terminal.expect("\nalive\r\n")
    }

    private static let texts = [
        "get ", "set k ", "\"abc def\" ", "user:1 ", "日本語", "一", "語", "é", "e\u{301}", "👩\u{200D}👧",
        "🇩🇪", "x", "--limit 3 ", "\u{200B}", "\u{202E}", "\u{E0041}\u{10FFFF}",
        String(repeating: "y", count: 70), String(repeating: "word ", count: 12),
    ]
    private static let keys = [
        "\u{1B}[D", "\u{1B}[C", "\u{1B}[H", "\u{1B}[F", "\u{7F}", "\u{1B}[3~", "\u{17}", "\u{B}",
        "\u{19}", "\u{15}", "\u{14}", "\u{1B}b", "\u{1B}f", "\u{1B}d", "\u{12}", "\u{7}", "\t\t",
        "\u{C}",
        "\u{1B}[A", "\u{1B}[B", "\u{1B}[200~pasted\ntext\there\u{1B}[201~", "\u{16}\u{1}",
        "\u{1B}3\u{1B}[D",
        "\u{1B}99x", "\u{1B}[200~\(String(repeating: "\n", count: 14))e\u{1B}[201~", "\u{1}",
        "\u{5}",
    ]
    private static let viKeys = [
        "\u{1B}", "i", "A", "dd", "x", "u", "h", "l", "k", "j", "cw", "0", "$", "R", "~", ".", "p",
        ";",
        "3x", "30.", "G", "yy", "9p",
    ]
}
