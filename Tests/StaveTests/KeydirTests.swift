import TestSupport
import Testing

@testable import Stave

@Suite("The keydir")
struct KeydirTests {
    /// Keys are numbers; their hashes are chosen so that few shards and few tags are shared by
    /// many.
    private struct Key: Hashable {
        var number: Int
        var hash: UInt64

        init(_ number: Int, shards: UInt64, tags: UInt64) {
            self.number = number
            var random = SeededRandom(seed: UInt64(number))
            let tag = (random.next() % tags) &* (0xff_ffff / max(1, tags - 1))
            hash = (random.next() % shards) << 54 | tag << 30 | random.next() & 0x3fff_ffff
        }
    }

    /// Finds a key's slot as a store does: by looking at what the location names.
    private func find(
        _ key: Key, _ keydir: Keydir, _ owners: [Int: Key]
    ) throws -> (slot: Keydir.Slot, location: Location)? {
        var search = keydir.search(key.hash, descriptor: try keydir.descriptor(key.hash))
        while let candidate = unsafe search.next() {
            let owner = unsafe owners[candidate.location.offset / 8]
            // Neither an empty nor a deleted slot.
            #expect(owner != nil)
            if owner == key { return unsafe candidate }
        }
        return nil
    }

    @Test(
        "Random inserts, moves and removals agree with a dictionary, however tags collide",
        arguments: [(1, 1), (1, 2), (1, 7), (2, 1000), (1, 1 << 24), (3, 40)] as [(UInt64, UInt64)])
    func model(shards: UInt64, tags: UInt64) throws {
        for seed in Seeds.some(2) {
            print("seed \(seed)")
            var random = SeededRandom(seed: seed)
            let keydir = try Keydir()
            let keys = (0..<400).map { Key($0, shards: shards, tags: tags) }
            var model: [Key: Int] = [:]
            var owners: [Int: Key] = [:]
            for step in 1..<3000 {
                // First growing, then shrinking, then growing again.
                let key = keys.randomElement(using: &random)!
                let grows = random.chance(step / 1000 % 2 == 0 ? 75 : 25)
                let found = unsafe try find(key, keydir, owners)
                #expect(
                    unsafe (found?.location.offset) == model[key].map { $0 * 8 }, "seed \(seed)")
                if grows {
                    let location = Location(segmentIndex: step % 100, offset: step * 8)
                    if let found = unsafe found {
                        unsafe keydir.replace(found.slot, hash: key.hash, with: location)
                    } else {
                        try keydir.makeRoom(key.hash)
                        keydir.insert(key.hash, location)
                    }
                    if let old = model[key] { owners[old] = nil }
                    model[key] = step
                    owners[step] = key
                } else if let found = unsafe found {
                    unsafe keydir.remove(found.slot, hash: key.hash)
                    owners[model[key]!] = nil
                    model[key] = nil
                }
                #expect(keydir.count == model.count)
                if step % 100 == 0 { try keydir.checkInvariants() }
            }
            for key in keys {
                let found = unsafe try find(key, keydir, owners)
                #expect(
                    unsafe (found?.location.offset) == model[key].map { $0 * 8 }, "seed \(seed)")
            }
            try keydir.checkInvariants()
        }
    }

    @Test("A key takes as much memory at any number of keys", arguments: [false, true])
    func bytesPerKey(isPresized: Bool) throws {
        var random = SeededRandom(seed: 7)
        var keydir = try Keydir()
        for count in 1...400_000 {
            let hash = random.next()
            try keydir.makeRoom(hash)
            keydir.insert(hash, Location(segmentIndex: 1, offset: count * 8))
            guard count >= 100_000, count % 25_000 == 0 else { continue }
            if isPresized { keydir = try Keydir(expectedCount: count) }
            let bytes = Double(keydir.byteCount) / Double(count)
            #expect(bytes > 10.9 && bytes < 11.5, "\(bytes) bytes a key at \(count) keys")
        }
    }

    @Test("A search ends in a table without an empty slot, as a made-up checkpoint may have it")
    func fullTable() throws {
        let keydir = try Keydir()
        // One bucket, filled without asking for room.
        for number in 1...Keydir.slotsPerBucket {
            keydir.insert(UInt64(number) << 30, Location(segmentIndex: 1, offset: number * 8))
        }
        for tag: UInt64 in [0, 1, 8, 9] {
            var search = keydir.search(tag << 30, descriptor: try keydir.descriptor(0))
            #expect(unsafe (search.next() != nil) == (1...8).contains(tag))
            #expect(unsafe search.next() == nil)
        }
    }

    @Test("Keys that come and go in a full shard do not make it rebuild again and again")
    func churn() throws {
        var keydir = try Keydir()
        var random = SeededRandom(seed: 11)
        var hashes = (0..<9000).map { _ in random.next() >> Keydir.shardBits }
        func insert(_ index: Int) throws {
            try keydir.makeRoom(hashes[index])
            keydir.insert(hashes[index], Location(segmentIndex: 1, offset: (index + 1) * 8))
        }
        // Nearly as many as fit before the shard grows beyond the size that it has at 5,000.
        for index in 0..<5000 { try insert(index) }
        var full = 5000
        let descriptor = try keydir.descriptor(0)
        while try keydir.hasRoom(0, for: 1), try keydir.descriptor(0) == descriptor {
            try insert(full)
            full += 1
        }
        keydir = try Keydir()
        hashes.removeLast(hashes.count - (full - 10))
        for index in hashes.indices { try insert(index) }
        var rebuilds = 0
        for _ in 0..<30_000 {
            let index = Int(random.next() % UInt64(hashes.count))
            let old = Location(segmentIndex: 1, offset: (index + 1) * 8)
            let slot = unsafe try keydir.slot(hashes[index], at: old)
            unsafe keydir.remove(slot!, hash: hashes[index])
            let hash = random.next() >> Keydir.shardBits
            let before = try keydir.descriptor(hash)
            try keydir.makeRoom(hash)
            if try keydir.descriptor(hash) != before { rebuilds += 1 }
            keydir.insert(hash, old)
            hashes[index] = hash
        }
        // At least a tenth of the slots is free after each.
        #expect(keydir.count == full - 10 && rebuilds <= 30_000 / (full / 10))
        try keydir.checkInvariants()
    }

    @Test("slot(at:) names a slot only for the very location")
    func slotAt() throws {
        let keydir = try Keydir()
        let hash: UInt64 = 0x0123_4567_89ab_cdef
        for number in 1...50 {
            try keydir.makeRoom(hash)
            keydir.insert(hash, Location(segmentIndex: 1, offset: number * 8))
        }
        for number in 1...50 {
            #expect(
                unsafe try keydir.slot(hash, at: Location(segmentIndex: 1, offset: number * 8))
                    != nil)
            #expect(
                unsafe try keydir.slot(hash, at: Location(segmentIndex: 2, offset: number * 8))
                    == nil)
        }
        #expect(unsafe try keydir.slot(hash, at: Location(segmentIndex: 1, offset: 51 * 8)) == nil)
        #expect(unsafe try keydir.slot(~hash, at: Location(segmentIndex: 1, offset: 8)) == nil)
    }

    /// Growth gives old tables back while readers look; what was there before must stay found.
    ///
    ///     reader                          writer
    ///     loads the shard's descriptor
    ///                                     rebuilds the shard, gives the old table back
    ///     reads zeros: a miss?
    ///     the descriptor changed: again
    @Test("Readers find what is there while one shard grows and shrinks under them")
    func readersDuringGrowth() throws {
        for round in 0..<60 { try growUnderReaders(round) }
    }

    private func growUnderReaders(_ round: Int) throws {
        let keydir = try Keydir()
        let stable = (0..<64).map { Key($0, shards: 1, tags: 1 << 24) }
        for (index, key) in stable.enumerated() {
            try keydir.makeRoom(key.hash)
            keydir.insert(key.hash, Location(segmentIndex: 1, offset: index * 8))
        }
        let isDone = Flag()
        defer { isDone.set() }
        let readers = (0..<2).map { _ in
            BackgroundThread { () -> Int in
                var misses = 0
                while !isDone.isSet {
                    for (index, key) in stable.enumerated() {
                        let epoch = ReaderEpoch.enter()
                        let location = Location(segmentIndex: 1, offset: index * 8)
                        if unsafe try keydir.slot(key.hash, at: location) == nil { misses += 1 }
                        epoch.leave()
                    }
                }
                return misses
            }
        }
        let others = (0..<3000).map { Key(1000 + round * 3000 + $0, shards: 1, tags: 1 << 24) }
        for (index, key) in others.enumerated() {
            try keydir.makeRoom(key.hash)
            keydir.insert(key.hash, Location(segmentIndex: 2, offset: index * 8))
        }
        for (index, key) in others.enumerated() {
            let slot = unsafe try keydir.slot(
                key.hash, at: Location(segmentIndex: 2, offset: index * 8))
            unsafe keydir.remove(slot!, hash: key.hash)
        }
        isDone.set()
        for reader in readers { #expect(try reader.join() == 0) }
        try keydir.checkInvariants()
    }
}
