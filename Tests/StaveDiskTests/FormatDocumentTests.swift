import Foundation
import StaveDisk
import TestSupport
import Testing

/// docs/format.md and the code say the same: its worked example is decoded and encoded again.
@Suite("The example in docs/format.md")
struct FormatDocumentTests {
    private let document: String

    init() throws {
        let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../docs/format.md").standardizedFileURL
        document = try String(contentsOf: url, encoding: .utf8)
    }

    /// The lines of the fenced block that opens with `title`.
    private func block(_ title: String) throws -> [Substring] {
        let lines = document.split(separator: "\n", omittingEmptySubsequences: false)
        let start = try #require(lines.firstIndex(of: "```" + title))
        let rest = lines[(start + 1)...]
        let end = try #require(rest.firstIndex(of: "```"))
        return Array(rest[..<end])
    }

    /// The bytes of lines like "0040  01 02 03  what they are".
    private func exampleBytes(_ title: String) throws -> [UInt8] {
        var bytes: [UInt8] = []
        for line in try block(title) {
            let parts = line.components(separatedBy: "  ")
            let offset = Int(parts[0], radix: 16)
            #expect(offset == bytes.count, "\(line)")
            for digits in parts[1].split(separator: " ") {
                bytes.append(try #require(UInt8(digits, radix: 16), "\(line)"))
            }
        }
        return bytes
    }

    private var example: SegmentMaker {
        var maker = SegmentMaker(number: 1, identity: 0x0123_4567_89ab_cdef)
        maker.append(.value, Array("color".utf8), Array("red".utf8), time: 1_767_323_045)
        maker.append(.tombstone, Array("old".utf8), [], time: 1_767_323_046)
        maker.sync()
        return maker
    }

    @Test("The segment is what the encoders write and what the decoders read")
    func segment() throws {
        let bytes = try exampleBytes("segment")
        #expect(bytes == example.bytes)
        let span = unsafe bytes.span.bytes
        let header = try SegmentHeader(decoding: span)
        #expect(header.number == 1)
        #expect(header.identity == 0x0123_4567_89ab_cdef)
        let mark = SegmentHeader.mark(
            in: span, identity: header.identity, version: header.version)
        #expect(mark.length == bytes.count)
        let first = Record.header(in: span, at: 80, identity: header.identity)
        let set = try #require(first)
        #expect(set.kind == .value && set.keyLength == 5 && set.valueLength == 3)
        let isWhole = Record.valueChecksOut(set, in: span, at: 80, identity: header.identity)
        #expect(isWhole)
        let second = Record.header(in: span, at: 120, identity: header.identity)
        let deletion = try #require(second)
        #expect(deletion.kind == .tombstone && deletion.keyLength == 3)
        let end = SegmentScan.step(in: span, at: 152, identity: header.identity)
        #expect(end == .end)
    }

    @Test("The hint file is what the encoders write and what the decoders read")
    func hint() throws {
        let bytes = try exampleBytes("hint")
        #expect(bytes == example.hint)
        let hint = try BytesOwner.hint(bytes, segmentLength: example.bytes.count)
        #expect(hint.count == 2)
    }

    @Test("The MANIFEST is what the encoders write and what the decoders read")
    func manifest() throws {
        let text = try block("manifest").joined(separator: "\n") + "\n"
        let manifest = try Manifest(decoding: Array(text.utf8))
        #expect(manifest.encoded() == Array(text.utf8))
        var wanted = Manifest.of([example.sealed])
        wanted.revision = 2
        #expect(manifest == wanted)
    }

    /// No test: prints what the document has to show where the format has changed.
    @Test(
        "The example's bytes, to be pasted",
        .enabled(if: ProcessInfo.processInfo.environment["STAVE_PRINT_EXAMPLE"] == "1"))
    func paste() {
        for bytes in [example.bytes, example.hint] {
            for start in stride(from: 0, to: bytes.count, by: 8) {
                let line = bytes[start..<min(start + 8, bytes.count)]
                let digits = line.map { String(format: "%02x", $0) }.joined(separator: " ")
                print(String(format: "%04x", start) + "  " + digits)
            }
            print("")
        }
        var manifest = Manifest.of([example.sealed])
        manifest.revision = 2
        print(String(decoding: manifest.encoded(), as: UTF8.self))
    }
}
