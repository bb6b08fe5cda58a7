import Glibc
import Testing

@testable import StaveTool

final class KeyReaderTests {
    private var dropped: [KeyReader.Dropped] = []

    /// What a reader makes of `bytes` to their end.
    private func inputs(
        _ bytes: [UInt8], isVi: Bool = false, bound: Set<String> = [], isSearching: Bool = false
    ) throws -> (text: String, reader: KeyReader) {
        var ends: [Int32] = [0, 0]
        // SAFETY: fills in two descriptors.
        #expect(unsafe pipe(&ends) == 0)
        defer { close(ends[0]) }
        // SAFETY: writes from the array; it fits into the empty pipe.
        #expect(unsafe write(ends[1], bytes, bytes.count) == bytes.count)
        close(ends[1])
        let reader = KeyReader(descriptor: ends[0])
        reader.isVi = isVi
        reader.isSearching = isSearching
        reader.bound = bound
        dropped = []
        reader.dropped = { self.dropped.append($0) }
        var text = String.UnicodeScalarView()
        while case .character(let scalar, _) = reader.next() { text.append(scalar) }
        return (String(text), reader)
    }

    private func text(_ typed: String, isVi: Bool = false, bound: Set<String> = []) throws -> String
    {
        try inputs(Array(typed.utf8), isVi: isVi, bound: bound).text
    }

    private func key(_ key: KeyReader.Key) -> String { String(key.scalar) }

    @Test("A key is one character, in any terminal's spelling and in either mode")
    func keys() throws {
        for isVi in [false, true] {
            #expect(
                try text("\u{1B}[H\u{1B}OH\u{1B}[1~\u{1B}[7~", isVi: isVi)
                    == String(repeating: key(.home), count: 4))
            #expect(
                try text("a\u{1B}[Ab\u{1B}[1;5Dc", isVi: isVi) == "a\(key(.up))b\(key(.wordLeft))c")
        }
    }

    @Test("What no key of ours sends is dropped whole")
    func unknown() throws {
        #expect(
            try text("a\u{1B}[5~b\u{1B}[15;2~c\u{1B}OPd\u{1B}[[Ae\u{1B}[Zf\u{1B}[<0;1;2Mg")
                == "abcdefg")
    }

    @Test("ESC with a letter is left to the editor, and so is ESC alone in vi's mode")
    func escape() throws {
        #expect(try text("\u{1B}bx") == "\u{1B}bx")
        #expect(try text("x\u{1B}", isVi: true) == "x\u{1B}")
        #expect(try text("\u{1B}\u{1B}[A", isVi: true) == "\u{1B}\(key(.up))")
    }

    @Test("A sequence that ~/.editrc binds is handed on as it is")
    func bound() throws {
        let bound = EditorSettings.sequences(
            in: "# none\nbind \"\\e[A\" ed-search-prev-history\nstave:bind ^[[5~ ed-clear-screen\n")
        #expect(bound == ["[A", "[5~"])
        #expect(
            try text("\u{1B}[A\u{1B}[B\u{1B}[5~", bound: bound) == "\u{1B}[A\(key(.down))\u{1B}[5~")
    }

    @Test("A paste is one key; its newlines, however sent, are in it")
    func paste() throws {
        for isVi in [false, true] {
            let typed = "a\u{1B}[200~one\r\ntwo\rthree\tx\n\n\u{1B}[201~b"
            let (text, reader) = try inputs(Array(typed.utf8), isVi: isVi)
            #expect(text == "a\(key(.paste))b")
            #expect(reader.pasted.string == "one\ntwo\nthree\tx")
            #expect(dropped == [])
        }
    }

    @Test(
        "A paste with what a line must not hold is refused whole, and that is told once",
        arguments: [
            ("\u{1B}", [0x1B]), ("\u{1}", [1]), ("\u{7F}", [0x7F]), ("\0", [0]),
            ("\u{9B}", [0xC2, 0x9B]),
        ] as [(String, [UInt8])])
    func refusedPaste(text: String, bytes: [UInt8]) throws {
        let typed = "a\u{1B}[200~th\(text)ree\n\u{3}\u{1B}[201~b"
        #expect(try inputs(Array(typed.utf8)).text == "ab")
        #expect(dropped == [KeyReader.Dropped(bytes: bytes, isPaste: true)])
    }

    @Test("A paste that is not UTF-8 is refused")
    func brokenPaste() throws {
        let typed = Array("\u{1B}[200~x".utf8) + [0xFF, 0xC3] + Array("y\u{1B}[201~b".utf8)
        #expect(try inputs(typed).text == "b")
        #expect(dropped == [KeyReader.Dropped(bytes: [0xFF], isPaste: true)])
        #expect(dropped[0].spelled == "\\xff")
    }

    @Test("In a search the first line of a paste is what is searched for")
    func pasteInSearch() throws {
        let typed = Array("\u{1B}[200~one\ntwo\u{1B}[201~".utf8)
        #expect(try inputs(typed, isSearching: true).text == "one")
    }

    @Test("In a search ESC alone is a key; with more behind it, it begins one")
    func escapeInSearch() throws {
        #expect(try inputs(Array("a\u{1B}".utf8), isSearching: true).text == "a\u{1B}")
        #expect(
            try inputs(Array("a\u{1B}[A\u{1B}b".utf8), isSearching: true).text
                == "a\(key(.up))\u{1B}b")
    }

    @Test("A key that is put back comes again, and means the same")
    func putBack() throws {
        let reader = try inputs([]).reader
        reader.putBack("\u{16}")
        #expect(reader.hasInput)
        #expect(reader.next() == .character("\u{16}"))
        reader.putBack("a")
        #expect(reader.next() == .character("a", isQuoted: true))
    }

    @Test("Behind Ctrl-V keys come as they are sent, but a paste still runs nothing")
    func quoted() throws {
        #expect(try text("\u{16}\u{1B}[A") == "\u{16}\u{1B}[A")
        let (text, reader) = try inputs(Array("\u{16}\u{1B}[200~ab\nc\u{1B}[201~".utf8))
        #expect(text == "\u{16}a\(key(.paste))")
        #expect(reader.pasted.string == "b\nc")
    }

    @Test("Bytes that are no character, and characters that stand for keys, are dropped and told")
    func broken() throws {
        let typed: [UInt8] = [0x61, 0xFF, 0xC3, 0x62, 0xC3, 0xA9, 0xC2, 0x9E, 0xE0, 0x80, 0x63]
        #expect(try inputs(typed).text == "abéc")
        #expect(dropped.map(\.bytes) == [[0xFF], [0xC3], [0xC2, 0x9E], [0xE0, 0x80]])
    }

    @Test("Where the terminal was asked for its cursor, the answers are no keys; later ones are F3")
    func places() throws {
        var ends: [Int32] = [0, 0]
        // SAFETY: fills in two descriptors.
        #expect(unsafe pipe(&ends) == 0)
        defer { close(ends[0]) }
        let bytes = Array("a\u{1B}[1;3R\u{1B}[24;80Rb\u{1B}[1;2Rc".utf8)
        // SAFETY: writes from the array; it fits into the empty pipe.
        #expect(unsafe write(ends[1], bytes, bytes.count) == bytes.count)
        close(ends[1])
        let reader = KeyReader(descriptor: ends[0])
        var columns: [Int] = []
        reader.awaitedPlaces = 2
        reader.place = { columns.append($0) }
        var text = ""
        while case .character(let scalar, _) = reader.next() { text.unicodeScalars.append(scalar) }
        #expect(text == "abc")
        #expect(columns == [3, 80])
    }
}
