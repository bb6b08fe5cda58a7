internal import StaveDisk

// A record's number grows with each write, and of a key the record with the highest number counts.
// So what became of a store since some write is: of each key the newest record, where its number is
// higher. Values are never dropped while they are the newest; deletions are, and MANIFEST says up
// to which number (`DeletionKeeper`).

extension Store {
    /// What became of the keys that were written to behind `position`, as the store is now.
    ///
    ///     var cursor = try store.changeCursor(since: position)
    ///     while let change = try cursor.next() { ... }
    ///     position = cursor.end
    ///
    /// Only what is durable is told: no power cut takes back what a follower was given. So what is
    /// not is synced first. A store that is open read-only tells what its writer has made durable,
    /// later than it was opened, too.
    ///
    /// - Throws: `StoreError.changesLost` where deletions behind `position` were dropped
    ///   (`StoreOptions.keptDeletions`), `foreignPosition` where it is none of this store's, and
    ///   what a read throws.
    /// - Complexity: O(n log n) for the entries of all segments that hold a change; segments that
    ///   hold none cost nothing.
    public func changeCursor(
        since position: ChangePosition = .start
    ) throws(StoreError) -> ChangeCursor {
        try requireOpen()
        if isReadOnly {
            let follower = try StoreFollower(path: path, since: position)
            return try follower.cursor()
        }
        let (manifest, ends, next) = log.withLock {
            (
                log.manifest.current,
                log.visibleSegments.filter {
                    $0.sequences?.upperBound ?? 0 > position.sequence
                }.map { (segment: $0, end: $0.end) },
                log.nextSequence
            )
        }
        // Behind the moment: all of it is durable then.
        try log.makeDurable(next - 1)
        let parts = ends.map { (segment, end) in
            ChangeMoment.Part(
                segment: segment, end: end, runs: log.sortedRuns(of: segment, upTo: end))
        }
        return try ChangeCursor(
            ChangeMoment(manifest: manifest, parts: parts, highest: next - 1), since: position)
    }

    /// All changes behind `position`, and those that are made from now on, until the task is
    /// cancelled or the store closed.
    ///
    ///     for try await change in store.changes(since: position) {
    ///         try copy.make(change)
    ///         if let reached = change.position { position = reached }
    ///     }
    ///
    /// Each change says whether a copy that has made it is the store of one moment
    /// (`Change.position`): only there is no batch half, and there a follower may go on later. Of a
    /// key that is written to faster than it is followed, versions in between are left out. As long
    /// as it is iterated, deletions that it has not told yet are kept, within the bound of
    /// `StoreOptions.keptDeletions`.
    ///
    /// It looks every 50 ms; nothing is paid for it by those who write, but that what was not
    /// durable is synced. Errors as `changeCursor(since:)`.
    public func changes(since position: ChangePosition = .start) -> Changes {
        Changes(store: self, position: position)
    }
}

/// The changes of a store, one after the other; see `Store.changes(since:)`.
public struct Changes: AsyncSequence, Sendable {
    /// What became of one key.
    public typealias Element = Change
    /// As `Store.changeCursor(since:)` throws.
    public typealias Failure = StoreError

    fileprivate let store: Store
    fileprivate let position: ChangePosition

    /// Begins at the position that the changes were asked for.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }

    /// Waits where there is nothing new.
    public struct AsyncIterator: AsyncIteratorProtocol {
        private let store: Store
        private var position: ChangePosition
        private var cursor: ChangeCursor?
        /// The next write's number at the last look.
        private var nextSequence: UInt64 = 0
        /// Of a read-only store: its writer is another process.
        private var follower: StoreFollower?
        private let holder: FollowerPlace

        fileprivate init(_ changes: Changes) {
            (store, position) = (changes.store, changes.position)
            holder = FollowerPlace(in: changes.store.compactor, at: position.sequence)
        }

        /// The next change; nil once the task was cancelled.
        public mutating func next(
            isolation actor: isolated (any Actor)? = #isolation
        ) async throws(StoreError) -> Change? {
            while true {
                if let change = try cursor?.next() { return change }
                if let end = cursor?.end {
                    position = end
                    holder.move(to: end.sequence)
                    cursor = nil
                }
                if try look() { continue }
                do {
                    try await Task.sleep(for: .milliseconds(50))
                } catch {
                    return nil
                }
            }
        }

        /// Makes a cursor where something may be new.
        private mutating func look() throws(StoreError) -> Bool {
            try store.requireOpen()
            if store.isReadOnly {
                if follower == nil {
                    follower = try StoreFollower(path: store.path, since: position)
                }
                cursor = try follower?.next()
                return cursor != nil
            }
            let next = store.log.withLock { store.log.nextSequence }
            if next == nextSequence { return false }
            nextSequence = next
            cursor = try store.changeCursor(since: position)
            return true
        }
    }
}

/// Up to where a follower in this process has the changes, for as long as it is there.
private final class FollowerPlace: Sendable {
    private let compactor: Compactor
    private let id = Int.random(in: .min ... .max)

    init(in compactor: Compactor, at sequence: UInt64) {
        self.compactor = compactor
        move(to: sequence)
    }

    func move(to sequence: UInt64) { compactor.noteFollower(id, at: sequence) }

    deinit { compactor.noteFollower(id, at: nil) }
}
