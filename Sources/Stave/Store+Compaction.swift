internal import StaveDisk

extension Store {
    /// Rewrites all segments that hold dead records or are small, so that the directory shrinks to
    /// about the size of the live records. Reads and writes go on meanwhile.
    ///
    /// Needs free space for a copy of the live records of what it rewrites.
    ///
    /// - Throws: `StoreError`; the store is then as it was before.
    public func compact() throws(StoreError) -> CompactionReport {
        try requireOpen()
        try writerLock.withLock { () throws(StoreError) in
            try requireWritable()
            endActiveSegment()
        }
        let bytesBefore = bytesOnDisk()
        try sealFull()
        maintenanceLock.lock()
        defer { maintenanceLock.unlock() }
        try requireOpen()
        let (candidates, all) = compactionCandidates()
        var damage: [String] = []
        let inputs = candidates.filter { segment in
            guard let found = firstDamage(in: segment) else { return true }
            damage.append(found.description)
            return false
        }
        var report = CompactionReport()
        if !inputs.isEmpty {
            let others = all.filter { segment in !inputs.contains { $0 === segment } }
            report = try Compaction(of: inputs, others: others, in: self).run()
        }
        report.damage = damage
        report.freedBytes = max(0, bytesBefore - bytesOnDisk())
        writerLock.withLock { writer.counters.freedBytes += report.freedBytes }
        return report
    }

    /// What `compact()` would do now, without doing it.
    public func compactionPlan() throws(StoreError) -> CompactionReport {
        try requireOpen()
        maintenanceLock.lock()
        defer { maintenanceLock.unlock() }
        let (inputs, all) = compactionCandidates(withActive: true)
        guard !inputs.isEmpty else { return CompactionReport() }
        let others = all.filter { segment in !inputs.contains { $0 === segment } }
        return Compaction(of: inputs, others: others, in: self).plan()
    }

    /// Bytes of all segments' files and their hint files.
    private func bytesOnDisk() -> Int {
        manifest.current.segments.reduce(0) { $0 + bytesOnDisk(of: $1.number) }
    }

    /// Bytes of a segment's file and its hint file.
    func bytesOnDisk(of number: UInt64) -> Int {
        (directory.size(of: FileName.segment(number).name) ?? 0)
            + (directory.size(of: FileName.hint(number).name) ?? 0)
    }

    /// Under the writer lock: the active segment is full now, whatever its size. The next write begins
    /// a new one. An active segment without records stays.
    private func endActiveSegment() {
        guard let appender = writer.appender, appender.segment.sequences != nil else { return }
        writer.full.append(appender)
        writer.appender = nil
    }

    /// Segments worth rewriting, and all there are to choose from: the sealed ones, and on request the
    /// others, as if they were sealed. A segment is worth it if it holds dead records or
    /// tombstones, or if it is one of several that would fit into fewer.
    private func compactionCandidates(
        withActive: Bool = false
    ) -> (inputs: [Segment], all: [Segment]) {
        writerLock.withLock {
            let sealed = table.visibleSegments.filter {
                $0.isSealed || (withActive && $0.sequences != nil)
            }
            var inputs = sealed.filter {
                !$0.keepsCutBytes && ($0.deadBytes > 0 || $0.tombstoneBytes > 0)
            }
            let small = sealed.filter {
                !$0.keepsCutBytes && $0.end < options.segmentSize / 2
                    && $0.deadBytes == 0 && $0.tombstoneBytes == 0
            }
            if small.count + (inputs.isEmpty ? 0 : 1) > 1 { inputs += small }
            return (inputs, sealed)
        }
    }

    /// The first bytes of a sealed segment that do not check out, if any: such a segment is no input,
    /// so that nothing that was not understood is ever deleted.
    private func firstDamage(in segment: Segment) -> StoreError? {
        let size = min(segment.end, segment.fileSize)
        // SAFETY: the file has this many bytes, and they are mapped.
        let bytes = unsafe segment.bytes(upTo: size)
        var offset = SegmentHeader.byteCount
        while offset < size {
            let step = unsafe SegmentScan.step(
                in: bytes.bytes, at: offset, identity: segment.identity)
            switch step {
            case .record(let header):
                guard !header.needsNewerVersion,
                    unsafe Record.valueChecksOut(
                        header, in: bytes.bytes, at: offset, identity: segment.identity)
                else {
                    return segment.damaged(
                        at: offset, length: header.recordLength, "the value's checksum is wrong")
                }
                offset += header.recordLength
            case .unreadable(let until, _):
                return segment.damaged(at: offset, length: until - offset, "no whole record here")
            case .zeros, .end:
                return segment.damaged(
                    at: offset, length: size - offset, "zeros instead of records")
            }
        }
        guard size == segment.end else {
            return segment.damaged(at: size, length: segment.end - size, "the file was cut")
        }
        return nil
    }
}
