import Glibc
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
