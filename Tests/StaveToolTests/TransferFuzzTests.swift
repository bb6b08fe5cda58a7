import TestSupport
import Testing

@testable import StaveTool

@Suite("Input that was cut, changed or made up")
struct TransferFuzzTests {
    /// A good input of each format, small enough to be tried in all its prefixes.
    static func fixture(_ format: TransferFormat) throws -> [UInt8] {
        let entries = [
            Entry("a", "1"), Entry("b", ""), Entry("c\"\n", "x,y\tz\r\n"), Entry("d", "\\ 'q' é"),
            Entry([0xff, 1], [0x80, 0xfe]), Entry("k", String(repeating: "v", count: 70)),
        ].sorted { $0.key.lexicographicallyPrecedes($1.key) }
        return try TransferFixture.exported(entries, format)
    }

    /// Whether the format says where it ends.
    private static func hasEnd(_ format: TransferFormat) -> Bool {
        [.rdb, .mdb, .db, .gdbm].contains(format)
    }

    @Test(
        "Every prefix gives the records before the cut, and an error where one is missing",
        arguments: TransferFormat.allCases.filter(\.isWritten))
    func prefixes(_ format: TransferFormat) throws {
        let bytes = try Self.fixture(format)
        let whole = Decoding(format, bytes)
        #expect(whole.errors.isEmpty && whole.entries.count == 6)
        // A line that was cut is a shorter value: nothing in the format tells.
        let mayBeShort = [.csv, .tsv, .quoted, .ldb].contains(format)
        for count in 0..<bytes.count {
            let part = Decoding(format, Array(bytes[..<count]))
            let certain = mayBeShort ? part.entries.dropLast() : part.entries[...]
            #expect(certain.elementsEqual(whole.entries.prefix(certain.count)), "\(count)")
            if Self.hasEnd(format), !(count == bytes.count - 1 && bytes.last == Byte.newline) {
                #expect(!part.errors.isEmpty, "\(count)")
            }
        }
    }

    @Test(
        "Nothing that is read traps or runs for ever",
        arguments: TransferFormat.allCases.filter(\.isWritten))
    func mutations(_ format: TransferFormat) throws {
        var random = SeededRandom(seed: 19)
        let bytes = try Self.fixture(format)
        let interesting: [UInt8] = [
            0, 1, 10, 13, 32, 34, 35, 36, 42, 92, 0x40, 0x80, 0x81, 0xc0, 0xc3, 0xfb, 0xfc, 0xff,
        ]
        for _ in 0..<4000 {
            var input = bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: 0..<input.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: input[index] = UInt8(truncatingIfNeeded: random.next())
                case 1: input[index] = interesting.randomElement(using: &random)!
                case 2: input.insert(contentsOf: input[index...].prefix(9), at: index)
                default: input.removeSubrange(index..<min(input.count, index + 3))
                }
                if input.isEmpty { input = [0] }
            }
            let decoding = Decoding(format, input)
            #expect(decoding.entries.count < 100)
        }
        for _ in 0..<500 { _ = Decoding(format, random.bytes(60)) }
    }

    @Test("A length that lies takes no memory, and ends with the input")
    func lies() {
        let lies: [(TransferFormat, [UInt8])] = [
            (.rdb, Array("REDIS0009".utf8) + [0xfe, 0, 0, 0x80, 0x3f, 0xff, 0xff, 0xff, 1]),
            (.rdb, Array("REDIS0009".utf8) + [0, 0x81] + [UInt8](repeating: 0xff, count: 8)),
            (.rdb, Array("REDIS0009".utf8) + [0, 0xc3, 1, 0x80, 0x3f, 0xff, 0xff, 0xff, 0]),
            (
                .rdb,
                Array("REDIS0009".utf8) + [1, 1, 65, 0x81, 0x7f]
                    + [UInt8](repeating: 0xff, count: 7)
            ),
            (.resp, Array("*3\r\n$1000000000\r\n".utf8)),
            (.gdbm, Array("#\n#:len=9999999999\nYQ==\n".utf8)),
        ]
        for (format, bytes) in lies {
            let decoding = Decoding(format, bytes)
            #expect(decoding.entries.isEmpty && decoding.errors.count == 1, "\(bytes)")
        }
    }
}
