import TestSupport
import Testing

struct FormatTests {
    private let scratch = Scratch()

    private func print(_ format: String, _ command: String = "scan") throws -> String {
        let script = #"set a "x,\"y\"\n"\#nset "\xff" ""\#nset é '漢'"#
        _ = try run(["--create", scratch.store], script: script)
        return try run(["--format", format, scratch.store, command]).text
    }

    @Test("quoted pastes back")
    func quoted() throws {
        #expect(try print("quoted") == "a \"x,\\\"y\\\"\\n\"\né 漢\n\"\\xff\" \"\"\n")
    }

    @Test("csv follows RFC 4180 and leaves bytes alone")
    func csv() throws {
        let script = #"set a "x,\"y\"\n"\#nset b """#
        _ = try run(["--create", scratch.store], script: script)
        #expect(
            try run(["--format", "csv", scratch.store, "scan"]).text
                == "a,\"x,\"\"y\"\"\n\"\nb,\"\"\n")
        #expect(try run(["--format", "csv", scratch.store, "get", "b"]).text == "\"\"\n")
    }

    @Test("json is valid for any bytes: what is not UTF-8 is named Hex")
    func json() throws {
        #expect(
            try print("json") == """
                {"key":"a","value":"x,\\"y\\"\\n"}
                {"key":"é","value":"漢"}
                {"keyHex":"ff","value":""}

                """)
        #expect(
            try print("json", "keys") == "{\"key\":\"a\"}\n{\"key\":\"é\"}\n{\"keyHex\":\"ff\"}\n")
    }

    @Test("hex shows every byte")
    func hex() throws {
        #expect(try print("hex", "keys") == "61\nc3a9\nff\n")
    }

    @Test("What quoted prints after set restores every entry")
    func paste() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        var script = ""
        for number in 0..<200 {
            let bytes = (0..<Int.random(in: 0...20, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            let hex = bytes.map { "\\x" + String(Int($0) + 0x100, radix: 16).dropFirst() }
            script += "set k\(number) \"\(hex.joined())\"\n"
        }
        _ = try run(["--create", scratch.store], script: script)
        let quoted = try run(["--format", "quoted", scratch.store, "scan"]).text
        let again = quoted.split(separator: "\n").map { "set \($0)\n" }.joined()
        #expect(try run(["--create", scratch.path + "/copy"], script: again).status == 0)
        let copy = try run(["--format", "hex", scratch.path + "/copy", "scan"]).text
        #expect(try run(["--format", "hex", scratch.store, "scan"]).text == copy, "seed \(seed)")
    }
}
