import Foundation
import Glibc
import Stave
import StaveDisk
import TestSupport
import Testing

@testable import StaveTool

@Suite("Where the bytes of a store are")
struct InspectSpaceTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func space(
        _ path: String, capacity: Int = PrefixTable.defaultCapacity, delimiter: String = ":",
        cells: Int = 50
    ) throws -> SpaceSurvey {
        let directory = try Directory(path: path)
        let store = try StoreSurvey(directory, .entries)
        return SpaceSurvey(
            store, in: directory, delimiter: Array(delimiter.utf8), capacity: capacity,
            cells: cells)
    }

    /// Sizes of all files as the kernel tells them.
    private func fileBytes(_ path: String) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: path).reduce(0) { sum, name in
            let attributes = try FileManager.default.attributesOfItem(atPath: path + "/" + name)
            return sum + ((attributes[.size] as? NSNumber)?.intValue ?? 0)
        }
    }

    /// Checks every sum that must hold, damaged or not.
    private func check(_ space: SpaceSurvey, _ path: String) throws {
        #expect(try space.totalBytes == fileBytes(path))
        let kinds = SegmentSpace.Kind.allCases
        for segment in space.segments {
            #expect(kinds.reduce(0) { $0 + segment.bytes($1) } == segment.survey.fileSize)
            #expect(kinds.allSatisfy { segment.bytes($0) >= 0 })
            let cells = (0..<segment.cellCount).flatMap { cell in
                SegmentSpace.Share.allCases.map { segment.bytes(of: cell, $0) }
            }
            let whole = segment.survey.fileSize - segment.bytes(.headers)
            #expect(cells.reduce(0, +) == whole - segment.bytes(.other))
            #expect(cells.allSatisfy { $0 >= 0 })
        }
        let records = [.live, .dead, .tombstones].reduce(0) { $0 + space.bytes($1) }
        let all = space.prefixes.total
        #expect(all.bytes == records)
        let (shown, rest, _) = space.prefixes.largest(3)
        #expect(shown.reduce(rest.bytes) { $0 + $1.bytes } == all.bytes)
        #expect(shown.reduce(rest.keys) { $0 + $1.keys } == all.keys)
        #expect(all.keys == space.liveKeys)
    }

    /// A store that was written to at random, and what it holds.
    private func randomStore(
        _ path: String, _ random: inout SeededRandom, prefixes: Int
    ) throws -> [[UInt8]: [UInt8]] {
        let store = try Store(path: path, options: .small(16 << 10))
        var model: [[UInt8]: [UInt8]] = [:]
        for _ in 0..<3000 {
            let prefix = Int.random(in: 0..<prefixes, using: &random)
            let number = Int.random(in: 0..<40, using: &random)
            let key = Array(prefix == 0 ? "plain\(number)".utf8 : "p\(prefix):\(number)".utf8)
            if random.chance(15) {
                _ = try store.removeValue(forKey: key)
                model[key] = nil
            } else {
                let value = random.bytes(Int.random(in: 0...60, using: &random))
                try store.set(value, forKey: key)
                model[key] = value
            }
        }
        try store.close()
        return model
    }

    @Test("Sums equal the file sizes, and live bytes what the store holds")
    func sums() throws {
        var random = SeededRandom.forTest()
        let path = folder.path("store")
        let model = try randomStore(path, &random, prefixes: 12)
        folder.write(random.bytes(333), to: "store/0000009999.segment")
        folder.write(random.bytes(44), to: "store/notes.txt")
        let space = try space(path)
        try check(space, path)
        #expect(space.liveKeys == model.count)
        #expect(space.liveKeyBytes == model.keys.reduce(0) { $0 + $1.count })
        #expect(space.liveValueBytes == model.values.reduce(0) { $0 + $1.count })
        #expect(space.leftoverBytes == 333)
        #expect(space.foreignBytes == 44)
        var live: [[UInt8]?: Int] = [:]
        for (key, value) in model {
            let colon = key.firstIndex(of: UInt8(ascii: ":"))
            live[colon.map { Array(key[...$0]) }, default: 0] += RecordHeader.recordLength(
                key: key.count, value: value.count)
        }
        let (shown, _, restCount) = space.prefixes.largest(100)
        #expect(restCount == 0)
        for usage in shown { #expect(usage.liveBytes == live[usage.prefix] ?? 0) }
    }

    @Test("A table that is too small shows the same sizes, and the same totals")
    func manyPrefixes() throws {
        var random = SeededRandom.forTest()
        let path = folder.path("store")
        _ = try randomStore(path, &random, prefixes: 300)
        let exact = try space(path)
        #expect(!exact.prefixes.overflowed)
        let sizes = Dictionary(
            uniqueKeysWithValues: exact.prefixes.largest(1000).shown.map { ($0.prefix, $0) })
        for capacity in [1, 7, 64, 299] {
            let bounded = try space(path, capacity: capacity)
            try check(bounded, path)
            let (shown, rest, restCount) = bounded.prefixes.largest(capacity)
            #expect(shown.count <= capacity)
            #expect(restCount == sizes.count - shown.count)
            for usage in shown {
                let other = try #require(sizes[usage.prefix])
                #expect(usage.bytes == other.bytes && usage.liveBytes == other.liveBytes)
                #expect(usage.tombstoneBytes == other.tombstoneBytes)
            }
            #expect(rest.bytes + shown.reduce(0) { $0 + $1.bytes } == exact.prefixes.total.bytes)
        }
    }

    @Test("Sums hold on damaged, torn, cut and partly missing stores")
    func damaged() throws {
        var random = SeededRandom.forTest()
        let path = folder.path("store")
        for round in 0..<40 {
            try? FileManager.default.removeItem(atPath: path)
            unsafe mkdir(path, 0o700)
            for (name, bytes) in SmallStore().files { folder.write(bytes, to: "store/" + name) }
            let name = SmallStore().files.randomElement(using: &random)!.name
            var bytes = folder.read("store/" + name)
            switch round % 4 {
            case 0: bytes[Int.random(in: 0..<bytes.count, using: &random)] ^= 0x10
            case 1: bytes.removeLast(Int.random(in: 1...bytes.count, using: &random))
            case 2: bytes += random.bytes(Int.random(in: 1...99, using: &random))
            default: break
            }
            folder.remove("store/" + name)
            if round % 4 != 3 { folder.write(bytes, to: "store/" + name) }
            try check(space(path), path)
        }
    }

    @Test("What ends a prefix may be any string; without it a key has none")
    func delimiters() {
        func length(_ key: String, _ delimiter: String) -> Int? {
            // SAFETY: the array outlives the call.
            unsafe Array(key.utf8).withUnsafeBytes {
                unsafe PrefixTable.prefixLength($0, Array(delimiter.utf8))
            }
        }
        #expect(length("user:1:x", ":") == 5)
        #expect(length("user:1", "::") == nil)
        #expect(length("a:::b", "::") == 3)
        #expect(length("ab", "b") == 2)
        #expect(length(":", ":") == 1)
        #expect(length("", ":") == nil)
        #expect(length("aab", "ab") == 3)
    }

    @Test("The map fits every width, and is plain or colored as the screen is")
    func map() throws {
        let path = folder.path("store")
        var random = SeededRandom.forTest()
        _ = try randomStore(path, &random, prefixes: 3)
        let directory = try Directory(path: path)
        for width in [40, 41, 47, 59, 60, 61, 80, 133, 199, 200] {
            for (color, plain) in [(false, true), (false, false), (true, false)] {
                let screen = Screen(width: width, hasColor: color, isPlain: plain)
                let store = try StoreSurvey(directory, .entries)
                let space = SpaceSurvey(
                    store, in: directory, delimiter: [58],
                    cells: SegmentMap.cells(store.segments, on: screen))
                let output = Output(isKept: true)
                SegmentMap(space.segments, on: screen).print(to: output)
                #expect(output.text.contains("\u{1B}") == color)
                if plain { #expect(output.text.utf8.allSatisfy { $0 < 0x7F }) }
                let lines = output.text.split(separator: "\n")
                #expect(lines.count == store.segments.count + (width < 49 ? 2 : 1))
                guard !color else { continue }
                let longest = lines.map(\.count).max() ?? 0
                #expect(lines.allSatisfy { $0.count <= width }, "\(width)")
                // The largest segment takes all of it, except for what does not divide evenly.
                #expect(longest >= width - 4, "\(width)")
            }
        }
    }

    @Test("Locale and terminal decide about the characters of the map")
    func environment() throws {
        SmallStore().write(to: folder)
        func map(_ environment: [String: String]) throws -> String {
            let child = try PipedChild(
                [stave, "inspect", folder.path, "--space"], environment: environment)
            #expect(child.finish() == 0)
            return String(decoding: child.output, as: UTF8.self)
        }
        let utf8 = ["LC_ALL": "C.UTF-8", "TERM": "xterm", "COLUMNS": "60"]
        #expect(try map(utf8).contains("█"))
        #expect(try !map(utf8.merging(["LC_ALL": "C"]) { $1 }).contains("█"))
        #expect(try !map(utf8.merging(["TERM": "dumb"]) { $1 }).contains("█"))
        #expect(try !map(["COLUMNS": "60"]).contains("█"))
        #expect(try !map(utf8).contains("\u{1B}"), "stdout is no terminal")
    }
}
