import Foundation
import StaveDisk
import TestSupport
import Testing

@testable import Stave

@Suite("Changes")
struct ChangesTests {
    private typealias State = [[UInt8]: [UInt8]]

    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder(isInMemory: true) }

    private func open(_ name: String = "store", keeping: Duration = .zero) throws -> Store {
        var options = StoreOptions.small()
        options.compaction.isAutomatic = false
        options.keptDeletions = keeping
        return try Store(path: folder.path(name), options: options)
    }

    private func all(_ cursor: ChangeCursor) throws -> [Change] {
        var (cursor, changes) = (cursor, [Change]())
        while let change = try cursor.next() { changes.append(change) }
        return changes
    }

    private func texts(_ cursor: ChangeCursor) throws -> [String] {
        try all(cursor).map { change in
            let key = String(decoding: change.key, as: UTF8.self)
            let value = change.value.map { String(decoding: $0, as: UTF8.self) }
            return "\(change.version) \(key) \(value ?? "-")" + (change.position == nil ? "" : " .")
        }
    }

    @Test("Are each key's newest write, value or deletion, in the order of the writes")
    func newest() throws {
        let store = try open()
        try store.set("1", forKey: "b")
        try store.set("2", forKey: "a")
        try store.set("3", forKey: "b")
        try store.removeValue(forKey: "a")
        let first = try store.changeCursor()
        #expect(try texts(first) == ["3 b 3", "4 a - ."])
        #expect(first.end.sequence == 4)
        #expect(try texts(store.changeCursor(since: first.end)) == [])
        try store.write { batch in
            try batch.set("5", forKey: "c")
            try batch.set("6", forKey: "a")
        }
        #expect(try texts(store.changeCursor(since: first.end)) == ["5 c 5", "6 a 6 ."])
        #expect(
            try texts(store.changeCursor(since: ChangePosition(sequence: 3)))
                == ["5 c 5", "6 a 6 ."])
        try store.close()
    }

    @Test("Are the same however few are sorted at a time")
    func parts() throws {
        let store = try open()
        try History.random(200, keys: 50).play(on: store)
        _ = try store.compact()
        try History.random(100, keys: 50, seed: 2).play(on: store)
        let position = ChangePosition(sequence: 150)
        let (manifest, next) = store.log.withLock {
            (store.log.manifest.current, store.log.nextSequence)
        }
        let parts = store.log.visibleSegments.map {
            ChangeMoment.Part(
                segment: $0, end: $0.end, runs: store.log.sortedRuns(of: $0, upTo: $0.end))
        }
        let moment = ChangeMoment(manifest: manifest, parts: parts, highest: next - 1)
        for start in [ChangePosition.start, ChangePosition(sequence: next - 40), position]
        where start.sequence == 0 || start.sequence >= manifest.completeSince {
            let wanted = try all(ChangeCursor(moment, since: start))
            #expect(wanted.count > 20)
            for size in [1, 2, 7, 25, wanted.count] {
                #expect(try all(ChangeCursor(moment, since: start, partSize: size)) == wanted)
            }
        }
        try store.close()
    }

    /// Sets, deletions, batches, sealing, compactions of any segments, closes and kills; copies
    /// follow often, rarely, from within and from outside. None is ever another state than one that
    /// the store had, between two writes, and not an older one than before.
    @Test("Make a copy the store of a moment, whatever happens", arguments: Seeds.some(8))
    func model(seed: UInt64) throws {
        print("seed \(seed)")
        var random = SeededRandom(seed: seed)
        var name = "store \(seed)"
        var store = try open(name)
        var states: [State] = [[:]]
        var inner = [FollowingCopy(), FollowingCopy()]
        var outer = [FollowingCopy(), FollowingCopy()]
        var outerSeen = [0, 0]
        for step in 0..<400 {
            try write(&random, step, to: store)
            states.append(try store.dictionary())
            if random.chance(8) { try store.sealActive() }
            if random.chance(4) { try store.compactSome(&random) }
            if random.chance(2) { _ = try store.compact() }
            if random.chance(2) { (store, name) = try reopened(store, name, &random) }
            for index in inner.indices where random.chance(index == 0 ? 50 : 2) {
                try inner[index].follow(store)
                #expect(inner[index].entries == states.last, "seed \(seed), step \(step)")
            }
            if random.chance(20) { try store.sync() }
            for index in outer.indices where random.chance(index == 0 ? 50 : 2) {
                try outer[index].follow(store.path)
                let found = states[outerSeen[index]...].firstIndex(of: outer[index].entries)
                try #require(found != nil, "seed \(seed), step \(step)")
                outerSeen[index] = found!
            }
        }
        try store.sync()
        for index in inner.indices {
            try inner[index].follow(store)
            try outer[index].follow(store.path)
            #expect(inner[index].entries == states.last)
            #expect(outer[index].entries == states.last)
        }
        print("restarts: \((inner + outer).map(\.restarts))")
        try store.close()
    }

    private func write(_ random: inout SeededRandom, _ step: Int, to store: Store) throws {
        func key() -> String { "key \(Int.random(in: 0..<12, using: &random))" }
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<5: try store.set("value \(step)", forKey: key())
        case 5..<8: try store.removeValue(forKey: key())
        default:
            let keys = (0..<4).map { _ in key() }
            try store.write { batch in
                for (index, key) in keys.enumerated() {
                    if index == 2 {
                        try batch.removeValue(forKey: key)
                    } else {
                        try batch.set("batch \(step) \(index)", forKey: key)
                    }
                }
            }
        }
    }

    /// After a close, or as a kill leaves it.
    private func reopened(
        _ store: Store, _ name: String, _ random: inout SeededRandom
    ) throws -> (Store, String) {
        guard random.chance(50) else {
            try store.close()
            return (try open(name), name)
        }
        let copy = name + "+"
        try store.copyAsKilled(to: folder.path(copy))
        try store.close()
        return (try open(copy), copy)
    }

    // MARK: What was dropped

    /// A store with two keys, of which one was deleted, and a copy of the state before.
    private func deleted(keeping: Duration = .zero) throws -> (Store, FollowingCopy) {
        let store = try open(keeping: keeping)
        try store.set("1", forKey: "a")
        try store.set("1", forKey: "b")
        var copy = FollowingCopy()
        try copy.follow(store)
        try store.removeValue(forKey: "a")
        try store.sealActive()
        return (store, copy)
    }

    @Test("Are refused to a follower that was away while a deletion was dropped")
    func lost() throws {
        let (store, copy) = try deleted()
        _ = try store.compact()
        let error = StoreError.changesLost(since: 2, completeSince: 3)
        #expect(storeError { try store.changeCursor(since: copy.position) } == error)
        #expect(error.description.contains("begin anew"))
        let outside = try StoreFollower(path: store.path, since: copy.position)
        #expect(storeError { try outside.next() } == error)
        #expect(try texts(store.changeCursor()) == ["2 b 1 ."])
        #expect(try store.changeCursor().end.sequence == 3)
        try store.close()
        let again = try open()
        #expect(storeError { try again.changeCursor(since: copy.position) } == error)
        try again.set("2", forKey: "b")
        #expect(
            try texts(again.changeCursor(since: ChangePosition(sequence: 3))) == ["4 b 2 ."])
        try again.close()
    }

    @Test("Are all there, or refused, wherever a kill ends the compaction that drops a deletion")
    func lostInSteps() throws {
        let (store, before) = try deleted()
        let sealed = store.index.withLock { store.log.table.visibleSegments }
        let compaction = Compaction(of: sealed, others: [], in: store.compactor)
        var outcomes: [String] = []
        repeat {
            let path = folder.path("killed \(outcomes.count)")
            try StoreFolder.copy(store.path, to: path)
            let again = try Store(path: path, options: .small())
            for isOutside in [true, false] {
                var copy = before
                do {
                    if isOutside {
                        let follower = try StoreFollower(path: path, since: copy.position)
                        if let cursor = try follower.next() { try copy.make(cursor) }
                    } else {
                        try copy.make(try again.changeCursor(since: copy.position))
                    }
                    #expect(try copy.entries == again.dictionary())
                    outcomes.append("told")
                } catch StoreError.changesLost {
                    outcomes.append("refused")
                }
            }
            try again.close()
        } while try compaction.step()
        #expect(outcomes.first == "told")
        #expect(outcomes.last == "refused")
        #expect(!outcomes.drop { $0 == "told" }.contains("told"))
        try store.close()
    }

    @Test("Are complete as long as deletions are kept, within their bound")
    func kept() throws {
        var (store, copy) = try deleted(keeping: .seconds(3600))
        _ = try store.compact()
        #expect(try texts(store.changeCursor(since: copy.position)) == ["3 a - ."])
        try copy.follow(store)
        #expect(try copy.entries == store.dictionary() && copy.restarts == 0)
        try store.close()
        var options = StoreOptions.small()
        options.keptDeletions = .seconds(3600)
        options.compaction.minDeadBytes = 0
        store = try Store(path: store.path, options: options)
        try store.set(String(repeating: "x", count: 320), forKey: "b")
        for number in 0..<20 {
            try store.set("1", forKey: "key \(number)")
            try store.removeValue(forKey: "key \(number)")
        }
        _ = try store.compact()
        #expect(try store.changeCursor().end.sequence == 44)
        #expect(storeError { try store.changeCursor(since: copy.position) } != nil)
        #expect(try texts(store.changeCursor()).count < 4)
        try store.close()
    }

    @Test(
        "Are not dropped while a follower in this process waits for them", .timeLimit(.minutes(5)))
    func followed() async throws {
        let (store, _) = try deleted()
        var iterator: Changes.AsyncIterator? = store.changes().makeAsyncIterator()
        _ = try await store.compact()
        var seen: [UInt64] = []
        for _ in 0..<2 { seen.append(try await iterator!.next()!.version) }
        #expect(seen == [2, 3])
        // What it was given last counts once it comes back for more.
        try store.set("2", forKey: "a")
        #expect(try await iterator!.next()?.version == 4)
        try store.removeValue(forKey: "a")
        _ = try await store.compact()
        let change = try await iterator!.next()
        #expect(change?.version == 5 && change?.value == nil && change?.position?.sequence == 5)
        iterator = nil
        _ = try await store.compact()
        #expect(store.log.manifest.current.completeSince == 5)
        try await store.close()
    }

    @Test(
        "Come as they are made, until the task is cancelled or the store closed",
        .timeLimit(.minutes(5)))
    func live() async throws {
        let store = try open()
        let task = Task {
            var copy: [[UInt8]: [UInt8]] = [:]
            for try await change in store.changes() {
                copy[change.key] = change.value
                if change.key == Array("end".utf8) { break }
            }
            return copy
        }
        try History.random(300, keys: 20).play(on: store)
        try store.set("", forKey: "end")
        #expect(try await task.value == store.dictionary())
        // A read-only store tells what its writer makes durable.
        let reader = try Store(path: store.path, options: .reading)
        var outside = reader.changes(since: ChangePosition(sequence: 301)).makeAsyncIterator()
        try store.set("after", forKey: "after")
        try await store.sync()
        #expect(try await outside.next()?.version == 302)
        let waiting = Task {
            for try await _ in store.changes(since: ChangePosition(sequence: 302)) {}
            return true
        }
        waiting.cancel()
        #expect(try await waiting.value)
        try await store.close()
        var iterator = store.changes().makeAsyncIterator()
        await #expect(throws: StoreError.closed) { _ = try await iterator.next() }
    }

    // MARK: What is durable

    @Test("Are durable before they are told, from within and from outside")
    func durable() throws {
        let store = try open()
        try store.set("1", forKey: "a")
        let follower = try StoreFollower(path: store.path)
        #expect(try follower.next() == nil)
        #expect(try texts(store.changeCursor()) == ["1 a 1 ."])
        #expect(try store.statistics().durableSequence == 2)
        #expect(try follower.next().map(texts) == ["1 a 1 ."])
        #expect(try follower.next() == nil)
        try store.set("2", forKey: "a")
        #expect(try follower.next() == nil)
        try store.sync()
        #expect(try follower.next().map(texts) == ["2 a 2 ."])
        let reader = try Store(path: store.path, options: .reading)
        #expect(try texts(reader.changeCursor()) == ["2 a 2 ."])
        try store.close()
    }

    @Test("Of a full segment whose end is not durable hide those behind it")
    func prefix() throws {
        let store = try open()
        try store.set("1", forKey: "a")
        try store.sync()
        try store.set("2", forKey: "b")
        let active = try #require(store.log.activeSegment)
        try store.log.withLock { try store.log.endActiveSegment() }
        try store.set("3", forKey: "c")
        // As if the second one had been synced first.
        let path = folder.path("copy")
        try store.copyAsKilled(to: path)
        var manifest = try StoreFolder.manifest(path)
        manifest.segments[1].state = .unsealed(durableLength: 80 + 32)
        #expect(manifest.segments[0].number == active.number && manifest.segments[0].isFull)
        try StoreFolder.write(manifest, path)
        let follower = try StoreFollower(path: path)
        #expect(try follower.next().map(texts) == ["1 a 1 ."])
        try store.close()
    }

    @Test("Never show half a batch, as one is made all the time")
    func batches() throws {
        let store = try open()
        let isDone = Flag()
        let writer = BackgroundThread {
            var number = 0
            while !isDone.isSet {
                number += 1
                try store.write { batch in
                    for key in ["a", "b", "c"] { try batch.set("\(number)", forKey: key) }
                }
                if number % 64 == 0 { try store.sync() }
            }
        }
        let outside = try StoreFollower(path: store.path)
        var (inner, outer) = (FollowingCopy(), FollowingCopy())
        for _ in 0..<300 {
            try inner.follow(store)
            if let cursor = try outside.next() { try outer.make(cursor) }
            for copy in [inner, outer] {
                #expect(Set(copy.entries.values).count <= 1)
                #expect(copy.entries.isEmpty || copy.entries.count == 3)
            }
        }
        isDone.set()
        try writer.join()
        try store.close()
    }
}
