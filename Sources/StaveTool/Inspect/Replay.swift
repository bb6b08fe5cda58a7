internal import StaveDisk

/// What opening a store comes to: the entries of all segments merged by key, and the keydir's
/// checkpoint held against them. Of a survey that has read everything.
struct Replay {
    private(set) var keyCount = 0
    private(set) var tombstoneCount = 0
    /// What the checkpoint does not say rightly.
    private(set) var checkpointFindings: [Finding] = []
    /// Two writes that have one sequence number.
    private(set) var contradictions: [Finding] = []

    init(_ survey: StoreSurvey) {
        var checkpoint = survey.checkpoint
        checkpoint?.checkTables()
        let sources = survey.segments.filter { $0.index != nil }
        var merge = SortedMerge(sources.compactMap(\.index))
        var losers: [(source: Int, entry: HintEntry)] = []
        // A damaged segment's entries are not those of the checkpoint.
        let isWhole = survey.segments.allSatisfy {
            $0.image != nil && $0.findings.worst == .note
        }
        while let (source, entry) = merge.next(loser: { losers.append(($0, $1)) }) {
            if entry.kind == .value { keyCount += 1 } else { tombstoneCount += 1 }
            if isWhole { checkpoint?.replay(entry, in: sources[source].number ?? 0) }
            for loser in losers {
                contradict(entry, in: sources[source], loser.entry, in: sources[loser.source])
            }
            losers.removeAll(keepingCapacity: true)
        }
        if isWhole { checkpoint?.finish() }
        checkpointFindings = checkpoint?.findings ?? []
    }

    /// The same number twice is the same write, copied by a compaction.
    private mutating func contradict(
        _ entry: HintEntry, in segment: SegmentSurvey, _ loser: HintEntry, in other: SegmentSurvey
    ) {
        guard loser.sequence == entry.sequence,
            loser.kind != entry.kind || loser.valueLength != entry.valueLength
        else { return }
        let key = unsafe Printable.quoted(Array(entry.key), limit: 64)
        contradictions.append(
            Finding(
                .damage, other.name, loser.offset..<(loser.offset + loser.recordLength),
                "\(key) has sequence \(entry.sequence) twice, in \(segment.name) at"
                    + " \(entry.offset), too, and they differ"))
    }
}
