import Glibc
import Testing

@testable import StaveTool

struct KeyReaderTests {
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
        var text = String.UnicodeScalarView()
        while case .character(let scalar) = reader.next(hasNews: { false }) { text.append(scalar) }
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

    @Test("A paste is one key; its newlines, however sent, are in it, and nothing that controls")
    func paste() throws {
        for isVi in [false, true] {
            let typed = "a\u{1B}[200~one\r\ntwo\rth\u{1B}ree\tx\u{3}\n\n\u{1B}[201~b"
            let (text, reader) = try inputs(Array(typed.utf8), isVi: isVi)
            #expect(text == "a\(key(.paste))b")
            #expect(String(reader.pasted) == "one\ntwo\nthree\tx")
        }
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
        let reader = try inputs(Array("\u{16}".utf8)).reader
        reader.putBack("\u{16}")
        #expect(!reader.isEmpty)
        #expect(reader.next(hasNews: { false }) == .character("\u{16}"))
        #expect(!reader.canWake)
    }

    @Test("Behind Ctrl-V keys come as they are sent, but a paste still runs nothing")
    func quoted() throws {
        #expect(try text("\u{16}\u{1B}[A") == "\u{16}\u{1B}[A")
        let (text, reader) = try inputs(Array("\u{16}\u{1B}[200~ab\nc\u{1B}[201~".utf8))
        #expect(text == "\u{16}a\(key(.paste))")
        #expect(String(reader.pasted) == "b\nc")
    }

    @Test("Bytes that are no character, and characters that stand for keys, are dropped")
    func broken() throws {
        #expect(try inputs([0x61, 0xFF, 0xC3, 0x62, 0xC3, 0xA9, 0xC2, 0x9E, 0x63]).text == "abéc")
    }

    @Test(
        "The editor is not woken behind Ctrl-V, or behind vi's letters that read one more"
    )
    func waking() throws {
        #expect(try inputs(Array("get a".utf8)).reader.canWake)
        #expect(try !inputs(Array("\u{16}".utf8)).reader.canWake)
        #expect(try inputs(Array("\u{16}x".utf8)).reader.canWake)
        #expect(try inputs(Array("dr".utf8)).reader.canWake)
        #expect(try !inputs(Array("dr".utf8), isVi: true).reader.canWake)
    }

    @Test("Rows and columns are counted as the editor shows the text")
    func cells() {
        #expect(TextCells.usesUTF8())
        func position(_ text: String) -> [Int] {
            let cell = TextCells.position(behind: text, columns: 10)
            return [cell.row, cell.column]
        }
        #expect(position("123456789") == [0, 9])
        #expect(position("1234567890") == [1, 0])
        #expect(position("123456789漢") == [1, 2])
        #expect(position("a\tb") == [0, 9])
        #expect(position("a\nbc") == [1, 2])
        #expect(position("\u{1}e\u{301}") == [0, 3])
        #expect(position("\u{10FFFF}") == [0, 8])
    }
}
