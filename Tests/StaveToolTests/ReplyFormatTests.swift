import TestSupport
import Testing

@testable import StaveTool

@Suite("Replies that programs read")
struct ReplyFormatTests {
    private let scratch = Scratch()

    @Test("Under --format json every command answers with an object a line, its errors too")
    func json() throws {
        let script = """
            set a 1
            get a none
            exists a
            delete a none
            count
            nonsense
            set b
            echo one "two\\xff"
            sync
            format
            stats
            verify
            help count
            """
        let outcome = try run(
            ["--create", "--format", "json", "--keep-going", scratch.store], script: script)
        let lines = outcome.text.split(separator: "\n").map(String.init)
        #expect(
            lines.prefix(11).elementsEqual([
                #"{"ok":true}"#, #"{"key":"a","value":"1"}"#, #"{"key":"none","value":null}"#,
                #"{"count":1}"#, #"{"count":1}"#, #"{"count":0}"#,
                #"{"error":"unknown command nonsense; help lists them","line":6,"column":1}"#,
                #"{"error":"too few words; usage: set KEY VALUE  (or: set KEY < FILE)","line":7,"#
                    + #""column":5}"#,
                #"{"echoHex":"6f6e652074776fff"}"#, #"{"ok":true}"#, #"{"reply":"json"}"#,
            ]), "\(lines)")
        for line in lines {
            var scanner = JSONScanner(Array(line.utf8))
            try scanner.skipValue()
            try scanner.requireEnd()
            #expect(line.hasPrefix("{"))
        }
        // People read stderr as before; what is not there is no message then.
        #expect(outcome.errors.contains("stdin:6:1: unknown command nonsense"))
        #expect(!outcome.errors.contains("not found"))
        #expect(outcome.status == 2)
        let missing = try run(["--format", "json", scratch.store, "get", "b"])
        #expect(missing.text == "{\"key\":\"b\",\"value\":null}\n" && missing.status == 1)
        let failed = try run(["--format", "json", scratch.store, "compact", "pause"])
        #expect(failed.text.hasPrefix(#"{"error":"pause and resume last"#) && failed.status == 2)
    }

    @Test("raw0 ends each key and value with NUL, and says what it cannot hold")
    func raw0() throws {
        _ = try run(
            ["--create", scratch.store], script: "set a 1\nset b \"x\\0y\"\nset \"c\\0\" 3\n")
        let scan = try run(["--format", "raw0", scratch.store, "scan"])
        #expect(scan.text == "a\u{0}1\u{0}" && scan.status == 2)
        #expect(
            scan.errors == "raw0 cannot hold a NUL, and b or its value has one\n"
                + "raw0 cannot hold a NUL, and \"c\\0\" or its value has one\n")
        #expect(try run(["--format", "raw0", scratch.store, "keys", "a"]).text == "a\u{0}")
        #expect(try run(["--format", "raw0", scratch.store, "get", "a"]).text == "1\u{0}")
        let script = try run(["--format", "raw0", scratch.store], script: "get a b\n")
        #expect(script.text == "1\u{0}" && script.status == 2)
    }

    @Test("get --missing answers with a word for each key that is not there")
    func missing() throws {
        _ = try run(["--create", scratch.store], script: "set a 1\n")
        let long = String(repeating: "x", count: 50)
        for (words, expected) in [
            (["--missing", "none", "b", "a", "c"], "none\n1\nnone\n"),
            (["--missing=\(long)", "b"], "\(long)\n"), (["--missing", "", "b"], "\n"),
        ] {
            let outcome = try run([scratch.store, "get"] + words)
            #expect(outcome.text == expected && outcome.errors == "" && outcome.status == 0)
        }
        let script = try run([scratch.store], script: "get --missing 'n a' b a\n")
        #expect(script.text == "n a\n1\n" && script.errors == "")
        let json = try run(["--format", "json", scratch.store, "get", "--missing", "n", "b"])
        #expect(json.text == "{\"key\":\"b\",\"value\":\"n\"}\n")
        #expect(try run([scratch.store, "get", "--missing"]).status == 64)
        #expect(try run([scratch.store], script: "get --missing n b > /dev/null\n").status == 2)
    }
}
