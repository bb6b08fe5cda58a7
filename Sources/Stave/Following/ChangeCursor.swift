internal import StaveDisk

/// The durable part of a store at one moment: what changes are told from.
struct ChangeMoment {
    struct Part {
        let segment: Segment
        /// Of its records that count.
        let end: Int
        let runs: [SortedRun]
    }

    let manifest: Manifest
    /// Segments with records above the position; of others it does not matter.
    let parts: [Part]
    /// No write has a higher number.
    let highest: UInt64

    /// The highest number of what is told, or was to be.
    func last(since position: ChangePosition) -> UInt64 {
        parts.lazy.flatMap(\.runs).compactMap { $0.image.sequences?.upperBound }
            .reduce(max(position.sequence, manifest.completeSince), max)
    }

    /// Throws where changes above the position would not be all of them.
    func requireComplete(since position: ChangePosition) throws(StoreError) {
        if position.sequence == 0 { return }
        if let history = position.history, !manifest.has(position.sequence, under: history) {
            throw .foreignPosition(
                position.description,
                reason: "it is another store's, or this one was put back to an older state")
        }
        guard position.sequence <= highest else {
            throw .foreignPosition(
                position.description, reason: "no write here has a number above \(highest)")
        }
        guard position.sequence >= manifest.completeSince else {
            throw .changesLost(
                since: position.sequence, completeSince: manifest.completeSince)
        }
    }
}

/// What became of the keys that were written to above a position: of each key its newest write, a
/// value or a deletion, in the order of the writes' numbers. Made by `Store.changeCursor(since:)`.
///
/// It shows the store of one moment, between two batches. A copy that makes all of its changes is
/// the store as it was then; one that stops halfway may have half a batch, as other keys of it may
/// have been written to since, and begins again at the position where this cursor began.
///
/// Takes 24 bytes a change, and at most 48 MB: beyond that the entries are merged once more for
/// each million changes. It keeps the segments it reads mapped while it lives.
public struct ChangeCursor {
    /// Where to go on once all changes were made.
    public let end: ChangePosition

    private struct Place {
        let sequence: UInt64
        let offset: Int
        let source: Int32
        let isValue: Bool
    }

    /// Changes that are sorted at a time.
    static let usualPartSize = 1 << 20
    private let partSize: Int
    private let images: [HintImage]
    /// The segment of each image, and the end of its records.
    private let segments: [(segment: Segment, end: Int)]
    /// All changes up to this number are done, or lie in `places`.
    private var lower: UInt64
    private var places: [Place] = []
    private var index = 0
    private var hasMore = true

    /// - Throws: where the position is none of this store's, changes above it were dropped, or what
    ///   cannot be read may hold one.
    init(
        _ moment: ChangeMoment, since position: ChangePosition, partSize: Int = usualPartSize
    ) throws(StoreError) {
        try moment.requireComplete(since: position)
        var images: [HintImage] = []
        var segments: [(segment: Segment, end: Int)] = []
        for part in moment.parts {
            for run in part.runs {
                if let damage = run.unreadable.first { throw damage }
                guard let sequences = run.image.sequences,
                    sequences.upperBound > position.sequence
                else { continue }
                images.append(run.image)
                segments.append((part.segment, part.end))
            }
        }
        (self.images, self.segments, self.partSize) = (images, segments, partSize)
        lower = position.sequence
        end = ChangePosition(
            sequence: moment.last(since: position), history: moment.manifest.history.id)
    }

    /// The next change; nil at the end.
    ///
    /// - Throws: `StoreError.damaged` for a record that is not whole; the next call goes on behind
    ///   it.
    public mutating func next() throws(StoreError) -> Change? {
        if index == places.count {
            guard hasMore else { return nil }
            refill()
            if places.isEmpty { return nil }
        }
        let place = places[index]
        index += 1
        let isLast = index == places.count && !hasMore
        let (segment, end) = segments[Int(place.source)]
        let record = segment.record(at: place.offset, upTo: end)
        guard record.headerChecksOut(), let header = record.header,
            header.sequence == place.sequence, header.isValue == place.isValue
        else {
            throw segment.damaged(
                at: place.offset, length: 0, "the record of change \(place.sequence) is not whole")
        }
        var value: [UInt8]?
        if place.isValue {
            // SAFETY: the segment stays mapped while this cursor lives.
            guard let bytes = unsafe record.value(verifying: true) else {
                throw segment.damaged(
                    at: place.offset, length: header.recordLength,
                    "the value of change \(place.sequence) does not check out")
            }
            value = unsafe Array(bytes)
        }
        return Change(
            key: unsafe Array(record.key), value: value, version: place.sequence,
            position: isLast ? self.end : nil)
    }

    /// Finds the changes with the lowest numbers above `lower`.
    private mutating func refill() {
        var (found, upper) = ([Place](), UInt64.max)
        var isCut = false
        func cut() {
            found.sort { $0.sequence < $1.sequence }
            guard found.count > partSize else { return }
            found.removeLast(found.count - partSize)
            upper = found[partSize - 1].sequence
            isCut = true
        }
        var merge = SortedMerge(images)
        while let (source, entry) = merge.next() {
            guard entry.sequence > lower, entry.sequence <= upper else {
                if entry.sequence > upper { isCut = true }
                continue
            }
            found.append(
                Place(
                    sequence: entry.sequence, offset: entry.offset, source: Int32(source),
                    isValue: entry.isValue))
            if found.count == 2 * partSize { cut() }
        }
        cut()
        (places, index, hasMore) = (found, 0, isCut)
        lower = found.last?.sequence ?? lower
    }
}
