internal import StaveDisk

/// The keys in which two stores differ, in the order of the keys: one merge of both stores'
/// entries, in flat memory. Values are compared where they lie.
struct StoreDiff {
    /// One store's live records in key order.
    private struct Side {
        let sources: [SegmentSurvey]
        private var merge: SortedMerge

        init(_ survey: StoreSurvey) {
            sources = survey.segments.filter { $0.index != nil && !$0.isDropped }
            merge = SortedMerge(sources.compactMap(\.index))
        }

        mutating func next() -> Place? {
            while let (source, entry) = merge.next() {
                if entry.kind == .value { return Place(segment: sources[source], entry: entry) }
            }
            return nil
        }
    }

    /// Where a live record lies.
    struct Place {
        let segment: SegmentSurvey
        let entry: HintEntry

        /// Lends the value; nil where the record does not check out.
        func withValue<Result>(_ body: (RawSpan) -> Result) -> Result? {
            guard let image = segment.image, let identity = segment.identity else { return nil }
            return image.withBytes { bytes in
                let bytes = bytes.extracting(first: segment.recordLimit)
                let offset = entry.offset
                guard let header = Record.header(in: bytes, at: offset, identity: identity),
                    header.sequence == entry.sequence, !header.needsNewerVersion,
                    Record.valueChecksOut(header, in: bytes, at: offset, identity: identity)
                else { return nil }
                let start = offset + RecordHeader.byteCount + header.keyLength
                return body(bytes.extracting(start..<(start + header.valueLength)))
            }
        }

        /// As much of the value as a program is shown.
        var preview: [UInt8] { bytes(0..<40) }

        /// A part of the value; nothing where the record does not check out.
        func bytes(_ range: Range<Int>) -> [UInt8] { withValue { $0.array(range) } ?? [] }

        /// The first byte in which the values differ.
        func firstDifference(from other: Place) -> Int? {
            withValue { value in
                other.withValue { value.differing(from: $0)?.lowerBound } ?? nil
            } ?? nil
        }
    }

    enum Difference {
        case onlyInFirst(Place)
        case onlyInSecond(Place)
        case value(Place, Place)
        /// Nothing can be said of the key: a record of it does not check out.
        case damaged(isInFirst: Bool, Place)
    }

    private(set) var sameCount = 0
    private(set) var onlyInFirst = 0
    private(set) var onlyInSecond = 0
    private(set) var otherValues = 0
    var differenceCount: Int { onlyInFirst + onlyInSecond + otherValues }
    private(set) var damageCount = 0

    /// Calls `body` with each key in which the two stores differ.
    mutating func run(
        _ first: StoreSurvey, _ second: StoreSurvey, _ body: (Difference) -> Void
    ) {
        var (left, right) = (Side(first), Side(second))
        var (a, b) = (left.next(), right.next())
        while a != nil || b != nil {
            let order = Self.order(a, b)
            if order < 0, let place = a {
                onlyInFirst += 1
                body(.onlyInFirst(place))
            } else if order > 0, let place = b {
                onlyInSecond += 1
                body(.onlyInSecond(place))
            } else if let a, let b {
                compare(a, b, body)
            }
            if order <= 0 { a = left.next() }
            if order >= 0 { b = right.next() }
        }
    }

    private static func order(_ a: Place?, _ b: Place?) -> Int {
        guard let a else { return 1 }
        guard let b else { return -1 }
        return unsafe compareKeys(a.entry.key, b.entry.key)
    }

    private mutating func compare(_ a: Place, _ b: Place, _ body: (Difference) -> Void) {
        let outcome = a.withValue { left in
            b.withValue { right in left.differing(from: right) == nil }
        }
        switch outcome {
        case .some(.some(true)): sameCount += 1
        case .some(.some(false)):
            otherValues += 1
            body(.value(a, b))
        case .some(.none):
            damageCount += 1
            body(.damaged(isInFirst: false, b))
        case .none:
            damageCount += 1
            body(.damaged(isInFirst: true, a))
        }
    }
}
