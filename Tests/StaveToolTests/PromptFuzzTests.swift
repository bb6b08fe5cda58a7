import Glibc
import TestSupport
import Testing

/// Random keys, and then the screen: it shows what drawing all of it anew (Ctrl-L) shows.
///
/// A case is a few keys and a look; the line goes on from case to case. STAVE_PROMPT_CASES says how
/// many cases each walk has, STAVE_SEED which walk.
struct PromptFuzzTests {
    private static let caseCount = Int(number("STAVE_PROMPT_CASES") ?? 12)

    private static func number(_ name: String) -> UInt64? {
        // SAFETY: nothing in this process changes the environment.
        guard let text = unsafe getenv(name) else { return nil }
        return unsafe UInt64(String(cString: text))
    }

    /// How a walk goes follows from its seed.
    struct Walk: Sendable, CustomStringConvertible {
        var seed: UInt64
        var columns: UInt16 { [20, 40, 80, 200][Int(seed % 4)] }
        var rows: UInt16 { [24, 12, 24, 5, 24, 30][Int(seed / 4 % 6)] }
        var hasColor: Bool { [1, 2].contains(seed / 4 % 6) }
        var joins: Bool { [2, 5].contains(seed / 4 % 6) }
        /// The keys of vi, as ~/.editrc asks for them.
        var isVi: Bool { seed / 24 % 2 == 1 }
        var description: String {
            "STAVE_SEED=\(seed), \(columns)x\(rows)\(isVi ? ", vi" : "")"
        }
    }

    private static let walks: [Walk] =
        number("STAVE_SEED").map { [Walk(seed: $0)] } ?? (0..<36).map { Walk(seed: $0) }

    @Test("After any keys the screen shows what a full redraw shows", arguments: walks)
    func walk(walk: Walk) throws {
        let walker = try Walker(walk)
        for number in 0..<Self.caseCount { try walker.doCase(number) }
        #expect(walker.shell.terminal.screen.unknown == [])
    }
}

/// A person without a plan, at one terminal.
private final class Walker {
    let shell: Shell
    private let scratch = Scratch()
    private var random: SeededRandom
    private let walk: PromptFuzzTests.Walk
    private var typed: [String] = []
    /// A hieroglyph, which no key types.
    private var mark: UInt32 = 0x13000

    init(_ walk: PromptFuzzTests.Walk) throws {
        self.walk = walk
        random = SeededRandom(seed: walk.seed)
        var script = "set 'two words' 1\nset 漢字 1\nset नमस्ते 1\n"
        for number in 1...40 { script += "set user:\(number) 1\n" }
        #expect(try run(["--create", "--quiet", scratch.store], script: script).status == 0)
        try scratch.write(String(repeating: "v", count: 3 << 20), to: "value")
        if walk.isVi { try scratch.write("bind -v\n", to: ".editrc") }
        shell = try scratch.shell(
            ["--segment-size", "1M"],
            ["NO_COLOR": walk.hasColor ? "" : "1", "TERM": "alacritty", "PAGER": "true"],
            columns: 200,
            rows: walk.rows)
        var manner = Screen.Manner()
        manner.joins = walk.joins
        manner.answers = random.chance(70)
        shell.terminal.draw(in: manner)
        // So that there is a history, and a word for Alt-.
        for line in [
            "echo user:1 漢字 e\u{301}", "get user:12",
            "echo 'long \(String(repeating: "word ", count: 40))'",
        ] {
            shell.type(Key(line), .enter)
        }
        try look("the start")
        shell.terminal.resize(columns: walk.columns, rows: walk.rows)
    }

    func doCase(_ number: Int) throws {
        typed = []
        if random.chance(15) {
            let columns =
                random.chance(50)
                ? walk.columns : [20, 33, 40, 80, 200].randomElement(using: &random)!
            let rows: UInt16 =
                random.chance(60) ? walk.rows : [3, 8, 24, 40].randomElement(using: &random)!
            typed.append("<\(columns)x\(rows)>")
            shell.terminal.resize(columns: columns, rows: rows)
        }
        if random.chance(4) {
            // A message comes from the background while the next keys are typed.
            for _ in 1...2 { type("\u{3}"); type("set k < \(scratch.path)/value\r") }
        }
        for _ in 0..<Int.random(in: 1...14, using: &random) { type(nextKey()) }
        try look("case \(number) of \(walk)")
    }

    private func type(_ text: String) {
        typed.append(text)
        shell.type(Key(text))
    }

    private func nextKey() -> String {
        switch Int.random(in: 0..<100, using: &random) {
        case ..<40 where walk.isVi: Self.viKeys.randomElement(using: &random)!
        case ..<40: Self.texts.randomElement(using: &random)!
        case ..<92: Self.keys.randomElement(using: &random)!
        case ..<96: "\u{12}" + Self.texts.randomElement(using: &random)!
        default:
            Key.paste(Self.texts.randomElement(using: &random)! + "\nb漢").bytes
        }
    }

    /// Types a mark and waits for it, so that nothing is still on its way; then the screen before
    /// Ctrl-L is compared with the one behind it.
    private func look(_ name: String) throws {
        let terminal = shell.terminal
        do {
            // Ends a search, and in vi's mode a question or half a command.
            shell.type(walk.isVi ? "\u{1B}\u{1B}\u{1B}i" : "\u{7}")
            try typeMark()
            // What the terminal answered to the first is taken before the second.
            try typeMark()
            let count = terminal.screen.clearCount
            shell.type("\u{C}")
            try shell.screen("a cleared screen") { $0.clearCount == count + 1 }
            let before = Self.ours(terminal.screen.cleared!)
            shell.type("\u{C}")
            try shell.screen("a screen cleared again") { $0.clearCount == count + 2 }
            let after = Self.ours(terminal.screen.cleared!)
            #expect(before == after, "\(name): \(typed)")
            try shell.screen("the same again") { Self.ours($0.picture) == after }
            // Nothing is on its way when the next case changes the size.
            shell.type("\u{7F}", "\u{7F}")
            let marks = [mark - 1, mark].compactMap { Unicode.Scalar($0) }
            try shell.screen("no mark") { screen in
                !screen.allLines.contains { $0.unicodeScalars.contains { marks.contains($0) } }
            }
        } catch {
            Issue.record("\(name): \(typed): \(error) \(terminal.screen.picture)")
            throw error
        }
    }

    /// Another one each time: Ctrl-_ may bring an old one back.
    private func typeMark() throws {
        mark = mark < 0x1342E ? mark + 1 : 0x13000
        let scalar = Unicode.Scalar(mark)!
        shell.type(Key(String(Character(scalar))))
        try shell.screen("the mark \(scalar)") {
            $0.allLines.contains { $0.unicodeScalars.contains(scalar) }
        }
    }

    /// From the row of the prompt down, and where the cursor is in that.
    private static func ours(_ picture: Screen.Picture) -> [String] {
        let first = picture.rows[...picture.row].lastIndex { $0.hasPrefix("store>") } ?? 0
        var rows = Array(picture.rows[first...])
        while rows.last == "" { rows.removeLast() }
        return rows + ["cursor \(picture.row - first) \(picture.column)"]
    }

    /// What begins with ESC goes to vi's other mode first; `v` would start an editor.
    private static let viKeys: [String] =
        texts + texts.map { "i" + $0 } + texts.map { "\u{1B}A" + $0 }
        + [
            "\u{1B}", "\u{1B}$", "\u{1B}0", "\u{1B}a", "\u{1B}i", "\u{1B}I", "\u{1B}dd",
            "\u{1B}cc", "\u{1B}D", "\u{1B}C", "\u{1B}x", "\u{1B}X", "\u{1B}3x", "\u{1B}u",
            "\u{1B}U",
            "\u{1B}w", "\u{1B}b", "\u{1B}e", "\u{1B}W", "\u{1B}B", "\u{1B}E", "\u{1B}dw",
            "\u{1B}d$", "\u{1B}d0", "\u{1B}2dw", "\u{1B}cw", "\u{1B}yw", "\u{1B}yy", "\u{1B}p",
            "\u{1B}P", "\u{1B}s", "\u{1B}S", "\u{1B}~", "\u{1B}5~", "\u{1B}h", "\u{1B}l",
            "\u{1B}4h", "\u{1B}4l", "\u{1B}j", "\u{1B}k", "\u{1B}G", "\u{1B}fa", "\u{1B}Fr",
            "\u{1B}t ", "\u{1B};", "\u{1B}rX", "\u{1B}r漢", "\u{1B}RX", "\u{1B}^", "\u{1B}|",
            "\u{1B}7|", "\u{1B}%", "\u{1B}.", "\u{1B}/get\r", "\u{1B}/user", "\u{1B}?e\r",
            "\u{1B}n", "\u{1B}N", "\u{1B}_", "\u{1B}#", "\u{1B}d", "\u{1B}3", "\u{1B}f", "\u{1B}r",
        ]

    private static let texts = [
        "get ", "set k ", "\"abc def\" ", "'it ", "'", "\"", "user:1", " ", "a", "word ",
        "--limit 3 ",
        "日本語", "一", "語 ", "é", "e\u{301}", "नमस्ते ", "שָׁלוֹם", "กำลัง", "😀", "👩\u{200D}👧", "🇩🇪",
        "👍🏽", "❤\u{FE0F}", "\u{301}", "#", "<", "x", String(repeating: "y", count: 33),
        String(repeating: "漢", count: 11), String(repeating: "word ", count: 9),
    ]
    private static let keys = [
        "\u{1B}[D", "\u{1B}[D", "\u{1B}[C", "\u{1B}[C", "\u{1B}[H", "\u{1B}[F", "\u{7F}", "\u{7F}",
        "\u{1B}[3~", "\u{17}", "\u{B}", "\u{19}", "\u{15}", "\u{14}", "\u{1B}b", "\u{1B}f",
        "\u{1B}d", "\u{12}", "\t", "\t\t", "\u{C}", "\u{1B}[A", "\u{1B}[B", "\u{1F}", "\u{1F}",
        "\u{1B}.", "\u{16}\u{1}", "\u{1B}3\u{1B}[D", "\u{1B}5x", "\u{1}", "\u{5}", "\u{3}", "\r",
        "\u{1B}[1;5D", "\u{1B}[1;5C",
    ]
}
