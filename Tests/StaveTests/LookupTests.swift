import StaveDisk
import Synchronization
import TestSupport
import Testing

@testable import Stave

@Suite("Look-ups, the usual ones and the others")
struct LookupTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// What `copyValue` returned, and what it left in a buffer of `count` bytes that held 0xee.
    private func copy(
        _ store: Store, _ key: String, into count: Int
    ) throws -> (length: Int?, buffer: [UInt8]) {
        var buffer = [UInt8](repeating: 0xee, count: count)
        let key = Array(key.utf8)
        var span = buffer.mutableSpan
        var bytes = unsafe span.mutableBytes
        let length = unsafe try store.copyValue(forKey: key.span.bytes, into: &bytes)
        return (length, buffer)
    }

    @Test("A value is copied where it fits, and its length says how much room it takes")
    func copies() throws {
        let store = try Store(path: folder.path("copies"), options: .small(1 << 20))
        try store.set("value", forKey: "key")
        try store.set("", forKey: "empty")
        let value = Array("value".utf8)
        let untouched: [UInt8] = [0xee, 0xee, 0xee, 0xee]
        let exact = try copy(store, "key", into: 5)
        #expect(exact.length == 5 && exact.buffer == value)
        let roomy = try copy(store, "key", into: 9)
        #expect(roomy.length == 5 && roomy.buffer == value + untouched)
        let small = try copy(store, "key", into: 4)
        #expect(small.length == 5 && small.buffer == untouched)
        let none = try copy(store, "key", into: 0)
        #expect(none.length == 5 && none.buffer.isEmpty)
        let empty = try copy(store, "empty", into: 4)
        #expect(empty.length == 0 && empty.buffer == untouched)
        #expect(try copy(store, "empty", into: 0).length == 0)
        let missing = try copy(store, "missing", into: 4)
        #expect(missing.length == nil && missing.buffer == untouched)
        try store.close()
        #expect(throws: StoreError.closed) { try copy(store, "key", into: 5) }
    }

    @Test(
        "Nothing is copied of a damaged record", arguments: [true, false],
        ["key 7", "a usual key 7"])
    func damage(_ isInValue: Bool, _ damaged: String) throws {
        let path = folder.path("damage")
        let store = try Store(path: path, options: .small(1 << 20))
        let prefix = damaged.dropLast()
        for number in 0..<100 { try store.set("value \(number)", forKey: prefix + "\(number)") }
        let name = try #require(try StoreFolder.segments(path).last)
        let record = try StoreFolder.records(path, name)[7]
        var bytes = try StoreFolder.bytes(path, name)
        let start = record.offset + RecordHeader.byteCount
        bytes[start + (isInValue ? damaged.utf8.count + 1 : 0)] ^= 1
        try StoreFolder.write(bytes, path, name)
        var buffer = [UInt8](repeating: 0xee, count: 20)
        let key = Array(damaged.utf8)
        // A thread's first look-up goes another way than its next ones.
        for _ in 0..<3 {
            #expect(throws: StoreError.self) {
                var span = buffer.mutableSpan
                var bytes = unsafe span.mutableBytes
                return unsafe try store.copyValue(forKey: key.span.bytes, into: &bytes)
            }
            #expect(buffer == [UInt8](repeating: 0xee, count: 20))
            #expect(try copy(store, prefix + "8", into: 7).buffer == Array("value 8".utf8))
        }
    }

    @Test("Bytes are equal only if each of them is", arguments: Array(1...40) + [255, 300])
    func equality(_ length: Int) {
        var random = SeededRandom(seed: UInt64(length))
        let key = random.bytes(length)
        func isSame(_ other: [UInt8]) -> Bool {
            unsafe other.withUnsafeBytes { unsafe isEqual(key.span.bytes, $0.baseAddress!) }
        }
        #expect(isSame(key))
        for position in 0..<length {
            var other = key
            other[position] ^= 1 << UInt8(position % 8)
            #expect(!isSame(other), "byte \(position)")
        }
    }

    @Test("Keys and values of every length are found, and no key that only begins like one")
    func lengths() throws {
        let store = try Store(path: folder.path("lengths"), options: .small(1 << 20))
        var random = SeededRandom(seed: 16)
        let lengths = Array(1...70) + [255, 256, 257, 300, 65_535]
        let entries = lengths.map { (key: random.bytes($0), value: random.bytes($0 * 4 % 301)) }
        for entry in entries { try store.set(entry.value, forKey: entry.key) }
        for isSettled in [false, true] {
            if isSettled { #expect(store.count == entries.count) }
            for entry in entries {
                #expect(try store.value(forKey: entry.key) == entry.value)
                for position in [0, entry.key.count / 2, entry.key.count - 1] {
                    var other = entry.key
                    other[position] ^= 0x80
                    #expect(try store.value(forKey: other) == nil)
                }
                #expect(try store.value(forKey: entry.key + [0]) == nil)
                #expect(try store.value(forKey: entry.key.dropLast() + []) == nil)
            }
        }
        #expect(try store.value(forKey: [UInt8](repeating: 1, count: 70_000)) == nil)
        #expect(try store.value(forKey: [UInt8]()) == nil)
    }

    /// Small tables: buckets overflow into the next one and round the end of the table.
    @Test("Keys that overflow from their bucket are found, and others are missing")
    func overflow() throws {
        let store = try Store(path: folder.path("overflow"), options: .small(1 << 20))
        var keys: [Int: [[UInt8]]] = [:]
        for number in 0..<200_000 {
            let key = Array("a key \(number)".utf8)
            let hash = unsafe Checksum.hash(key.span.bytes, seed: store.index.hashSeed)
            let shard = Keydir.shard(hash)
            if shard < 8 { keys[shard, default: []].append(key) }
        }
        for (shard, keys) in keys {
            let (there, missing) = (keys.prefix(80), keys.dropFirst(80))
            for (index, key) in there.enumerated() {
                try store.set(key, forKey: key)
                if index % 5 == shard % 5 { _ = store.count }
                for key in there.prefix(index + 1) {
                    #expect(try store.value(forKey: key) == key)
                }
            }
            for key in missing { #expect(try store.value(forKey: key) == nil) }
        }
    }

    @Test("A value lent stays where it is while others are looked up beside it")
    func nesting() throws {
        let store = try Store(path: folder.path("nesting"), options: .small(1 << 20))
        for number in 0..<100 { try store.set("value \(number)", forKey: "a key \(number)") }
        let (outer, inner) = (Array("a key 1".utf8), Array("a key 2".utf8))
        // A thread's first entry goes another way than the next ones.
        let problems = try BackgroundThread { () -> [String] in
            var problems: [String] = []
            for round in 0..<3 {
                var began: UInt64 = 0
                _ = unsafe try store.withValue(forKey: outer.span.bytes) { value in
                    began = Readers.advance()
                    for _ in 0..<3 {
                        _ = unsafe try? store.withValue(forKey: inner.span.bytes) { _ in
                            _ = try? store.value(forKey: "a key that is missing")
                        }
                        if Readers.haveLeft(began, for: store.path) {
                            problems.append("round \(round): it could be freed")
                        }
                    }
                }
                // The next entry says when it began only where no other goes on.
                let next = ReaderEpoch.enter()
                if unsafe next.entered.pointee.load(ordering: .relaxed) < began {
                    problems.append("round \(round): it was not left")
                }
                next.leave()
            }
            return problems
        }.join()
        #expect(problems.isEmpty, "\(problems)")
    }

    @Test("A closed store answers no look-up, however usual")
    func closed() throws {
        let store = try Store(path: folder.path("closed"), options: .small(1 << 20))
        try store.set("value", forKey: "a usual key")
        #expect(try store.value(forKey: "a usual key") != nil)
        try store.close()
        #expect(throws: StoreError.closed) { try store.value(forKey: "a usual key") }
        #expect(throws: StoreError.closed) { try store.value(forKey: "another key") }
    }

    @Test("Without verifying, a value is read as it lies")
    func unverified() throws {
        let path = folder.path("unverified")
        var options = StoreOptions.small(1 << 20)
        options.verifiesReads = false
        let store = try Store(path: path, options: options)
        for number in 0..<20 { try store.set("value \(number)", forKey: "a key \(number)") }
        let name = try #require(try StoreFolder.segments(path).last)
        let record = try StoreFolder.records(path, name)[3]
        var bytes = try StoreFolder.bytes(path, name)
        bytes[record.offset + RecordHeader.byteCount + 7] ^= 1
        try StoreFolder.write(bytes, path, name)
        #expect(try store.value(forKey: "a key 3") == Array("walue 3".utf8))
    }
}
