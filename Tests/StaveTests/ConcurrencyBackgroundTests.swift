import Foundation
import TestSupport
import Testing

@testable import Stave

/// For the thread sanitizer, too: `swift test --sanitize=thread --filter Concurrency`.
/// STAVE_STRESS_SECONDS makes it longer: it is a number of operations, about what a second takes
/// without a sanitizer. At 60, the keydir grows from a thousand keys to more than three million.
@Suite("Concurrency with the background")
struct ConcurrencyBackgroundTests {
    private static let seconds =
        ProcessInfo.processInfo.environment["STAVE_STRESS_SECONDS"].flatMap { Int($0) } ?? 3
    private static let firstCount = 1000

    private let folder: TemporaryFolder
    private let isDone = Flag()

    init() throws { folder = try TemporaryFolder(isInMemory: true) }

    private static func key(_ number: Int) -> [UInt8] { Array("key \(number)".utf8) }

    /// The key's number and version, and a filling that both decide.
    private static func value(_ number: Int, _ version: Int) -> [UInt8] {
        Array("\(number) \(version) ".utf8)
            + [UInt8](repeating: UInt8(truncatingIfNeeded: number ^ version), count: version % 200)
    }

    private static func version(_ value: [UInt8], of number: Int) -> Int? {
        let words = value.split(separator: 32, maxSplits: 2, omittingEmptySubsequences: false)
        guard words.count == 3, let version = Int(String(decoding: words[1], as: UTF8.self)),
            value == Self.value(number, version)
        else { return nil }
        return version
    }

    /// The first keys are never deleted: they are there, whole, and never go back.
    private func read(_ store: Store, _ seed: UInt64) throws -> [String] {
        var random = SeededRandom(seed: seed)
        var seen = [Int](repeating: 0, count: Self.firstCount)
        var problems: [String] = []
        while !isDone.isSet {
            let numbers = (0..<40).map { _ in Int.random(in: 0..<Self.firstCount, using: &random) }
            var values = try store.values(forKeys: numbers.map(Self.key))
            for index in 0..<10 {
                values[index] = try store.value(forKey: Self.key(numbers[index]))
            }
            for (number, value) in zip(numbers, values) {
                guard let value, let version = Self.version(value, of: number) else {
                    problems.append("key \(number) is gone or has another's value")
                    continue
                }
                // The batch was read before single gets of the same key.
                if version < seen[number], !numbers.prefix(10).contains(number) {
                    problems.append("key \(number) went back to \(version)")
                }
                seen[number] = max(seen[number], version)
            }
        }
        return problems
    }

    private func scan(_ store: Store) throws -> [String] {
        var problems: [String] = []
        while !isDone.isSet {
            let entries = try store.allEntries(in: KeyRange(prefix: Array("key 1".utf8)))
            for (left, right) in zip(entries, entries.dropFirst())
            where !left.key.lexicographicallyPrecedes(right.key) {
                problems.append("out of order: \(left.key), \(right.key)")
            }
            for entry in entries {
                let number = Int(String(decoding: entry.key.dropFirst(4), as: UTF8.self))
                if number.flatMap({ Self.version(entry.value, of: $0) }) == nil {
                    problems.append("a scan shows another's value")
                }
            }
        }
        return problems
    }

    /// Keys that only make the keydir grow.
    private func grow(_ store: Store, by count: Int, _ version: Int) throws {
        for number in (version * count)..<((version + 1) * count) {
            try store.set([], forKey: Array("grown \(number)".utf8))
        }
    }

    @Test("Readers and a scanner beside a growing keydir and background compactions")
    func background() throws {
        var options = StoreOptions.small(256 << 10, durability: .interval)
        options.compaction.minDeadBytes = 32 << 10
        options.compaction.startAmplification = 1.1
        let path = folder.path("store")
        let store = try Store(path: path, options: options)
        var versions = [Int?](repeating: 0, count: Self.firstCount)
        for number in versions.indices {
            try store.set(Self.value(number, 0), forKey: Self.key(number))
        }
        let readers = (0..<4).map { seed in
            BackgroundThread { try read(store, UInt64(seed)) }
        }
        let scanner = BackgroundThread { try scan(store) }
        var random = SeededRandom.forTest()
        for version in 1...(Self.seconds * 10_000) {
            try grow(store, by: 5, version)
            var number = Int.random(in: 0..<versions.count, using: &random)
            if version % 3 == 0 { number = versions.count }
            if number >= Self.firstCount, number < versions.count, version % 4 == 0 {
                try store.removeValue(forKey: Self.key(number))
                versions[number] = nil
            } else {
                try store.set(Self.value(number, version), forKey: Self.key(number))
                if number == versions.count { versions.append(version) }
                versions[number] = version
            }
        }
        isDone.set()
        for reader in readers {
            let problems = try reader.join()
            #expect(problems.isEmpty, "\(problems.count): \(problems.prefix(3))")
        }
        let problems = try scanner.join()
        #expect(problems.isEmpty, "\(problems.count): \(problems.prefix(3))")
        #expect(try store.statistics().compactionCount > 0)
        try store.close()
        try store.checkInvariants()
        let again = try Store(path: path, options: options)
        #expect(again.count == versions.count { $0 != nil } + Self.seconds * 50_000)
        for (number, version) in versions.enumerated() {
            let value = try again.value(forKey: Self.key(number))
            if value != version.map({ Self.value(number, $0) }) {
                Issue.record("key \(number) has not its newest value")
            }
        }
    }
}
