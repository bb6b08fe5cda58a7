import StaveDisk
import TestSupport
import Testing

@testable import StaveTool

/// In this process rather than through the program, so that thousands of damaged stores take
/// seconds; a trap or a fault ends the whole run, which cannot be overlooked.
@Suite("The inspector and damage at every byte")
struct InspectEveryByteTests {
    let store = SmallStore()

    private func inspect(
        _ path: String, segment: UInt64? = nil, verify: Bool = false
    ) throws -> (worst: Severity, output: String) {
        let output = Output(isKept: true)
        let inspection = Inspection(
            path: path, segment: segment, filter: RecordFilter(), limit: .max, hex: false,
            json: false, stats: false, verify: verify, output: output)
        return (try inspection.run(), output.text)
    }

    @Test(
        "Every flipped bit of a store is noticed by --verify",
        arguments: SmallStore().files.map(\.name))
    func flipped(_ name: String) throws {
        let folder = try TemporaryFolder()
        store.write(to: folder)
        let bytes = folder.read(name)
        for offset in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[offset] ^= UInt8(1 << bit)
                folder.write(damaged, to: name)
                let (worst, output) = try inspect(folder.path, verify: true)
                let isNoted = worst == .note && output.contains("\nnote ")
                #expect(worst != .note || isNoted, "\(name) at \(offset), bit \(bit)")
                _ = try inspect(folder.path, segment: 2)
                _ = try inspect(folder.path(name))
            }
        }
    }

    @Test(
        "Every cut of a file is noticed, and none crashes the inspector",
        arguments: SmallStore().files.map(\.name))
    func cut(_ name: String) throws {
        let folder = try TemporaryFolder()
        store.write(to: folder)
        let bytes = folder.read(name)
        for length in bytes.indices {
            folder.write(Array(bytes[..<length]), to: name)
            let (worst, _) = try inspect(folder.path)
            _ = try? inspect(folder.path(name))
            if name == "0000000003.segment" {
                // Behind the records lies reserved space, and a cut between two records above the
                // mark leaves a shorter log.
                let isReserved = length >= store.active.bytes.count
                let isShorterLog = store.active.records.last?.offset == length
                #expect(worst != .note || isReserved || isShorterLog, "\(length)")
            } else {
                #expect(worst == .damage, "\(name) cut to \(length)")
            }
        }
    }

    @Test("Random bytes behind a good header are damage, and are walked to the end")
    func garbage() throws {
        var random = SeededRandom.forTest()
        let folder = try TemporaryFolder()
        store.write(to: folder)
        for _ in 0..<50 {
            var bytes = Array(store.first.bytes.prefix(80))
            for _ in 0..<Int.random(in: 1...4000, using: &random) {
                bytes.append(UInt8.random(in: 0...255, using: &random))
            }
            folder.write(bytes, to: "0000000001.segment")
            folder.write(bytes, to: "0000000003.segment")
            #expect(try inspect(folder.path, verify: true).worst == .damage)
            _ = try inspect(folder.path("0000000001.segment"))
        }
    }

    @Test("Every offset of whole and of random bytes can be shown in hexadecimal")
    func hexEverywhere() throws {
        var random = SeededRandom.forTest()
        let folder = try TemporaryFolder()
        let noise = (0..<2000).map { _ in UInt8.random(in: 0...255, using: &random) }
        for bytes in [store.first.bytes, Array(store.first.bytes.prefix(80)) + noise] {
            folder.write(bytes, to: "file.segment")
            for offset in bytes.indices {
                let inspection = Inspection(
                    path: folder.path("file.segment"), segment: nil,
                    filter: RecordFilter(from: offset), limit: .max, hex: true, json: false,
                    stats: false, verify: false, output: Output(isKept: true))
                _ = try inspection.run()
            }
        }
    }
}
