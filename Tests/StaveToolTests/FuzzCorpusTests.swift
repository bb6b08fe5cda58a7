import Foundation
import StaveDisk
import TestSupport
import Testing

@testable import StaveTool

/// The inputs of `make fuzz`, as they are and changed at random: what of fuzzing every run of the
/// tests does. A trap ends the run, which cannot be overlooked. `make fuzz` searches with coverage
/// in mind.
@Suite("Decoders and mutations of the corpus")
struct FuzzCorpusTests {
    private static let corpus = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../Fuzz/Corpus").standardizedFileURL
    private static let names = FuzzTarget.allCases.map(\.rawValue) + ["survey", "transfer"]

    /// Where STAVE_UPDATE_CORPUS is set, the seeds are written anew.
    init() throws {
        guard ProcessInfo.processInfo.environment["STAVE_UPDATE_CORPUS"] == "1" else { return }
        for name in Self.names {
            let folder = Self.corpus.appendingPathComponent(name)
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            for (number, bytes) in Self.seeds(name).enumerated() {
                try Data(bytes).write(to: folder.appendingPathComponent("seed-\(number)"))
            }
        }
    }

    private static func seeds(_ name: String) -> [[UInt8]] {
        let store = SmallStore()
        let segments = [store.first.bytes, store.second.bytes, store.files[4].bytes]
        switch name {
        case "record":
            var maker = SegmentMaker(identity: 0x1111_1111_1111_1111)
            maker.set("key", "value")
            var other = SegmentMaker(identity: 0x1111_1111_1111_1111)
            other.delete("gone")
            return [maker, other].map { [1] + $0.bytes[80...] }
        case "segment": return segments.map { [0] + $0 } + segments.map { [1] + $0 }
        case "hint": return [[0] + store.first.hint, [1] + store.second.hint]
        case "manifest":
            var full = store.manifest
            full.segments[1].makeFull()
            return [[0] + store.manifest.encoded(), [1] + full.encoded()]
        case "transfer":
            return TransferFormat.allCases.filter(\.isWritten).enumerated().compactMap {
                number, format in
                (try? TransferFuzzTests.fixture(format)).map { [UInt8(number)] + $0 }
            }
        case "checkpoint": return checkpoints.enumerated().map { [UInt8($0 & 1)] + $1 }
        default:
            return segments.enumerated().flatMap { number, bytes in
                [0, 9, 11, 29, 47].map { [UInt8($0 ^ (number << 4 & 63))] + bytes }
            } + checkpoints.enumerated().map { [0x80 | UInt8(($0 & 1) << 4)] + $1 }
        }
    }

    /// Of two segments and of none, with a few tables: whole files.
    private static var checkpoints: [[UInt8]] {
        let storeID = SmallStore().manifest.storeID
        let segments = SmallStore().manifest.segments.prefix(2).enumerated().map { slot, segment in
            KeydirCheckpoint.Segment(
                number: segment.number, identity: segment.identity, end: 400, liveBytes: 120,
                tombstoneBytes: 40, sequences: slot == 0 ? 1...7 : nil, slot: slot)
        }
        return [(segments, 3), ([], 1), (segments, 0)].map { segments, shards in
            var checkpoint = KeydirCheckpoint(
                storeID: storeID, nextSequence: 8, segments: segments, shards: [])
            let table: [UInt8] = [2] + [UInt8](repeating: 0, count: 63)
            for _ in 0..<shards {
                checkpoint.shards.append(
                    KeydirCheckpoint.Shard(buckets: 1, usedSlots: 1, liveSlots: 1, checksum: 0))
            }
            for (shard, range) in checkpoint.tableRanges.enumerated() {
                checkpoint.shards[shard].checksum = unsafe KeydirCheckpoint.checksum(
                    table.span.bytes, at: range.lowerBound, of: storeID)
            }
            return checkpoint.encoded() + (0..<shards).flatMap { _ in table }
        }
    }

    private func inputs(_ name: String) throws -> [[UInt8]] {
        let folder = Self.corpus.appendingPathComponent(name)
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        return try files.map { Array(try Data(contentsOf: folder.appendingPathComponent($0))) }
    }

    private func run(_ name: String, _ input: [UInt8]) {
        if let target = FuzzTarget(rawValue: name) {
            target.run(input)
        } else if name == "transfer" {
            FuzzTransfer.run(input)
        } else {
            FuzzSurvey.run(input)
        }
    }

    @Test("No input of the corpus, changed or not, traps a decoder", arguments: names)
    func mutations(_ name: String) throws {
        var random = SeededRandom.forTest("mutations(\(name))")
        let inputs = try inputs(name)
        #expect(!inputs.isEmpty)
        for input in inputs { run(name, input) }
        for _ in 0..<(name == "survey" ? 400 : 3000) {
            var input = inputs.randomElement(using: &random)!
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                mutate(&input, inputs, &random)
            }
            run(name, input)
        }
    }

    /// `make fuzz` is built from a list of files of its own, which once did not follow the sources.
    @Test("The fuzzer still compiles")
    func compiles() throws {
        let script = Self.corpus.appendingPathComponent("../build").standardizedFileURL.path
        let child = try PipedChild(
            [script, "--check"], environment: ProcessInfo.processInfo.environment)
        #expect(child.finish() == 0, "\(child.errors)")
    }

    private func mutate(
        _ input: inout [UInt8], _ inputs: [[UInt8]], _ random: inout SeededRandom
    ) {
        guard !input.isEmpty else { return input = [1, 2, 3] }
        let place = Int.random(in: 0..<input.count, using: &random)
        switch Int.random(in: 0..<7, using: &random) {
        case 0: input[place] ^= UInt8(1 << Int.random(in: 0..<8, using: &random))
        case 1: input[place] = [0, 1, 2, 0x7F, 0x80, 0xFF].randomElement(using: &random)!
        case 2: input.removeLast(input.count - place)
        case 3: input.remove(at: place)
        case 4: input.insert(UInt8.random(in: 0...255, using: &random), at: place)
        case 5:
            // A number of four bytes that is large, small or negative.
            let word =
                [0, 1, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x4000_0000]
                .randomElement(using: &random)! as UInt32
            for index in 0..<min(4, input.count - place) {
                input[place + index] = UInt8(truncatingIfNeeded: word >> (8 * UInt32(index)))
            }
        default:
            let other = inputs.randomElement(using: &random)!
            input = Array(input[..<place]) + other.dropFirst(place)
        }
    }
}
