import Testing

@testable import StaveTool

/// The words of a line as bytes; throws what the parser throws.
private func words(_ line: [UInt8], multiline: Bool = false) throws(SyntaxError) -> [[UInt8]] {
    let parser = WordParser()
    var failure: SyntaxError?
    // SAFETY: the array lives through the call, and the words are copied.
    let result: [[UInt8]] = unsafe line.withUnsafeBytes { buffer in
        do throws(SyntaxError) {
            unsafe _ = try parser.parse(buffer, multiline: multiline)
        } catch {
            failure = error
        }
        return parser.words.map(\.array)
    }
    if let failure { throw failure }
    return result
}

private func words(_ line: String) throws(SyntaxError) -> [String] {
    try words(Array(line.utf8)).map { String(decoding: $0, as: UTF8.self) }
}

struct WordTests {
    @Test(
        "Blanks separate words, and a comment ends the line",
        arguments: [
            ("", []), ("  \t ", []), ("get a", ["get", "a"]), (" get\ta  b ", ["get", "a", "b"]),
            ("# get a", []), ("get a # b", ["get", "a"]), ("get a#b", ["get", "a#b"]),
            ("get a\r", ["get", "a"]), ("get a \r", ["get", "a"]), ("\r", []),
            ("get é漢😀", ["get", "é漢😀"]), ("set C:\\x -1", ["set", "C:\\x", "-1"]),
        ])
    func blanks(_ line: String, _ expected: [String]) throws {
        #expect(try words(line) == expected)
    }

    @Test(
        "Single quotes are literal, double quotes know escapes",
        arguments: [
            ("''", [""]), ("\"\"", [""]), ("'a \\n b'", ["a \\n b"]), ("'\"'", ["\""]),
            (#""a \"b\" \\""#, ["a \"b\" \\"]), (#""\n\t\r\0\'""#, ["\n\t\r\0'"]),
            (#""\x41\x4a""#, ["AJ"]), (#""\/\b\f""#, ["/\u{8}\u{C}"]),
            (#""\u00e9\uD83D\uDE00\u0041""#, ["é😀A"]), (#""\u{e9}\u{1F600}""#, ["é😀"]),
            ("\"it's\"", ["it's"]),
            ("'#'", ["#"]), ("\"<\" '>'", ["<", ">"]), ("'a'\t'b'", ["a", "b"]),
        ])
    func quotes(_ line: String, _ expected: [String]) throws {
        #expect(try words(line) == expected)
    }

    @Test(
        "What could be meant in two ways is an error at its column",
        arguments: [
            ("get 'a", 4), ("get \"a", 4), ("get \"a\\", 6), ("it's", 2), ("a\"b\"", 1),
            ("'a'b", 3), (#""\q""#, 1), (#""\x4""#, 1), (#""\u{}""#, 1), (#""\u{110000}""#, 1),
            (#""\ud800""#, 1), (#""a\udc00""#, 2), (#""\ud800\u0041""#, 1), (#""\u12""#, 1),
            (#""\u12g4""#, 1), (#""\u{d800}""#, 1), (#""\u{1234567}""#, 1), ("get <file", 4),
            ("set a >b", 6),
        ])
    func errors(_ line: String, _ offset: Int) {
        #expect {
            try words(line)
        } throws: { error in
            (error as? SyntaxError)?.offset == offset
        }
    }

    @Test("A quote may span lines only where the prompt reads them")
    func multiline() throws {
        let line = Array("set a 'b\nc'".utf8)
        #expect(throws: SyntaxError.self) { try words(line) }
        #expect(try words(line, multiline: true).last == Array("b\nc".utf8))
    }

    @Test("Bytes that are not UTF-8, and NUL, pass through")
    func anyBytes() throws {
        #expect(try words([0x61, 0x20, 0xFF, 0x00, 0x80]) == [[0x61], [0xFF, 0x00, 0x80]])
        #expect(try words([0x22, 0xFF, 0x0D, 0x22]) == [[0xFF, 0x0D]])
    }

    @Test("What quoting writes, the parser reads back byte for byte")
    func roundTrip() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        let favourites: [UInt8] = [0, 9, 10, 13, 32, 34, 35, 39, 45, 60, 62, 92, 127, 0xC3, 0xE2]
        for _ in 0..<5000 {
            let count = Int.random(in: 0...12, using: &generator)
            let bytes = (0..<count).map { _ in
                Bool.random(using: &generator)
                    ? favourites.randomElement(using: &generator)!
                    : UInt8.random(in: 0...255, using: &generator)
            }
            let quoted = Quoting.quoted(bytes)
            #expect(try words(quoted) == [bytes], "seed \(seed)")
            #expect(String(validating: quoted, as: UTF8.self) != nil, "seed \(seed)")
            #expect(quoted.allSatisfy { $0 >= 0x20 && $0 != 0x7F }, "seed \(seed)")
        }
    }

    @Test(
        "Quoted output stays readable",
        arguments: [
            ("user:1", "user:1"), ("", "\"\""), ("a b", "\"a b\""), ("é漢😀", "\"é漢😀\""),
            ("-x", "\"-x\""), ("a\u{1B}[0m", "\"a\\x1b[0m\""),
            ("\u{85}\u{202E}", "\"\\u{85}\\u{202e}\""),
            ("a'b", "\"a'b\""), ("1\n2", "\"1\\n2\""),
        ])
    func readable(_ text: String, _ expected: String) {
        #expect(Quoting.text(Array(text.utf8)) == expected)
    }
}

struct SuggestionTests {
    @Test(
        "An unknown command suggests the nearest one",
        arguments: [
            ("gte", "get"), ("gett", "get"), ("delte", "delete"), ("SCAN", "scan"),
            ("stat", "stats"), ("comp", "compact"),
        ])
    func suggestion(_ typed: String, _ expected: String) {
        #expect(CommandTable.suggestion(for: typed) == expected)
    }

    @Test("What is near to nothing gets no suggestion")
    func none() {
        #expect(CommandTable.suggestion(for: "xyzzyplugh") == nil)
    }

    @Test("Every command has two examples and a name of at most eight bytes")
    func table() {
        for command in CommandTable.all {
            #expect(command.examples.count == 2, "\(command.name)")
            #expect(([command.name] + command.aliases).allSatisfy { $0.utf8.count <= 8 })
        }
    }
}
