import TestSupport
import Testing

@testable import StaveTool

/// What `keys`, `scan` and `count` are asked for besides a range, and the ways to look around.
struct FindTests {
    private let scratch = Scratch()

    private func answer(_ words: String..., options: [String] = []) throws -> String {
        let outcome = try run(options + [scratch.store] + words)
        #expect(outcome.errors == "", "\(words)")
        return outcome.text
    }

    private func fill() throws {
        let script = """
            set user:1 'Ada Lovelace'
            set user:2 'Grace Hopper'
            set user:10 'Alan Turing'
            set user:1:mail ada@x
            set order:7 'for Ada'
            set 日:語 x

            """
        #expect(try run(["--create", "--quiet", scratch.store], script: script).status == 0)
    }

    @Test(
        "A pattern stands for whole keys",
        arguments: [
            ("*", "", true), ("*", "abc", true), ("a*c", "abc", true), ("a*c", "abcd", false),
            ("a*b*c", "aXbbYc", true), ("a?c", "a語c", true), ("a??c", "a語c", false),
            ("[a-c]x", "bx", true), ("[!a-c]x", "bx", false), ("[]]", "]", true),
            ("\\*", "*", true), ("\\*", "a", false), ("", "", true), ("", "a", false),
            ("**a", "xxa", true), ("a", "A", false), ("[日-語]", "時", true),
        ])
    func glob(_ pattern: String, _ key: String, _ expected: Bool) throws {
        let glob = try #require(Glob(Array(pattern.utf8)))
        let matches = unsafe Array(key.utf8).withUnsafeBytes { unsafe glob.matches($0) }
        #expect(matches == expected, "\(pattern) \(key)")
    }

    @Test("A pattern's head is what every key begins with; an open bracket is an error")
    func head() {
        #expect(Glob(Array("user:*".utf8))?.head == Array("user:".utf8))
        #expect(Glob(Array("a\\*b?c".utf8))?.head == Array("a*b".utf8))
        #expect(Glob(Array("[ab]".utf8))?.head == [])
        #expect(Glob(Array("a[b".utf8)) == nil)
    }

    /// Against the definition, on all short keys of three letters.
    @Test("Patterns match as their definition says")
    func globDefinition() {
        var random = SeededRandom.forTest()
        func matches(_ pattern: ArraySlice<UInt8>, _ key: ArraySlice<UInt8>) -> Bool {
            guard let first = pattern.first else { return key.isEmpty }
            let rest = pattern.dropFirst()
            if first == UInt8(ascii: "*") {
                return (key.startIndex...key.endIndex).contains { matches(rest, key[$0...]) }
            }
            guard let letter = key.first else { return false }
            return (first == UInt8(ascii: "?") || first == letter) && matches(rest, key.dropFirst())
        }
        for _ in 0..<3000 {
            let pattern = (0..<Int.random(in: 0...6, using: &random)).map { _ in
                Array("ab*?".utf8).randomElement(using: &random)!
            }
            let key = (0..<Int.random(in: 0...6, using: &random)).map { _ in
                Array("ab".utf8).randomElement(using: &random)!
            }
            let found = unsafe key.withUnsafeBytes { unsafe Glob(pattern)!.matches($0) }
            #expect(found == matches(pattern[...], key[...]), "\(pattern) \(key)")
        }
    }

    @Test("--match, --grep and --invert choose keys, and count as many")
    func filters() throws {
        try fill()
        #expect(try answer("keys", "--match", "user:1*") == "user:1\nuser:10\nuser:1:mail\n")
        #expect(try answer("keys", "--match", "user:[0-9]") == "user:1\nuser:2\n")
        #expect(try answer("keys", "--match", "?:?") == "日:語\n")
        #expect(try answer("keys", "order:", "--match", "*7") == "order:7\n")
        #expect(try answer("keys", "--grep", "Ada") == "order:7\nuser:1\n")
        #expect(try answer("keys", "--grep", "ada", "-i") == "order:7\nuser:1\nuser:1:mail\n")
        #expect(try answer("keys", "--grep", "^A.*e$", "--regex") == "user:1\n")
        // In a text, signs of expressions are just signs.
        #expect(try answer("count", "--grep", "A.A", "-i") == "0\n")
        #expect(try answer("count", "--match", "user:*", "--invert") == "2\n")
        #expect(try answer("count", "user:", "--grep", "ada", "-i", "--invert") == "2\n")
        #expect(try answer("scan", "--grep", "語") == "日:語\tx\n")
        #expect(
            try answer("keys", "--match", "user:*", "--limit", "2", "--reverse")
                == "user:2\nuser:1:mail\n")
    }

    @Test("A NUL and bytes that are not UTF-8 are searched like others")
    func bytes() throws {
        let script = #"set a "x\0needle"\#nset b "\xff\xfeneedle"\#nset c plain\#n"#
        _ = try run(["--create", scratch.store], script: script)
        #expect(try answer("keys", "--grep", "needle") == "a\nb\n")
        #expect(try answer("keys", "--grep", "NEEDLE", "-i") == "a\nb\n")
        let outcome = try run([scratch.store], script: #"keys --grep "\xff""# + "\n")
        #expect(outcome.text == "b\n")
    }

    @Test("What cannot be meant is an error that says so, with status 64")
    func errors() throws {
        try fill()
        for (words, reason) in [
            (["keys", "--match", "a["], "a [ is not closed"),
            (["keys", "--grep", "(", "--regex"], "this is no expression"),
            (["keys", "--regex"], "--regex needs --grep TEXT"),
            (["keys", "--invert"], "--invert needs --match"),
            (["scan", "--lmit", "3"], "scan has no option --lmit; did you mean --limit?"),
            (["random", "x"], "whole number"), (["tree", "--delimiter", ""], "must not be empty"),
        ] {
            let outcome = try run([scratch.store] + words)
            #expect(outcome.status == 64, "\(words)")
            #expect(outcome.errors.contains(reason), "\(outcome.errors)")
            #expect(outcome.text == "")
        }
        // Where nothing is searched for, it is a prefix.
        #expect(try answer("count", "-i") == "0\n")
    }

    @Test("keys and count take a range as scan does")
    func ranges() throws {
        try fill()
        #expect(try answer("keys", "user:1", "user:2") == "user:1\nuser:10\nuser:1:mail\n")
        #expect(try answer("count", "user:", "") == "5\n")
    }

    @Test("first, last and random show entries that are there")
    func ends() throws {
        try fill()
        #expect(try answer("first") == "order:7\tfor Ada\n")
        #expect(try answer("last") == "日:語\tx\n")
        #expect(try answer("last", "user:") == "user:2\tGrace Hopper\n")
        let all = try answer("scan").split(separator: "\n")
        #expect(try answer("random", "100").split(separator: "\n") == all)
        #expect(try answer("random", "0") == "")
        var seen: Set<Substring> = []
        for _ in 0..<40 {
            let some = try answer("random", "2").split(separator: "\n")
            #expect(some.count == 2)
            #expect(all.filter(some.contains) == some)
            seen.formUnion(some)
        }
        // Each misses with a chance of (2/3)^40.
        #expect(seen.count == all.count)
    }

    @Test("A tree counts every key once at each level")
    func tree() throws {
        try fill()
        #expect(
            try answer("tree") == """
                all keys  6
                  order:  1
                  user:   4
                    1:    1
                  日:     1

                """)
        #expect(try answer("tree", "user:", "--depth", "1") == "user:  4\n  1:   1\n")
        #expect(
            try answer("tree", "--json", "--depth", "1", "--delimiter", "r:") == """
                {"prefix":"order:","depth":1,"keys":1}
                {"prefix":"user:","depth":1,"keys":4}
                {"prefix":"","depth":0,"keys":6}

                """)
        let script = (0..<70).map { "set g\($0):x 1\n" }.joined()
        _ = try run([scratch.store], script: script)
        let rows = try answer("tree", "--depth", "1").split(separator: "\n")
        #expect(rows.count == 52)
        // 50 of 73 groups are shown; the keys of the others are counted.
        #expect(rows.last?.hasSuffix(" 26") == true, "\(rows)")
    }
}
