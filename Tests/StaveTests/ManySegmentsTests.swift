import Foundation
import StaveDisk
import TestSupport
import Testing

@testable import Stave

@Suite("Thousands of segments")
struct ManySegmentsTests {
    private let folder: TemporaryFolder
    private let path: String

    init() throws {
        folder = try TemporaryFolder(isInMemory: true)
        path = folder.path("store")
    }

    private var options: StoreOptions {
        var options = StoreOptions.small()
        options.compaction.isAutomatic = false
        return options
    }

    /// Sealed segments without hints, of two records each: a key of its own, and one that the next
    /// segment sets again.
    private func make(_ count: Int) throws {
        folder.makeFolder("store")
        var manifest = Manifest(storeID: SegmentMaker.storeID)
        var sequence: UInt64 = 1
        for number in 1...UInt64(count) {
            var segment = SegmentMaker(
                number: number, identity: number &* 0x9e37_79b9_7f4a_7c15, firstSequence: sequence)
            segment.set("key \(number)", "\(number)")
            segment.set("shared", "\(number)")
            segment.sync()
            sequence = segment.nextSequence
            manifest.segments.append(segment.sealed)
            folder.write(segment.bytes, to: "store/" + FileName.segment(number).name)
        }
        manifest.nextSegment = UInt64(count) + 1
        manifest.nextSequence = sequence
        try StoreFolder.write(manifest, path)
    }

    private func check(_ store: Store, _ count: Int) throws {
        #expect(store.count == count + 1)
        for number in stride(from: 1, through: count, by: 97) {
            #expect(try store.value(forKey: "key \(number)") == Array("\(number)".utf8))
        }
        #expect(try store.value(forKey: "shared") == Array("\(count)".utf8))
    }

    @Test("3,000 segments are opened, read, written to and compacted with a few descriptors")
    func threeThousand() throws {
        let count = 3000
        try make(count)
        // Other tests open files at the same time; a descriptor a segment would be thousands.
        let before = try descriptorCount()
        let reader = try Store(path: path, options: .reading)
        try check(reader, count)
        try reader.close()
        var store = try Store(path: path, options: options)
        #expect(try descriptorCount() < before + 500)
        try check(store, count)
        #expect(try store.allEntries(in: KeyRange(prefix: Array("key 2".utf8))).count == 1111)
        #expect(try store.verify().isClean)
        try store.set("new", forKey: "new")
        try store.removeValue(forKey: "new")
        try store.close()
        store = try Store(path: path, options: options)
        #expect(store.notices == [])
        try check(store, count)
        let report = try store.compact()
        #expect(report.segmentsBefore > count - 100 && report.segmentsAfter < 60)
        #expect(try descriptorCount() < before + 500)
        try check(store, count)
        try store.close()
        #expect(try StoreFolder.segments(path).count < 60)
        try check(Store(path: path), count)
    }

    @Test(
        "A store makes thousands of segments itself",
        .enabled(if: ProcessInfo.processInfo.environment["STAVE_LONG"] != nil))
    func written() throws {
        let value = [UInt8](repeating: 1, count: 3800)
        let store = try Store(path: path, options: options)
        for number in 0..<4000 { try store.set(value, forKey: Array("key \(number)".utf8)) }
        #expect(try StoreFolder.segments(path).count == 4000)
        try store.close()
        let again = try Store(path: path, options: options)
        #expect(again.notices == [] && again.count == 4000)
        #expect(try again.allEntries().allSatisfy { $0.value == value })
        try again.close()
    }

    private func descriptorCount() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
    }
}
