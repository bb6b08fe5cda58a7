import Foundation
import Glibc
import StaveDisk
import TestSupport
import Testing

@testable import Stave
@testable import StaveTool

@Suite("Verifying the keydir's checkpoint")
struct VerifyCheckpointTests {
    private let folder = try! TemporaryFolder(isInMemory: true)
    private var path: String { folder.path("store") }
    private let name = FileName.checkpoint.name

    private func makeStore() throws {
        var options = StoreOptions.small()
        options.checkpointEntries = 10
        options.compaction.isAutomatic = false
        let store = try Store(path: path, options: options)
        for number in 0..<400 { try store.set("value \(number)", forKey: "key \(number % 250)") }
        for number in 0..<20 { _ = try store.removeValue(forKey: "key \(number)") }
        try store.close()
    }

    private func findings() throws -> Findings { try Verification(of: path).findings }

    @Test("A checkpoint that a close wrote is clean, also after more writes; a stale one is a note")
    func clean() throws {
        try makeStore()
        #expect(try StoreFolder.names(path).contains(name))
        let verification = try Verification(of: path)
        #expect(verification.findings.list.isEmpty && verification.passed(.keydir))
        let output = Output(isKept: true)
        verification.print(to: output)
        #expect(output.text.contains("230 keys in the checkpoint"))
        var options = StoreOptions.small()
        options.compaction.isAutomatic = false
        let store = try Store(path: path, options: options)
        try store.set("new", forKey: "key 3")
        try store.set("new", forKey: "key 200")
        try store.sync()
        // The segment that the close sealed gets its hint now, and not in the middle of a look.
        store.compactor.unlessRunning { store.log.writeMissingHints() }
        #expect(try findings().worst == .note)
        #expect(try findings().list.isEmpty)
        _ = try store.compact()
        #expect(try findings().list.contains { $0.file == name && $0.severity == .note })
        try store.close()
    }

    @Test("Tables of many buckets are searched as the store searches them")
    func many() throws {
        var options = StoreOptions.small(1 << 20)
        let store = try Store(path: path, options: options)
        for number in 0..<30_000 { try store.set([1], forKey: Array("key \(number)".utf8)) }
        try store.close()
        let verification = try Verification(of: path)
        #expect(verification.findings.list.isEmpty && verification.passed(.keydir))
        // The store agrees: each key is found through the tables.
        options.access = .readOnly
        let again = try Store(path: path, options: options)
        for number in 0..<30_000 where try !again.contains(key: Array("key \(number)".utf8)) {
            Issue.record("key \(number) is gone")
        }
    }

    @Test("A changed byte is noticed wherever it is")
    func flipped() throws {
        try makeStore()
        let bytes = try StoreFolder.bytes(path, name)
        let file = try PatchedFile(path + "/" + name)
        for offset in stride(from: 0, to: bytes.count, by: 331) {
            try file.put(bytes[offset] ^ 0x20, at: offset)
            let findings = try findings()
            #expect(findings.worst == .damage, "\(offset)")
            let (worst, text) = try inspect(verify: true)
            #expect(worst == .damage && text.contains("damage   \(name)"), "\(offset)")
            #expect(findings.list.allSatisfy { $0.file == name })
            try file.put(bytes[offset], at: offset)
        }
        #expect(try findings().list.isEmpty)
    }

    private func inspect(
        verify: Bool, json: Bool = false
    ) throws -> (worst: Severity, text: String) {
        let output = Output(isKept: true)
        let inspection = Inspection(
            path: path, segment: nil, filter: RecordFilter(), limit: .max, hex: false, json: json,
            stats: false, verify: verify, output: output)
        return (try inspection.run(), output.text)
    }

    @Test("inspect shows the checkpoint at a glance, whether it fits, and what is in its place")
    func atAGlance() throws {
        try makeStore()
        var (worst, text) = try inspect(verify: false)
        #expect(worst == .note && text.contains("\nkeydir.checkpoint: "))
        #expect(text.contains("230 keys of the writes below 421\n"))
        #expect(try inspect(verify: false, json: true).text.contains(#""keys":230,"#))
        let bytes = try StoreFolder.bytes(path, name)
        for wrong in [Array(bytes.dropLast()), [], bytes.map { $0 ^ 1 }] {
            try StoreFolder.write(wrong, path, name)
            (worst, text) = try inspect(verify: false)
            #expect(worst == .damage && text.contains("damage   \(name)"), "\(text)")
        }
        try FileManager.default.removeItem(atPath: path + "/" + name)
        #expect(unsafe mkfifo(path + "/" + name, 0o600) == 0)
        #expect(try inspect(verify: false).worst == .damage)
        #expect(try inspect(verify: true).worst == .damage)
    }

    @Test("One whose checksums are right and that names another record is noticed")
    func wrong() throws {
        try makeStore()
        var bytes = try StoreFolder.bytes(path, name)
        var checkpoint = unsafe try KeydirCheckpoint(
            decoding: bytes.span.bytes, fileLength: bytes.count)
        // The first slot that names a record: one record further on.
        var offset = checkpoint.tablesOffset
        let shard = try #require(checkpoint.shards.firstIndex { $0.liveSlots > 0 })
        for index in 0..<shard { offset += checkpoint.shards[index].buckets * 64 }
        let length = checkpoint.shards[shard].buckets * 64
        // Slots before it may be empty, or of deleted keys.
        let slot = try #require(
            stride(from: offset, to: offset + length, by: 8).first { slot in
                bytes[(slot + 1)..<(slot + 8)].contains { $0 != 0 }
            })
        bytes[slot] ^= 1
        checkpoint.shards[shard].checksum = unsafe KeydirCheckpoint.checksum(
            bytes.span.bytes.extracting(offset..<(offset + length)), at: offset,
            of: checkpoint.storeID)
        let head = checkpoint.encoded()
        bytes.replaceSubrange(0..<head.count, with: head)
        try StoreFolder.write(bytes, path, name)
        let first = try #require(try findings().list.first)
        #expect(first.text.hasPrefix("it does not name the newest record of "))
        // Counters that a recount does not find.
        checkpoint.segments[0].liveBytes += 8
        bytes = try StoreFolder.bytes(path, name)
        bytes[slot] ^= 1
        checkpoint.shards[shard].checksum = unsafe KeydirCheckpoint.checksum(
            bytes.span.bytes.extracting(offset..<(offset + length)), at: offset,
            of: checkpoint.storeID)
        bytes.replaceSubrange(0..<head.count, with: checkpoint.encoded())
        try StoreFolder.write(bytes, path, name)
        #expect(try findings().list.first?.text.contains("live bytes") == true)
    }
}
