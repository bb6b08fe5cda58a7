internal import CLinux

/// The engine's locks, outermost first: a thread takes a lock only while all that it holds stand
/// above it here. docs/design.md has the same table. Debug builds check each `Lock.lock()`.
///
/// `Lock.tryLock` waits for no other thread, so it may be called while later ones are held; what is
/// taken after it must come behind all of them.
enum LockRank: Int, CaseIterable {
    /// `Compactor.lock`: one compaction at a time.
    case compaction
    /// `Log.sealLock`: one sealing at a time.
    case sealing
    /// `Log.syncLock`: one sync at a time.
    case syncing
    /// `Log.lock`, the writer lock: appends, index, segment table, the segments' counters.
    case writing
    /// `Log.leftoversLock`: have the leftovers of a crash been cleared away?
    case leftovers
    /// `ManifestFile.lock`: the set of segments and the order of its versions on disk.
    case manifest
    /// `Compactor.stateLock`: what the compactor has decided and counted.
    case compactorState
    /// `CheckpointTables.lock`: reading one table of the keydir's checkpoint at a time.
    case checkpointTables
    /// `SortedSources.lock`: the sorted entries of a snapshot, made once.
    case sortedSources
    /// `Segment.runsLock`: the sorted entries of a segment.
    case segmentRuns
    /// `HintBacklog.lock`: segments that lack a hint.
    case hintBacklog
    /// `Monitor.lock`: what threads wait for, of which there are several: a worker, the
    /// compaction's gate, a source that is read ahead. No lock is taken inside.
    case monitor
    /// `Readers.lock`: the list of threads that read.
    case readers
    /// `EventHub.lock`: who is told of events. No lock is taken inside.
    case events
}

/// Which locks a thread holds, in debug builds.
enum LockOrder {
    /// What is wrong with taking a lock now; nil where nothing is.
    ///
    /// - Parameter held: a bit for the rank of each lock that the thread holds.
    static func violation(taking rank: LockRank, holding held: UInt64) -> String? {
        let notAbove = held >> UInt64(rank.rawValue)
        guard notAbove != 0 else { return nil }
        let other = LockRank(rawValue: 63 - held.leadingZeroBitCount) ?? rank
        return "lock order: \(rank) is taken while \(other) is held; see LockRank"
    }

    /// Before the thread waits for a lock.
    static func check(_ rank: LockRank) {
        if let violation = violation(taking: rank, holding: stave_held_locks()) {
            preconditionFailure(violation)
        }
    }

    static func took(_ rank: LockRank) { stave_set_held_locks(stave_held_locks() | bit(rank)) }

    static func gave(_ rank: LockRank) { stave_set_held_locks(stave_held_locks() & ~bit(rank)) }

    /// Runs a caller's `body` as if no lock were held: it may use another store, whose locks have
    /// the same ranks.
    static func forgettingHeld<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let held = stave_held_locks()
        stave_set_held_locks(0)
        defer { stave_set_held_locks(held) }
        return try body()
    }

    private static func bit(_ rank: LockRank) -> UInt64 { 1 << UInt64(rank.rawValue) }
}
