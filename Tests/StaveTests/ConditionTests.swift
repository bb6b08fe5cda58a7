import Foundation
import StaveDisk
import TestSupport
import Testing

@testable import Stave

@Suite("Writes that depend on what is there")
struct ConditionTests {
    private let folder: TemporaryFolder
    private let store: Store
    private let key = Array("k".utf8)

    init() throws {
        folder = try TemporaryFolder(isInMemory: true)
        store = try Store(path: folder.path("store"), options: .small())
    }

    private func set(_ value: String, if condition: WriteCondition) throws -> Bool {
        let before = try store.statistics().nextSequence
        let isSet = try store.set(Array(value.utf8), forKey: key, if: condition)
        #expect(try store.statistics().nextSequence == before + (isSet ? 1 : 0))
        if isSet { #expect(try store.value(forKey: key) == Array(value.utf8)) }
        return isSet
    }

    @Test("Are made where the condition holds, and else nothing is written")
    func conditions() throws {
        #expect(try !set("1", if: .present))
        #expect(try !set("1", if: .value([])))
        #expect(try !set("1", if: .version(0)))
        #expect(try set("1", if: .absent))
        #expect(try !set("2", if: .absent))
        #expect(try set("2", if: .present))
        #expect(try !set("3", if: .value(Array("1".utf8))))
        #expect(try set("3", if: .value(Array("2".utf8))))
        let version = try #require(try store.version(forKey: key))
        #expect(try !set("4", if: .version(version - 1)))
        #expect(try set("4", if: .version(version)))
        #expect(try !set("5", if: .version(version)))
        try store.removeValue(forKey: "k")
        #expect(try store.version(forKey: "k") == nil)
        #expect(try set("6", if: .absent))
    }

    @Test("A version is the number of the newest write, and no compaction changes it")
    func versions() throws {
        for number in 1...40 { try store.set("\(number)", forKey: "key \(number % 7)") }
        let versions = try (0..<7).map { try store.version(forKey: "key \($0)") }
        #expect(versions == [35, 36, 37, 38, 39, 40, 34])
        try store.sealActive()
        _ = try store.compact()
        #expect(try (0..<7).map { try store.version(forKey: "key \($0)") } == versions)
        #expect(throws: StoreError.emptyKey) { try store.increment([]) }
    }

    @Test("Numbers are added to; what is no number of 64 bits is refused")
    func numbers() throws {
        #expect(try store.increment(key) == 1)
        #expect(try store.increment(key, by: 41) == 42)
        #expect(try store.increment(key, by: -50) == -8)
        #expect(try store.value(forKey: key) == Array("-8".utf8))
        #expect(try store.increment(key, by: .min + 8) == .min)
        let refused = ["", " 1", "1 ", "+1", "1.0", "x", "9223372036854775808", "--1", "0x10"]
        for value in refused + ["9223372036854775807"] {
            try store.set(value, forKey: "k")
            let error = storeError { try store.increment(key) }
            guard case .notANumber(key: key, _)? = error else {
                Issue.record("\(value): \(String(describing: error))")
                continue
            }
            #expect(try store.value(forKey: key) == Array(value.utf8))
        }
    }

    @Test("Values are appended to, renamed and copied")
    func moves() throws {
        let (a, b) = (Array("a".utf8), Array("b".utf8))
        #expect(try store.append([1, 2], toKey: a) == 2)
        #expect(try store.append([3], toKey: a) == 3)
        #expect(try store.copy(a, to: b) == nil)
        #expect(try store.copy(a, to: b) == .targetIsPresent)
        #expect(try store.append([], toKey: b) == 3)
        #expect(try store.append([4], toKey: b) == 4)
        #expect(try store.rename(b, to: a) == .targetIsPresent)
        #expect(try store.rename(b, to: a, replacing: true) == nil)
        #expect(try store.dictionary() == [a: [1, 2, 3, 4]])
        #expect(try store.rename(b, to: a) == .sourceIsAbsent)
        #expect(try store.rename(a, to: a) == nil)
        #expect(try store.rename(a, to: b) == nil)
        #expect(try store.dictionary() == [b: [1, 2, 3, 4]])
    }

    @Test("Threads that count together lose no step, and one of them gets each name")
    func threads() throws {
        let counter = Array("counter".utf8)
        let threads = (0..<4).map { thread in
            BackgroundThread { () -> Int in
                var won = 0
                for number in 0..<500 {
                    _ = try store.increment(counter)
                    let name = Array("name \(number)".utf8)
                    if try store.set([UInt8(thread)], forKey: name, if: .absent) { won += 1 }
                    // What one appends to, another one moves.
                    let (here, there) = (Array("here".utf8), Array("there".utf8))
                    _ = try store.append([UInt8(thread)], toKey: here)
                    _ = try store.rename(here, to: there)
                    if try store.value(forKey: there) != nil {
                        _ = try store.rename(there, to: Array("moved \(thread) \(number)".utf8))
                    }
                }
                return won
            }
        }
        let won = try threads.map { try $0.join() }
        #expect(won.reduce(0, +) == 500)
        #expect(try store.value(forKey: counter) == Array("2000".utf8))
        // Each appended byte is somewhere, once.
        let moved = try store.allEntries().filter {
            let name = String(decoding: $0.key, as: UTF8.self)
            return name.hasPrefix("moved") || name == "here" || name == "there"
        }
        #expect(moved.reduce(0) { $0 + $1.value.count } == 2000)
    }

    @Test("A range is deleted, and nothing beside it; what came later stays")
    func range() throws {
        for number in 0..<3000 {
            try store.set("v", forKey: "a:\(number)")
            if number % 100 == 0 { try store.set("v", forKey: "b:\(number)") }
        }
        var calls: [Int] = []
        let range = KeyRange(prefix: Array("a:".utf8))
        let count = try store.removeAll(in: range) { done in
            calls.append(done)
            if calls.count == 1 { try? store.set("new", forKey: "a:new") }
            return true
        }
        #expect(count == 3000 && calls == [1024, 2048, 3000])
        #expect(try store.count(in: range) == 1)
        #expect(store.count == 31)
        let middle = KeyRange(from: Array("b:1".utf8), to: Array("b:2".utf8))
        #expect(try store.removeAll(in: middle) == 11)
        #expect(try store.removeAll(in: KeyRange(prefix: Array("c".utf8))) == 0)
        #expect(try store.removeAll(in: .all) { _ in false } == 20)
        #expect(store.count == 0)
        try store.close()
        #expect(try Store(path: store.path, options: .small()).count == 0)
    }
}
