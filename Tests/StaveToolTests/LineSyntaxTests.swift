import TestSupport
import Testing

@testable import StaveTool

/// What a line looks like while it is typed.
struct LineSyntaxTests {
    /// The styles by a letter each.
    private func styles(_ text: String) -> String {
        let letters: [CellStyle: Character] = [
            .plain: "-", .command: "c", .unknown: "u", .key: "k", .option: "o", .string: "s",
            .open: "q", .ghost: "#",
        ]
        return String(LineSyntax(text.scalars).styles(aliases: ["top"]).map { letters[$0]! })
    }

    @Test(
        "Commands, keys, options, strings, what is still open, and what is wrong",
        arguments: [
            ("get user:1", "ccc-kkkkkk"), ("ge", "--"), ("gex", "uuu"), ("gex a", "uuu--"),
            ("set a b", "ccc-k--"), ("set a 'b c'", "ccc-k-sssss"), ("set a 'b", "ccc-k-qq"),
            ("set \"a\\\"b\" c", "ccc-ssssss--"), ("keys a --limit 3", "cccc-k-ooooooo--"),
            ("keys --lim", "cccc------"), ("keys --foo ", "cccc-uuuuu-"),
            ("set a < file", "ccc-k-o-----"), ("get a # b c", "ccc-k-#####"),
            ("get a\nset b 1", "ccc-k-ccc-k--"), ("help get", "cccc----"), ("'get' a", "uuuuu--"),
            ("set a --x", "ccc-k----"), ("top 3", "ccc--"), ("to", "--"), ("? get", "c----"),
            ("!wc -l", "ccc---"),
        ])
    func words(text: String, wanted: String) {
        #expect(styles(text) == wanted)
    }

    @Test(
        "The open quote is the one that the parser of words finds open", arguments: Seeds.some(300))
    func openQuote(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let parts = ["'", "\"", "a", " ", "\\", "#", "\n", "\\\"", "set "]
        let text = (0..<Int.random(in: 1...8, using: &random)).map { _ in
            parts.randomElement(using: &random)!
        }.joined()
        var bytes = Array(text.utf8)
        let parser = WordParser()
        // SAFETY: the array lives through the call.
        let parsed: UInt8?? = unsafe bytes.withUnsafeMutableBytes { buffer in
            let line = UnsafeRawBufferPointer(buffer)
            var index = 0
            do throws(SyntaxError) {
                while index < line.count {
                    index = unsafe try parser.parse(line, from: index, multiline: true)
                }
                return .some(nil)
            } catch {
                // What is wrong in another way says nothing about quotes.
                return error.openQuote.map { .some($0) }
            }
        }
        guard let parsed else { return }
        let found = LineSyntax(text.scalars).openQuote.map { UInt8(ascii: $0) }
        #expect(found == parsed, "\(text.debugDescription)")
    }

    @Test(
        "The hint lights what the word at the cursor stands for",
        arguments: [
            ("get ", "KEY..."), ("get a b", "KEY..."), ("set ", "KEY"), ("set a", "KEY"),
            ("set a ", "VALUE"), ("set a b ", ""), ("keys --limit", "[--limit N]"),
            ("keys --limit ", "[--limit N]"), ("keys --limit 3 ", "[PREFIX | FROM TO]"),
            ("scan a b", "[PREFIX | FROM TO]"), ("scan a b c", ""), ("sync ", ""),
            ("get a\nset k ", "VALUE"),
        ])
    func hint(text: String, lit: String) throws {
        let scalars = text.scalars
        let hint = try #require(
            Usage.hint(at: scalars.count, in: LineSyntax(scalars), columns: 200))
        #expect(hint.filter { $0.style == .lit }.map(\.text).joined() == lit)
        let name = text.split(separator: "\n").last!.split(separator: " ")[0]
        #expect(hint.map(\.text).joined() == CommandTable.command(named: String(name))!.usage)
    }

    @Test("Where the usage is too long, the options lose their names")
    func briefHint() throws {
        let line = LineSyntax("keys --limit 3 ".scalars)
        let hint = try #require(Usage.hint(at: 15, in: line, columns: 40))
        #expect(hint.map(\.text) == ["keys ", "[PREFIX | FROM TO]", " [--...]"])
        let option = LineSyntax("keys --limit ".scalars)
        #expect(Usage.hint(at: 13, in: option, columns: 40)?[1].text == "[--...]")
    }

    @Test("No hint before the blank, for what is no command, or where there is no room")
    func noHint() {
        for text in ["", "set", "foo ", "# set a"] {
            #expect(Usage.hint(at: text.count, in: LineSyntax(text.scalars), columns: 70) == nil)
        }
        let line = LineSyntax("set ".scalars)
        #expect(Usage.hint(at: 4, in: line, columns: 12) == nil)
        #expect(Usage.hint(at: 4, in: line, columns: 13)?.map(\.text) == ["set ", "KEY", " VALUE"])
    }
}
