import TestSupport
import Testing

@testable import StaveTool

struct PromptCrowdTests {
    private let scratch = Scratch()

    @Test("A hundred shells at once: each answers its own, and the history keeps all their lines")
    func crowd() throws {
        let shells = try (0..<100).map { number in
            try Shell(
                [stave, scratch.path + "/s\(number)"], environment: scratch.environment(),
                prompt: "s\(number)> ", isAwaited: false)
        }
        for shell in shells { try shell.empty() }
        for (number, shell) in shells.enumerated() {
            shell.type(Key("set key \(number)"), .enter, "get k", .tab, .enter, "half a line")
        }
        for (number, shell) in shells.enumerated() {
            try shell.above("\(number)")
            try shell.line("half a line")
            shell.type(.control("c"))
        }
        for shell in shells { try shell.empty() }
        // All leave at once.
        for shell in shells { shell.type(.control("d")) }
        for shell in shells {
            #expect(shell.terminal.waitForExit() == 0)
            #expect(shell.terminal.screen.unknown == [])
        }
        let lines = History(path: scratch.history).lines
        #expect(Set(lines) == Set(["get key "] + (0..<100).map { "set key \($0)" }))
    }
}
