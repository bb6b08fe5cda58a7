internal import Stave
internal import StaveDisk

/// Which segments the next compactions would rewrite, by the store's own rules, from what the files
/// say. The policy is the default one; the segment size is the largest that a segment was made for.
struct CompactionForecast {
    private struct Candidate: CompactionCandidate {
        let number: UInt64
        let isSealed: Bool
        let end: Int
        let liveBytes: Int
        let tombstoneBytes: Int
        let keepsCutBytes: Bool
        let isDamaged: Bool
        let index: HintImage?
    }

    private let candidates: [Candidate]
    /// What `compact` would rewrite, and what the background would if a compaction were due.
    private let compacted: Set<UInt64>
    private let automatic: Set<UInt64>
    private let isDue: Bool
    private let deadBytesLeft: Int

    /// - Parameter damaged: names of segments that are known to have damage.
    init(_ survey: StoreSurvey, damaged: Set<String>) {
        candidates = survey.segments.compactMap { segment in
            guard let number = segment.number, segment.image != nil else { return nil }
            let isDamaged =
                damaged.contains(segment.name)
                || segment.findings.list.contains {
                    $0.severity == .damage && $0.file == segment.name
                }
            let extent = segment.listed?.extent
            return Candidate(
                number: number, isSealed: segment.isSealed, end: segment.end,
                liveBytes: segment.liveBytes, tombstoneBytes: segment.tombstoneBytes,
                keepsCutBytes: segment.isSealed && segment.fileSize > extent?.length ?? .max,
                isDamaged: isDamaged, index: segment.index)
        }
        let capacity = survey.segments.compactMap { $0.header.map { Int(clamping: $0.capacity) } }
        let segmentSize = min(capacity.max() ?? Format.maxSegmentLength, Format.maxSegmentLength)
        let policy = CompactionPolicy()
        let use = SpaceUse(candidates)
        isDue = use.isDue(policy)
        deadBytesLeft = use.deadBytesLeft(policy)
        let whole = candidates.filter { !$0.isDamaged }
        compacted = Set(
            whole.worthRewriting(segmentSize: segmentSize, image: \.index).map(\.number))
        automatic = Set(
            candidates.nextRewrite(policy, segmentSize: segmentSize).map(\.number))
    }

    private func candidate(_ segment: SegmentSurvey) -> Candidate? {
        candidates.first { $0.number == segment.number }
    }

    /// Why no compaction takes the segment; nil where one may.
    private func obstacle(_ candidate: Candidate?) -> String? {
        guard let candidate else { return "kept: its segment cannot be read" }
        if candidate.isDamaged {
            return
                "kept: segment \(candidate.number) has damage, and compaction leaves it as it is;"
                + " repair writes a store without it"
        }
        if candidate.keepsCutBytes {
            return "kept: segment \(candidate.number) keeps bytes behind a torn log"
        }
        return nil
    }

    func fate(ofDeadRecordIn segment: SegmentSurvey) -> String {
        let candidate = candidate(segment)
        if let obstacle = obstacle(candidate) { return obstacle }
        guard let candidate else { return "" }
        return "freed when segment \(candidate.number) is \(candidate.isSealed ? "" : "full and ")"
            + "compacted; " + when(candidate)
    }

    func fate(ofTombstoneIn segment: SegmentSurvey, olderIn older: [UInt64]) -> String {
        let candidate = candidate(segment)
        if let obstacle = obstacle(candidate) { return obstacle }
        guard let candidate else { return "" }
        guard !older.isEmpty else {
            return "dropped when segment \(candidate.number) is"
                + " \(candidate.isSealed ? "" : "full and ")compacted; " + when(candidate)
        }
        let names = older.map(String.init).joined(separator: ", ")
        let needed =
            "needed while segment\(older.count == 1 ? "" : "s") \(names)"
            + " \(older.count == 1 ? "has" : "have") an older version; "
        let all = Set(older).union([candidate.number])
        if all.isSubset(of: automatic) { return needed + "the next compaction takes all of them" }
        return needed
            + (all.isSubset(of: compacted)
                ? "compact takes all of them" : "no next plan takes all of them")
    }

    private func when(_ candidate: Candidate) -> String {
        if automatic.contains(candidate.number) { return "the next one in the background takes it" }
        let more = "the background begins after \(Units.bytes(deadBytesLeft)) more dead bytes"
        guard compacted.contains(candidate.number) else { return "no next plan takes it" }
        return "compact takes it" + (isDue ? "" : ", \(more)")
    }

    func members(_ segment: SegmentSurvey) -> [(String, JSON)] {
        guard let candidate = candidate(segment) else { return [] }
        return [
            ("freedWithSegment", obstacle(candidate) == nil ? .unsigned(candidate.number) : .null),
            ("inNextAutomatic", .bool(automatic.contains(candidate.number))),
            ("inNextCompact", .bool(compacted.contains(candidate.number))),
        ]
    }
}
