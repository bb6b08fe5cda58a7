internal import StaveDisk

/// Which tombstones a compaction keeps although no older record of their key is left: those that a
/// follower of changes may not have seen.
///
/// A tombstone goes, and `dropped` rises, where it is old and every follower in this process has
/// it, or where there is no room. A follower that asks later for changes since a lower number is
/// told that they are not complete: MANIFEST says `dropped` before the tombstone is gone.
struct DeletionKeeper {
    /// Those that were written at this time or later stay.
    private let youngestDropped: UInt32
    /// Those with a higher number stay: a follower in this process has not seen them.
    private let followedFrom: UInt64
    /// Bytes of tombstones that may stay still.
    private var room: Int
    /// The highest number that went; 0 without one.
    private(set) var dropped: UInt64 = 0

    init(keepingSince time: UInt32, followedFrom: UInt64, room: Int) {
        youngestDropped = time
        self.followedFrom = followedFrom
        self.room = room
    }

    /// Does this one stay?
    ///
    /// - Parameter time: seconds since 1970, as its record says.
    mutating func keeps(_ tombstone: HintEntry, writtenAt time: UInt32) -> Bool {
        let isWanted = time >= youngestDropped || tombstone.sequence > followedFrom
        if isWanted, tombstone.recordLength <= room {
            room -= tombstone.recordLength
            return true
        }
        dropped = max(dropped, tombstone.sequence)
        return false
    }
}

extension Compactor {
    /// For a compaction that leaves `others` as they are: their tombstones count, too.
    func deletionKeeper(beside others: [Segment]) -> DeletionKeeper {
        let followedFrom = withState { $0.followers.values.min() } ?? .max
        let isWanted = keptSeconds > 0 || followedFrom < .max
        let now = Clock.seconds()
        let room = index.withLock {
            max(policy.minDeadBytes, spaceUse.liveBytes / 8)
                - others.reduce(0) { $0 + $1.tombstoneBytes }
        }
        return DeletionKeeper(
            keepingSince: keptSeconds > 0 ? now - min(now, keptSeconds) : .max,
            followedFrom: followedFrom, room: isWanted ? room : 0)
    }

    /// A follower in this process has the changes up to `sequence`; nil: it is gone.
    func noteFollower(_ id: Int, at sequence: UInt64?) {
        withState { $0.followers[id] = sequence }
    }
}
