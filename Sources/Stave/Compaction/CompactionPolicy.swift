internal import StaveDisk

/// When the background compacts. Sizes are bytes of records; hint files come on top, with 24 bytes
/// and the key for each key.
public struct CompactionPolicy: Sendable {
    /// Compact in the background, without being asked.
    public var isAutomatic = true
    /// Compaction starts when records take this many times the bytes of the live ones. The nearer
    /// to `maxAmplification`, the less is copied: overwrites all over the keys cost 0.4 copied
    /// bytes for a written one at 1.9, and 0.5 at 1.8.
    public var startAmplification = 1.9
    /// Writers are held up while records take more than this many times the bytes of the live ones,
    /// and a part of a segment: with what is in flight, the directory stays below it and a segment.
    public var maxAmplification = 2.0
    /// Fewer dead bytes than this are not worth a compaction.
    public var minDeadBytes = 4 << 20
    /// Bytes a second that a compaction in the background may copy; 0 is no limit.
    public var bytesPerSecond = 0

    /// The default policy.
    public init() {}
}

// No value of the policy may trap: a factor that is no number, or none that a store comes to, means
// never.
extension CompactionPolicy {
    /// Dead bytes at which a compaction starts.
    func deadBytesToStart(liveBytes: Int) -> Int {
        max(1, minDeadBytes, Int(nearest: Double(liveBytes) * (startAmplification - 1)))
    }

    /// How long a compaction takes for so many bytes where its rate is limited: 36 years at most.
    static func nanoseconds(toCopy count: Int, bytesPerSecond: Int) -> Int {
        guard bytesPerSecond > 0 else { return 0 }
        return min(1 << 60, Int(nearest: Double(count) / Double(bytesPerSecond) * 1e9))
    }
}

extension Int {
    /// The integer nearest to `value` that there is; the greatest where it is no number.
    fileprivate init(nearest value: Double) {
        self = Int(exactly: value.rounded(.towardZero)) ?? (value < 0 ? .min : .max)
    }
}

/// What a choice of segments to rewrite looks at. Sizes are bytes. The one rule for the store that
/// compacts, for the inspector that says what a compaction would do, and for tests that simulate
/// one.
package protocol CompactionCandidate {
    /// Known to be durable: only such a segment is rewritten.
    var isSealed: Bool { get }
    /// Where its records end.
    var end: Int { get }
    /// Values that are the newest record of their key.
    var liveBytes: Int { get }
    /// Tombstones that are the newest record of their key.
    var tombstoneBytes: Int { get }
    /// Whole records lie behind its end: nothing rewrites it.
    var keepsCutBytes: Bool { get }
    /// It is known to have damage: the background leaves it alone.
    var isDamaged: Bool { get }
}

extension CompactionCandidate {
    /// Records that are neither live nor a needed tombstone, in bytes.
    package var deadBytes: Int { end - SegmentHeader.byteCount - copiedBytes }

    /// What rewriting it copies, at most: nothing may need a tombstone any more.
    var copiedBytes: Int { liveBytes + tombstoneBytes }

    /// Never in the background.
    var isStuck: Bool { keepsCutBytes || isDamaged }

    /// Does rewriting it free at least a quarter of what it copies?
    var isWorthRewriting: Bool { deadBytes > 0 && deadBytes >= copiedBytes / 4 }

    /// Is it mostly dead, or tombstones that nothing needs? Then it is worth rewriting at any time.
    ///
    /// - Parameter count: what rewriting it copies.
    package func isMostlyFreed(copying count: Int) -> Bool {
        (end - SegmentHeader.byteCount) / 2 >= count
    }

    var gainForCost: Double { Double(deadBytes) / Double(copiedBytes + 4096) }
}

/// How a store's records are spread, in bytes, at one moment.
package struct SpaceUse {
    private(set) var liveBytes = 0
    private(set) var tombstoneBytes = 0
    /// Records that are neither, except for those in segments that nothing rewrites: these would
    /// make a compaction due for ever.
    private(set) var deadBytes = 0

    package init(_ segments: [some CompactionCandidate]) {
        for segment in segments {
            liveBytes += segment.liveBytes
            if segment.isStuck { continue }
            tombstoneBytes += segment.tombstoneBytes
            deadBytes += max(0, segment.deadBytes)
        }
    }

    /// What is not live. Tombstones count: either nothing needs them, or a dead record does.
    private var excessBytes: Int { deadBytes + tombstoneBytes }

    package func isDue(_ policy: CompactionPolicy) -> Bool {
        excessBytes >= policy.deadBytesToStart(liveBytes: liveBytes)
    }

    /// More dead bytes until a compaction starts.
    package func deadBytesLeft(_ policy: CompactionPolicy) -> Int {
        max(0, policy.deadBytesToStart(liveBytes: liveBytes) - excessBytes)
    }

    /// Of the segment above the bound, what a compaction copies is left free, and some for space
    /// that is reserved and for what is appended between two looks.
    ///
    /// - Parameter inFlight: what the compaction that runs copies, at most. The next one copies
    ///   half a segment, or little more where every segment has more live bytes.
    func isOverBound(_ policy: CompactionPolicy, segmentSize: Int, inFlight: Int) -> Bool {
        let copied = max(inFlight, min(liveBytes + tombstoneBytes, segmentSize / 8 * 5))
        let slack = Double(segmentSize - copied - min(32 << 20, segmentSize / 4))
        return Double(liveBytes) + Double(excessBytes)
            > Double(liveBytes) * policy.maxAmplification + slack + Double(policy.minDeadBytes)
    }

    /// A store's unit of compaction: what one frees, at least, and how many live bytes an active
    /// segment holds when it is ended early. An eighth of the dead bytes that start one: with
    /// larger units, those that are mostly dead and those that are not lie in one segment and are
    /// rewritten together; smaller ones make more files and more waiting for the disk.
    func share(_ policy: CompactionPolicy) -> Int {
        max(policy.deadBytesToStart(liveBytes: liveBytes) / 8, policy.minDeadBytes / 4)
    }

    /// Is the active segment to end before it is full?
    ///
    /// 1. A compaction is due, and the segment is mostly dead records and tombstones: a small store
    ///    that is overwritten all day would grow to a whole segment of them.
    /// 2. One is due soon, and the segment has its share of live bytes: else the dead records of a
    ///    store of few segments would lie where no compaction can free them. Not where it has most
    ///    live bytes of the store: then (1) comes soon.
    func isWorthEnding(_ active: some CompactionCandidate, _ policy: CompactionPolicy) -> Bool {
        let start = policy.deadBytesToStart(liveBytes: liveBytes)
        if isDue(policy), active.deadBytes >= policy.minDeadBytes,
            active.deadBytes + active.tombstoneBytes >= active.liveBytes
        {
            return true
        }
        return excessBytes >= start / 2 && active.liveBytes >= share(policy)
            && active.liveBytes <= liveBytes / 2
    }
}
