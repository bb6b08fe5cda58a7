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
