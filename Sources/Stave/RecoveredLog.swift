internal import StaveDisk

/// What reading an unsealed segment, record by record, comes to.
struct RecoveredLog {
    /// Where the log ends.
    var end = SegmentHeader.byteCount
    var records: LogRecords
    /// Lowest and highest number of the log's records; nil without records.
    var sequences: ClosedRange<UInt64>?
    /// The number of the first record at or above the mark.
    var firstUnsynced: UInt64?
    /// Synced, in bytes; 0 where the mark does not check out.
    var mark = 0
    /// Bytes behind `end` that are not just reserved space.
    var hasTornTail = false
    /// Whole records among them.
    var cutRecords = 0
    var highestSequence: UInt64 = 0
    /// The log stops before its segment was complete.
    var endsEarly = false
}

// Reading unsealed segments: step 4 of `Recovery`.

extension Recovery {
    /// Returns true where the log ends here, before the segment was complete.
    mutating func readUnsealed(
        _ entry: Manifest.Segment, in directory: borrowing Directory
    ) throws(StoreError) -> Bool {
        let asWriter = isWriter && entry.seal == nil
        var (segment, size, header, problem) = try open(entry, in: directory, asWriter: asWriter)
        var mark = unsafe SegmentHeader.mark(
            in: segment.bytes(upTo: size).bytes, identity: segment.identity)
        // A reader beside a writer may find a mark beyond the size it asked for a moment ago.
        while !isWriter, mark ?? 0 > size,
            directory.size(of: FileName.segment(entry.number).name) ?? 0 > size
        {
            (segment, size, header, problem) = try open(entry, in: directory, asWriter: asWriter)
            mark = unsafe SegmentHeader.mark(
                in: segment.bytes(upTo: size).bytes, identity: segment.identity)
        }
        try report(problem, in: segment)
        let start = knownEnd(of: entry) ?? SegmentHeader.byteCount
        let log = try readLog(
            of: segment, size: size, mark: mark ?? 0, seal: entry.seal, from: start)
        if asWriter, log.end > size {
            // The file was cut: nothing will be written, and nothing behind its end may be touched.
            segment = try open(entry, in: directory, asWriter: false).segment
        }
        segment.end = log.end
        segment.sequences = knownSequences(of: entry)
        segment.sequences.include(log.sequences)
        result.segments.append(segment)
        result.logs.append((segment, log.records))
        let capacity = max(Int(clamping: header?.capacity ?? 0), log.end)
        see(log.highestSequence)
        if let first = log.firstUnsynced {
            result.firstUnsynced = min(result.firstUnsynced ?? .max, first)
        }
        if log.mark != size {
            // Not closed cleanly: a power cut may have taken records that nothing shows any more. No
            // more than fit into the segment, so this many numbers are left out.
            skipSequences(capacity / Format.aligned(RecordHeader.byteCount + 1))
        }
        if entry.seal != nil {
            segment.keepsCutBytes = log.cutRecords > 0
            result.full.append(segment)
        } else {
            // Two unsealed ones: a compaction had ended the older, and had not sealed it yet.
            if let older = result.active { result.full.append(older.segment) }
            result.active = RecoveredStore.Active(
                segment: segment, capacity: segment.mapping.count, fileSize: size, log: log)
        }
        return log.endsEarly
    }

    /// An unsealed segment behind a log that ended early is no part of the log: its records are not
    /// served. A file with whole records stays, sealed as one that ends before them.
    mutating func leaveOut(
        _ entry: Manifest.Segment, in directory: borrowing Directory
    ) throws(StoreError) {
        let (segment, size, _, problem) = try open(entry, in: directory, asWriter: false)
        try report(problem, in: segment)
        var log = RecoveredLog(records: LogRecords(from: segment.end))
        // SAFETY: `size` bytes of the file are mapped.
        unsafe countCutRecords(of: segment, segment.bytes(upTo: size), &log)
        see(log.highestSequence)
        skipSequences(ofDropped: entry)
        let rest = log.cutRecords == 0 ? "" : "; the file stays"
        result.notices.append(
            "\(segment.path) follows a log that ended early; its \(log.cutRecords) unsynced records"
                + " are left out\(rest)")
        guard log.cutRecords > 0 else {
            result.dropped.append(entry)
            return
        }
        segment.end = SegmentHeader.byteCount
        segment.keepsCutBytes = true
        result.segments.append(segment)
        result.full.append(segment)
    }

    private mutating func readLog(
        of segment: Segment, size: Int, mark: Int, seal: Manifest.Seal?, from start: Int
    ) throws(StoreError) -> RecoveredLog {
        var log = RecoveredLog(records: LogRecords(from: start))
        let limit = min(size, seal?.length ?? size)
        // SAFETY: `limit` bytes of the file are mapped.
        let bytes = unsafe segment.bytes(upTo: limit)
        if size < SegmentHeader.byteCount {
            addUncertainty(in: segment, size..<SegmentHeader.byteCount, above: .max)
        }
        // A checkpoint is only written of what is durable.
        log.mark = start > SegmentHeader.byteCount ? max(mark, start) : mark
        let ahead = segment.record(at: start, upTo: limit)
        var offset = start
        scan: while true {
            let step = unsafe SegmentScan.step(
                in: bytes.bytes, at: offset, identity: segment.identity)
            switch step {
            case .record(let header):
                guard !header.needsNewerVersion else {
                    throw .newerVersion(
                        file: segment.path, reason: "record at offset \(offset) has unknown flags")
                }
                let isWhole =
                    unsafe offset < log.mark
                    || Record.valueChecksOut(
                        header, in: bytes.bytes, at: offset, identity: segment.identity)
                guard isWhole else {
                    log.hasTornTail = true
                    break scan
                }
                // The processor guesses no further than a page.
                ahead.moved(to: offset &+ 1024).prefetch()
                unsafe note(header, at: offset, in: bytes, &log)
                offset += header.recordLength
            case .unreadable(let until, _):
                guard offset < log.mark else {
                    log.hasTornTail = true
                    break scan
                }
                offset = unsafe addDamage(in: segment, bytes, offset..<until, mark: log.mark)
            case .zeros, .end:
                break scan
            }
        }
        log.end = offset
        if offset < log.mark {
            addUncertainty(in: segment, offset..<log.mark, above: .max)
            log.end = Format.aligned(log.mark)
        }
        if log.hasTornTail {
            unsafe countCutRecords(of: segment, bytes, &log)
            reportTear(in: segment, log)
        }
        log.endsEarly = log.hasTornTail || log.end < (seal?.length ?? 0)
        return log
    }

    /// Notes a whole record of the log.
    @inline(__always)
    private func note(
        _ header: RecordHeader, at offset: Int, in bytes: UnsafeRawBufferPointer,
        _ log: inout RecoveredLog
    ) {
        log.highestSequence = max(log.highestSequence, header.sequence)
        log.sequences.include(header.sequence)
        if offset >= log.mark, log.firstUnsynced == nil { log.firstUnsynced = header.sequence }
        guard header.sequence >= result.firstSequence else { return }
        let start = offset + RecordHeader.byteCount
        let key = unsafe bytes.bytes.extracting(start..<(start + header.keyLength))
        log.records.append(
            header, hash: Checksum.hash(key, seed: manifest.storeID.low), at: offset)
    }

    /// Notes damage below the synced mark, and returns where to go on.
    private mutating func addDamage(
        in segment: Segment, _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, mark: Int
    ) -> Int {
        // The next record's number bounds the lost ones: the log is written in order.
        var bound = UInt64.max
        if let next = unsafe Record.header(
            in: bytes.bytes, at: range.upperBound, identity: segment.identity)
        {
            bound = next.sequence &- 1
        }
        // The mark is where a record ended: what lies behind it is looked at from there.
        let end = min(range.upperBound, Format.aligned(mark))
        addUncertainty(in: segment, range.lowerBound..<end, above: bound)
        return end
    }

    private mutating func countCutRecords(
        of segment: Segment, _ bytes: UnsafeRawBufferPointer, _ log: inout RecoveredLog
    ) {
        var offset = log.end
        while offset < bytes.count {
            switch unsafe SegmentScan.step(in: bytes.bytes, at: offset, identity: segment.identity)
            {
            case .record(let header):
                if unsafe Record.valueChecksOut(
                    header, in: bytes.bytes, at: offset, identity: segment.identity)
                {
                    log.cutRecords += 1
                    log.highestSequence = max(log.highestSequence, header.sequence)
                }
                offset += header.recordLength
            case .unreadable(let until, _): offset = until
            case .zeros, .end: offset = bytes.count
            }
        }
    }

    private mutating func reportTear(in segment: Segment, _ log: RecoveredLog) {
        guard isWriter else { return }
        let rest = log.cutRecords == 0 ? "" : ", with \(log.cutRecords) whole records behind it"
        result.notices.append(
            "\(segment.path) ends in a torn record at offset \(log.end)\(rest);"
                + " what was never synced behind it is left out")
    }
}
