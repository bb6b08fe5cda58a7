internal import StaveDisk

/// Entries of a segment sorted by key, the newest of each key.
struct SortedRun {
    let image: HintImage
    /// Stretches that could not be read when the image was made from the segment's records. A key
    /// that was there is missing in the image.
    let unreadable: [StoreError]

    /// Where the records behind those of the image begin.
    var end: Int { image.segmentLength }
}

// A sealed segment has one run of sorted entries, its hint. A segment that grows between two scans
// gets a run for what is new, and runs of similar size are merged, so that a scan after a few
// writes sorts a few entries, and each entry takes part in few merges (J. L. Bentley, J. B. Saxe,
// Decomposable searching problems I, 1980: the logarithmic method).
//
//     records of the segment:   |------ run ------|-- run --|- run -|   not sorted yet

extension Segment {
    /// The one run of a sealed segment.
    func remember(_ image: HintImage) { remember(SortedRun(image: image, unreadable: [])) }

    /// The same, of a segment of which not all could be read.
    func remember(_ entries: SortedRun) { runsLock.withLock { runs = [entries] } }

    /// Entries that begin at the segment's first record: the hint of a sealed segment, if it was
    /// read. nil where records could not be read: what it does not name may be there all the same.
    var hint: HintImage? {
        runsLock.withLock { runs.first.flatMap { $0.unreadable.isEmpty ? $0.image : nil } }
    }

    /// They are sorted again when they are needed next.
    func forgetRuns() { runsLock.withLock { runs = [] } }

    /// Were entries sorted already?
    var hasRuns: Bool { runsLock.withLock { !runs.isEmpty } }

    /// The entries of all records below `end`, which must not cut one, in a few runs, the oldest
    /// first.
    func sortedRuns(upTo end: Int) -> [SortedRun] {
        var runs = runsLock.withLock { self.runs }
        let covered = runs.last?.end ?? SegmentHeader.byteCount
        if covered == end, !runs.isEmpty { return runs }
        // A snapshot from before what was sorted since.
        if covered > end { return [readRun(SegmentHeader.byteCount..<end)] }
        var newest = readRun(covered..<end)
        while let last = runs.last, last.image.count <= 2 * newest.image.count {
            newest = merge(last, newest)
            runs.removeLast()
        }
        runs.append(newest)
        runsLock.withLock {
            if self.runs.last?.end ?? 0 < end { self.runs = runs }
        }
        return runs
    }

    /// The same in one run, as a hint file has it.
    func sortedRun(upTo end: Int) -> SortedRun {
        let runs = sortedRuns(upTo: end)
        guard let first = runs.first, runs.count > 1 else { return runs[0] }
        return runs.dropFirst().reduce(first, merge)
    }

    private func merge(_ older: SortedRun, _ newer: SortedRun) -> SortedRun {
        var builder = unsafe HintBuilder(
            capacity: older.image.bytes.count + newer.image.bytes.count)
        var merge = SortedMerge([older.image, newer.image])
        while let (_, entry) = merge.next() { builder.append(entry) }
        builder.addCounts(of: older.image)
        builder.addCounts(of: newer.image)
        return SortedRun(
            image: builder.finish(identity: identity, segmentLength: newer.end),
            unreadable: older.unreadable + newer.unreadable)
    }

    private func readRun(_ range: Range<Int>) -> SortedRun {
        let (records, unreadable) = readRecords(range)
        let image = unsafe records.image(
            of: bytes(upTo: range.upperBound), identity: identity,
            segmentLength: range.upperBound)
        return SortedRun(image: image, unreadable: unreadable.map(unreadableRecords))
    }

    /// The entries of all records below `end`, and what of them could not be read.
    func readRun(
        upTo end: Int
    ) -> (entries: SortedRun, unreadable: [RecordList.Unreadable]) {
        let (records, unreadable) = readRecords(SegmentHeader.byteCount..<end)
        let image = unsafe records.image(
            of: bytes(upTo: end), identity: identity, segmentLength: end)
        let errors = unreadable.map(unreadableRecords)
        return (SortedRun(image: image, unreadable: errors), unreadable)
    }

    /// The records of a range, and what of it could not be read.
    func readRecords(
        _ range: Range<Int>
    ) -> (records: RecordList, unreadable: [RecordList.Unreadable]) {
        var records = RecordList()
        // SAFETY: the mapping lives as long as this object, and the range lies inside the file.
        let unreadable = unsafe records.read(
            range, of: bytes(upTo: range.upperBound), identity: identity)
        return (records, unreadable)
    }

    private func unreadableRecords(_ stretch: RecordList.Unreadable) -> StoreError {
        damaged(
            at: stretch.range.lowerBound, length: stretch.range.count,
            "no whole record is here, and nothing tells which keys it is about")
    }
}
