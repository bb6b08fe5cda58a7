import Foundation
import Stave
import Testing

/// The example of README, compiled. Its lines stand here as they stand there.
struct ReadmeTests {
    private func example() throws {
        // README: begin
        var options = StoreOptions()
        options.createsIfMissing = true
        let store = try Store(path: "people", options: options)
        try store.set("Ada Lovelace", forKey: "user:1")
        let name = try store.value(forKey: "user:1")  // [UInt8]?
        var cursor = try store.entries(in: KeyRange(prefix: Array("user:".utf8)))
        while let (key, value) = try cursor.next() { print(key, value) }
        try store.compact()
        try store.close()
        // README: end
        #expect(name != nil)
    }

    @Test("README's Swift is what is compiled here")
    func compiles() throws {
        let readme = try text("../../README.md")
        let block = try #require(readme.components(separatedBy: "```swift\n").dropFirst().first)
        let inReadme = try #require(block.components(separatedBy: "```").first)
        let parts = try text("ReadmeTests.swift").components(separatedBy: "// README: ")
        let here = try #require(parts.dropFirst().first).dropFirst("begin\n".count)
        #expect(lines(inReadme) == lines("import Stave\n" + here))
    }

    /// Without blanks: a line may be indented, or hold less room before a comment, here.
    private func lines(_ text: String) -> [String] {
        text.split(separator: "\n").map { $0.filter { $0 != " " } }.filter { !$0.isEmpty }
    }

    private func text(_ path: String) throws -> String {
        let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        return try String(contentsOf: here.appendingPathComponent(path), encoding: .utf8)
    }
}
