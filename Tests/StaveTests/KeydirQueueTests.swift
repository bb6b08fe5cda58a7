import StaveDisk
import Synchronization
import TestSupport
import Testing

@testable import Stave

/// The version of each key that was set last.
private final class Acknowledged: Sendable {
    let versions: InlineArray<6, Atomic<Int>> = .init { _ in Atomic(0) }
}

extension Store {
    /// Sets that the keydir does not have yet.
    fileprivate var waitingCount: Int { log.withLock { index.queue.count } }
}

@Suite("The queue before the keydir")
struct KeydirQueueTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder(isInMemory: true) }

    @Test("Entries are found newest first, until they are taken away, oldest first")
    func order() {
        let queue = KeydirQueue()
        // One tag and one fingerprint for all: what a search sees is their order.
        let hash: UInt64 = 0x0123_4567_89ab_cdef
        func offsets(_ hash: UInt64) -> [Int] {
            var found: [Int] = []
            _ = queue.first(hash) { location -> Bool? in
                found.append(location.offset)
                return nil
            }
            return found
        }
        #expect(!queue.mayHold(hash) && offsets(hash) == [])
        var there: [Int] = []
        for number in 1...100 {
            let key = Array("\(number)".utf8)
            unsafe queue.push(
                key.span.bytes, hash: hash, Location(segmentIndex: 3, offset: number * 8))
            there.append(number)
            #expect(queue.count == there.count && queue.mayHold(hash))
            #expect(offsets(hash) == there.reversed().map { $0 * 8 })
            #expect(queue.first(hash) { $0.offset } == number * 8)
            #expect(offsets(hash ^ 1 << 40) == [], "another tag")
            #expect(!queue.mayHold(hash ^ 1), "another fingerprint")
            let removed = number % 7 == 0 ? there.count : there.count / KeydirQueue.capacity
            for _ in 0..<removed {
                let oldest = unsafe queue.oldest
                let number = there.removeFirst()
                #expect(unsafe Array(oldest.key) == Array("\(number)".utf8))
                #expect(unsafe oldest.location.offset == number * 8 && oldest.hash == hash)
                queue.removeOldest()
            }
        }
    }

    @Test("Fingerprints: each of the last sets may be there, hardly anything else")
    func fingerprints() {
        let queue = KeydirQueue()
        var random = SeededRandom(seed: 3)
        var there: [UInt64] = []
        var falseAlarms = 0
        for number in 1...2000 {
            let hash = random.next()
            unsafe queue.push(
                [1].span.bytes, hash: hash, Location(segmentIndex: 0, offset: number * 8))
            there.append(hash)
            #expect(there.allSatisfy(queue.mayHold))
            if queue.mayHold(random.next()) { falseAlarms += 1 }
            if there.count == KeydirQueue.capacity {
                there.removeFirst()
                queue.removeOldest()
            }
        }
        #expect(falseAlarms < 20)
    }

    /// The other models look at the whole store after each step, which settles all.
    @Test("Sets and lookups agree with a dictionary while sets wait", arguments: Seeds.some(16))
    func model(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var keys = (0..<30).map { Array("key \($0)".utf8) }
        keys += (0..<4).map { [UInt8](repeating: UInt8($0), count: 255 + $0) }
        var store = try Store(path: folder.path("model"), options: .small(4096))
        var model: [[UInt8]: [UInt8]] = [:]
        var mostWaiting = 0
        for step in 0..<1500 {
            let key = keys.randomElement(using: &random)!
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<70:
                let value = random.bytes(Int.random(in: 0...60, using: &random))
                try store.set(value, forKey: key)
                model[key] = value
                mostWaiting = max(mostWaiting, store.waitingCount)
            case 70..<74:
                #expect(try store.removeValue(forKey: key) == (model[key] != nil))
                model[key] = nil
            case 74..<76:
                #expect(store.count == model.count)
            case 76..<77 where random.chance(30):
                let copy = folder.path("copy \(step)")
                try store.copyAsKilled(to: copy)
                store = try Store(path: copy, options: .small(4096))
            case 77..<78:
                _ = try store.compact()
            case 78..<79:
                let entries = try store.allEntries()
                #expect(entries.count == model.count, "seed \(seed), step \(step)")
                #expect(entries.allSatisfy { model[$0.key] == $0.value })
            default:
                break
            }
            for key in keys.shuffled(using: &random).prefix(3) {
                #expect(try store.value(forKey: key) == model[key], "seed \(seed), step \(step)")
                let isThere = unsafe try store.contains(key: key.span.bytes)
                #expect(isThere == (model[key] != nil), "seed \(seed), step \(step)")
            }
            let some = Array(keys.shuffled(using: &random).prefix(5))
            #expect(try store.values(forKeys: some) == some.map { model[$0] })
        }
        #expect(mostWaiting == KeydirQueue.capacity - 1)
        #expect(try store.verify().problems.isEmpty)
    }

    @Test("New keys that wait for the same shard find room in it")
    func oneShard() throws {
        let store = try Store(path: folder.path("shard"), options: .small(1 << 20))
        var keys: [[UInt8]] = []
        var number = 0
        while keys.count < 100 {
            number += 1
            let key = Array("key \(number)".utf8)
            let hash = unsafe Checksum.hash(key.span.bytes, seed: store.index.hashSeed)
            if Keydir.shard(hash) == 5 { keys.append(key) }
        }
        for (index, key) in keys.enumerated() {
            try store.set([UInt8(index)], forKey: key)
            if index % 9 == 0 { _ = store.count }
            let buckets = try store.index.keydir.descriptor(5 << (64 - Keydir.shardBits))
            let slots = Keydir.buckets(buckets) * Keydir.slotsPerBucket
            // The lock alone: what waits is not settled.
            let used = store.log.lock.withLock { unsafe Int(store.index.keydir.usedSlots[5]) }
            #expect(used * 100 <= slots * 85)
        }
        for (index, key) in keys.enumerated() {
            #expect(try store.value(forKey: key) == [UInt8(index)])
        }
    }

    /// What a set has acknowledged, every reader finds from then on, wherever its entry is by then.
    @Test("Readers never find less than what was acknowledged before they asked")
    func readers() throws {
        let store = try Store(path: folder.path("readers"), options: .small(1 << 20))
        let keys = (0..<6).map { Array("key \($0)".utf8) }
        let acknowledged = Acknowledged()
        for key in keys { try store.set(Array("0".utf8), forKey: key) }
        let isDone = Flag()
        defer { isDone.set() }
        let readers = (0..<3).map { seed in
            BackgroundThread { () -> [String] in
                var random = SeededRandom(seed: UInt64(seed))
                var problems: [String] = []
                var last = [Int](repeating: 0, count: keys.count)
                while !isDone.isSet {
                    let index = Int.random(in: 0..<keys.count, using: &random)
                    let least = acknowledged.versions[index].load(ordering: .acquiring)
                    let value = try store.value(forKey: keys[index])
                    let found = value.flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? -1
                    if found < max(least, last[index]) {
                        problems.append("\(found) after \(least), \(last[index])")
                    }
                    last[index] = found
                }
                return problems
            }
        }
        var random = SeededRandom(seed: 9)
        for version in 1...60_000 {
            let index = Int.random(in: 0..<keys.count, using: &random)
            try store.set(Array("\(version)".utf8), forKey: keys[index])
            acknowledged.versions[index].store(version, ordering: .releasing)
            if version % 1000 == 0 { _ = store.count }
        }
        isDone.set()
        for reader in readers {
            let problems = try reader.join()
            #expect(problems.isEmpty, "\(problems.count): \(problems.prefix(3))")
        }
    }

    @Test("A waiting record that is damaged is an error, never its predecessor")
    func damage() throws {
        let path = folder.path("damage")
        let store = try Store(path: path, options: .small(1 << 20))
        for index in 0..<200 { try store.set([UInt8(index)], forKey: Array("key \(index)".utf8)) }
        let key = Array("key 7".utf8)
        try store.set(Array("newer".utf8), forKey: key)
        #expect(store.waitingCount > 0)
        let name = try #require(try StoreFolder.segments(path).last)
        let record = try #require(try StoreFolder.records(path, name).last)
        var bytes = try StoreFolder.bytes(path, name)
        bytes[record.offset + RecordHeader.byteCount] ^= 1
        try StoreFolder.write(bytes, path, name)
        for _ in 0..<2 {
            #expect(throws: StoreError.self) { try store.value(forKey: key) }
            #expect(throws: StoreError.self) { try store.values(forKeys: [key]) }
            _ = store.count
        }
        try store.set(Array("newest".utf8), forKey: key)
        #expect(try store.value(forKey: key) == Array("newest".utf8))
    }
}
