import Foundation
import StaveDisk
import TestSupport
import Testing

@testable import Stave

/// Whatever happens to a file: no stale value, no deleted key, no silence; and what saves time is
/// believed only where it proves what it was made from.
@Suite("Damage anywhere is told, with and without what saves time")
struct TruthTests {
    private let folder: TemporaryFolder
    private let history = History.random(300, keys: 50, seed: 9)

    init() throws { folder = try TemporaryFolder(isInMemory: true) }

    private var options: StoreOptions {
        var options = StoreOptions.small()
        options.checkpointEntries = 0
        options.compaction.isAutomatic = false
        return options
    }

    private enum End: CaseIterable { case closed, compacted, killed }

    private func source(_ end: End) throws -> String {
        let (live, source) = (folder.path("live"), folder.path("source"))
        let store = try Store(path: live, options: options)
        try history.play(0..<200, on: store)
        if end == .compacted { _ = try store.compact() }
        try history.play(200..<300, on: store)
        try store.sync()
        try store.log.sealFull()
        if end == .killed { try store.copyAsKilled(to: source) }
        try store.close()
        if end != .killed { try StoreFolder.copy(live, to: source) }
        return source
    }

    /// Ways to hurt a file of `size` bytes.
    private func wounds(_ size: Int) -> [(String, ([UInt8]) -> [UInt8])] {
        var wounds: [(String, ([UInt8]) -> [UInt8])] = []
        func overwrite(_ range: Range<Int>, _ what: String, _ byte: @escaping (Int) -> UInt8) {
            let range = range.clamped(to: 0..<size)
            wounds.append(
                (
                    "\(what) in \(range)",
                    { bytes in
                        var bytes = bytes
                        for index in range { bytes[index] = byte(index) }
                        return bytes
                    }
                ))
        }
        let stretches = [
            0..<1, 0..<8, 0..<64, 64..<72, 64..<80, 0..<90, 0..<100, 0..<512, 0..<size,
        ]
        for range in stretches + stride(from: 0, to: size, by: 512).map({ $0..<($0 + 512) }) {
            overwrite(range, "zeros") { _ in 0 }
            overwrite(range, "ones") { _ in 0xff }
            overwrite(range, "noise") { UInt8(truncatingIfNeeded: $0 &* 151 &+ 77) }
        }
        for length in Set([0, 1, 79, 80, 81, size / 2, size - 9, size - 1]) where length < size {
            wounds.append(("cut to \(length)", { Array($0.prefix(max(length, 0))) }))
        }
        return wounds
    }

    @Test("Every file, hurt in every way", arguments: [0, 1, 2], [false, true])
    func wounds(_ end: Int, isBare: Bool) throws {
        let source = try source(End.allCases[end])
        let copy = folder.path("copy")
        for name in try StoreFolder.names(source) {
            let bytes = try StoreFolder.bytes(source, name)
            for (what, hurt) in wounds(bytes.count) {
                try StoreFolder.copy(source, to: copy)
                try StoreFolder.write(hurt(bytes), copy, name)
                for other in try StoreFolder.names(copy) where isBare && isOptional(other) {
                    try StoreFolder.remove(copy, other)
                }
                try check(copy, "\(End.allCases[end]), \(isBare): \(name), \(what)")
            }
            try StoreFolder.copy(source, to: copy)
            try StoreFolder.remove(copy, name)
            try check(copy, "\(End.allCases[end]): without \(name)")
        }
    }

    private func isOptional(_ name: String) -> Bool {
        name.hasSuffix(".hint") || name == FileName.checkpoint.name
    }

    private func check(_ path: String, _ what: String) throws {
        let wanted = history.state()
        var isTold = false
        func tell<Result>(_ body: () throws -> Result) -> Result? {
            do { return try body() } catch {
                isTold = true
                return nil
            }
        }
        guard let store = tell({ try Store(path: path, options: options) }) else { return }
        // A scan that goes on behind errors.
        var found: [[UInt8]: [UInt8]] = [:]
        if var cursor = tell({ try store.entries() }) {
            var errors = 0
            while errors < 1000 {
                guard let next = tell({ try cursor.next().map { [$0] } ?? [] }) else {
                    errors += 1
                    continue
                }
                guard let (key, value) = next.first else { break }
                found[key] = value
            }
        }
        let isScanTold = isTold
        for (key, value) in found {
            #expect(wanted[key] == value, "\(what): a stale or invented value, or a deleted key")
        }
        if !isScanTold { #expect(found == wanted, "\(what): keys are missing without a word") }
        for key in history.keys {
            isTold = false
            let value = tell { try store.value(forKey: key) }
            if !isTold { #expect(value == wanted[key], "\(what): get \(key)") }
        }
        isTold = false
        let count = tell { try store.count(in: .all) }
        if !isTold, let count { #expect(count == wanted.count, "\(what): count says \(count)") }
        try? store.close()
        try checkLater(path, found, what)
    }

    /// A write and a compaction take nothing of what was shown.
    private func checkLater(
        _ path: String, _ found: [[UInt8]: [UInt8]], _ what: String
    ) throws {
        do {
            let store = try Store(path: path, options: options)
            defer { try? store.close() }
            try store.set("x", forKey: "after")
            _ = try store.compact()
        } catch {
            return
        }
        let store = try Store(path: path, options: options)
        for (key, value) in found {
            let now = try? store.value(forKey: key)
            #expect(now == value, "\(what): gone after a write: \(key)")
        }
        try? store.close()
    }

    @Test("Many short sessions leave few segments, and every write of them")
    func sessions() throws {
        let path = folder.path("sessions")
        var wanted: [[UInt8]: [UInt8]] = [:]
        var random = SeededRandom.forTest("sessions")
        var largest = 0
        for number in 0..<400 {
            let store = try Store(path: path, options: .small(64 << 10))
            #expect(store.notices == [])
            let key = Array("key \(Int.random(in: 0..<90, using: &random))".utf8)
            if random.chance(20), wanted[key] != nil {
                try store.removeValue(forKey: key)
                wanted[key] = nil
            } else {
                wanted[key] = Array("value \(number)".utf8)
                try store.set(wanted[key]!, forKey: key)
            }
            #expect(try store.dictionary() == wanted)
            if random.chance(10) {
                let copy = folder.path("killed \(number)")
                try store.copyAsKilled(to: copy)
                let again = try Store(path: copy, options: .small(64 << 10))
                #expect(try again.dictionary() == wanted)
                try again.set("x", forKey: "x")
                #expect(try again.verify().isClean)
            }
            try store.close()
            largest = max(largest, try StoreFolder.segments(path).count)
        }
        #expect(largest < 8)
        #expect(try Store(path: path).dictionary() == wanted)
    }

    @Test("Opening changes nothing on disk, whatever a kill left")
    func openingReads() throws {
        let source = try source(.killed)
        let before = try itemsWithoutLock(source)
        let store = try Store(path: source, options: options)
        _ = try store.dictionary()
        #expect(try itemsWithoutLock(source) == before)
        try store.close()
    }

    @Test("On a full disk keys can be deleted and the store compacted")
    func fullDisk() throws {
        guard geteuid() == 0 else {
            print("skipped: a small file system is mounted by root alone")
            return
        }
        let disk = folder.path("disk")
        folder.makeFolder("disk")
        try run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk)
        defer { try? run("umount", "-l", disk) }
        var options = StoreOptions.small(256 << 10)
        options.compaction.isAutomatic = false
        var store = try Store(path: disk + "/store", options: options)
        var keys = 0
        let value = [UInt8](repeating: 7, count: 2000)
        while storeError({ try store.set(value, forKey: Array("key \(keys)".utf8)) }) == nil {
            keys += 1
        }
        #expect(keys > 200)
        try store.close()
        fillUp(disk + "/ballast")
        store = try Store(path: disk + "/store", options: options)
        #expect(storeError { try store.set(value, forKey: Array("one more".utf8)) } != nil)
        for number in 0..<(keys - 5) {
            #expect(try store.removeValue(forKey: Array("key \(number)".utf8)))
        }
        _ = try store.compact()
        try store.close()
        let again = try Store(path: disk + "/store", options: options)
        #expect(again.count == 5)
        try again.set(value, forKey: Array("there is room again".utf8))
        try again.close()
    }

    private func fillUp(_ path: String) {
        _ = FileManager.default.createFile(atPath: path, contents: nil)
        guard let file = FileHandle(forWritingAtPath: path) else { return }
        while (try? file.write(contentsOf: Data(repeating: 1, count: 512))) != nil {}
        try? file.close()
    }

    private func run(_ words: String...) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = words
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }
}
