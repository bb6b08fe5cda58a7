internal import StaveDisk

/// The file of a segment that is not sealed yet: what of it is durable, how long it is, where it
/// ends.
///
/// Guarded by the store's writer lock, except for what syncs: that is guarded by the sync lock, and
/// may run beside appends.
final class SegmentFile: @unchecked Sendable {
    private static let writebackStep = 4 << 20

    let segment: Segment
    let file: File
    private let name: String
    private let table: SegmentTable
    /// Size of the file.
    private(set) var size: Int
    private var writtenBack = 0
    /// Guarded by the sync lock, as the next three.
    private var knownIdentity: FileIdentity?
    /// Everything below is durable.
    private(set) var synced: Int
    /// Records that another process left unsynced, until they are written again.
    private var inherited: Range<Int>?
    /// Of the mark that was written last; nil where marks are not to be written.
    private var markTurn: Int?
    /// What the mark that this process wrote last says; nil before the first.
    private var markedEnd: Int?

    private let isTakenOver: Bool

    /// Of a segment that was just made: `file` is its header.
    init(of segment: Segment, _ file: consuming File, in table: SegmentTable) {
        self.segment = segment
        self.table = table
        self.file = file
        name = FileName.segment(segment.number).name
        (size, synced, markTurn) = (segment.end, segment.end, 0)
        isTakenOver = false
    }

    /// Of a segment that another process wrote and did not seal.
    ///
    /// - Parameters:
    ///   - synced: what lies behind, and the file's size, may be known to the kernel only.
    ///   - markTurn: of the mark that counts; nil where marks are not to be written.
    init(
        takingOver segment: Segment, _ file: consuming File, size: Int, synced: Int,
        markTurn: Int?, in table: SegmentTable
    ) {
        self.segment = segment
        self.table = table
        self.file = file
        name = FileName.segment(segment.number).name
        let end = segment.end
        (self.size, self.synced, self.markTurn) = (size, min(synced, end), markTurn)
        inherited = min(max(synced, SegmentHeader.byteCount), end)..<end
        isTakenOver = true
    }

    /// Has a sync up to `end` anything to do?
    func needsSync(upTo end: Int) -> Bool { end > synced || inherited != nil }

    // MARK: Growing

    /// Makes the file longer.
    ///
    /// - Parameter reserving: with fallocate(2); else the file grows sparse.
    func grow(to end: Int, reserving: Bool) throws(FileError) {
        if reserving {
            try file.reserve(end - size, at: size)
        } else {
            try file.truncate(to: end)
        }
        setSize(end)
    }

    /// Writes bytes with pwrite(2).
    func write(_ bytes: RawSpan, at offset: Int) throws(FileError) {
        try file.write(bytes, at: offset)
        setSize(max(size, offset + bytes.byteCount))
    }

    private func setSize(_ size: Int) {
        self.size = size
        table.setLimit(size, of: segment)
    }

    /// Begins to write what was appended since the last call, if that is a few megabytes: the sync
    /// at the end of a compaction's output then does not hold a closing store up.
    func startWriteback() {
        guard size - writtenBack >= Self.writebackStep else { return }
        file.startWriteback(writtenBack..<size)
        writtenBack = size
    }

    // MARK: Syncing

    /// Makes everything below `end` durable and says so in the segment's header. The caller makes
    /// sure that only one thread does this at a time.
    ///
    /// - Parameter isMapped: the header's pages are written through the mapping.
    func sync(upTo end: Int, isMapped: Bool) throws(FileError) {
        try file.syncData()
        try requireOurs()
        try writeMark(end, isMapped: isMapped)
        synced = end
    }

    /// Makes the file of a new segment durable, before MANIFEST names it.
    func syncNew() throws(FileError) {
        try file.sync()
        synced = segment.end
    }

    /// A process that ended may have had a sync fail, after which the kernel takes pages for clean
    /// that never reached the disk: what was read from them is written again before a sync can mean
    /// anything. And its file may have grown in memory only.
    func makeInheritedDurable() throws(FileError) {
        guard let range = inherited else { return }
        if !range.isEmpty {
            // SAFETY: the file reaches to the segment's end, and the mapping as far.
            unsafe try file.write(
                segment.mapping.bytes.bytes.extracting(range), at: range.lowerBound)
        }
        try file.sync()
        inherited = nil
    }

    /// Throws where the file was cut, or written by others since the last sync: what was
    /// acknowledged may be gone, and what is written now may not be found. Under the sync lock.
    func requireOurs() throws(FileError) {
        guard let turn = markTurn, let markedEnd else { return }
        // One that was taken over may have been shorter than its mark says.
        let length = try file.size()
        guard isTakenOver || length >= synced else {
            throw FileError("use", segment.path, reason: "it was cut while it was in use")
        }
        let mark = SegmentHeader.markOffset(turn: turn)
        let written = SegmentHeader.encodedMark(markedEnd, identity: segment.identity)
        // SAFETY: the header is mapped, and the file was just seen to have it.
        let found = unsafe segment.mapping.bytes[mark..<(mark + written.count)]
        guard unsafe found.elementsEqual(written) else {
            throw FileError("use", segment.path, reason: "it was overwritten while it was in use")
        }
    }

    /// The marks are written in turn, so that a write of one that goes wrong leaves the other.
    private func writeMark(_ end: Int, isMapped: Bool) throws(FileError) {
        guard let turn = markTurn.map({ $0 + 1 }) else { return }
        if isMapped {
            // SAFETY: the header is mapped and its file range exists.
            unsafe SegmentHeader.writeMark(
                end, identity: segment.identity, turn: turn, into: segment.mapping.base)
        } else {
            let mark = SegmentHeader.encodedMark(end, identity: segment.identity)
            unsafe try file.write(mark.span.bytes, at: SegmentHeader.markOffset(turn: turn))
        }
        (markTurn, markedEnd) = (turn, end)
    }

    // MARK: Its name, its end

    /// Which file it is, from when that was first asked. Under the sync lock.
    func identity() throws(FileError) -> FileIdentity {
        if let known = knownIdentity { return known }
        let identity = try file.identity()
        knownIdentity = identity
        return identity
    }

    /// Does the segment's name still lead to its file? Also true where that cannot be seen. Under
    /// the sync lock.
    func isInPlace(in directory: borrowing Directory) -> Bool {
        guard let identity = try? identity() else { return true }
        return directory.holds(identity, as: name, segment.path)
    }

    /// Ends the file behind its last record, durably. Nothing is appended any more: the segment is
    /// full, or its store is closed.
    func trim() throws(FileError) {
        guard size > segment.end else { return }
        guard try file.truncateUnlessShared(to: segment.end) else {
            // A reader in another process may have mapped what lies behind: then it stays. Of a
            // torn tail nothing may be left, because a sealed segment keeps what is not zero there.
            if !segment.mapping.isWritable {
                try file.zero(segment.end..<size)
                try file.sync()
            }
            return
        }
        table.setLimit(segment.end, of: segment)
        try file.sync()
        // Last: a sync that fails is made again, or told.
        size = segment.end
    }
}
