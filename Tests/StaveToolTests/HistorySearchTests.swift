import Testing

@testable import StaveTool

/// The search of Ctrl-R; `PromptHistoryTests` are about what a person sees of it.
struct HistorySearchTests {
    private let lines = ["set one 1", "echo é漢字", "get one", "get two", "get two"]

    /// Types `keys` into a search that begins on an empty line.
    private func search(
        _ keys: String, on line: String = "", last: String = ""
    ) -> (find: HistorySearch.Find, question: String, steps: [HistorySearch.Step]) {
        let start = HistorySearch.Find(line: line, cursor: line.unicodeScalars.count)
        var search = HistorySearch(lines, from: start, .older, lastPattern: last)
        let steps = keys.unicodeScalars.map { search.take($0) }
        return (search.find, search.question, steps)
    }

    @Test("The newest line that holds it, with the cursor on it; Ctrl-R goes on to older ones")
    func older() {
        #expect(search("e").find == .init(line: "get two", cursor: 1))
        #expect(search("one").find == .init(line: "get one", cursor: 4))
        #expect(search("one\u{12}").find == .init(line: "set one 1", cursor: 4))
        #expect(search("one\u{12}\u{12}").question == "not in the history: one")
        #expect(search("get\u{12}").find.line == "get one", "repetitions are passed over")
        #expect(search("one\u{12}\u{13}").find.line == "get one")
    }

    @Test("Every character can be searched for, whatever control key its low byte is")
    func characters() {
        for scalar in "一語字é漢ā܇ଊ\u{1F600}\u{120D}".unicodeScalars {
            let line = "echo \(scalar)"
            var search = HistorySearch(
                [line], from: .init(line: "", cursor: 0), .older, lastPattern: "")
            #expect(search.take(scalar) == .goesOn)
            #expect(search.find == HistorySearch.Find(line: line, cursor: 5))
        }
        // One code point of a character is enough: what is typed in two is found.
        #expect(search("漢").find == .init(line: "echo é漢字", cursor: 6))
    }

    @Test("Backspace takes back what the last key has changed, Ctrl-U all of it")
    func backspace() {
        #expect(search("one\u{12}x\u{7F}").find.line == "set one 1")
        #expect(search("get o").find.line == "get one")
        #expect(search("get o\u{7F}").find.line == "get two")
        #expect(search("gex").question == "not in the history: gex")
        #expect(search("gex\u{7F}").question == "history: ge")
        #expect(search("get\u{15}", on: "ec").find == .init(line: "ec", cursor: 2))
        #expect(search("\u{7F}").steps == [.goesOn])
    }

    @Test("Ctrl-G gives the line back; other keys end the search and are done")
    func ends() {
        #expect(search("one\u{7}", on: "ec").find == .init(line: "ec", cursor: 2))
        #expect(search("o\u{7}").steps == [.goesOn, .ends])
        for key in ["\r", "\u{1}", "\u{1B}", "\u{3}", "\u{80}", "\u{9E}"] {
            #expect(search("o" + key).steps == [.goesOn, .endsBefore])
        }
    }

    @Test("Ctrl-R with nothing typed repeats the last search")
    func again() {
        #expect(search("\u{12}", last: "set").find.line == "set one 1")
        #expect(search("\u{12}").find.line == "")
    }
}
