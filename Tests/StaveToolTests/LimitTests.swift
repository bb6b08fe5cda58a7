import Glibc
import TestSupport
import Testing

@testable import StaveTool

/// What input of any size may cost.
struct LimitTests {
    private let scratch = Scratch()

    @Test("A junk word of megabytes is refused at once, and only its beginning is shown")
    func longJunk() throws {
        let start = ContinuousClock.now
        let outcome = try run(
            ["--create", scratch.store], script: String(repeating: "x", count: 2_000_000) + "\n")
        #expect(outcome.status == 2)
        #expect(outcome.errors.utf8.count < 500)
        #expect(outcome.errors.hasPrefix("stdin:1:1: unknown command xxx"))
        #expect(ContinuousClock.now - start < .seconds(20))
    }

    @Test("A line that begins with no command is refused before its end, and skipped to it")
    func junkLine() throws {
        let child = try PipedChild([stave, "--create", "--keep-going", scratch.store])
        child.send("set a 1\njunk " + String(repeating: "x", count: 1 << 20))
        let refused = "stdin:2:1: unknown command junk"
        #expect(child.waitForErrors(refused))
        child.send(String(repeating: "y", count: 1 << 20) + "\nget a\n# ")
        child.send(String(repeating: "z", count: 1 << 20) + "\nfoo\n")
        #expect(child.finish() == 2)
        #expect(child.output == Array("OK\n1\n".utf8))
        #expect(child.errors.contains("stdin:5:1: unknown command foo"))
        #expect(child.errors.hasSuffix("stdin: 2 failed, 2 commands succeeded\n"))
    }

    @Test("More words than any command needs are an error, not memory")
    func manyWords() throws {
        let script = "get" + String(repeating: " a", count: 1_100_000) + "\n"
        let outcome = try run(["--create", scratch.store], script: script)
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("more than 1048576 words in a line"))
    }

    @Test("Only words as short as commands get a suggestion")
    func suggestions() {
        #expect(CommandTable.suggestion(for: "gte") == "get")
        #expect(CommandTable.suggestion(for: "compactcompactcompactcompactcompact") == nil)
    }
}

struct LineLimitTests {
    /// How much of an endless line is read before it is refused; nil where it is not.
    private func refusal(_ piece: String, limit: Int) throws -> Int? {
        var ends: [Int32] = [0, 0]
        // SAFETY: fills in two descriptors.
        #expect(unsafe pipe(&ends) == 0)
        defer { ends.forEach { _ = close($0) } }
        let reader = ByteReader(descriptor: ends[0], longestLine: limit)
        let bytes = Array(String(repeating: piece, count: 4096 / piece.utf8.count).utf8)
        for round in 1...100 {
            // SAFETY: writes from the array; the pipe is empty and has room for it.
            #expect(unsafe write(ends[1], bytes, bytes.count) == bytes.count)
            do { try reader.fill() } catch { return (round - 1) * bytes.count }
            #expect(unsafe reader.nextLine() == nil)
        }
        return nil
    }

    @Test("A line that no command can be is refused before all of it is read")
    func longLine() throws {
        let plain = try #require(try refusal("x", limit: 50_000))
        #expect((50_000...60_000).contains(plain))
        #expect(try refusal(#"\u{000041}"#, limit: 50_000) == nil)
    }
}
