internal import StaveDisk
internal import Synchronization

// For tests, after each of their steps.

extension Compactor {
    /// Checks that what was decided fits what was done.
    func checkInvariants() {
        log.withLock {
            let (mayAbsorb, counters) = withState { ($0.mayAbsorb, $0.counters) }
            let isUntouched = log.activeSegment == nil && counters.compactionCount == 0
            precondition(!mayAbsorb || isUntouched, "the first write comes after another one")
            precondition(
                counters.copiedBytes >= 0 && counters.freedBytes >= 0, "a counter is negative")
        }
        let revision = log.manifest.current.revision
        precondition(
            revisionWithoutVictims.load(ordering: .relaxed) <= revision
                && revisionWithoutIdleTombstones.load(ordering: .relaxed) <= revision,
            "a MANIFEST was looked at that is still to come")
        unlessRunning {
            precondition(
                withState { $0.bytesInFlight } == 0, "bytes are in flight and no compaction runs")
        }
    }
}
