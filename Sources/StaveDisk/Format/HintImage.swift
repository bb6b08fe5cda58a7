internal import CLinux

/// One entry of a hint file: what it says about one key.
///
/// `key` points into the image it came from and is valid while that image lives.
@safe package struct HintEntry {
    package var sequence: UInt64
    /// Where the record starts in its segment, in bytes.
    package var offset: Int
    package var valueLength: Int
    package var kind: RecordKind
    package var flags: UInt8
    package var key: UnsafeRawBufferPointer

    package init(_ header: RecordHeader, kind: RecordKind, offset: Int, key: UnsafeRawBufferPointer)
    {
        sequence = header.sequence
        self.offset = offset
        valueLength = header.valueLength
        self.kind = kind
        flags = header.flags
        unsafe self.key = unsafe key
    }

    init(
        sequence: UInt64, offset: Int, valueLength: Int, kind: RecordKind, flags: UInt8,
        key: UnsafeRawBufferPointer
    ) {
        self.sequence = sequence
        self.offset = offset
        self.valueLength = valueLength
        self.kind = kind
        self.flags = flags
        unsafe self.key = unsafe key
    }

    package var isValue: Bool { if case .value = kind { true } else { false } }

    /// Bytes of the record on disk.
    package var recordLength: Int {
        unsafe RecordHeader.recordLength(key: key.count, value: valueLength)
    }
}

/// A segment's newest entry for each of its keys, sorted by key: a hint file's bytes, mapped from a
/// file or made in memory. Either way the same bytes, so that open, scan, compaction and
/// verification read one thing.
///
///      header, 64 bytes
///        0 STAVEHNT | 8 version | 12 flags | 16 segment identity | 24 segment length
///        32 first sequence | 40 last sequence | 48 entries | 52 records | 56 tombstones | 60 zero
///      entries, sorted by key (bytes, then length)
///        0 sequence | 8 offset / 8 | 12 value length | 16 key length | 18 kind | 19 flags | 20 key
///      offset of each entry, 4 bytes each
///      XXH3-64 of everything before, bound to the segment's identity and length
///
/// A hint is only an optimisation, and only a whole one is used: `init(decoding:)` checks every
/// entry.
@safe package final class HintImage: @unchecked Sendable {
    // @unchecked: the bytes never change after init, and `owner` keeps them alive.
    /// The version that this code writes and reads.
    package static let version: UInt32 = 1
    static let magic: UInt64 = 0x544e_4845_5641_5453  // "STAVEHNT", little-endian
    package static let headerLength = 64
    static let entryHeaderLength = 20
    static let footerLength = 8
    /// Bytes of a hint file without entries.
    package static let emptyLength = headerLength + footerLength

    /// Bytes that an entry adds to a hint file.
    package static func length(ofEntry entry: HintEntry) -> Int {
        unsafe entryHeaderLength + entry.key.count + 4
    }

    package let bytes: UnsafeRawBufferPointer
    private let owner: AnyObject
    package let identity: UInt64
    /// Bytes of the segment it describes.
    package let segmentLength: Int
    /// Lowest and highest sequence number of all the segment's records; nil where it has none.
    package let sequences: ClosedRange<UInt64>?
    /// Keys.
    package let count: Int
    /// Records in the segment, older versions included.
    package let recordCount: Int
    /// Tombstones among them.
    package let tombstoneCount: Int
    /// Do the records lie in the segment in the order of their keys? A compaction writes them so.
    package private(set) var isInKeyOrder = true
    private let offsets: Int
    /// Bytes that all keys begin with.
    private(set) var common = 0
    /// Of every 16th key the eight bytes behind these, as a number: a search of the image begins
    /// here, in half a byte a key, where it would miss the cache twice a step.
    private(set) var fence: [UInt64] = []
    static let fenceStep = 16

    /// Checks every field and takes the bytes over.
    ///
    /// - Parameters:
    ///   - bytes: the whole file; valid while `owner` lives.
    ///   - identity, segmentLength: of the segment it must describe; nil leaves the check out.
    package convenience init(
        decoding bytes: UnsafeRawBufferPointer, keeping owner: AnyObject, identity: UInt64?,
        segmentLength: Int?
    ) throws(FormatError) {
        // SAFETY: `owner` keeps `bytes` alive while this object lives; all loads are checked.
        let span = unsafe bytes.bytes
        guard span.byteCount >= Self.headerLength + Self.footerLength else {
            throw FormatError("hint file is too short: \(span.byteCount) bytes", at: 0)
        }
        guard span.load(0) == Self.magic else {
            throw FormatError("not a hint file: it does not begin with STAVEHNT", at: 0)
        }
        let version: UInt32 = span.load(8)
        let flags: UInt32 = span.load(12)
        guard version == Self.version, flags == 0 else {
            throw FormatError(
                "hint file has format version \(version) and flags \(flags), this program reads"
                    + " \(Self.version) and 0", at: 8, isNewerVersion: true)
        }
        let ownIdentity: UInt64 = span.load(16)
        let ownLength: UInt64 = span.load(24)
        guard let length = Int(exactly: ownLength) else {
            throw FormatError("segment length is out of range", at: 24)
        }
        let covered = span.byteCount - Self.footerLength
        let checksum = unsafe Self.checksum(
            UnsafeRawBufferPointer(rebasing: bytes[..<covered]), identity: ownIdentity,
            segmentLength: length)
        guard span.load(covered) == checksum else {
            throw FormatError(
                "hint file checksum is wrong, should be \(hex(checksum))", at: covered)
        }
        guard identity == nil || identity == ownIdentity else {
            throw FormatError("hint file belongs to another segment", at: 16)
        }
        guard segmentLength == nil || segmentLength == length else {
            throw FormatError(
                "hint file is stale: made for \(length) bytes, segment has \(segmentLength ?? 0)",
                at: 24)
        }
        unsafe self.init(unchecked: bytes, keeping: owner)
        try checkEntries(span)
        buildFence()
    }

    /// What an image ends with: the checksum of all before, bound to the segment.
    static func checksum(
        _ covered: UnsafeRawBufferPointer, identity: UInt64, segmentLength: Int
    ) -> UInt64 {
        unsafe Checksum.hash(covered.bytes)
            ^ Checksum.binding(identity: identity, offset: segmentLength)
    }

    /// Takes over bytes that this process has just made: their fields are believed.
    convenience init(
        trusting bytes: UnsafeRawBufferPointer, keeping owner: AnyObject, isInKeyOrder: Bool
    ) {
        unsafe self.init(unchecked: bytes, keeping: owner)
        self.isInKeyOrder = isInKeyOrder
        buildFence()
    }

    private init(unchecked bytes: UnsafeRawBufferPointer, keeping owner: AnyObject) {
        // SAFETY: `owner` keeps `bytes` alive while this object lives.
        let span = unsafe bytes.bytes
        unsafe self.bytes = unsafe bytes
        self.owner = owner
        identity = span.load(16)
        segmentLength = Int(span.load(24, as: UInt64.self))
        count = Int(span.load(48, as: UInt32.self))
        recordCount = Int(span.load(52, as: UInt32.self))
        tombstoneCount = Int(span.load(56, as: UInt32.self))
        offsets = span.byteCount - Self.footerLength - count * 4
        let (first, last): (UInt64, UInt64) = (span.load(32), span.load(40))
        sequences = recordCount > 0 && first <= last ? first...last : nil
    }

    private func checkEntries(_ span: RawSpan) throws(FormatError) {
        guard offsets >= Self.headerLength, recordCount >= count, tombstoneCount <= recordCount,
            sequences != nil || count == 0
        else { throw FormatError("hint file header is impossible", at: 48) }
        var next = Self.headerLength
        var previous = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        var previousPrefix: UInt64 = 0
        var place = 0
        for index in 0..<count {
            let offset = Int(span.load(offsets + index * 4, as: UInt32.self))
            guard offset == next, offsets - offset >= Self.entryHeaderLength else {
                throw FormatError("entry \(index) is misplaced", at: offset)
            }
            let keyLength = Int(span.load(offset + 16, as: UInt16.self))
            guard keyLength > 0, keyLength <= offsets - offset - Self.entryHeaderLength,
                RecordKind(rawValue: span.load(offset + 18)) != nil
            else { throw FormatError("entry \(index) is impossible", at: offset) }
            let entry = self[index]
            // SAFETY: the key lies inside the image, as was just checked.
            let key = unsafe entry.key
            let prefix = unsafe keyPrefix(key)
            guard unsafe previousPrefix < prefix || index == 0 || compareKeys(previous, key) < 0
            else { throw FormatError("entry \(index) is out of order", at: offset) }
            guard entry.offset >= SegmentHeader.byteCount,
                entry.offset < Format.maxSegmentLength,
                entry.valueLength <= Format.maxValueLength,
                entry.offset + entry.recordLength <= segmentLength
            else { throw FormatError("entry \(index) points outside its segment", at: offset) }
            guard sequences?.contains(entry.sequence) == true,
                entry.kind == .value || entry.valueLength == 0
            else { throw FormatError("entry \(index) is no record's", at: offset) }
            unsafe previous = unsafe key
            previousPrefix = prefix
            if entry.offset < place { isInKeyOrder = false }
            place = entry.offset
            next = offset + Self.entryHeaderLength + keyLength
        }
        guard next == offsets else { throw FormatError("bytes after the last entry", at: next) }
    }

    /// Once the entries are known to be sorted.
    private func buildFence() {
        guard count > Self.fenceStep else { return }
        common = unsafe commonPrefixLength(first, last)
        fence = stride(from: 0, to: count, by: Self.fenceStep).map { index in
            unsafe keyPrefix(self[index].key, from: common)
        }
    }

    /// Are the bytes still those that were checked, or made? A file may be overwritten or go bad
    /// while it is mapped. Reads them all.
    package var isUnchanged: Bool {
        // SAFETY: `owner` keeps the bytes; those of no file are as they were made.
        let covered = unsafe bytes.count - Self.footerLength
        let checksum = unsafe Self.checksum(
            UnsafeRawBufferPointer(rebasing: bytes[..<covered]), identity: identity,
            segmentLength: segmentLength)
        return unsafe bytes.loadUnaligned(fromByteOffset: covered, as: UInt64.self) == checksum
    }

    /// The entry at `index`, in key order. 0 <= index < count.
    @inline(__always)
    package subscript(index: Int) -> HintEntry {
        precondition(index >= 0 && index < count, "entry index out of range")
        return entries[index]
    }

    /// The entries without the image's reference: valid while the image lives.
    @inline(__always)
    var entries: Entries { unsafe Entries(base: bytes.baseAddress!, index: offsets, count: count) }

    @safe struct Entries {
        fileprivate let base: UnsafeRawPointer
        /// Where the offset of the first entry lies.
        fileprivate let index: Int
        fileprivate let count: Int

        /// 0 <= position < count.
        @inline(__always)
        subscript(position: Int) -> HintEntry { entry(at: start(position)) }

        /// - Parameter start: what `start` says of it.
        @inline(__always)
        func entry(at start: Int) -> HintEntry {
            // SAFETY: `checkEntries` proved that every entry lies inside the image. A program may
            // overwrite or cut a mapped file later, so what is loaded again is cut to the image: it
            // may be wrong then, but it traps nowhere.
            let entry = unsafe base + start
            let keyLength = unsafe min(Int(load(entry, 16, as: UInt16.self)), last &- start)
            let kind: RecordKind = unsafe load(entry, 18, as: UInt8.self) == 1 ? .value : .tombstone
            return unsafe HintEntry(
                sequence: load(entry, 0, as: UInt64.self),
                offset: Int(load(entry, 8, as: UInt32.self)) &* Format.alignment,
                valueLength: Int(load(entry, 12, as: UInt32.self)), kind: kind,
                flags: load(entry, 19, as: UInt8.self),
                key: UnsafeRawBufferPointer(
                    start: entry + HintImage.entryHeaderLength, count: keyLength))
        }

        /// The `keyPrefix` of an entry's key.
        @inline(__always)
        func prefix(at start: Int, from common: Int) -> UInt64 {
            // SAFETY: as above.
            let entry = unsafe base + start
            let keyLength = unsafe min(Int(load(entry, 16, as: UInt16.self)), last &- start)
            let key = unsafe entry + HintImage.entryHeaderLength
            if keyLength >= common &+ 8 {
                return unsafe UInt64(
                    bigEndian: key.loadUnaligned(fromByteOffset: common, as: UInt64.self))
            }
            // A mapped file that changes may hold a shorter key by now.
            return unsafe keyPrefix(
                UnsafeRawBufferPointer(start: key, count: keyLength), from: common)
        }

        /// Asks for an entry, if there is one at `position`, whose place in the index is there
        /// already.
        @inline(__always)
        func prefetch(_ position: Int) {
            guard position >= 0, position < count else { return }
            unsafe stave_prefetch(base + start(position))
        }

        /// Asks for the entries of a search.
        func prefetch(_ positions: Range<Int>) {
            guard let first = positions.first, let last = positions.last else { return }
            for place in stride(from: start(first), through: start(last) + 32, by: 64).prefix(16) {
                unsafe stave_prefetch(base + place)
            }
        }

        /// Asks for the place of an entry.
        @inline(__always)
        func prefetchIndex(_ position: Int) {
            unsafe stave_prefetch(base + index + position * 4)
        }

        /// Where an entry begins.
        @inline(__always)
        func start(_ position: Int) -> Int {
            // SAFETY: the index has an offset for each entry.
            unsafe min(Int(load(base + index, position &* 4, as: UInt32.self)), last)
        }

        /// Where the last entry can begin.
        @inline(__always)
        private var last: Int { index &- HintImage.entryHeaderLength }

        @inline(__always)
        private func load<T: FixedWidthInteger & BitwiseCopyable>(
            _ pointer: UnsafeRawPointer, _ offset: Int, as type: T.Type
        ) -> T {
            unsafe T(littleEndian: pointer.loadUnaligned(fromByteOffset: offset, as: T.self))
        }
    }
}
