internal import StaveDisk

/// How long a write waits before it counts as done.
public enum Durability: String, Sendable, CaseIterable {
    /// Durable before the call returns. Writers in several threads share one fdatasync.
    case always
    /// Survives the end of the process at once, and a power cut after at most a second.
    case interval
    /// Survives the end of the process; a power cut may take what the kernel had not written yet.
    case os
}

/// How a store is opened. The defaults suit a laptop.
public struct StoreOptions: Sendable {
    /// What the process may do with the store.
    public enum Access: Sendable {
        /// The one writer; takes the lock.
        case readWrite
        /// Reads only, without the lock: works beside a writer and on read-only media, and sees the
        /// store as it is at the moment of opening.
        case readOnly
    }

    /// Read and write, or read only.
    public var access: Access = .readWrite
    /// Make the directory and an empty store where there is none. Only the last part of the path is
    /// made. Of no effect for `.readOnly`.
    public var createsIfMissing = false
    /// When a write counts as done.
    public var durability: Durability = .interval
    /// Bytes at which a segment is sealed and the next one begun: 4 KiB to 256 MiB. A record that
    /// does not fit gets a segment of its own.
    public var segmentSize = 256 << 20
    /// Check each value's checksum when it is read. Switched off, a flipped bit may be returned as
    /// a value; the rest of the checks stay.
    public var verifiesReads = true

    /// Closing saves the keydir where the next open would otherwise read more entries than this,
    /// and more than a 64th of the keys. The file takes 10 to 12 bytes a key.
    public var checkpointEntries = 16_384

    /// Entries of hint files that recovery merges at a time. With half as many or more it merges on
    /// a thread of its own: with fewer, to start one would take longer than it saves.
    var mergeBatch = 1 << 17

    /// When the background compacts.
    public var compaction = CompactionPolicy()
    /// A compaction keeps deletions that are younger than this, whole seconds by the clock, so that
    /// a follower that was away so long still learns of them (`Store.changes(since:)`). They take
    /// at most an eighth of the live bytes, or `CompactionPolicy.minDeadBytes`: above that they are
    /// dropped, and a follower that needed one gets `StoreError.changesLost`.
    public var keptDeletions: Duration = .zero
    /// Told what the background has done, on any thread that uses the store. Must not call the
    /// store.
    public var onEvent: (@Sendable (StoreEvent) -> Void)?

    /// What is not named has its default.
    public init(
        access: Access = .readWrite, createsIfMissing: Bool = false,
        durability: Durability = .interval, segmentSize: Int = 256 << 20,
        verifiesReads: Bool = true, checkpointEntries: Int = 16_384,
        compaction: CompactionPolicy = CompactionPolicy(),
        onEvent: (@Sendable (StoreEvent) -> Void)? = nil
    ) {
        self.access = access
        self.createsIfMissing = createsIfMissing
        self.durability = durability
        self.segmentSize = segmentSize
        self.verifiesReads = verifiesReads
        self.checkpointEntries = checkpointEntries
        self.compaction = compaction
        self.onEvent = onEvent
    }

    /// Throws `StoreError.invalidOption` where a value means nothing. Before anything on disk is
    /// touched: a wrong one would be a trap, or a wait without end, much later.
    func validate() throws(StoreError) {
        func require(_ isRight: Bool, _ name: String, _ reason: String) throws(StoreError) {
            if !isRight { throw .invalidOption(name: name, reason: reason) }
        }
        try require(
            (4 << 10...Format.maxSegmentLength).contains(segmentSize), "segmentSize",
            "\(segmentSize) is not from 4,096 to 268,435,456 bytes")
        try require(
            checkpointEntries >= 0, "checkpointEntries", "\(checkpointEntries) is less than 0")
        // NaN is in no range.
        let amplifications = 1.0...1000
        try require(
            amplifications.contains(compaction.startAmplification), "startAmplification",
            "\(compaction.startAmplification) is not from 1 to 1,000")
        try require(
            amplifications.contains(compaction.maxAmplification), "maxAmplification",
            "\(compaction.maxAmplification) is not from 1 to 1,000")
        try require(
            compaction.maxAmplification >= compaction.startAmplification, "maxAmplification",
            "\(compaction.maxAmplification) is less than startAmplification"
                + " (\(compaction.startAmplification)): writers would wait for what does not start")
        try require(
            (0...1 << 50).contains(compaction.minDeadBytes), "minDeadBytes",
            "\(compaction.minDeadBytes) is not from 0 to 2^50 bytes")
        try require(
            keptDeletions >= .zero, "keptDeletions", "\(keptDeletions) is less than 0")
        try require(
            compaction.bytesPerSecond >= 0, "bytesPerSecond",
            "\(compaction.bytesPerSecond) is less than 0; 0 is no limit")
    }
}

/// What happens in a store without being asked for.
public enum StoreEvent: Sendable {
    case compacted(CompactionReport)
    /// The store goes on; the next try is a minute later, or when `compact()` is called.
    case compactionFailed(StoreError)
    /// A segment that MANIFEST does not name holds writes that the store knows nothing of: another
    /// moment's, or another store's. It is no part of this store, and was renamed to `file`.
    case setAside(file: String)
    /// No thread could be started for this work; it is tried again when it is needed next, and told
    /// once until that succeeds.
    case threadFailed(BackgroundWork, StoreError)
    /// No more writes are taken: a sync failed, or the directory was taken away. What was written
    /// since the last good sync may be lost. Told once.
    case writingEnded(StoreError)
    /// A hint file did not check out and was made again from its segment.
    case hintRebuilt(file: String, reason: String)
}

/// What a store has threads for.
public enum BackgroundWork: Sendable, Equatable {
    /// Syncs once a second and seals full segments. Without it, each write at `interval` is durable
    /// before the call returns.
    case syncing
    /// Without it, a writer that needs space compacts.
    case compacting
    /// Makes pages ready that writers come to next. Without it, a write takes longer.
    case preparingPages

    /// The error, and what it means for the store.
    public func message(of error: StoreError) -> String {
        let consequence =
            switch self {
            case .syncing: "each write is synced before it returns"
            case .compacting: "a writer compacts when space is short"
            case .preparingPages: "writes take longer"
            }
        return "\(error.description); \(consequence) until there is one"
    }
}
