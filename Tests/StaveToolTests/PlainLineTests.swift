import TestSupport
import Testing

@testable import StaveTool

/// The short way for the lines that long scripts are made of means what the grammar means.
struct PlainLineTests {
    /// A line's name, key and value where it is plain.
    private func cut(_ line: [UInt8]) -> [[UInt8]]? {
        // SAFETY: the array lives through the call, and the words are copied.
        unsafe line.withUnsafeBytes { buffer in
            guard let plain = unsafe PlainLine(buffer) else { return nil }
            let name = Array((plain.isSet ? "set" : "get").utf8)
            let key = unsafe [UInt8](plain.key)
            return unsafe [name, key] + (plain.isSet ? [[UInt8](plain.value)] : [])
        }
    }

    private func cut(_ line: String) -> [String]? {
        cut(Array(line.utf8))?.map { String(decoding: $0, as: UTF8.self) }
    }

    @Test(
        "A plain line is cut at its spaces", arguments: ["get k", "set k v", "set user:1 a-b<c>d"])
    func plain(_ line: String) {
        #expect(cut(line) == line.split(separator: " ").map(String.init))
    }

    @Test(
        "What the grammar reads in its own way is no plain line",
        arguments: [
            "", "get", "get ", "set k", "set k ", "set k v w", "get a b", "get  a", "set k  v",
            " get a", "get a ", "get a\r", "set k v\r", "get\ta", "set k\tv", "get 'a'",
            "set k \"v\"", "set k it's", "get #a", "set k #v", "get -- a", "get --exact",
            "set k --v", "set -k v",
            "set k < f", "set k <f", "get k > f", "get >f", "gets a", "del a", "set k v # w",
        ])
    func other(_ line: String) {
        #expect(cut(line) == nil)
    }

    @Test("A key that can be none is left to the command, which says so")
    func keyLength() {
        let longest = [UInt8](repeating: 0x6B, count: 65_535)
        #expect(cut(Array("get ".utf8) + longest) != nil)
        #expect(cut(Array("get k".utf8) + longest) == nil)
    }

    @Test("Whatever bytes a plain line holds, the parser cuts it into the same words")
    func agreement() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededGenerator(seed: seed)
        let special: [UInt8] = Array(" \t\r\"'#\\<>-()\0\u{7F}".utf8) + [0x80, 0xFF]
        let parser = WordParser()
        var plainCount = 0
        for _ in 0..<20_000 {
            var line = Array(["get ", "set "].randomElement(using: &random)!.utf8)
            let oddity = Int.random(in: 0...40, using: &random)
            for _ in 0..<Int.random(in: 0...40, using: &random) {
                let isOdd = oddity == 0 || Int.random(in: 0...400, using: &random) < oddity
                let byte = UInt8.random(in: 0x30...0xFF, using: &random)
                line.append(isOdd ? special.randomElement(using: &random)! : byte)
            }
            if line.first == 0x73, Bool.random(using: &random) {
                line.insert(0x20, at: Int.random(in: 4...line.count, using: &random))
            }
            guard let words = cut(line) else { continue }
            plainCount += 1
            // SAFETY: the array lives through the call, and the words are copied.
            let parsed: [[UInt8]]? = unsafe line.withUnsafeBytes { buffer in
                guard unsafe (try? parser.parse(buffer)) != nil else { return nil }
                return parser.words.map(\.array)
            }
            #expect(parsed == words, "seed \(seed): \(line)")
        }
        #expect(plainCount > 2_000, "seed \(seed)")
    }
}
