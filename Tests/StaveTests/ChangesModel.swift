import TestSupport

@testable import Stave

/// A copy of a store that is kept by its changes alone.
struct FollowingCopy {
    var entries: [[UInt8]: [UInt8]] = [:]
    var position = ChangePosition.start
    /// How often it had to begin anew.
    var restarts = 0

    /// Makes all changes of a cursor: then the copy is the store of one moment.
    mutating func make(_ cursor: ChangeCursor) throws {
        var cursor = cursor
        var last: UInt64 = 0
        var reached: ChangePosition?
        while let change = try cursor.next() {
            precondition(change.version > last, "in the order of their numbers")
            precondition(reached == nil, "only the last one has a position")
            (last, reached) = (change.version, change.position)
            entries[change.key] = change.value
        }
        precondition(last == 0 || reached == cursor.end)
        position = cursor.end
    }

    /// Follows the store from within, anew where it was away too long.
    mutating func follow(_ store: Store) throws {
        do {
            try make(try store.changeCursor(since: position))
        } catch StoreError.changesLost {
            try begin(store)
        }
    }

    private mutating func begin(_ store: Store) throws {
        (entries, position, restarts) = ([:], .start, restarts + 1)
        try make(try store.changeCursor())
    }

    /// The same from outside.
    mutating func follow(_ path: String) throws {
        do {
            try look(path)
        } catch StoreError.changesLost {
            (entries, position, restarts) = ([:], .start, restarts + 1)
            try look(path)
        }
    }

    private mutating func look(_ path: String) throws {
        let follower = try StoreFollower(path: path, since: position)
        if let cursor = try follower.next() { try make(cursor) }
    }
}

extension Store {
    /// Compacts some of the sealed segments, by chance, and no others.
    func compactSome(_ random: inout SeededRandom) throws {
        let sealed = index.withLock { log.table.visibleSegments.filter(\.isSealed) }
        let inputs = sealed.filter { _ in random.chance(50) }
        guard !inputs.isEmpty else { return }
        let others = sealed.filter { segment in !inputs.contains { $0 === segment } }
        _ = try Compaction(of: inputs, others: others, in: compactor).run()
    }
}
