internal import StaveDisk

/// Rewrites sealed segments so that only live records remain. Safe beside readers and writers.
///
/// The order on disk, which makes every crash leave either all inputs or all outputs:
///
/// 1. Verify every record of each input. One with damage is left alone and reported.
/// 2. Merge the inputs by key; copy each winner that is live, and each tombstone that is needed, into
///    outputs in key order, with their hints. Number and time of a record stay as they were.
/// 3. Sync the outputs, their hints and the directory. Sync the active segment: a record is dropped
///    because a newer one exists, so the newer one must be durable before the older one is gone.
/// 4. Replace MANIFEST: it names the outputs instead of the inputs. This is the commit point.
/// 5. Switch readers: each entry that still names the very record that was copied now names the copy.
/// 6. Unlink the inputs; unmap them when no reader can be inside.
///
/// A tombstone is needed as long as a segment outside the compaction has an older record of its key,
/// looked up in that segment's sorted entries.
///
/// It is a machine of small steps, so that whoever runs it can pause, cancel, slow down or show how far
/// it is between two of them, and so that a test can put anything between two of them. Runs under the
/// compaction lock.
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

    /// How much one step does. Small enough that a writer, or whoever cancels, waits no time.
    struct StepSize {
        var verifiedBytes = 1 << 20
        var copiedBytes = 256 << 10
        var switchedEntries = 256
    }

    /// An entry of the merge, before anything was decided.
    private struct Coming {
        let source: Int
        let entry: HintEntry
        /// Of its key, in the keydir.
        let hash: UInt64
    }

    /// Entries that are looked at together: sorted by key, they lie anywhere in keydir and inputs, so
    /// that what one needs is asked for while others wait for theirs.
    private static let windowSize = 32

    private let store: Store
    private let stepSize: StepSize
    private(set) var inputs: [Segment]
    /// Segments that are not inputs; damaged inputs join them.
    private var others: [Segment]
    private var inputImages: [HintImage] = []
    /// Of each input, its first byte and its slot: no reference is counted for each record.
    private var places: [(start: RecordPointer, slot: Int)] = []
    private var otherImages: [HintImage] = []
    /// Where each segment ended when its image was taken, by number: a plan's may grow meanwhile.
    private var imageEnds: [UInt64: Int] = [:]
    /// Of what was written since the images were taken, as far as that was needed.
    private var newerImages: [HintImage] = []
    /// Not all records of the others could be read: any of them may hold any key.
    private var isUncertain = false
    private var merge: SortedMerge?
    /// Entries that come next, whose slots and records are on their way to the processor.
    private var window: [Coming] = []
    private var windowStart = 0
    /// The outputs and the other segments are to make up one sorted sequence.
    private let makesSequence: Bool
    /// First keys of others, descending: no output has keys on both sides of one.
    private var cuts: [[UInt8]] = []
    private var outputs: [CompactionOutput] = []
    /// Bytes of the unsealed segments that were durable after part 3, by number.
    private var durableEnds: [(number: UInt64, end: Int)] = []
    private(set) var phase: Phase
    private(set) var report = CompactionReport()
    private var verifiedBytes = 0
    private var mergedEntries = 0
    private let inputBytes: Int

    init(
        of inputs: [Segment], others: [Segment], in store: Store, makesSequence: Bool = false,
        stepSize: StepSize = StepSize()
    ) {
        self.store = store
        self.makesSequence = makesSequence
        self.stepSize = stepSize
        self.inputs = inputs
        self.others = others
        inputBytes = store.withWriterLock {
            store.writer.mayAbsorb = false
            return inputs.reduce(0) { $0 + $1.end }
        }
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
        let entries = inputImages.reduce(0) { $0 + $1.count }
        let merged = entries > 0 ? Double(mergedEntries) / Double(entries) : 0
        return phase == .done ? 1 : (Double(verifiedBytes) / Double(inputBytes) + merged) / 2
    }

    /// Gives up: MANIFEST names the inputs, and what was written is removed.
    func abandon(_ error: StoreError) {
        phase = .done
        if case .syncFailed = error {
            // MANIFEST may name the outputs by now: both they and the inputs stay.
            store.withWriterLock { store.writer.failure = error }
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
            store.withWriterLock { input.isDamaged = true }
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
        try takeImages()
        phase = .copying
    }

    /// A plan looks at segments that grow meanwhile, up to where they end now.
    func takeImages() throws(StoreError) {
        // While segments come and go, no table waits to be made from those that were.
        try store.keydir.restoreAll()
        let ends = store.withWriterLock { (inputs + others).map { ($0, $0.end) } }
        for (segment, end) in ends { imageEnds[segment.number] = end }
        let entries = ends.map { store.log.sortedEntries(of: $0, upTo: $1) }
        inputImages = entries.prefix(inputs.count).map(\.image)
        otherImages = entries.dropFirst(inputs.count).map(\.image)
        isUncertain = entries.contains { !$0.unreadable.isEmpty }
        places = ends.prefix(inputs.count).map { input, end in
            (input.record(at: 0, upTo: end), input.slot)
        }
        merge = SortedMerge(inputImages)
        if makesSequence { takeCuts() }
    }

    private func takeCuts() {
        let isWhole = store.withWriterLock {
            others.map { !$0.isDamaged && !$0.keepsCutBytes }
        }
        let first = zip(otherImages, isWhole).compactMap { image, isWhole in
            unsafe isWhole && image.count > 0 ? Array(image.first) : nil
        }
        cuts = first.sorted { $1.lexicographicallyPrecedes($0) }
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

    // MARK: Copying (2)

    private func copySome() throws(StoreError) {
        var bytes = 0
        // Here and in `refillWindow`, what changes with each record is a local variable: access to a class's
        // property is checked for exclusivity at run time.
        var report = report
        defer { self.report = report }
        while bytes < stepSize.copiedBytes {
            guard let next = nextEntry() else {
                for output in outputs { try output.finish() }
                report.segmentsAfter = outputs.count
                report.droppedRecords = recordCount - report.copiedRecords
                phase = .syncing
                return
            }
            bytes += 64
            guard try isKept(next) else { continue }
            try copy(next)
            report.copiedRecords += 1
            report.copiedBytes += next.entry.recordLength
            bytes += next.entry.recordLength
        }
    }

    private func nextEntry() -> Coming? {
        if windowStart == window.count { refillWindow() }
        guard windowStart < window.count else { return nil }
        defer { windowStart += 1 }
        return window[windowStart]
    }

    private func refillWindow() {
        let (places, keydir, seed) = (places, store.keydir, store.hashSeed)
        var merged = 0
        var window = self.window
        self.window = []
        window.removeAll(keepingCapacity: true)
        while window.count < Self.windowSize, let next = merge?.next(loser: { _, _ in merged += 1 })
        {
            merged += 1
            // SAFETY: the image behind the entry lives in `inputImages`.
            let hash = unsafe Checksum.hash(next.entry.key.bytes, seed: seed)
            keydir.prefetch(hash)
            places[next.source].start.moved(to: next.entry.offset).prefetch()
            window.append(Coming(source: next.source, entry: next.entry, hash: hash))
        }
        self.window = window
        windowStart = 0
        mergedEntries += merged
    }

    private func copy(_ coming: Coming) throws(StoreError) {
        let entry = coming.entry
        let isCut = unsafe isCut(before: entry.key)
        if isCut || outputs.last?.hasRoom(entry.recordLength) != true {
            if let full = outputs.last { try full.finish() }
            let capacity = store.capacity(forRecord: entry.recordLength)
            outputs.append(try CompactionOutput(store, capacity: capacity))
        }
        let (start, slot) = places[coming.source]
        let isCopied = try outputs[outputs.count - 1].append(
            entry, from: start.moved(to: entry.offset), slot: slot)
        if !isCopied { throw inputs[coming.source].damagedRecord(of: entry) }
    }

    /// Records of the inputs, also those that another one in the same segment superseded.
    private var recordCount: Int { inputImages.reduce(0) { $0 + $1.recordCount } }

    private func isKept(_ coming: Coming) throws(StoreError) -> Bool {
        guard coming.entry.kind == .value else { return isNeeded(tombstone: coming.entry) }
        if try isLive(coming) { return true }
        try requireNewer(coming)
        return false
    }

    /// Throws unless there is a newer record of a key whose value is to be dropped: where keydir and
    /// segments disagree, nothing may be dropped on the word of one of them.
    private func requireNewer(_ coming: Coming) throws(StoreError) {
        if isUncertain { return }
        let entry = coming.entry
        let named = unsafe try store.sequenceInKeydir(entry.key.bytes, hash: coming.hash)
        if let named {
            if named >= entry.sequence { return }
        } else {
            // It was deleted, in one of the others or in what was written meanwhile.
            if hasNewer(than: entry) { return }
        }
        throw inputs[coming.source].damaged(
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
        let rest = store.withWriterLock {
            store.table.visibleSegments.filter { $0.end != imageEnds[$0.number] }
                .map { (segment: $0, end: $0.end) }
        }
        let runs = rest.flatMap { store.log.sortedRuns(of: $0.segment, upTo: $0.end) }
        newerImages = runs.map(\.image)
        return runs.contains { !$0.unreadable.isEmpty } || newerImages.contains(where: isNewer)
    }

    private func isLive(_ coming: Coming) throws(StoreError) -> Bool {
        let location = Location(slot: places[coming.source].slot, offset: coming.entry.offset)
        let epoch = ReaderEpoch.enter()
        defer { epoch.leave() }
        return unsafe try store.keydir.slot(coming.hash, at: location) != nil
    }

    private func isNeeded(tombstone: HintEntry) -> Bool {
        if isUncertain { return true }
        for other in otherImages {
            guard let sequences = other.sequences else { continue }
            guard sequences.lowerBound < tombstone.sequence else { continue }
            if let entry = unsafe other.entry(for: tombstone.key),
                entry.sequence < tombstone.sequence
            {
                return true
            }
        }
        return false
    }

    /// What `run` would do: the same choice of records, without the copying.
    func plan() throws(StoreError) -> CompactionReport {
        try takeImages()
        return try planCopies()
    }

    /// The same, once the images were taken.
    func planCopies() throws(StoreError) -> CompactionReport {
        var room = 0
        var bytesAfter = 0
        while let next = nextEntry() {
            guard try isKept(next) else { continue }
            let length = next.entry.recordLength
            let isCut = unsafe isCut(before: next.entry.key)
            if isCut || room < length {
                room = max(store.options.segmentSize - SegmentHeader.byteCount, length)
                report.segmentsAfter += 1
                bytesAfter += SegmentHeader.byteCount + HintImage.emptyLength
            }
            room -= length
            report.copiedRecords += 1
            report.copiedBytes += length
            bytesAfter += length + HintImage.length(ofEntry: next.entry)
        }
        report.droppedRecords = recordCount - report.copiedRecords
        let bytesBefore = inputs.reduce(0) { $0 + store.bytesOnDisk(of: $1.number) }
        report.freedBytes = max(0, bytesBefore - bytesAfter)
        return report
    }

    // MARK: Committing (3 and 4)

    private func syncAll() throws(StoreError) {
        do throws(FileError) { try store.log.directory.sync() } catch { throw StoreError(error) }
        try store.syncNow()
        durableEnds = store.durableEnds()
        for output in outputs { try output.requirePlace() }
        phase = .committing
    }

    private func commit() throws(StoreError) {
        let gone = Set(inputs.map(\.number))
        let segments = outputs.map { output in
            let seal = output.segment.seal(isDurable: true)
            return Manifest.Segment(
                number: output.segment.number, identity: output.segment.identity, seal: seal,
                isSorted: true)
        }
        try store.manifest.commit(in: store.log.directory) { manifest in
            manifest.segments.removeAll { gone.contains($0.number) }
            manifest.segments += segments
            // What is dropped is dropped for the sake of newer records: an active segment that is
            // shorter, from another moment, is not to pass for the one that has them.
            for (number, end) in durableEnds { manifest.setDurableLength(end, of: number) }
        }
        phase = .switching(output: 0, index: 0)
    }

    // MARK: Switching (5 and 6)

    /// Points entries at the copies, in steps that hold a writer up for some microseconds each.
    ///
    ///     compaction                          a writer, meanwhile
    ///     copies record r of key k            sets k: the entry names a newer record
    ///     commits MANIFEST
    ///     entry names r? no: leaves it        (the copy is dead on arrival)
    private func switchSome(_ index: Int, from start: Int) {
        guard index < outputs.count else {
            phase = .retiring
            return
        }
        let output = outputs[index]
        let (image, keydir, seed) = (output.image, store.keydir, store.hashSeed)
        let end = min(start + stepSize.switchedEntries, image.count)
        let hashes = (start..<end).map { position in
            // SAFETY: the output keeps its image.
            let hash = unsafe Checksum.hash(image[position].key.bytes, seed: seed)
            keydir.prefetch(hash)
            return hash
        }
        store.withWriterLock {
            store.writer.isSwitching = true
            for (position, hash) in zip(start..<end, hashes) {
                let origin = output.origins[position]
                switchReader(image[position], from: origin, to: output, hash: hash)
            }
        }
        phase =
            end < image.count
            ? .switching(output: index, index: end) : .switching(output: index + 1, index: 0)
    }

    private func switchReader(
        _ entry: HintEntry, from origin: Location, to output: CompactionOutput, hash: UInt64
    ) {
        guard entry.kind == .value else {
            output.segment.tombstoneBytes += entry.recordLength
            return
        }
        // All tables are in memory since `takeImages`, so this cannot throw.
        guard let slot = unsafe try? store.keydir.slot(hash, at: origin) else { return }
        let location = Location(slot: output.segment.slot, offset: entry.offset)
        unsafe store.keydir.replace(slot, hash: hash, with: location)
        output.segment.liveBytes += entry.recordLength
    }

    private func retireInputs() {
        let store = store
        for input in inputs {
            // What cannot be removed now is a leftover that the next open removes.
            try? store.log.directory.remove(FileName.segment(input.number).name)
            try? store.log.directory.remove(FileName.hint(input.number).name)
        }
        store.withWriterLock {
            for output in outputs { store.table.show(output.segment) }
            for input in inputs {
                store.table.hide(input)
                store.writer.limbo.retire { [table = store.table] in table.remove(input) }
            }
            store.writer.limbo.collect(for: store.path)
            store.writer.isSwitching = false
            store.writer.counters.compactionCount += 1
            store.writer.counters.copiedBytes += report.copiedBytes
        }
        phase = .done
    }
}

extension Segment {
    enum Verification {
        /// All records are whole up to this offset.
        case whole(upTo: Int)
        case damaged(StoreError)
    }

    /// Checks the records from `start` on, at least up to `limit` or the end. Sealed segments only.
    func verify(from start: Int, upTo limit: Int) -> Verification {
        // SAFETY: the file has this many bytes, and they are mapped.
        let bytes = unsafe bytes(upTo: end).bytes
        var walk = SegmentWalk(
            identity: identity, rule: .sealed, durableEnd: end, checksValues: true)
        walk.resume(at: start)
        while walk.offset < min(end, limit) {
            let offset = walk.offset
            switch walk.next(in: bytes) {
            case .record(_, let header, value: .good) where !header.needsNewerVersion: continue
            case .record(_, let header, _):
                return .damaged(
                    damaged(
                        at: offset, length: header.recordLength, "the value's checksum is wrong"))
            case .damage(let range, let reason):
                return .damaged(damaged(at: offset, length: range.count, reason))
            case .torn, .reserved, nil: return .whole(upTo: walk.offset)
            }
        }
        return .whole(upTo: walk.offset)
    }
}
