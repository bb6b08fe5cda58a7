internal import StaveDisk

/// Which records of its inputs a compaction keeps, in key order: the newest of each key, if it is
/// live, and tombstones that are needed.
///
/// A tombstone is needed as long as a segment outside the compaction has an older record of its
/// key, looked up in that segment's sorted entries.
final class CompactionSelection {
    /// A record to be copied.
    struct Kept {
        let entry: HintEntry
        let input: Segment
        let record: RecordPointer
        /// Where it lies.
        let origin: Location
        /// No output may hold records before and behind this one.
        let isCut: Bool
    }

    /// An entry of the merge, before anything was decided.
    private struct PendingEntry {
        let source: Int
        let entry: HintEntry
        /// Of its key, in the keydir.
        let hash: UInt64
    }

    /// Entries that are looked at together: sorted by key, they lie anywhere in keydir and inputs,
    /// so that what one needs is asked for while others wait for theirs.
    private static let windowSize = 32
    /// What looking at an entry counts in a step, in bytes.
    private static let entryCost = 64

    private let log: Log
    private let index: Index
    private let inputs: [Segment]
    private let inputImages: [HintImage]
    /// Of each input, its first byte and its index: no reference is counted for each record.
    private let origins: [(start: RecordPointer, segmentIndex: Int)]
    private let otherImages: [HintImage]
    /// Where each segment ended when its image was taken, by number: a plan's may grow meanwhile.
    private let imageEnds: [UInt64: Int]
    /// Of what was written since the images were taken, as far as that was needed.
    private var newerImages: [HintImage] = []
    /// Of which others it was believed that they have no older record of a deleted key.
    private var isBelieved: [Bool]
    private let others: [Segment]
    /// Not all records of the others could be read: any of them may hold any key.
    private let isUncertain: Bool
    private var merge: SortedMerge
    /// Entries that come next, whose slots and records are on their way to the processor.
    private var window: [PendingEntry] = []
    private var windowStart = 0
    /// First keys of others, descending: no output has keys on both sides of one.
    private var cuts: [[UInt8]] = []
    private var mergedEntries = 0
    /// Which tombstones stay although nothing here needs them.
    private var keeper: DeletionKeeper

    /// Takes the images of all segments. A plan looks at segments that grow meanwhile, up to where
    /// they end now.
    ///
    /// - Parameter makesSequence: the outputs and the other segments are to make up one sorted
    ///   sequence.
    init(
        of inputs: [Segment], others: [Segment], _ log: Log, _ index: Index, makesSequence: Bool,
        keeper: DeletionKeeper
    ) throws(StoreError) {
        self.keeper = keeper
        (self.log, self.index, self.inputs, self.others) = (log, index, inputs, others)
        for input in inputs { log.refreshHint(of: input) }
        // While segments come and go, no table waits to be made from those that were.
        try index.restoreAll()
        let ends = index.withLock { (inputs + others).map { (segment: $0, end: $0.end) } }
        imageEnds = Dictionary(
            ends.map { ($0.segment.number, $0.end) }, uniquingKeysWith: { first, _ in first })
        let entries = ends.map { log.sortedRun(of: $0.segment, upTo: $0.end) }
        inputImages = entries.prefix(inputs.count).map(\.image)
        otherImages = entries.dropFirst(inputs.count).map(\.image)
        isBelieved = [Bool](repeating: false, count: others.count)
        isUncertain = entries.contains { !$0.unreadable.isEmpty }
        origins = ends.prefix(inputs.count).map { input, end in
            (input.record(at: 0, upTo: end), input.index)
        }
        merge = SortedMerge(inputImages)
        if makesSequence { cuts = cuts(between: others) }
    }

    /// How much of the inputs was merged, from 0 to 1.
    var fractionDone: Double {
        let entries = inputImages.reduce(0) { $0 + $1.count }
        return entries > 0 ? Double(mergedEntries) / Double(entries) : 0
    }

    /// Records of the inputs, also those that another one in the same segment superseded.
    var recordCount: Int { inputImages.reduce(0) { $0 + $1.recordCount } }

    /// The highest number of a deletion that is not kept; 0 without one.
    var droppedDeletion: UInt64 { keeper.dropped }

    /// Hands over the next records to keep, until they and what was looked at come to `limit`
    /// bytes. Counts them in `report`.
    ///
    /// - Returns: whether more may come.
    func forEachKept(
        upTo limit: Int, counting report: inout CompactionReport,
        _ body: (Kept) throws(StoreError) -> Void
    ) throws(StoreError) -> Bool {
        var bytes = 0
        while bytes < limit {
            guard let next = nextEntry() else { return false }
            bytes += Self.entryCost
            guard try isKept(next) else { continue }
            let (start, segmentIndex) = origins[next.source]
            let offset = next.entry.offset
            try body(
                Kept(
                    entry: next.entry, input: inputs[next.source], record: start.moved(to: offset),
                    origin: Location(segmentIndex: segmentIndex, offset: offset),
                    isCut: unsafe isCut(before: next.entry.key)))
            report.copiedRecords += 1
            report.copiedBytes += next.entry.recordLength
            bytes += next.entry.recordLength
        }
        return true
    }

    // MARK: The merge

    private func nextEntry() -> PendingEntry? {
        if windowStart == window.count { refillWindow() }
        guard windowStart < window.count else { return nil }
        defer { windowStart += 1 }
        return window[windowStart]
    }

    private func refillWindow() {
        // What changes with each record is a local variable: access to a class's property is
        // checked for exclusivity at run time.
        let (origins, index) = (origins, index)
        var merged = 0
        var window = self.window
        self.window = []
        window.removeAll(keepingCapacity: true)
        while window.count < Self.windowSize, let next = merge.next(loser: { _, _ in merged += 1 })
        {
            merged += 1
            // SAFETY: the image behind the entry lives in `inputImages`.
            let hash = unsafe index.hash(of: next.entry.key)
            index.prefetch(hash)
            origins[next.source].start.moved(to: next.entry.offset).prefetch()
            window.append(PendingEntry(source: next.source, entry: next.entry, hash: hash))
        }
        self.window = window
        windowStart = 0
        mergedEntries += merged
    }

    private func cuts(between others: [Segment]) -> [[UInt8]] {
        let isWhole = log.withLock {
            others.map { !$0.isDamaged && !$0.keepsCutBytes }
        }
        let first = zip(otherImages, isWhole).compactMap { image, isWhole in
            unsafe isWhole && image.count > 0 ? Array(image.first) : nil
        }
        return first.sorted { $1.lexicographicallyPrecedes($0) }
    }

    /// Does an output have to end before `key`, which comes next?
    private func isCut(before key: UnsafeRawBufferPointer) -> Bool {
        var isCut = false
        while let cut = cuts.last,
            unsafe cut.withUnsafeBytes({ unsafe compareKeys($0, key) }) < 0
        {
            cuts.removeLast()
            isCut = true
        }
        return isCut
    }

    /// Throws where a hint that was believed is not any more what was checked when it was read: its
    /// file was overwritten, or went bad and was read again. Before anything is dropped on its
    /// word.
    func requireUnchanged() throws(StoreError) {
        let believed =
            Array(zip(inputs, inputImages))
            + others.indices.filter { isBelieved[$0] }.map { (others[$0], otherImages[$0]) }
        for (segment, image) in believed where !image.isUnchanged {
            log.refreshHint(of: segment)
            throw .damaged(
                file: log.directory.path(of: FileName.hint(segment.number).name), offset: 0,
                length: unsafe image.bytes.count,
                reason: "it changed while it was in use; nothing was compacted: compact again")
        }
    }

    // MARK: What is kept

    private func isKept(_ pending: PendingEntry) throws(StoreError) -> Bool {
        let entry = pending.entry
        guard entry.kind == .value else {
            if isNeeded(tombstone: entry) { return true }
            let record = origins[pending.source].start.moved(to: entry.offset)
            return keeper.keeps(entry, writtenAt: record.header?.time ?? 0)
        }
        let location = Location(
            segmentIndex: origins[pending.source].segmentIndex, offset: entry.offset)
        if try index.isLive(pending.hash, at: location) { return true }
        try requireNewer(pending)
        return false
    }

    /// Throws unless there is a newer record of a key whose value is to be dropped: where keydir
    /// and segments disagree, nothing may be dropped on the word of one of them.
    private func requireNewer(_ pending: PendingEntry) throws(StoreError) {
        if isUncertain { return }
        let entry = pending.entry
        let named = unsafe try index.sequence(of: entry.key.bytes, hash: pending.hash)
        if let named {
            if named >= entry.sequence { return }
        } else {
            // It was deleted, in one of the others or in what was written meanwhile.
            if hasNewer(than: entry) { return }
        }
        throw inputs[pending.source].damaged(
            at: entry.offset, length: entry.recordLength,
            "the keydir does not know this record, and no newer one is there; nothing was compacted:"
                + " remove keydir.checkpoint and open the store again")
    }

    private func hasNewer(than entry: HintEntry) -> Bool {
        func isNewer(_ image: HintImage) -> Bool {
            unsafe image.entry(for: entry.key)?.sequence ?? 0 > entry.sequence
        }
        if otherImages.contains(where: isNewer) || newerImages.contains(where: isNewer) {
            return true
        }
        let rest = log.withLock {
            log.visibleSegments.filter { $0.end != imageEnds[$0.number] }
                .map { (segment: $0, end: $0.end) }
        }
        let runs = rest.flatMap { log.sortedRuns(of: $0.segment, upTo: $0.end) }
        newerImages = runs.map(\.image)
        return runs.contains { !$0.unreadable.isEmpty } || newerImages.contains(where: isNewer)
    }

    private func isNeeded(tombstone: HintEntry) -> Bool {
        if isUncertain { return true }
        for (position, other) in otherImages.enumerated() {
            guard let sequences = other.sequences else { continue }
            guard sequences.lowerBound < tombstone.sequence else { continue }
            isBelieved[position] = true
            if let entry = unsafe other.entry(for: tombstone.key),
                entry.sequence < tombstone.sequence
            {
                return true
            }
        }
        return false
    }
}
