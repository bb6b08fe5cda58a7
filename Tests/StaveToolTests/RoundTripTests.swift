import Glibc
import TestSupport
import Testing

@testable import StaveTool

/// Output is input: whatever bytes a store holds come out of it whole, in each format.
struct RoundTripTests {
    private let scratch = Scratch()

    /// Random byte strings of each kind that has caused a bug: all bytes, text, quotes, lines.
    private func strings(_ count: Int, _ random: inout SeededGenerator) -> [[UInt8]] {
        let pieces: [[UInt8]] = [
            [0], [0x0A], [0x0D, 0x0A], [0x22], [0x27], [0x5C], [0x23], [0x2C], [0x09], [0x20],
            [0x2D, 0x2D], [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0x1B, 0x5B, 0x6D],
            Array("é漢😀👩‍👩‍👧e\u{301}\u{202E}\u{85}".utf8), Array("\\x41\\n{}".utf8), [0x3C], [0x3E],
        ]
        return (0..<count).map { _ in
            (0..<Int.random(in: 0...12, using: &random)).reduce(into: [UInt8]()) { bytes, _ in
                if Bool.random(using: &random) {
                    bytes += pieces.randomElement(using: &random)!
                } else {
                    bytes.append(UInt8.random(in: 0...255, using: &random))
                }
            }
        }
    }

    /// What python makes of the bytes: hex digits of each field, a line a record.
    private func python(_ program: String, _ input: [UInt8]) throws -> [Substring] {
        let child = try PipedChild(
            ["/usr/bin/env", "python3", "-c", program],
            environment: [
                "PATH": "/usr/local/bin:/usr/bin:/bin"
            ])
        child.send(input)
        #expect(child.finish() == 0, "\(child.errors)")
        return String(decoding: child.output, as: UTF8.self).split(separator: "\n")
    }

    @Test("Ten thousand random byte strings, quoted, are the same when pasted into set")
    func tenThousand() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededGenerator(seed: seed)
        let values = strings(10_000, &random)
        // Keys of the same kind, made different by a number at one end or the other.
        let keys = strings(10_000, &random).enumerated().map { number, bytes in
            number % 2 == 0 ? bytes + Array("#\(number)".utf8) : Array("\(number)#".utf8) + bytes
        }
        var script: [UInt8] = []
        for (key, value) in zip(keys, values) {
            script +=
                Array("set ".utf8) + Quoting.quoted(key) + [0x20] + Quoting.quoted(value) + [0x0A]
        }
        #expect(try run(["--create", "--quiet", scratch.store], input: script).status == 0)

        // As lines of set again, into a second store.
        let quoted = try run([scratch.store, "--format", "quoted", "scan"]).output
        #expect(quoted.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x0A }, "seed \(seed)")
        var lines: [UInt8] = []
        for line in quoted.split(separator: 0x0A) { lines += Array("set ".utf8) + line + [0x0A] }
        let copy = scratch.path + "/copy"
        #expect(try run(["--create", "--quiet", copy], input: lines).status == 0)

        let expected = Dictionary(uniqueKeysWithValues: zip(keys, values))
        for path in [scratch.store, copy] {
            let hex = try run([path, "--format", "hex", "scan"]).text
            var seen: [[UInt8]: [UInt8]] = [:]
            for line in hex.split(separator: "\n") {
                let words = line.split(separator: " ", omittingEmptySubsequences: false)
                seen[bytes(words[0])] = bytes(words[1])
            }
            #expect(seen == expected, "seed \(seed)")
        }
        try checkForeignReaders(expected, seed)
    }

    private func checkForeignReaders(_ expected: [[UInt8]: [UInt8]], _ seed: UInt64) throws {
        let json = try python(
            """
            import json, sys
            for line in sys.stdin.buffer.read().split(b"\\n")[:-1]:
                entry = json.loads(line.decode())
                def field(name):
                    return entry[name].encode() if name in entry else bytes.fromhex(entry[name + "Hex"])
                print(field("key").hex(), field("value").hex())
            """, run([scratch.store, "--format", "json", "scan"]).output)
        let csv = try python(
            """
            import csv, io, sys
            text = io.TextIOWrapper(sys.stdin.buffer, encoding="latin-1", newline="")
            for key, value in csv.reader(text):
                print(key.encode("latin-1").hex(), value.encode("latin-1").hex())
            """, run([scratch.store, "--format", "csv", "scan"]).output)
        for lines in [json, csv] {
            var seen: [[UInt8]: [UInt8]] = [:]
            for line in lines {
                let words = line.split(separator: " ", omittingEmptySubsequences: false)
                seen[bytes(words[0])] = words.count > 1 ? bytes(words[1]) : []
            }
            #expect(seen == expected, "seed \(seed)")
        }
    }

    private func bytes(_ hex: Substring) -> [UInt8] {
        let digits = Array(hex.utf8)
        return stride(from: 0, to: digits.count - 1, by: 2).map {
            Byte.hexValue(digits[$0])! << 4 | Byte.hexValue(digits[$0 + 1])!
        }
    }

    @Test("stats --json is valid JSON and has every number")
    func statsJSON() throws {
        _ = try run(["--create", scratch.store], script: "set a 1\nset a 2\ndelete a\n")
        let names = try python(
            "import json, sys; o = json.load(sys.stdin); print(*sorted(o)); print(*sorted(o['segments'][0]))",
            run([scratch.store], script: "stats --json\n").output)
        let members = """
            compactionAwaitsSegment compactionCount compactionFailure copiedBytes count deadBytes \
            deadBytesToCompaction diskBytes durability durableSequence freedBytes keydirBytes \
            lastCompaction liveBytes nextSequence path pendingWrites readOnly residentBytes \
            segments spaceAmplification threadFailure tombstoneBytes writeAmplification writtenBytes
            """
        #expect(names.first.map(String.init) == members)
        #expect(
            names.last == "bytes deadBytes liveBytes number residentBytes sealed tombstoneBytes")
    }
}
