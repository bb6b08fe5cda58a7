internal import StaveDisk

/// What the first write of a process takes along into its new segment: the records of small ones.
///
/// Each process writes segments of its own, so that a segment's identity and length tell its bytes.
/// A thousand processes that set one key each would leave a thousand segments. Lives under the
/// log's lock, while no compaction runs.
@safe struct Absorption {
    /// A live record that was copied into the new segment.
    private struct Move {
        var hash: UInt64
        var origin: Location
        var copy: Location
    }

    /// Sealed segments whose records are taken along, oldest first.
    let segments: [Segment]
    private let log: Log
    private let index: Index
    private var moves: [Move] = []

    private static let limit = 1 << 20

    /// Chooses the segments: the newest ones, while each is at most twice as large as all behind
    /// it, so that a record is copied few times.
    ///
    /// None while other segments wait to be sealed: a record may be left out because a newer one is
    /// durable. And none that the keydir's checkpoint names, so that it stays of use.
    init(_ log: Log, _ index: Index) {
        self.log = log
        self.index = index
        var chosen: [Segment] = []
        var bytes = 0
        let smallBytes = min(64 << 10, log.segmentSize / 4)
        let candidates = log.isSealed ? log.visibleSegments : []
        for segment in candidates.sorted(by: { $0.number > $1.number }) {
            guard Self.isAbsorbable(segment, index), segment.end <= max(smallBytes, 2 * bytes),
                bytes + segment.end <= min(Self.limit, log.segmentSize),
                // In the order of their numbers, as a log is.
                segment.sequences?.upperBound ?? 0 < chosen.last?.sequences?.lowerBound ?? .max
            else { break }
            chosen.append(segment)
            bytes += segment.end
        }
        segments = chosen.reversed()
    }

    private static func isAbsorbable(_ segment: Segment, _ index: Index) -> Bool {
        guard segment.isSealed, segment.isLog, !segment.keepsCutBytes, !segment.isDamaged,
            !index.isInCheckpoint(segment)
        else { return false }
        guard case .whole = segment.verify(from: SegmentHeader.byteCount, upTo: segment.end) else {
            return false
        }
        return true
    }

    /// Copies live records and tombstones.
    mutating func copy(into appender: Appender) throws(StoreError) {
        if !segments.isEmpty { index.drainQueue() }
        for segment in segments {
            var offset = SegmentHeader.byteCount
            while offset < segment.end {
                let record = segment.record(at: offset, upTo: segment.end)
                guard record.headerChecksOut(), let header = record.header else {
                    throw segment.damaged(at: offset, length: 0, "it was whole a moment ago")
                }
                try copy(record, header, of: segment, into: appender)
                offset += header.recordLength
            }
        }
    }

    private mutating func copy(
        _ record: RecordPointer, _ header: RecordHeader, of segment: Segment,
        into appender: Appender
    ) throws(StoreError) {
        let hash = unsafe index.hash(of: record.key)
        let origin = Location(segmentIndex: segment.index, offset: record.offset)
        if header.isValue, try !index.isLive(hash, at: origin) { return }
        guard let copy = unsafe RecordCopy(of: record, header, key: record.key) else {
            throw segment.damaged(
                at: record.offset, length: header.recordLength, "it was whole a moment ago")
        }
        let offset = try appender.append(copy)
        let target = appender.segment
        target.note(sequence: header.sequence)
        guard header.isValue else {
            target.tombstoneBytes += header.recordLength
            return
        }
        target.liveBytes += header.recordLength
        moves.append(
            Move(
                hash: hash, origin: origin,
                copy: Location(segmentIndex: target.index, offset: offset)))
    }

    /// Points the index at the copies and drops the segments, which MANIFEST does not name any
    /// more.
    func finish() {
        for move in moves { _ = index.repoint(move.hash, from: move.origin, to: move.copy) }
        for segment in segments {
            log.removeFiles(of: segment)
            log.drop(segment)
        }
        if !segments.isEmpty { log.collectDropped() }
    }
}
