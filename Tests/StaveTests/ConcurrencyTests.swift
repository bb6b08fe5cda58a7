import TestSupport
import Testing

@testable import Stave

/// Values say whose they are and how old: key number, version, and a filling that both decide.
private struct Stamp {
    static func value(_ key: Int, _ version: Int) -> [UInt8] {
        let filling = UInt8(truncatingIfNeeded: key &* 31 &+ version)
        let text = Array("\(key) \(version) ".utf8)
        return text + [UInt8](repeating: filling, count: (key &* 7 &+ version &* 13) % 300)
    }

    /// The version, if `value` is whole and the key's.
    static func version(_ value: [UInt8], of key: Int) -> Int? {
        let words = value.split(separator: UInt8(ascii: " "), maxSplits: 2)
        guard words.count >= 2, Int(String(decoding: words[0], as: UTF8.self)) == key,
            let version = Int(String(decoding: words[1], as: UTF8.self)),
            value == Self.value(key, version)
        else { return nil }
        return version
    }

    static func key(_ number: Int) -> [UInt8] { Array("key \(number)".utf8) }

    static func number(_ key: [UInt8]) -> Int {
        Int(String(decoding: key.dropFirst(4), as: UTF8.self))!
    }
}

private func expectNone(_ problems: [String]) {
    #expect(problems.isEmpty, "\(problems.count): \(problems.prefix(3))")
}

@Suite("Concurrency")
struct ConcurrencyTests {
    private let folder: TemporaryFolder
    private static let keyCount = 40

    init() throws { folder = try TemporaryFolder(isInMemory: true) }

    /// Reads until `isDone`: a key's version never goes back, and every value is whole.
    private static func read(_ store: Store, _ seed: UInt64, until isDone: Flag) throws -> [String]
    {
        var random = SeededRandom(seed: seed)
        var seen = [Int](repeating: -1, count: keyCount)
        var problems: [String] = []
        while !isDone.isSet {
            let numbers = (0..<20).map { _ in Int.random(in: 0..<keyCount, using: &random) }
            let values = try store.values(forKeys: numbers.map(Stamp.key))
            for (number, value) in zip(numbers, values) {
                check(number, value, &seen, &problems)
            }
            for number in numbers {
                check(number, try store.value(forKey: Stamp.key(number)), &seen, &problems)
            }
        }
        return problems
    }

    private static func check(
        _ number: Int, _ value: [UInt8]?, _ seen: inout [Int], _ problems: inout [String]
    ) {
        // Every third key is deleted now and then; the others are always there.
        guard let value else {
            if number % 3 != 0 && seen[number] >= 0 { problems.append("key \(number) is gone") }
            return
        }
        guard let version = Stamp.version(value, of: number) else {
            problems.append("key \(number) has another's value")
            return
        }
        if version < seen[number] { problems.append("key \(number) went back to \(version)") }
        seen[number] = version
    }

    /// Scans until `isDone`: keys ascend, values are whole, and keys that are never deleted are
    /// there.
    private static func scan(_ store: Store, until isDone: Flag) throws -> [String] {
        var problems: [String] = []
        while !isDone.isSet {
            let entries = try store.allEntries()
            for (left, right) in zip(entries, entries.dropFirst())
            where !left.key.lexicographicallyPrecedes(right.key) {
                problems.append("out of order: \(left.key), \(right.key)")
            }
            for (key, value) in entries where Stamp.version(value, of: Stamp.number(key)) == nil {
                problems.append("key \(Stamp.number(key)) has another's value in a scan")
            }
            let there = entries.count { Stamp.number($0.key) % 3 != 0 }
            if there != (0..<keyCount).count(where: { $0 % 3 != 0 }) {
                problems.append("a scan shows \(there) of the keys that are always there")
            }
        }
        return problems
    }

    @Test("Readers and a scanner see whole, never older values beside a writer and compactions")
    func everything() throws {
        let store = try Store(path: folder.path("store"), options: .small(durability: .interval))
        for number in 0..<Self.keyCount {
            try store.set(Stamp.value(number, 0), forKey: Stamp.key(number))
        }
        let isDone = Flag()
        defer { isDone.set() }
        let readers = (0..<4).map { seed in
            BackgroundThread { try Self.read(store, UInt64(seed), until: isDone) }
        }
        let scanner = BackgroundThread { try Self.scan(store, until: isDone) }
        let compactor = BackgroundThread { () -> Int in
            var count = 0
            while !isDone.isSet || count == 0 {
                _ = try store.compactionPlan()
                _ = try store.compact()
                count += 1
            }
            return count
        }
        var random = SeededRandom(seed: 1)
        var versions = [Int?](repeating: 0, count: Self.keyCount)
        for version in 1...3000 {
            let number = Int.random(in: 0..<Self.keyCount, using: &random)
            if number % 3 == 0 && random.chance(30) {
                try store.removeValue(forKey: Stamp.key(number))
                versions[number] = nil
            } else {
                try store.set(Stamp.value(number, version), forKey: Stamp.key(number))
                versions[number] = version
            }
        }
        isDone.set()
        for reader in readers { expectNone(try reader.join()) }
        expectNone(try scanner.join())
        #expect(try compactor.join() > 0)
        func check(_ store: Store) throws {
            for number in 0..<Self.keyCount {
                let wanted = versions[number].map { Stamp.value(number, $0) }
                #expect(try store.value(forKey: Stamp.key(number)) == wanted)
            }
        }
        try check(store)
        try store.checkInvariants()
        try store.close()
        try check(Store(path: folder.path("store"), options: .small()))
    }

    @Test("Writers in several threads at durability always lose nothing to each other")
    func writers() throws {
        let store = try Store(path: folder.path("store"), options: .small(durability: .always))
        let writers = (0..<4).map { thread in
            BackgroundThread {
                for version in 0..<200 {
                    let number = thread * 10 + version % 10
                    try store.set(Stamp.value(number, version), forKey: Stamp.key(number))
                    if version % 5 == 0 { try store.sync() }
                }
            }
        }
        for writer in writers { try writer.join() }
        #expect(try store.statistics().durableSequence == 801)
        try store.close()
        let again = try Store(path: folder.path("store"))
        for number in 0..<40 {
            let value = try #require(try again.value(forKey: Stamp.key(number)))
            #expect(Stamp.version(value, of: number) == 190 + number % 10)
        }
    }

    @Test("A reader that opens beside a busy writer finds a prefix of its writes, and no damage")
    func openingBesideWriter() throws {
        let path = folder.path("store")
        let store = try Store(path: path, options: .small(durability: .always))
        try store.set(Stamp.value(0, 0), forKey: Stamp.key(0))
        let isDone = Flag()
        defer { isDone.set() }
        let opener = BackgroundThread { () -> [String] in
            var problems: [String] = []
            var newest = 0
            while !isDone.isSet {
                let reader = try Store(path: path, options: .reading)
                problems += reader.notices
                // Version v is written to key v % 40: all keys of a prefix are known from the
                // newest.
                let versions = try reader.allEntries().map { entry in
                    Stamp.version(entry.value, of: Stamp.number(entry.key)) ?? -1
                }.sorted()
                let top = versions.last ?? -1
                if versions != Array(max(0, top - 39)...max(0, top)) {
                    problems.append("no prefix: \(versions)")
                }
                if top < newest { problems.append("older than before: \(top), \(newest)") }
                newest = top
            }
            return problems
        }
        for version in 1...6000 {
            try store.set(Stamp.value(version % 40, version), forKey: Stamp.key(version % 40))
            if version % 700 == 0 { _ = try store.compact() }
        }
        isDone.set()
        expectNone(try opener.join())
    }

    /// Closing while others work: they get `closed`, and nothing is written once the lock is let
    /// go.
    @Test("A store closed under its users stays whole")
    func closing() throws {
        for round in 0..<10 {
            let path = folder.path("\(round)")
            let store = try Store(path: path, options: .small())
            let users = (0..<3).map { user in
                BackgroundThread { () -> Int in
                    var written = 0
                    do {
                        while true {
                            try store.set(Stamp.value(user, written), forKey: Stamp.key(user))
                            written += 1
                            if user == 2 && written % 20 == 0 { _ = try store.compact() }
                        }
                    } catch StoreError.closed {
                        return written
                    } catch StoreError.cancelled {
                        // Closing stopped its compaction.
                        return written
                    }
                }
            }
            try wait(for: "a write of each user") { store.count == 3 }
            try store.close()
            let again = try Store(path: path, options: .small())
            let before = try itemsWithoutLock(path)
            for (user, thread) in users.enumerated() {
                let written = try thread.join()
                let value = try #require(try again.value(forKey: Stamp.key(user)))
                #expect(Stamp.version(value, of: user) == written - 1)
            }
            #expect(again.notices == [])
            #expect(try itemsWithoutLock(path) == before)
        }
    }
}
