import TestSupport
import Testing

@testable import StaveTool

@Suite("What each format's decoder takes and refuses")
struct TransferDecoderTests {
    private func layout(
        header: Bool = false, database: String? = nil
    ) -> TransferLayout {
        TransferLayout(hasHeader: header, database: database)
    }

    // MARK: Text

    @Test("CSV: quotes, line ends, empty lines and a byte order mark")
    func csv() {
        let text = "\u{FEFF}a,1\r\n\r\n\"b\"\"\n,\",\"\"\n\nc,x\"y\nd,\"\"\r\ne,last"
        #expect(
            Decoding(.csv, text).entries == [
                Entry("a", "1"), Entry("b\"\n,", ""), Entry("c", "x\"y"), Entry("d", ""),
                Entry("e", "last"),
            ])
        #expect(Decoding(.tsv, "a,b\t\"x\ty\"\n").entries == [Entry("a,b", "x\ty")])
    }

    @Test(
        "CSV: what could be meant in two ways is an error in its line",
        arguments: [
            ("a,1\nb,\"x\"y\n", "input:2: text behind a closing quote"),
            ("a,1\nb,\"x\n\n", "input:2: a quote is not closed"),
            ("a,1,2\n", "input:1: 3 fields where 2 belong"),
            ("a,x\ry\n", "input:1: a carriage return inside a field needs quotes around it"),
        ])
    func badCSV(_ text: String, _ message: String) {
        #expect(Decoding(.csv, text).messages.first == message)
    }

    @Test("JSON Lines: escapes, surrogate pairs, hex for bytes, other members in any order")
    func jsonl() {
        let text = #"""
            {"key":"a\/\b\f\n\r\t\"\\","value":"\u00e9\ud83d\ude00"}

            { "x" : [ 1 , {"key":"no"} ] , "valueHex" : "00FF" , "keyHex" : "ff" }
            {"value":true,"key":12.5}
            """#
        #expect(
            Decoding(.jsonl, text).entries == [
                Entry("a/\u{8}\u{C}\n\r\t\"\\", "é😀"), Entry([0xff], [0, 0xff]),
                Entry("12.5", "true"),
            ])
    }

    @Test(
        "JSON Lines: what is wrong is said with its line",
        arguments: [
            (#"{"key":"a"}"#, "input:1: it has no value"),
            (#"{"key":"a","value":null}"#, "input:1: a null is no value"),
            (#"{"key":"a","value":"\ud800"}"#, "input:1: half a surrogate pair is no character"),
            (#"{"key":"a","value":"\ud800\u0041"}"#, "input:1: half a surrogate pair"),
            (#"{"key":"a","keyHex":"61","value":"b"}"#, "input:1: it has two keys"),
            (#"{"key":"a","valueHex":"6"}"#, "input:1: valueHex is no row of hex digits"),
            (#"{"key":"a","value":"b"} x"#, "input:1: x behind the object"),
            (#"{"key":"a","value":"b"#, "input:1: a string is not closed"),
            (#"["a"]"#, "input:1: [ where { belongs"),
            (#"{"key":"a","value":nul}"#, "input:1: nul is no value of JSON"),
        ])
    func badJSON(_ text: String, _ message: String) {
        let messages = Decoding(.jsonl, text).messages
        #expect(messages.count == 1 && messages.first?.hasPrefix(message) == true, "\(messages)")
    }

    @Test("quoted: two words a line, also behind set; comments are none")
    func quoted() {
        let text = "# people\n a \"x\\ny\" # one\nset b 'c d'\n\nset c\nlone\na b c\n"
        let decoding = Decoding(.quoted, text)
        #expect(
            decoding.entries == [Entry("a", "x\ny"), Entry("b", "c d"), Entry("set", "c")])
        #expect(
            decoding.messages == [
                "input:6: 1 word where a key and a value belong",
                "input:7: 3 words where a key and a value belong",
            ])
        #expect(Decoding(.quoted, "a \"x").messages == ["input:1:3: this quote is not closed"])
    }

    @Test("ldb: hex digits of either case, both separators, and the count at the end")
    func ldb() {
        let text = "0x61 ==> 0xFf\n0x62 : 0x\nKeys in range: 2\n"
        #expect(
            Decoding(.ldb, text).entries == [Entry([0x61], [0xff]), Entry([0x62], [])])
        #expect(Decoding(.ldb, "a ==> b\n").messages.first?.contains("--hex") == true)
    }

    @Test("A dump has text or hex digits, and several databases are not mixed up")
    func dumps() {
        let first = "VERSION=3\nformat=print\ndatabase=one\ntype=hash\nHEADER=END\n"
        let second =
            "VERSION=3\nformat=bytevalue\ndatabase=two\ntype=btree\nHEADER=END\n"
            + " 61\n 62\nDATA=END\n"
        let text = first + " k\\0a\\\\\n v w\n \n x\nDATA=END\n" + second
        let mixed = Decoding(.mdb, text)
        #expect(mixed.entries == [Entry("k\n\\", "v w"), Entry("", "x")])
        #expect(mixed.messages.count == 1 && mixed.messages[0].contains("--database"))
        let chosen = Decoding(.mdb, text, layout(database: "two"))
        #expect(chosen.entries == [Entry("a", "b")] && chosen.errors.isEmpty)
        #expect(chosen.skipped == ["key of other databases": 2])
        let cases = [
            (first + " a\n b\n", "DATA=END is missing"), (first + " a\n", "DATA=END is missing"),
            (first + " a\\q\n b\nDATA=END\n", "dump without -p"),
            (first + " a\n 1\n a\n 2\nDATA=END\n", "a second value of the key a"),
            ("VERSION=3\ntype=recno\n", "type recno"), ("hello\n", "no line of a dump's header"),
            ("", "begins with VERSION=3"),
            (second.replacing(" 61", with: " 6"), "no row of hex digits"),
        ]
        for (text, part) in cases {
            #expect(Decoding(.mdb, text).messages.first?.contains(part) == true, "\(text)")
        }
    }

    @Test("gdbm: lengths and the count are checked")
    func gdbm() {
        let header = "# GDBM dump\n#:version=1.1\n#:file=x\n# End of header\n"
        let body = "#:len=1\nYQ==\n#:len=0\n#:len=2\nYmI=\n#:len=3\nYWJj\n"
        let end = "#:count=2\n# End of data\n"
        #expect(
            Decoding(.gdbm, header + body + end).entries == [Entry("a", ""), Entry("bb", "abc")])
        for (text, part) in [
            (header + body, "was cut"), (header + body + "#:count=3\n", "2 records where 3 belong"),
            (header + "#:len=2\nYQ==\n", "1 byte where #:len= says 2"),
            (header + "#:len=1\nY?==\n", "no base64"), (header + "YQ==\n", "without #:len="),
            (header + "#:len=1\nYQ==\n" + end, "0 records where 2 belong"), ("", "begins with"),
        ] {
            #expect(Decoding(.gdbm, text).messages.first?.contains(part) == true, "\(text)")
        }
    }

    // MARK: Redis

    private func command(_ words: String...) -> String {
        "*\(words.count)\r\n" + words.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()
    }

    @Test("RESP: what sets and deletes strings; other types are counted, the rest is an error")
    func resp() {
        let text =
            command("SELECT", "0") + command("set", "a", "1") + command("MSET", "b", "2", "c", "3")
            + command("SETEX", "d", "100", "4") + command("SET", "e", "5", "PXAT", "1000")
            + command("SET", "f", "6", "PXAT", "99999999999999", "NX") + command("DEL", "a", "b")
            + command("HSET", "h", "f", "v") + command("RPUSH", "l", "1") + command("MULTI")
            + command("EXPIREAT", "c", "1") + command("PEXPIREAT", "d", "99999999999999")
            + "#TS:1\r\n" + command("INCR", "n") + command("SETNX", "g", "7")
        let decoding = Decoding(.resp, text)
        #expect(
            decoding.entries == [
                Entry("a", "1"), Entry("b", "2"), Entry("c", "3"), Entry("d", "4"),
                Entry("f", "6"), Entry("g", "7"),
            ])
        #expect(decoding.deleted == ["e", "a", "b", "c"].map { Array($0.utf8) })
        #expect(decoding.expiries == 3 && decoding.expired == 2)
        #expect(decoding.skipped == ["hash command": 1, "list command": 1])
        #expect(decoding.messages.count == 1)
        #expect(decoding.messages[0].contains("the command INCR with 1 word is not taken"))
    }

    @Test(
        "RESP: lengths that lie are a fatal error",
        arguments: [
            "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$999999999\r\nb\r\n", "*3\r\n$3\r\nSETX\r\n",
            "*1\r\n$3\r\nSETX\n",
            "*9999999\r\n", "*1\r\n$99999999999\r\n", "SET a b\r\n", "*-1\r\n", "*1\r\n$\r\n",
            "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb",
        ])
    func badRESP(_ text: String) {
        let decoding = Decoding(.resp, text)
        #expect(decoding.entries.isEmpty && decoding.errors.count == 1)
        #expect(decoding.errors.first?.isFatal == true)
    }

    /// The example of the format's description: color = red.
    private static let rdb: [UInt8] = [
        0x52, 0x45, 0x44, 0x49, 0x53, 0x30, 0x30, 0x30, 0x39, 0xfe, 0x00, 0xfb, 0x01, 0x00, 0x00,
        0x05, 0x63, 0x6f, 0x6c, 0x6f, 0x72, 0x03, 0x72, 0x65, 0x64, 0xff, 0xc7, 0xef, 0x84, 0x2d,
        0xd6, 0xf5, 0x9b, 0x89,
    ]

    @Test("RDB: the example is read, and written byte for byte")
    func rdbExample() throws {
        #expect(Decoding(.rdb, Self.rdb).entries == [Entry("color", "red")])
        #expect(try TransferFixture.exported([Entry("color", "red")], .rdb) == Self.rdb)
        var crc = CRC64()
        crc.add(Array("123456789".utf8)[...])
        #expect(crc.value == 0xe9c6_d914_c4b8_d9ca)
        for index in Self.rdb.indices {
            var bytes = Self.rdb
            bytes[index] ^= 1
            #expect(!Decoding(.rdb, bytes).errors.isEmpty, "byte \(index)")
        }
    }

    @Test("RDB: numbers, packed strings, expiry, databases, and types that are skipped")
    func rdbKinds() {
        func string(_ text: String) -> [UInt8] { [UInt8(text.utf8.count)] + Array(text.utf8) }
        func file(_ parts: [[UInt8]]) -> [UInt8] {
            Array("REDIS0010".utf8) + parts.flatMap { $0 } + [0xff]
                + [UInt8](repeating: 0, count: 8)
        }
        let past: [UInt8] = [0xfc, 1, 0, 0, 0, 0, 0, 0, 0]
        let future: [UInt8] = [0xfd, 0xff, 0xff, 0xff, 0x7f]
        // "a" twice, then three of what lies one byte back.
        let packed: [UInt8] = [0xc3, 5, 5, 1, 0x61, 0x61, 0x20, 0x00]
        let bytes = file([
            [0xfa] + string("ver") + string("7"), [0xfe, 0],
            [0] + string("i8") + [0xc0, 0xff], [0] + string("i16") + [0xc1, 0x39, 0x30],
            [0] + string("i32") + [0xc2, 0x00, 0x00, 0x00, 0x80], [0] + string("lzf") + packed,
            past + [0] + string("old") + string("x"), future + [0] + string("new") + string("y"),
            [0xf8, 3, 0xf9, 7, 1] + string("list") + [2] + string("a") + [0xc0, 1],
            [4] + string("hash") + [1] + string("f") + string("v"),
            [5] + string("z") + [1] + string("m") + [UInt8](repeating: 0, count: 8),
            [3] + string("oldz") + [2] + string("m") + [1, 0x31] + string("n") + [255],
            [18] + string("ql") + [1, 2] + string("packed"), [16] + string("lp") + string("x"),
            [0xfe, 3], [0] + string("three") + string("3"),
        ])
        let decoding = Decoding(.rdb, bytes)
        #expect(
            decoding.entries == [
                Entry("i8", "-1"), Entry("i16", "12345"), Entry("i32", "-2147483648"),
                Entry("lzf", "aaaaa"), Entry("new", "y"),
            ])
        #expect(decoding.expired == 1 && decoding.expiries == 1)
        #expect(
            decoding.skipped == [
                "list": 2, "hash": 2, "sorted set": 2, "key of other databases": 1,
            ])
        #expect(decoding.messages.count == 1 && decoding.messages[0].contains("--database"))
        let third = Decoding(.rdb, bytes, layout(database: "3"))
        #expect(third.entries == [Entry("three", "3")] && third.errors.isEmpty)
        let stream = Decoding(.rdb, file([[15] + string("s")]))
        #expect(stream.errors.first?.message.contains("type 15, a stream or a module's") == true)
        #expect(stream.errors.first?.isFatal == true)
    }

    @Test("An append-only directory is read by its manifest: the base, then the increments")
    func appendOnly() throws {
        let scratch = Scratch()
        let folder = try TemporaryFolder()
        folder.write(Self.rdb, to: "a.1.base.rdb")
        folder.write(Array(command("SET", "color", "blue").utf8), to: "a.1.incr.aof")
        folder.write(
            Array((command("SET", "x", "1") + command("DEL", "x")).utf8), to: "a.2.incr.aof")
        folder.write(Array("junk".utf8), to: "a.0.incr.aof")
        folder.write(
            Array(
                """
                file a.1.base.rdb seq 1 type b
                file a.0.incr.aof seq 0 type h
                file a.1.incr.aof seq 1 type i
                file a.2.incr.aof seq 2 type i

                """.utf8), to: "a.manifest")
        let outcome = try run(["import", scratch.store, folder.path, "--from", "resp", "--create"])
        #expect(outcome.status == 0 && outcome.errors == "")
        #expect(
            try TransferFixture.entries(of: scratch.store) == [Entry("color", "blue")])
        folder.write(Array("file ../x seq 1 type b\n".utf8), to: "a.manifest")
        #expect(
            try run(["import", scratch.store, folder.path, "--from", "resp"]).errors.contains(
                "a.manifest:1: this is no line"))
    }
}

@Suite("Slots of a Redis Cluster")
struct RedisSlotTests {
    private func slot(_ key: String) -> Int {
        unsafe Array(key.utf8).withUnsafeBytes { unsafe RedisSlots.slot(of: $0) }
    }

    @Test("Slots are those of the specification, and tags those of Redis")
    func slots() {
        // From the specification: CRC16 of 123456789 is 31C3.
        #expect(slot("123456789") == 0x31C3)
        #expect(slot("foo") == 12182 && slot("") == 0)
        #expect(slot("{user1000}.following") == slot("{user1000}.followers"))
        #expect(slot("{user1000}.following") == slot("user1000"))
        // An empty tag is none: all of the key counts.
        #expect(slot("foo{}{bar}") == 8363)
        #expect(slot("foo{{bar}}zap") == slot("{bar"))
        #expect(slot("foo{bar}{zap}") == slot("bar"))
        #expect(slot("foo{bar") != slot("bar"))
    }

    private static let nodes = """
        a 127.0.0.1:7001@17001 myself,master - 0 0 1 connected 0-5460 [5461->-b]
        b 127.0.0.1:7002@17002,host.name master - 0 1 2 connected 5461-10922
        c 127.0.0.1:7003@17003 master - 0 1 3 connected 10923-16382 16383
        d 127.0.0.1:7004@17004 slave a 0 1 1 connected

        """

    @Test("CLUSTER NODES: masters and their slots; every slot has one")
    func masters() throws {
        let masters = try ClusterMaster.parse(Self.nodes)
        #expect(masters.map(\.address) == ["127.0.0.1:7001", "127.0.0.1:7002", "127.0.0.1:7003"])
        #expect(masters[2].slots == [10923...16382, 16383...16383])
        #expect(masters[0].fileName == "127.0.0.1-7001")
        for (text, part) in [
            (Self.nodes.replacing(" 16383\n", with: "\n"), "no master has slot 16383"),
            (Self.nodes.replacing("5461-10922", with: "5460-10922"), "slot 5460 has two masters"),
            (Self.nodes.replacing("0-5460", with: "0-99999"), "0-99999 is no slot"),
            ("hello", "no line of CLUSTER NODES"), ("", "no master has slot 0"),
        ] {
            #expect { try ClusterMaster.parse(text) } throws: {
                ($0 as? TransferError)?.message.contains(part) == true
            }
        }
    }

    @Test("Each key goes to the file of its slot's master, and to no other")
    func files() throws {
        let scratch = Scratch()
        let entries = (0..<500).map { Entry("key:\($0)", "\($0)") }
        try TransferFixture.make(entries, at: scratch.store)
        try scratch.write(Self.nodes, to: "nodes")
        let outcome = try run([
            "export", scratch.store, "--to", "resp", "--nodes", scratch.path + "/nodes", "--into",
            scratch.path,
        ])
        #expect(outcome.status == 0 && outcome.errors == "")
        var all: [Entry] = []
        for (port, range) in [(7001, 0...5460), (7002, 5461...10922), (7003, 10923...16383)] {
            let name = "/127.0.0.1-\(port).resp"
            let copy = scratch.path + "/\(port)"
            let words = ["import", copy, scratch.path + name, "--from", "resp", "--create"]
            #expect(try run(words).status == 0)
            let part = try TransferFixture.entries(of: copy)
            #expect(
                part.allSatisfy { range.contains(slot(String(decoding: $0.key, as: UTF8.self))) })
            #expect(outcome.text.contains("\(Units.count(part.count, "key")) in "))
            let slots = "\(range.lowerBound)-\(range.upperBound)"
            let stream = try run(["export", scratch.store, "--to", "csv", "--slots", slots])
            #expect(try run(["export", copy, "--to", "csv"]).output == stream.output)
            all += part
        }
        #expect(Set(all) == Set(entries) && all.count == entries.count)
    }
}
