import Foundation
import TestSupport
import Testing

@testable import StaveTool

/// What a newcomer reads is what happens: the examples of README and of the guide to the shell, run
/// in the order in which they stand there, in one folder.
struct DocumentExamplesTests {
    private let scratch = Scratch()

    /// Something to type, and what is said to come of it. A line of dots stands for any lines.
    private struct Step {
        var prompt: String
        var input: String
        var replies: [String] = []
        var isExact: Bool { !replies.contains("...") }
    }

    /// The indented blocks: `$ ` begins a line of the outer shell, `people> ` or `"> ` one of a
    /// store's.
    private func steps(_ path: String) throws -> [Step] {
        let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
        let text = try String(contentsOfFile: root + "/" + path, encoding: .utf8)
        var steps: [Step] = []
        var isOpen = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            guard line.hasPrefix("    ") else {
                // An empty line may stand within an answer, but no text does.
                if !line.isEmpty { isOpen = false }
                continue
            }
            let line = String(line.dropFirst(4))
            let prompt = Self.prompt(of: line)
            if let prompt {
                steps.append(Step(prompt: prompt, input: String(line.dropFirst(prompt.count))))
                isOpen = true
            } else if isOpen {
                steps[steps.count - 1].replies.append(line)
            }
        }
        return steps
    }

    private static func prompt(of line: String) -> String? {
        if line.hasPrefix("people (batch: "), let end = line.firstIndex(of: ">") {
            return String(line[...end]) + " "
        }
        return ["$ ", "people> ", "\"> "].first(where: line.hasPrefix)
    }

    private func sh(_ line: String) -> [String] {
        [
            "/bin/sh", "-c", "cd \"$0\" && PATH=\"$0:$PATH\" && \(line)", scratch.path,
        ]
    }

    private func run(_ step: Step) throws {
        let child = try PipedChild(
            sh(step.input), environment: scratch.environment(["PATH": "/usr/bin:/bin"]))
        let status = child.finish()
        #expect(status == 0, "\(step.input): \(status), \(child.errors)")
        guard step.isExact, !step.replies.isEmpty else { return }
        let lines = String(decoding: child.output, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
        #expect(lines == step.replies, "\(step.input)")
    }

    /// Runs the steps; those that the outer shell has with `skipped` in them are left out.
    private func follow(
        _ path: String, skipping skipped: [String] = [], atLeast wanted: Int = 16
    ) throws {
        try FileManager.default.createSymbolicLink(
            atPath: scratch.path + "/stave", withDestinationPath: stave)
        try scratch.write("bytes of a picture", to: "cat.jpg")
        try FileManager.default.createDirectory(
            atPath: scratch.path + "/.local/share/bash-completion/completions",
            withIntermediateDirectories: true)
        var shell: Shell?
        var count = 0
        for step in try steps(path) where !skipped.contains(where: step.input.contains) {
            count += 1
            guard step.prompt == "$ " else {
                let open = try #require(shell, "\(step.input): no shell is open")
                if step.input == "quit" {
                    open.type("quit", .enter)
                    #expect(open.terminal.waitForExit() == 0)
                    shell = nil
                } else {
                    try enter(step, open)
                }
                continue
            }
            if step.input == "stave ./people" {
                shell = try Shell(
                    sh("exec \(step.input)"),
                    environment: scratch.environment(["PATH": "/usr/bin:/bin"]), prompt: "people> ")
                if let said = step.replies.first, said != "..." { try shell!.anywhere(said) }
            } else {
                try run(step)
            }
        }
        #expect(count >= wanted)
        #expect(shell == nil, "a session does not end with quit")
    }

    private func enter(_ step: Step, _ shell: Shell) throws {
        shell.type(Key(step.input), .enter)
        let rows = step.prompt + step.input
        if step.input.filter({ $0 == "\"" }).count == 1, step.prompt == "people> " {
            return try shell.shows("\"> ")
        }
        try shell.screen("\(step.input) and \(step.replies)") { screen in
            let next = screen.beforeCursor
            guard next == "people> " || next.hasPrefix("people (batch: ") else { return false }
            let lines = screen.lines.dropLast()
            guard step.isExact else { return lines.contains(rows) }
            return lines.suffix(step.replies.count + 1).elementsEqual([rows] + step.replies)
        }
    }

    @Test("README can be followed literally")
    func readme() throws { try follow("README.md") }

    @Test("The guide's sessions can be followed literally")
    func guide() throws { try follow("docs/shell.md") }

    @Test("What is said of changes can be followed literally")
    func changes() throws { try follow("docs/changes.md", atLeast: 13) }
}
