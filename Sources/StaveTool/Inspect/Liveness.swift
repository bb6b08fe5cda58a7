internal import StaveDisk

/// Which records are live: the newest of their key over all segments.
struct Liveness {
    private let segments: [SegmentSurvey]
    private let images: [HintImage]
    /// The segment of each image.
    private let sources: [Int]

    init(_ segments: [SegmentSurvey]) {
        self.segments = segments
        sources = segments.indices.filter { segments[$0].index != nil }
        images = sources.compactMap { segments[$0].index }
    }

    /// Counts live records and tombstones of each segment.
    ///
    /// - Parameter visit: is given each newest entry of its key, by key, and its segment.
    func tally(visit: (HintEntry, SegmentSurvey) -> Void = { _, _ in }) {
        var merge = SortedMerge(images)
        while let (source, entry) = merge.next() {
            let segment = segments[sources[source]]
            if entry.kind == .value {
                segment.liveCount += 1
                segment.liveBytes += entry.recordLength
            } else {
                segment.tombstoneCount += 1
            }
            visit(entry, segment)
        }
    }

    /// Calls `body` for each live value, in key order.
    func forEachLive(_ body: (HintEntry) -> Void) {
        var merge = SortedMerge(images)
        while let (_, entry) = merge.next() {
            if entry.kind == .value { body(entry) }
        }
    }

    enum State {
        case live
        case tombstone
        case dead(by: String)

        var word: String {
            switch self {
            case .live: "live"
            case .tombstone: "tombstone"
            case .dead: "dead"
            }
        }

        var text: String { place.map { "dead, superseded by \($0)" } ?? word }

        /// Segment and offset of the newest record of the key, where this is not it.
        var place: String? {
            if case .dead(let place) = self { place } else { nil }
        }
    }

    /// What the record of `key` at `offset` of `segment` is, and which one superseded it.
    func state(of key: [UInt8], _ header: RecordHeader, at offset: Int, in segment: SegmentSurvey)
        -> State
    {
        var newest: (segment: SegmentSurvey, entry: HintEntry)?
        for (image, source) in zip(images, sources) {
            // Nothing older can have superseded it.
            guard let newestThere = image.sequences?.upperBound, newestThere >= header.sequence,
                let entry = unsafe key.withUnsafeBytes({ unsafe image.entry(for: $0) })
            else { continue }
            if newest == nil || entry.sequence > newest!.entry.sequence {
                newest = (segments[source], entry)
            }
        }
        guard let newest, newest.segment !== segment || newest.entry.offset != offset else {
            return header.kind == .tombstone ? .tombstone : .live
        }
        return .dead(by: "\(newest.segment.number ?? 0):\(newest.entry.offset)")
    }
}
