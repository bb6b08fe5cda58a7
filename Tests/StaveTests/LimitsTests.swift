import Foundation
import StaveDisk
import TestSupport
import Testing

@testable import Stave

@Suite("Limits")
struct LimitsTests {
    private let folder: TemporaryFolder
    private let path: String

    init() throws {
        folder = try TemporaryFolder(isInMemory: true)
        path = folder.path("store")
    }

    private func store() throws -> Store { try Store(path: path, options: .small()) }

    @Test("Keys have 1 to 65,535 bytes")
    func keys() throws {
        let longest = [UInt8](repeating: 7, count: 65_535)
        let store = try store()
        try store.set([1], forKey: longest)
        try store.set([2], forKey: longest.dropLast() + [8])
        try store.set([3], forKey: [0])
        let error = storeError { try store.set([1], forKey: longest + [7]) }
        #expect(error == .keyTooLong(length: 65_536))
        #expect(storeError { try store.set([1], forKey: []) } == .emptyKey)
        #expect(storeError { try store.removeValue(forKey: []) } == .emptyKey)
        #expect(storeError { try store.removeValue(forKey: longest + [7]) } != nil)
        #expect(try store.value(forKey: longest + [7]) == nil)
        #expect(try store.value(forKey: []) == nil)
        _ = try store.compact()
        try store.close()
        let again = try self.store()
        #expect(try again.value(forKey: longest) == [1])
        #expect(try again.allEntries().map(\.value) == [[3], [1], [2]])
        #expect(try again.removeValue(forKey: longest))
        #expect(try again.contains(key: longest) == false)
    }

    @Test("Values have 0 bytes to 1 GiB")
    func values() throws {
        let store = try store()
        try store.set([], forKey: [1])
        #expect(try store.value(forKey: [1]) == [])
        #expect(try store.contains(key: [1]))
        // Address space only: none of it is ever touched.
        let count = (1 << 30) + 1
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        let memory = unsafe try #require(unsafe mmap(nil, count, PROT_READ, flags, -1, 0))
        defer { unsafe munmap(memory, count) }
        let value = unsafe UnsafeRawBufferPointer(start: memory, count: count)
        let key: [UInt8] = [2]
        #expect(throws: StoreError.valueTooLong(length: count)) {
            unsafe try store.set(value.bytes, forKey: key.span.bytes)
        }
        #expect(store.count == 1)
        try store.close()
        #expect(try self.store().allEntries().map(\.value) == [[]])
    }

    @Test(
        "The largest value is written, read, copied by a compaction and found again",
        .enabled(if: ProcessInfo.processInfo.environment["STAVE_LONG"] != nil))
    func largestValue() throws {
        let count = 1 << 30
        let store = try store()
        let flags = MAP_PRIVATE | MAP_ANONYMOUS
        let memory = unsafe try #require(
            unsafe mmap(nil, count, PROT_READ | PROT_WRITE, flags, -1, 0))
        defer { unsafe munmap(memory, count) }
        unsafe memset(memory, 0x5a, count)
        let value = unsafe UnsafeRawBufferPointer(start: memory, count: count)
        let key: [UInt8] = [1]
        func isThere(_ store: Store) throws -> Bool? {
            unsafe try store.withValue(forKey: key.span.bytes) { found in
                unsafe found.withUnsafeBytes { unsafe memcmp($0.baseAddress!, memory, count) == 0 }
            }
        }
        unsafe try store.set(value.bytes, forKey: key.span.bytes)
        #expect(try isThere(store) == true)
        try store.set("small", forKey: "other")
        try store.removeValue(forKey: "other")
        _ = try store.compact()
        #expect(try isThere(store) == true)
        try store.close()
        let again = try self.store()
        #expect(again.notices == [])
        #expect(try isThere(again) == true)
        try again.close()
    }

    @Test("Values larger than a segment get a segment of their own")
    func largeValues() throws {
        let store = try store()
        var wanted: [[UInt8]: [UInt8]] = [:]
        for number in 0..<6 {
            let value = [UInt8](repeating: UInt8(number), count: number * 70_000 + 4000)
            wanted[[UInt8(number % 4)]] = value
            try store.set(value, forKey: [UInt8(number % 4)])
            #expect(try store.value(forKey: [UInt8(number % 4)]) == value)
        }
        _ = try store.compact()
        #expect(try store.dictionary() == wanted)
        try store.close()
        #expect(try self.store().dictionary() == wanted)
    }

    @Test("Keys may hold every byte, and sort by bytes")
    func everyByte() throws {
        let store = try store()
        var wanted: [[UInt8]] = []
        for byte in UInt8.min...UInt8.max {
            for key in [[byte], [byte, 0], [byte, 0xff], [0xff, byte, 0xff]] {
                try store.set(key + [1], forKey: key)
                wanted.append(key)
            }
        }
        wanted = Set(wanted).sorted { $0.lexicographicallyPrecedes($1) }
        #expect(try store.allEntries().map(\.key) == wanted)
        #expect(try store.allEntries().allSatisfy { $0.value == $0.key + [1] })
        #expect(
            try store.allEntries(in: KeyRange(prefix: [0xff])).map(\.key)
                == wanted.filter { $0[0] == 0xff })
        try store.close()
        #expect(try self.store().allEntries().map(\.key) == wanted)
    }

    @Test("Near the end of the sequence numbers writes end with an error, and nothing is lost")
    func sequences() throws {
        try store().close()
        var manifest = try StoreFolder.manifest(path)
        manifest.nextSequence = .max - 8
        try StoreFolder.write(manifest, path)
        let store = try store()
        var written = 0
        var error: StoreError?
        while error == nil && written < 20 {
            error = storeError { try store.set("\(written)", forKey: "key") }
            if error == nil { written += 1 }
        }
        #expect(written > 0 && written < 10)
        #expect(storeError { try store.removeValue(forKey: "key") } != nil)
        let copy = folder.path("copy")
        try store.copyAsKilled(to: copy)
        for path in [path, copy] {
            let again = path == copy ? try Store(path: copy) : store
            #expect(try again.value(forKey: "key") == Array("\(written - 1)".utf8))
            #expect(storeError { try again.set("x", forKey: "key") } != nil)
            try again.close()
            #expect(try Store(path: path).value(forKey: "key") == Array("\(written - 1)".utf8))
        }
    }

    @Test("The clock decides nothing: records written while it went back stay in order")
    func clock() throws {
        let store = try store()
        for number in 0..<8 { try store.set("\(number)", forKey: "key \(number % 2)") }
        try store.removeValue(forKey: "key 1")
        let copy = folder.path("copy")
        try store.copyAsKilled(to: copy)
        let name = try StoreFolder.segments(copy)[0]
        var bytes = try StoreFolder.bytes(copy, name)
        let identity = unsafe try SegmentHeader(decoding: bytes.span.bytes).identity
        for (number, record) in try StoreFolder.records(copy, name).enumerated() {
            var header = record.header
            header.time = UInt32(1000 - number * 100)
            let start = record.offset + RecordHeader.byteCount + header.keyLength
            let value = Array(bytes[start..<(start + header.valueLength)])
            unsafe bytes.withUnsafeMutableBytes {
                unsafe Record.encode(
                    header, key: record.key.span.bytes, value: value.span.bytes,
                    binding: Checksum.binding(identity: identity, offset: record.offset),
                    into: $0.baseAddress! + record.offset)
            }
        }
        try StoreFolder.write(bytes, copy, name)
        let again = try Store(path: copy)
        #expect(try again.dictionary() == [Array("key 0".utf8): [UInt8(ascii: "6")]])
        _ = try again.compact()
        #expect(try again.dictionary() == [Array("key 0".utf8): [UInt8(ascii: "6")]])
    }
}
