internal import StaveDisk

/// Rewrites sealed segments so that only live records remain. Safe beside readers and writers.
///
/// The order on disk, which makes every crash leave either all inputs or all outputs:
///
/// 1. Verify every record of each input. One with damage is left alone and reported.
/// 2. Merge the inputs by key; copy each winner that is live, and each tombstone that is needed,
///    into outputs in key order, with their hints. Number and time of a record stay as they were.
/// 3. Sync the outputs, their hints and the directory. Sync the active segment: a record is dropped
///    because a newer one exists, so the newer one must be durable before the older one is gone.
/// 4. Replace MANIFEST: it names the outputs instead of the inputs, and says up to which number
///    deletions were dropped. This is the commit point.
/// 5. Switch readers: each entry that still names the very record that was copied now names the
///    copy.
/// 6. Unlink the inputs; unmap them when no reader can be inside.
///
/// It is a machine of small steps, so that its caller can pause, cancel, slow down or show how far
/// it is between two of them, and so that a test can put anything between two of them. Runs under
/// the compaction lock.
final class Compaction {
    enum Phase: Equatable {
        case verifying(input: Int, offset: Int)
        case copying
        case syncing
        case committing
        case switching(output: Int, index: Int)
        case retiring
        case done
    }

    /// How much one step does. Small enough that a writer or a cancellation waits microseconds.
    struct StepSize {
        var verifiedBytes = 1 << 20
        var copiedBytes = 256 << 10
        var switchedEntries = 256
    }

    private let compactor: Compactor
    private let log: Log
    private let index: Index
    private let stepSize: StepSize
    private(set) var inputs: [Segment]
    /// Segments that are not inputs; damaged inputs join them.
    private var others: [Segment]
    /// The outputs and the other segments are to make up one sorted sequence.
    private let makesSequence: Bool
    private var selection: CompactionSelection?
    private var outputs: [CompactionOutput] = []
    /// Bytes of the unsealed segments that were durable after part 3, by number.
    private var durableEnds: [(number: UInt64, end: Int)] = []
    private(set) var phase: Phase
    private(set) var report = CompactionReport()
    private var verifiedBytes = 0
    private let inputBytes: Int

    init(
        of inputs: [Segment], others: [Segment], in compactor: Compactor,
        makesSequence: Bool = false, stepSize: StepSize = StepSize()
    ) {
        self.compactor = compactor
        (log, index) = (compactor.log, compactor.index)
        self.makesSequence = makesSequence
        self.stepSize = stepSize
        self.inputs = inputs
        self.others = others
        compactor.forbidAbsorbing()
        inputBytes = index.withLock { inputs.reduce(0) { $0 + $1.end } }
        phase = .verifying(input: 0, offset: SegmentHeader.byteCount)
        report.segmentsBefore = inputs.count
    }

    /// Runs to the end. Where it throws, the store is as it was before.
    func run() throws(StoreError) -> CompactionReport {
        while try step() {}
        return report
    }

    /// Does the next small piece of work; returns false when all is done. Where it throws, the
    /// compaction is over and the store as it was before.
    func step() throws(StoreError) -> Bool {
        do throws(StoreError) {
            switch phase {
            case .verifying(let input, let offset): try verify(input, from: offset)
            case .copying: try copySome()
            case .syncing: try syncAll()
            case .committing: try commit()
            case .switching(let output, let index): switchSome(output, from: index)
            case .retiring: retireInputs()
            case .done: return false
            }
        } catch {
            abandon(error)
            throw error
        }
        return phase != .done
    }

    /// May it still be given up without a trace?
    var isCancellable: Bool {
        switch phase {
        case .verifying, .copying, .syncing: true
        case .committing, .switching, .retiring, .done: false
        }
    }

    /// How much is done, from 0 to 1.
    var fractionDone: Double {
        guard inputBytes > 0 else { return 1 }
        let merged = selection?.fractionDone ?? 0
        return phase == .done ? 1 : (Double(verifiedBytes) / Double(inputBytes) + merged) / 2
    }

    /// Gives up: MANIFEST names the inputs, and what was written is removed.
    func abandon(_ error: StoreError) {
        phase = .done
        if case .syncFailed = error {
            // MANIFEST may name the outputs by now: both they and the inputs stay.
            log.withLock { log.note(error) }
        } else {
            for output in outputs { output.discard() }
        }
        outputs = []
    }

    // MARK: Verifying (1)

    /// Nothing that was not understood is ever deleted: an input with damage is none any more.
    private func verify(_ index: Int, from start: Int) throws(StoreError) {
        guard index < inputs.count else { return try beginCopying() }
        let input = inputs[index]
        switch input.verify(from: start, upTo: start + stepSize.verifiedBytes) {
        case .whole(let next) where next < input.end:
            verifiedBytes += next - start
            phase = .verifying(input: index, offset: next)
        case .whole(let next):
            verifiedBytes += next - start
            phase = .verifying(input: index + 1, offset: SegmentHeader.byteCount)
        case .damaged(let damage):
            report.damage.append(damage.description)
            log.withLock { input.isDamaged = true }
            others.append(inputs.remove(at: index))
            phase = .verifying(input: index, offset: SegmentHeader.byteCount)
        }
    }

    private func beginCopying() throws(StoreError) {
        report.segmentsBefore = inputs.count
        guard !inputs.isEmpty else {
            phase = .done
            return
        }
        try log.withLock { () throws(StoreError) in try log.clearLeftovers() }
        try takeImages()
        phase = .copying
    }

    func takeImages() throws(StoreError) {
        selection = try CompactionSelection(
            of: inputs, others: others, log, index, makesSequence: makesSequence,
            keeper: compactor.deletionKeeper(beside: others))
    }

    // MARK: Copying (2)

    private func copySome() throws(StoreError) {
        guard let selection else { preconditionFailure("the images were taken") }
        var report = report
        defer { self.report = report }
        let hasMore = try selection.forEachKept(upTo: stepSize.copiedBytes, counting: &report) {
            (kept) throws(StoreError) in
            try copy(kept)
        }
        if hasMore { return }
        for output in outputs { try output.finish() }
        report.segmentsAfter = outputs.count
        report.droppedRecords = selection.recordCount - report.copiedRecords
        phase = .syncing
    }

    private func copy(_ kept: CompactionSelection.Kept) throws(StoreError) {
        let length = kept.entry.recordLength
        if kept.isCut || outputs.last?.hasRoom(length) != true {
            if let full = outputs.last { try full.finish() }
            let capacity = log.capacity(forRecord: length)
            outputs.append(try CompactionOutput(log, capacity: capacity))
        }
        let isCopied = try outputs[outputs.count - 1].append(
            kept.entry, from: kept.record, at: kept.origin)
        if !isCopied { throw kept.input.damagedRecord(of: kept.entry) }
    }

    /// What `run` would do: the same choice of records, without the copying.
    func plan() throws(StoreError) -> CompactionReport {
        try takeImages()
        return try planCopies()
    }

    /// The same, once the images were taken.
    func planCopies() throws(StoreError) -> CompactionReport {
        guard let selection else { preconditionFailure("the images were taken") }
        var room = 0
        var bytesAfter = 0
        var outputCount = 0
        _ = try selection.forEachKept(upTo: .max, counting: &report) { kept in
            let length = kept.entry.recordLength
            if kept.isCut || room < length {
                room = max(log.segmentSize - SegmentHeader.byteCount, length)
                outputCount += 1
                bytesAfter += SegmentHeader.byteCount + HintImage.emptyLength
            }
            room -= length
            bytesAfter += length + HintImage.length(ofEntry: kept.entry)
        }
        report.segmentsAfter = outputCount
        report.droppedRecords = selection.recordCount - report.copiedRecords
        let bytesBefore = inputs.reduce(0) { $0 + log.bytesOnDisk(of: $1.number) }
        report.freedBytes = max(0, bytesBefore - bytesAfter)
        return report
    }

    // MARK: Committing (3 and 4)

    private func syncAll() throws(StoreError) {
        try selection?.requireUnchanged()
        try withFileErrors { () throws(FileError) in try log.directory.sync() }
        try log.syncNow()
        durableEnds = log.durableEnds()
        for output in outputs { try output.requirePlace() }
        phase = .committing
    }

    private func commit() throws(StoreError) {
        try log.commit(
            replacing: inputs, with: outputs.map(\.segment), durableEnds: durableEnds,
            droppedDeletion: selection?.droppedDeletion ?? 0)
        phase = .switching(output: 0, index: 0)
    }

    // MARK: Switching (5 and 6)

    /// Points entries at the copies, in steps that hold a writer up for some microseconds each.
    ///
    ///     compaction                          a writer, meanwhile
    ///     copies record r of key k            sets k: the entry names a newer record
    ///     commits MANIFEST
    ///     entry names r? no: leaves it        (the copy is dead on arrival)
    private func switchSome(_ number: Int, from start: Int) {
        guard number < outputs.count else {
            phase = .retiring
            return
        }
        let output = outputs[number]
        let (image, index) = (output.image, index)
        let end = min(start + stepSize.switchedEntries, image.count)
        let hashes = (start..<end).map { position in
            // SAFETY: the output keeps its image.
            let hash = unsafe index.hash(of: image[position].key)
            index.prefetch(hash)
            return hash
        }
        index.withLock {
            index.beginSwitch()
            for (position, hash) in zip(start..<end, hashes) {
                let origin = output.origins[position]
                switchReader(image[position], from: origin, to: output, hash: hash)
            }
        }
        phase =
            end < image.count
            ? .switching(output: number, index: end) : .switching(output: number + 1, index: 0)
    }

    private func switchReader(
        _ entry: HintEntry, from origin: Location, to output: CompactionOutput, hash: UInt64
    ) {
        let segment = output.segment
        guard entry.kind == .value else {
            segment.tombstoneBytes += entry.recordLength
            return
        }
        let copy = Location(segmentIndex: segment.index, offset: entry.offset)
        if index.repoint(hash, from: origin, to: copy) { segment.liveBytes += entry.recordLength }
    }

    private func retireInputs() {
        for input in inputs { log.removeFiles(of: input) }
        index.withLock {
            for output in outputs { log.show(output.segment) }
            for input in inputs { log.drop(input) }
            log.collectDropped()
            index.endSwitch()
            compactor.noteEnd(copying: report.copiedBytes)
        }
        phase = .done
    }
}
