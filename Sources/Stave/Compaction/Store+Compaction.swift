internal import StaveDisk

extension Store {
    /// Rewrites all segments that hold dead records, are small, or keep the store from being one sorted
    /// sequence, so that the directory shrinks to about the size of the live records and scans read one
    /// segment after the other. Reads and writes go on meanwhile.
    ///
    /// Needs free space for a copy of the live records of what it rewrites.
    ///
    /// - Parameter progress: called now and then with how much is done, from 0 to 1.
    /// - Throws: `StoreError`, also `cancelled`; the store is then as it was before.
    @discardableResult
    public func compact(
        progress: ((Double) -> Void)? = nil
    ) throws(StoreError) -> CompactionReport {
        let report = try freeingSpace { () throws(StoreError) in
            try compactAll(progress: progress)
        }
        storeLock?.keepReserve()
        return report
    }

    private func compactAll(
        progress: ((Double) -> Void)?
    ) throws(StoreError) -> CompactionReport {
        try requireOpen()
        let ticket = gate.ticket
        let bytesBefore = bytesOnDisk()
        try withWriterLock { () throws(StoreError) in
            try requireWritable()
            try endActiveSegment()
        }
        try sealFull()
        compactionLock.lock()
        defer { compactionLock.unlock() }
        try requireOpen()
        let (inputs, others) = compactionCandidates()
        guard !inputs.isEmpty else { return CompactionReport() }
        return try run(
            Compaction(of: inputs, others: others, in: self, makesSequence: true), ticket: ticket,
            bytesPerSecond: 0, bytesBefore: bytesBefore, progress: progress)
    }

    /// Runs what frees space; on a full disk once more with the space that is kept for it.
    func freeingSpace<Result>(
        _ body: () throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        do throws(StoreError) {
            return try body()
        } catch {
            guard case .noSpace = error, storeLock?.releaseReserve() == true else { throw error }
        }
        return try body()
    }

    /// What `compact()` would do now, without doing it. Its figures are exact if nothing is written
    /// meanwhile.
    public func compactionPlan() throws(StoreError) -> CompactionReport {
        try requireOpen()
        compactionLock.lock()
        defer { compactionLock.unlock() }
        let (inputs, others) = compactionCandidates(withActive: true)
        guard !inputs.isEmpty else { return CompactionReport() }
        return try Compaction(of: inputs, others: others, in: self, makesSequence: true).plan()
    }

    /// Makes compactions wait, the one that runs and later ones, until `resumeCompaction`.
    public func pauseCompaction() { gate.pause() }

    public func resumeCompaction() {
        gate.resume()
        compactor.wake()
    }

    /// Stops the compaction that runs, if any: it throws `StoreError.cancelled`, and the store is as it
    /// was before it began. One that has committed already goes on to its end.
    public func cancelCompaction() { gate.cancel() }

    // MARK: Running one

    /// Under the compaction lock.
    func run(
        _ compaction: Compaction, ticket: Int, bytesPerSecond: Int, bytesBefore: Int,
        progress: ((Double) -> Void)? = nil
    ) throws(StoreError) -> CompactionReport {
        var copied = 0
        repeat {
            guard compaction.isCancellable else { continue }
            let step = compaction.report.copiedBytes - copied
            copied += step
            let nanoseconds = CompactionPolicy.nanoseconds(
                toCopy: step, bytesPerSecond: bytesPerSecond)
            do throws(StoreError) {
                try gate.pass(ticket, waiting: nanoseconds)
            } catch {
                compaction.abandon(error)
                throw error
            }
            progress?(compaction.fractionDone)
        } while try compaction.step()
        progress?(1)
        var report = compaction.report
        report.freedBytes = max(0, bytesBefore - bytesOnDisk())
        withWriterLock {
            writer.counters.freedBytes += report.freedBytes
            writer.counters.lastCompaction = Clock.seconds()
            writer.compactionFailure = nil
        }
        gate.signal()
        return report
    }

    /// Bytes of all segments' files and their hint files.
    func bytesOnDisk() -> Int {
        manifest.current.segments.reduce(0) { $0 + bytesOnDisk(of: $1.number) }
    }

    /// Bytes of a segment's file and its hint file.
    func bytesOnDisk(of number: UInt64) -> Int {
        (log.directory.size(of: FileName.segment(number).name) ?? 0)
            + (log.directory.size(of: FileName.hint(number).name) ?? 0)
    }

    /// Under the writer lock: the active segment is full now, whatever its size. The next write begins
    /// a new one. An active segment without records stays.
    func endActiveSegment() throws(StoreError) {
        guard let appender = writer.appender, appender.segment.sequences != nil else { return }
        let segment = appender.segment
        try manifest.commit(in: log.directory) { $0.setFull(segment) }
        writer.full.append(appender)
        writer.appender = nil
    }

    /// Segments worth rewriting, and those that are not, among the sealed ones and on request the
    /// others, as if they were sealed.
    private func compactionCandidates(
        withActive: Bool = false
    ) -> (inputs: [Segment], others: [Segment]) {
        let all = withWriterLock {
            table.visibleSegments.filter { $0.isSealed || (withActive && $0.sequences != nil) }
                .map { (segment: $0, end: $0.end) }
        }
        var images: [ObjectIdentifier: HintImage] = [:]
        for (segment, end) in all {
            let entries = log.sortedEntries(of: segment, upTo: end)
            if entries.unreadable.isEmpty { images[ObjectIdentifier(segment)] = entries.image }
        }
        let inputs = withWriterLock {
            all.map(\.segment).worthRewriting(segmentSize: options.segmentSize) {
                images[ObjectIdentifier($0)]
            }
        }
        let others = all.map(\.segment).filter { segment in !inputs.contains { $0 === segment } }
        return (inputs, others)
    }
}
