internal import StaveDisk

/// Which records are live: the newest of their key over all segments.
final class Liveness {
    private let segments: [SegmentSurvey]
    private let images: [HintImage]
    /// The segment of each image.
    private let sources: [Int]
    /// For listings that are long: which keys an image can have at all.
    private var filters: [KeyFilter] = []
    private var lookUps = 0

    init(_ segments: [SegmentSurvey]) {
        self.segments = segments
        sources = segments.indices.filter { segments[$0].index != nil }
        images = sources.compactMap { segments[$0].index }
    }

    /// Counts live records and tombstones of each segment.
    ///
    /// - Parameter visit: is given each newest entry of its key, by key, and its segment.
    func tally(visit: (HintEntry, SegmentSurvey) -> Void = { _, _ in }) {
        for segment in segments { segment.forgetTally() }
        var merge = SortedMerge(images)
        while let (source, entry) = merge.next() {
            let segment = segments[sources[source]]
            if entry.kind == .value {
                segment.liveCount += 1
                segment.liveBytes += entry.recordLength
            } else {
                segment.tombstoneCount += 1
                segment.tombstoneBytes += entry.recordLength
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
        lookUps += 1
        if lookUps == KeyFilter.worthwhile { filters = images.map(KeyFilter.init) }
        // SAFETY: the array outlives the calls.
        let hash = unsafe filters.isEmpty ? 0 : Checksum.hash(key.span.bytes)
        var newest: (segment: SegmentSurvey, entry: HintEntry)?
        for index in images.indices {
            let image = images[index]
            // Nothing older can have superseded it.
            guard let newestThere = image.sequences?.upperBound, newestThere >= header.sequence,
                filters.isEmpty || filters[index].mayContain(hash),
                let entry = unsafe key.withUnsafeBytes({ unsafe image.entry(for: $0) })
            else { continue }
            if newest == nil || entry.sequence > newest!.entry.sequence {
                newest = (segments[sources[index]], entry)
            }
        }
        guard let newest, newest.segment !== segment || newest.entry.offset != offset else {
            return header.kind == .tombstone ? .tombstone : .live
        }
        return .dead(by: "\(newest.segment.number ?? 0):\(newest.entry.offset)")
    }
}

/// A set of keys that may say yes to a few that it does not hold (Bloom, Space/Time Trade-offs in
/// Hash Coding with Allowable Errors, 1970): one byte a key, four bits of one word of memory.
///
/// Looking a key up in an image takes a binary search, most of a listing's time: a key that is
/// in one segment was looked for in all.
struct KeyFilter {
    /// So many look-ups pay for making the filters.
    static let worthwhile = 2000

    private var words: [UInt64]

    init(_ image: HintImage) {
        words = [UInt64](repeating: 0, count: image.count / 8 + 1)
        for index in 0..<image.count {
            // SAFETY: the image keeps its keys while it lives.
            let hash = unsafe Checksum.hash(image[index].key.bytes)
            words[place(hash)] |= Self.bits(hash)
        }
    }

    func mayContain(_ hash: UInt64) -> Bool {
        let bits = Self.bits(hash)
        return words[place(hash)] & bits == bits
    }

    private func place(_ hash: UInt64) -> Int {
        Int(hash.multipliedFullWidth(by: UInt64(words.count)).high)
    }

    private static func bits(_ hash: UInt64) -> UInt64 {
        1 << (hash & 63) | 1 << (hash >> 6 & 63) | 1 << (hash >> 12 & 63) | 1 << (hash >> 18 & 63)
    }
}
