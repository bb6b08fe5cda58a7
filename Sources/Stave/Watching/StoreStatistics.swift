/// What a store holds and how it lies on disk, at one moment. All sizes are bytes.
public struct StoreStatistics: Sendable {
    /// One segment file. `liveBytes`, `deadBytes` and `tombstoneBytes` and the header add up to
    /// `bytes`.
    public struct Segment: Sendable {
        /// In the name of its file.
        public var number: UInt64
        /// Is it durable, and never changed again?
        public var isSealed: Bool
        /// Bytes of records with the header; the file may have space reserved behind them.
        public var bytes: Int
        /// Records that are their key's newest.
        public var liveBytes: Int
        /// Records that a newer one superseded.
        public var deadBytes: Int
        /// Tombstones that are the newest record of their key.
        public var tombstoneBytes: Int
        /// Bytes that are in memory, in the page cache, counted in whole pages.
        public var residentBytes: Int
    }

    /// The directory.
    public var path: String
    /// May nothing be written?
    public var isReadOnly: Bool
    /// When a write counts as done.
    public var durability: Durability
    /// Keys with a value.
    public var count: Int
    /// In the order of their numbers.
    public var segments: [Segment]
    /// All files of the store together, as their sizes say.
    public var diskBytes: Int
    /// Of all segments together, as the next two.
    public var liveBytes: Int
    /// Records that a newer one superseded.
    public var deadBytes: Int
    /// Tombstones that are the newest record of their key.
    public var tombstoneBytes: Int
    /// Bytes of segments that are in memory, in the page cache.
    public var residentBytes: Int
    /// Memory of the keydir.
    public var keydirBytes: Int
    /// The next write's sequence number.
    public var nextSequence: UInt64
    /// Every write with a lower sequence number is durable.
    public var durableSequence: UInt64
    /// Compactions since the store was opened.
    public var compactionCount: Int
    /// Bytes that these compactions copied.
    public var copiedBytes: Int
    /// Bytes by which they made the directory smaller.
    public var freedBytes: Int
    /// When the last compaction since the store was opened ended, in seconds since 1970.
    public var lastCompaction: UInt32?
    /// How many more dead bytes start the next compaction in the background; 0 where one is due.
    /// nil where none starts by itself: read-only, or switched off.
    public var deadBytesToCompaction: Int?
    /// A compaction is due, but no sealed segment is worth one: it waits for the active one to
    /// fill.
    public var compactionAwaitsSegment: Bool
    /// Why the last compaction in the background failed, in words, until it is tried again.
    public var compactionFailure: String?
    /// Why a thread of the background could not be started, and what that means, in words, until
    /// there is one.
    public var threadFailure: String?
    /// Bytes of records that were written by `set` and `removeValue` since the store was opened.
    public var writtenBytes: Int

    /// Bytes on disk for a byte of live records; 1 is the least. nil where nothing is live.
    public var spaceAmplification: Double? {
        liveBytes > 0 ? Double(diskBytes) / Double(liveBytes) : nil
    }

    /// Bytes written to segments for a byte that was asked for. nil where nothing was written.
    public var writeAmplification: Double? {
        writtenBytes > 0 ? Double(writtenBytes + copiedBytes) / Double(writtenBytes) : nil
    }
}

/// What a compaction did. All sizes are bytes.
public struct CompactionReport: Equatable, Sendable {
    /// Segments that were rewritten.
    public var segmentsBefore = 0
    /// Segments that took their place.
    public var segmentsAfter = 0
    /// Records that were copied.
    public var copiedRecords = 0
    /// Bytes of these records.
    public var copiedBytes = 0
    /// Records that were not copied: dead ones, and tombstones that nothing needs any more.
    public var droppedRecords = 0
    /// Bytes that the directory shrank by.
    public var freedBytes = 0
    /// Damaged stretches, in words; segments that hold them stayed as they were.
    public var damage: [String] = []
}
