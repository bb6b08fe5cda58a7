import StaveDisk
import TestSupport
import Testing

@Suite("MANIFEST")
struct ManifestTests {
    private var sample: Manifest {
        Manifest.of([
            .init(
                number: 1, identity: 0xab,
                state: .sealed(.init(length: 4096, sequences: 1...40))),
            .init(
                number: 7, identity: .max,
                state: .full(.init(length: 88, sequences: 41...41))),
            .init(number: 8, identity: 0),
        ])
    }

    /// `text` with the checksum line that it should have.
    private func closed(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        return bytes + Array(unsafe "checksum \(hex(Checksum.hash(bytes.span.bytes)))\n".utf8)
    }

    private func error(_ bytes: [UInt8]) -> FormatError? {
        do throws(FormatError) {
            _ = try Manifest(decoding: bytes)
            return nil
        } catch {
            return error
        }
    }

    private let start = """
        stave manifest 3
        store 0f0e0d0c0b0a09080706050403020100
        revision 3
        next-sequence 42
        next-segment 9
        complete-since 41
        history 0706050403020100 from 1

        """

    @Test("Every fact comes back, sealed, full and unsealed segments too")
    func roundTrip() throws {
        #expect(try Manifest(decoding: sample.encoded()) == sample)
        let empty = Manifest(storeID: StoreID(low: 1, high: .max))
        #expect(try Manifest(decoding: empty.encoded()) == empty)
    }

    @Test("Its text is what the specification shows")
    func text() {
        let text = String(decoding: sample.encoded(), as: UTF8.self)
        #expect(
            text.contains(
                "\nsegment 1 identity 00000000000000ab sealed length 4096 sequences 1 40\n"))
        #expect(
            text.contains("\nsegment 7 identity ffffffffffffffff full length 88 sequences 41 41\n"))
        #expect(
            text.contains("\nsegment 8 identity 0000000000000000 unsealed durable 80\nchecksum "))
    }

    @Test("Every flipped bit is noticed")
    func flips() {
        let bytes = sample.encoded()
        for offset in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[offset] ^= UInt8(1 << bit)
                #expect(error(damaged) != nil, "\(offset), bit \(bit)")
            }
        }
    }

    @Test("Every other length is refused")
    func cuts() {
        let bytes = sample.encoded()
        for length in bytes.indices { #expect(error(Array(bytes[..<length])) != nil, "\(length)") }
        #expect(error(bytes + [10]) != nil)
        #expect(error([0] + bytes) != nil)
    }

    @Test("A newer version is told from damage, whatever its checksum")
    func newer() {
        let text = start.replacing("manifest 3", with: "manifest 4")
        #expect(error(closed(text))?.isNewerVersion == true)
        #expect(
            error(Array((text + "another way to close the file altogether\n").utf8))?
                .isNewerVersion == true)
        for version in ["0", "x", "", "1 ", "-1"] {
            let text = start.replacing("manifest 3", with: "manifest " + version)
            #expect(error(closed(text))?.isNewerVersion == false, "version \(version)")
        }
    }

    @Test(
        "Lines that say the impossible are refused, though the checksum is right",
        arguments: [
            "segment 0 identity 0000000000000001 unsealed",
            "segment 9 identity 0000000000000001 unsealed",
            "segment 1 identity 1 unsealed",
            "segment 1 identity 000000000000000g unsealed",
            "segment 1 identity 0000000000000001 sealed",
            "segment 1 identity 0000000000000001 sealed length 79 sequences 1 2",
            "segment 1 identity 0000000000000001 sealed length -80 sequences 1 2",
            "segment 1 identity 0000000000000001 sealed length 9999999999 sequences 1 2",
            "segment 1 identity 0000000000000001 sealed length 80 sequences 3 2",
            "segment 1 identity 0000000000000001 sealed length 80 sequences 1 42",
            "segment 1 identity 0000000000000001 sealed length 80 sequences 1",
            "segment 1 identity 0000000000000001 melted length 80 sequences 1 2",
            "segment 18446744073709551616 identity 0000000000000001 unsealed",
            "segment 2 identity 0000000000000001 unsealed\n"
                + "segment 2 identity 0000000000000002 unsealed",
            "segment 2 identity 0000000000000001 unsealed\n"
                + "segment 1 identity 0000000000000002 unsealed",
            "remark hello", "", "segment",
        ])
    func impossible(_ line: String) {
        #expect(error(closed(start)) == nil)
        #expect(error(closed(start + line + "\n")) != nil)
    }

    @Test("Header lines that are missing, doubled or out of range are refused")
    func headerLines() {
        let lines = start.split(separator: "\n").map(String.init)
        for index in lines.indices {
            var without = lines
            without.remove(at: index)
            #expect(error(closed(without.joined(separator: "\n") + "\n")) != nil)
            var doubled = lines
            doubled.insert(lines[index], at: index)
            // A store may have several histories.
            let isHistory = lines[index].hasPrefix("history")
            #expect((error(closed(doubled.joined(separator: "\n") + "\n")) == nil) == isHistory)
        }
        let tooMany = start.replacing("next-segment 9", with: "next-segment 10000000000")
        #expect(error(closed(tooMany)) != nil)
        for line in ["42", "-1", "x", "41 41"] {
            let text = start.replacing("complete-since 41", with: "complete-since \(line)")
            #expect(error(closed(text)) != nil, "\(line)")
        }
        for line in ["0706050403020100", "706050403020100 from 1", "0706050403020100 from x"] {
            let text = start.replacing("0706050403020100 from 1", with: line)
            #expect(error(closed(text)) != nil, "\(line)")
        }
        #expect(error(closed(start + "history 0000000000000001 from 0\n")) != nil)
    }

    @Test("A MANIFEST of version 2 tells no deletion before its next write")
    func versionTwo() throws {
        let text = start.replacing("manifest 3", with: "manifest 2")
            .replacing("complete-since 41\nhistory 0706050403020100 from 1\n", with: "")
        let old = try Manifest(decoding: closed(text))
        #expect(old.completeSince == 41)
        #expect(old.histories == [Manifest.History(id: 0x0706_0504_0302_0100, firstSequence: 1)])
        #expect(try Manifest(decoding: old.encoded()) == old)
    }

    @Test("A number is known under the history that made it, and under no other")
    func histories() {
        var manifest = Manifest(storeID: StoreID(low: 1, high: 2))
        manifest.beginHistory(7, at: 100)
        manifest.beginHistory(8, at: 200)
        for (id, last) in [(UInt64(1), UInt64(99)), (7, 199), (8, .max - 1)] {
            #expect(manifest.has(0, under: id))
            #expect(manifest.has(last, under: id))
            #expect(!manifest.has(last + 1, under: id) || id == 8)
        }
        #expect(!manifest.has(5, under: 9))
        for id in 10..<200 as Range<UInt64> { manifest.beginHistory(id, at: 200 + id) }
        #expect(manifest.histories.count == Manifest.mostHistories)
        #expect(!manifest.has(5, under: 1))
    }
}
