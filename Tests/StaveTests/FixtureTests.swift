import Foundation
import StaveDisk
import TestSupport
import Testing

@testable import Stave

/// Stores that version 1 of the format left behind, checked in as bytes: they must open for ever.
///
/// Each folder holds the files of a store and `listing`: a line for each entry, key and value in
/// hexadecimal, or `-` for a key that answers with an error.
@Suite("Fixtures: stores made by format version 1")
struct FixtureTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("StaveDiskTests/Fixtures/v1")
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder(isInMemory: true) }

    private func copy(_ name: String) throws -> (path: String, listing: [[UInt8]: [UInt8]?]) {
        let path = folder.path(name)
        try StoreFolder.copy(Self.root.appendingPathComponent(name).path, to: path)
        let text = String(decoding: try StoreFolder.bytes(path, "listing"), as: UTF8.self)
        try StoreFolder.remove(path, "listing")
        var listing: [[UInt8]: [UInt8]?] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", omittingEmptySubsequences: false)
            listing[Self.bytes(words[0])] = .some(words[1] == "-" ? nil : Self.bytes(words[1]))
        }
        return (path, listing)
    }

    private static func bytes(_ hex: Substring) -> [UInt8] {
        var digits = hex.utf8.makeIterator()
        var bytes: [UInt8] = []
        while let high = digits.next(), let low = digits.next() {
            bytes.append(UInt8(String(decoding: [high, low], as: UTF8.self), radix: 16)!)
        }
        return bytes
    }

    private func check(_ store: Store, _ listing: [[UInt8]: [UInt8]?], _ name: String) throws {
        for (key, value) in listing {
            if let value {
                #expect(try store.value(forKey: key) == value, "\(name)")
            } else {
                #expect(throws: StoreError.self, "\(name)") { try store.value(forKey: key) }
            }
        }
        #expect(store.count == listing.count, "\(name)")
        var cursor = try store.entries()
        var found: [[UInt8]: [UInt8]] = [:]
        while true {
            do {
                guard let (key, value) = try cursor.next() else { break }
                found[key] = value
            } catch { continue }
        }
        #expect(found == listing.compactMapValues { $0 }, "\(name)")
    }

    @Test(
        "Every entry is there, read-only and to write, before and after a compaction",
        arguments: ["clean", "killed", "compacted", "damaged"])
    func opens(name: String) throws {
        let (path, listing) = try copy(name)
        #expect(listing.count > 5)
        try check(Store(path: path, options: .reading), listing, name)
        let store = try Store(path: path)
        #expect(store.isReadOnly == false)
        #expect(store.notices.count == (name == "killed" ? 1 : 0), "\(store.notices)")
        try check(store, listing, name)
        let report = try store.compact()
        #expect(report.damage.count == (name == "damaged" ? 1 : 0))
        try check(store, listing, name)
        try store.close()
        try check(Store(path: path), listing, name)
    }

    @Test("They are what they say: a torn tail, tombstones, damage")
    func contents() throws {
        func tombstones(_ name: String) throws -> Int {
            let path = Self.root.appendingPathComponent(name).path
            return try StoreFolder.segments(path).reduce(0) { sum, segment in
                try sum
                    + StoreFolder.records(path, segment).count { $0.header.kind == .tombstone }
            }
        }
        #expect(try tombstones("compacted") > 0)
        #expect(try copy("damaged").listing.values.count { $0 == nil } == 1)
        #expect(try Store(path: copy("killed").path).notices.first?.contains("torn") == true)
    }
}

/// Makes the fixtures, where STAVE_MAKE_FIXTURES is set: once for each version of the format, never
/// over old ones.
@Suite(
    "Making fixtures",
    .enabled(if: ProcessInfo.processInfo.environment["STAVE_MAKE_FIXTURES"] != nil))
struct FixtureMaker {
    private let history = History.random(60, keys: 14, seed: 11)

    private func make(_ name: String, _ body: (Store, String) throws -> [[UInt8]: [UInt8]?]) throws
    {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("StaveDiskTests/Fixtures/v1")
        let target = root.appendingPathComponent(name).path
        try #require(FileManager.default.fileExists(atPath: target) == false)
        let folder = try TemporaryFolder(isInMemory: true)
        let store = try Store(path: folder.path("store"), options: .small())
        let listing = try body(store, target)
        func hex(_ bytes: [UInt8]) -> String {
            bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        }
        let lines = listing.map { "\(hex($0.key)) \($0.value.map(hex) ?? "-")" }.sorted()
        try StoreFolder.write(Array(lines.joined(separator: "\n").utf8), target, "listing")
    }

    @Test("Make them")
    func makeAll() throws {
        try make("clean") { store, target in
            try history.play(0..<40, on: store)
            try store.sealActive()
            try history.play(40..<60, on: store)
            try store.set([0, 255, 10], forKey: [255, 0])
            let state = try store.dictionary()
            try store.close()
            try StoreFolder.copy(store.path, to: target)
            return state
        }
        try make("killed") { store, target in
            try history.play(0..<30, on: store)
            try store.sync()
            try history.play(30..<60, on: store)
            try store.copyAsKilled(to: target)
            let name = try StoreFolder.segments(target)[0]
            let last = try StoreFolder.records(target, name).last!
            var bytes = try StoreFolder.bytes(target, name)
            bytes.replaceSubrange(
                (last.offset + 20)...,
                with: [UInt8](repeating: 0, count: bytes.count - last.offset - 20))
            try StoreFolder.write(bytes, target, name)
            return history.state(after: 59)
        }
        try make("compacted") { store, target in
            try history.play(0..<30, on: store)
            try store.sealActive()
            try history.play(30..<60, on: store)
            try store.sealActive()
            let sealed = store.log.table.visibleSegments.sorted { $0.number < $1.number }
            _ = try Compaction(of: [sealed[1]], others: [sealed[0]], in: store.compactor).run()
            try store.close()
            try StoreFolder.copy(store.path, to: target)
            return history.state()
        }
        try make("damaged") { store, target in
            try history.play(on: store)
            try store.sealActive()
            try store.close()
            try StoreFolder.copy(store.path, to: target)
            let name = try StoreFolder.segments(target)[0]
            let record = try StoreFolder.records(target, name).last { $0.header.kind == .value }!
            var bytes = try StoreFolder.bytes(target, name)
            bytes[record.offset + RecordHeader.byteCount + record.key.count] ^= 0x20
            try StoreFolder.write(bytes, target, name)
            var state: [[UInt8]: [UInt8]?] = history.state()
            try #require(state[record.key] != nil)
            state[record.key] = .some(nil)
            return state
        }
    }
}
