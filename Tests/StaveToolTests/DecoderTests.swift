import Foundation
import Stave
import StaveDisk
import TestSupport
import Testing

/// The inspector beside a decoder in another language, written from docs/format.md alone.
@Suite("A second decoder of the format")
struct DecoderTests {
    private static let python = (ProcessInfo.processInfo.environment["PATH"] ?? "")
        .split(separator: ":").map { $0 + "/python3" }
        .first { FileManager.default.isExecutableFile(atPath: $0) }
    private static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Decoder/stave_decode.py").path

    /// What the decoder says of the inspector's lines; nil, and said so, where there is no Python.
    private func compare(_ path: String) throws -> (status: Int32, text: String)? {
        guard let python = Self.python else {
            print("left out: python3 is not in PATH")
            return nil
        }
        let store = try run(["inspect", path, "--json"])
        let records = try run(["inspect", path, "--from", "0", "--values", "full", "--json"])
        let child = try PipedChild(
            [python, "-B", Self.script, path, "--compare"],
            environment: ProcessInfo.processInfo.environment)
        child.send(store.output + records.output)
        let status = child.finish()
        return (status, String(decoding: child.output, as: UTF8.self) + child.errors)
    }

    /// Thousands of records of all lengths, keys and values of any bytes, in sealed segments, what
    /// a compaction wrote, a keydir checkpoint, and a log that was not closed.
    private func makeStore(_ folder: TemporaryFolder, _ random: inout SeededRandom) throws -> String
    {
        let path = folder.path("store")
        var options = StoreOptions.small(64 << 10)
        options.compaction.isAutomatic = false
        options.checkpointEntries = 1
        var store = try Store(path: path, options: options)
        for number in 0..<4000 {
            let key =
                number % 5 == 0
                ? random.bytes(Int.random(in: 1...40, using: &random))
                : Array("key:\(Int.random(in: 0..<900, using: &random))".utf8)
            if random.chance(5) {
                try store.write { batch in
                    for _ in 0..<Int.random(in: 1...6, using: &random) {
                        try batch.set(random.bytes(20), forKey: key + random.bytes(1))
                    }
                }
            } else if random.chance(15) {
                _ = try store.removeValue(forKey: key)
            } else {
                let length = Int.random(in: 0...(number % 50 == 0 ? 3000 : 90), using: &random)
                let value =
                    number % 3 == 0
                    ? random.bytes(length) : [UInt8](repeating: UInt8(ascii: "v"), count: length)
                try store.set(value, forKey: key)
            }
            if number == 1500 { _ = try store.compact() }
            if number == 3800 {
                try store.close()
                store = try Store(path: path, options: options)
            }
            if number == 3900 { try store.sync() }
        }
        try StoreFolder.copy(path, to: folder.path("copy"))
        try store.close()
        return folder.path("copy")
    }

    @Test("It agrees with the inspector on every record of a large store")
    func whole() throws {
        var random = SeededRandom.forTest()
        let folder = try TemporaryFolder(isInMemory: true)
        let path = try makeStore(folder, &random)
        #expect(try StoreFolder.names(path).contains(FileName.checkpoint.name))
        guard let (status, text) = try compare(path) else { return }
        #expect(status == 0 && text.hasSuffix(" 0 differ\n"), "\(text)")
        #expect(Int(text.prefix { $0.isNumber }) ?? 0 > 3000, "\(text)")
    }

    @Test("It agrees with the inspector on damaged stores")
    func damaged() throws {
        var random = SeededRandom.forTest()
        let folder = try TemporaryFolder(isInMemory: true)
        let path = try makeStore(folder, &random)
        // The decoder does not say more of a damaged one than that it is.
        try FileManager.default.removeItem(atPath: path + "/" + FileName.checkpoint.name)
        let original = try StoreFolder.items(path)
        for _ in 0..<4 {
            for name in try StoreFolder.names(path) where name != "MANIFEST" {
                var bytes = original[name]!.bytes
                // A hint file that the background has just begun has no byte to damage.
                for _ in 0..<Int.random(in: 0...4, using: &random) where !bytes.isEmpty {
                    let start = Int.random(in: 0..<bytes.count, using: &random)
                    let end = min(
                        bytes.count, start + [1, 1, 8, 700].randomElement(using: &random)!)
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0: for index in start..<end { bytes[index] = 0 }
                    case 1: for index in start..<end { bytes[index] ^= 0x55 }
                    case 2: bytes[start..<end] = random.bytes(end - start)[...]
                    default:
                        if random.chance(30), start > 100 { bytes.removeLast(bytes.count - start) }
                    }
                }
                try StoreFolder.write(bytes, path, name)
            }
            guard let (status, text) = try compare(path) else { return }
            #expect(status == 0, "\(text)")
        }
    }
}
