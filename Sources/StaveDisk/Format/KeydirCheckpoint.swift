/// The head of a checkpoint file: what the keydir was as of one write, and where its tables lie.
///
///      header, 64 bytes
///        0 STAVEKEY | 8 version | 12 flags | 16 store id | 32 next sequence | 40 bytes of the file
///        48 segments | 52 shards | 56 zero
///      segments, 64 bytes each
///        0 number | 8 identity | 16 end | 24 live bytes | 32 tombstone bytes
///        40 first sequence | 48 last sequence | 56 slot | 60 zero
///      shards, 24 bytes each
///        0 buckets | 4 slots in use | 8 keys | 12 zero | 16 XXH3-64 of the table, bound to its place
///      XXH3-64 of everything before
///      zeros up to a multiple of 64, then the shards' tables: 64 bytes a bucket
///
/// A checkpoint is only an optimisation: one that does not check out, or that a compaction made
/// stale, is not used.
package struct KeydirCheckpoint: Equatable, Sendable {
    package struct Segment: Equatable, Sendable {
        package var number: UInt64
        package var identity: UInt64
        /// The tables know the segment's records below this offset.
        package var end: Int
        package var liveBytes: Int
        package var tombstoneBytes: Int
        /// Of the records below `end`; nil without records.
        package var sequences: ClosedRange<UInt64>?
        /// The number by which locations in the tables name the segment.
        package var slot: Int

        package init(
            number: UInt64, identity: UInt64, end: Int, liveBytes: Int, tombstoneBytes: Int,
            sequences: ClosedRange<UInt64>?, slot: Int
        ) {
            self.number = number
            self.identity = identity
            self.end = end
            self.liveBytes = liveBytes
            self.tombstoneBytes = tombstoneBytes
            self.sequences = sequences
            self.slot = slot
        }
    }

    package struct Shard: Equatable, Sendable {
        package var buckets: Int
        /// Slots that are not empty.
        package var usedSlots: Int
        /// Slots that name a record.
        package var liveSlots: Int
        package var checksum: UInt64

        package init(buckets: Int, usedSlots: Int, liveSlots: Int, checksum: UInt64) {
            self.buckets = buckets
            self.usedSlots = usedSlots
            self.liveSlots = liveSlots
            self.checksum = checksum
        }
    }

    /// The version that this code writes and reads. Version 1 named segments that grew afterwards.
    package static let version: UInt32 = 2
    static let magic: UInt64 = 0x5945_4b45_5641_5453  // "STAVEKEY", little-endian
    package static let headerLength = 64
    private static let segmentLength = 64
    private static let shardLength = 24
    package static let bucketLength = 64
    /// Shards of the keydir: the highest ten bits of a key's hash say which.
    package static let shardCount = 1 << 10
    /// Buckets of a shard, and slots of the store, are fewer.
    private static let (bucketLimit, slotLimit) = (1 << 22, 1 << 15)

    package var storeID: StoreID
    /// The tables know all writes with lower sequence numbers, and no other.
    package var nextSequence: UInt64
    package var segments: [Segment]
    package var shards: [Shard]

    package init(
        storeID: StoreID, nextSequence: UInt64, segments: [Segment], shards: [Shard]
    ) {
        self.storeID = storeID
        self.nextSequence = nextSequence
        self.segments = segments
        self.shards = shards
    }

    /// Keys.
    package var count: Int { shards.reduce(0) { $0 + $1.liveSlots } }

    /// Was it made of segments that the store with this MANIFEST has, and are all others newer? The
    /// identity and the length of a sealed segment prove its bytes, except for one of version 1.
    package func fits(_ manifest: Manifest) -> Bool {
        guard storeID == manifest.storeID, nextSequence > 0, shards.count == Self.shardCount else {
            return false
        }
        var unknown = Dictionary(
            manifest.segments.map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
        for segment in segments {
            guard let entry = unknown.removeValue(forKey: segment.number),
                entry.identity == segment.identity, entry.format > 1,
                case .sealed(let extent) = entry.state, extent.length == segment.end,
                extent.sequences == segment.sequences ?? 0...0
            else { return false }
        }
        // What a compaction wrote since holds older records.
        return unknown.values.allSatisfy { entry in
            guard let sequences = entry.extent?.sequences else { return true }
            return sequences.lowerBound >= nextSequence || sequences == 0...0
        }
    }

    /// Where each shard's table lies in the file.
    package var tableRanges: [Range<Int>] {
        var end = tablesOffset
        return shards.map { shard in
            let start = end
            end += shard.buckets * Self.bucketLength
            return start..<end
        }
    }

    /// Where the first table begins, in bytes.
    package var tablesOffset: Int { Self.tablesOffset(segments.count, shards.count) }

    /// Bytes of the whole file.
    package var fileLength: Int {
        tablesOffset + shards.reduce(0) { $0 + $1.buckets * Self.bucketLength }
    }

    /// The checksum of a table that lies at `offset` of the file.
    package static func checksum(_ table: RawSpan, at offset: Int, of storeID: StoreID) -> UInt64 {
        Checksum.hash(table) ^ Checksum.binding(identity: storeID.low, offset: offset)
    }

    /// Bytes that `init(decoding:)` needs, from the file's first `headerLength` bytes.
    package static func headLength(in header: RawSpan) -> Int? {
        guard header.byteCount >= headerLength, header.load(0) == magic else { return nil }
        let segments = Int(header.load(48, as: UInt32.self))
        let shards = Int(header.load(52, as: UInt32.self))
        guard segments < slotLimit, shards <= 1 << 16 else { return nil }
        return tablesOffset(segments, shards)
    }

    private static func tablesOffset(_ segments: Int, _ shards: Int) -> Int {
        (checksumOffset(segments, shards) + 8 + 63) / 64 * 64
    }

    private static func checksumOffset(_ segments: Int, _ shards: Int) -> Int {
        headerLength + segments * segmentLength + shards * shardLength
    }

    // MARK: Decoding

    /// Checks every field of the bytes before the tables.
    ///
    /// - Parameter fileLength: bytes of the whole file.
    package init(decoding bytes: RawSpan, fileLength: Int) throws(FormatError) {
        guard let length = Self.headLength(in: bytes) else {
            throw FormatError("not a checkpoint: it does not begin with STAVEKEY", at: 0)
        }
        let version: UInt32 = bytes.load(8)
        let flags: UInt32 = bytes.load(12)
        guard version == Self.version, flags == 0 else {
            throw FormatError(
                "checkpoint has format version \(version) and flags \(flags), this program reads"
                    + " \(Self.version) and 0", at: 8, isNewerVersion: version > Self.version)
        }
        let segmentCount = Int(bytes.load(48, as: UInt32.self))
        let shardCount = Int(bytes.load(52, as: UInt32.self))
        let covered = Self.checksumOffset(segmentCount, shardCount)
        guard bytes.byteCount >= length else {
            throw FormatError("checkpoint is too short: \(bytes.byteCount) bytes", at: 0)
        }
        guard bytes.load(covered) == Checksum.hash(bytes.extracting(0..<covered)) else {
            throw FormatError("checkpoint checksum is wrong", at: covered)
        }
        guard bytes.extracting((covered + 8)..<length).isZero() else {
            throw FormatError("bytes between head and tables", at: covered + 8)
        }
        storeID = StoreID(low: bytes.load(16), high: bytes.load(24))
        nextSequence = bytes.load(32)
        segments = []
        shards = []
        var offset = Self.headerLength
        for _ in 0..<segmentCount {
            try segments.append(Self.segment(bytes, at: offset))
            offset += Self.segmentLength
        }
        for _ in 0..<shardCount {
            try shards.append(Self.shard(bytes, at: offset))
            offset += Self.shardLength
        }
        guard Set(segments.map(\.slot)).count == segmentCount else {
            throw FormatError("two segments of a checkpoint have one slot", at: Self.headerLength)
        }
        guard bytes.load(40) == UInt64(self.fileLength), fileLength == self.fileLength else {
            throw FormatError(
                "checkpoint has \(fileLength) bytes, should be \(self.fileLength)", at: 40)
        }
    }

    private static func segment(
        _ bytes: RawSpan, at offset: Int
    ) throws(FormatError) -> Segment {
        func size(_ place: Int) -> Int {
            Int(clamping: bytes.load(offset + place, as: UInt64.self))
        }
        let (first, last): (UInt64, UInt64) = (bytes.load(offset + 40), bytes.load(offset + 48))
        let segment = Segment(
            number: bytes.load(offset), identity: bytes.load(offset + 8), end: size(16),
            liveBytes: size(24), tombstoneBytes: size(32),
            sequences: first > 0 && first <= last ? first...last : nil,
            slot: Int(bytes.load(offset + 56, as: UInt32.self)))
        guard segment.end <= Format.maxFileLength, segment.liveBytes <= segment.end,
            segment.tombstoneBytes <= segment.end, segment.slot < slotLimit
        else { throw FormatError("a checkpoint's segment is impossible", at: offset) }
        return segment
    }

    private static func shard(_ bytes: RawSpan, at offset: Int) throws(FormatError) -> Shard {
        func number(_ place: Int) -> Int { Int(bytes.load(offset + place, as: UInt32.self)) }
        let shard = Shard(
            buckets: number(0), usedSlots: number(4), liveSlots: number(8),
            checksum: bytes.load(offset + 16))
        guard shard.buckets > 0, shard.buckets < bucketLimit, shard.liveSlots <= shard.usedSlots,
            shard.usedSlots <= shard.buckets * 8
        else { throw FormatError("a checkpoint's shard is impossible", at: offset) }
        return shard
    }

    // MARK: Encoding

    /// The bytes before the tables.
    package func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: Self.magic)
        bytes.append(littleEndian: Self.version)
        bytes.append(littleEndian: UInt32(0))
        bytes.append(littleEndian: storeID.low)
        bytes.append(littleEndian: storeID.high)
        bytes.append(littleEndian: nextSequence)
        bytes.append(littleEndian: UInt64(fileLength))
        bytes.append(littleEndian: UInt32(segments.count))
        bytes.append(littleEndian: UInt32(shards.count))
        bytes.append(littleEndian: UInt64(0))
        for segment in segments {
            bytes.append(littleEndian: segment.number)
            bytes.append(littleEndian: segment.identity)
            for size in [segment.end, segment.liveBytes, segment.tombstoneBytes] {
                bytes.append(littleEndian: UInt64(size))
            }
            bytes.append(littleEndian: segment.sequences?.lowerBound ?? 0)
            bytes.append(littleEndian: segment.sequences?.upperBound ?? 0)
            bytes.append(littleEndian: UInt32(segment.slot))
            bytes.append(littleEndian: UInt32(0))
        }
        for shard in shards {
            for number in [shard.buckets, shard.usedSlots, shard.liveSlots, 0] {
                bytes.append(littleEndian: UInt32(number))
            }
            bytes.append(littleEndian: shard.checksum)
        }
        bytes.append(littleEndian: unsafe Checksum.hash(bytes.span.bytes))
        bytes += [UInt8](repeating: 0, count: tablesOffset - bytes.count)
        return bytes
    }
}
