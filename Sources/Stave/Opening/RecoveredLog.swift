internal import StaveDisk

/// What reading an unsealed segment, record by record, comes to.
struct RecoveredLog {
    /// Where the log ends.
    var end = SegmentHeader.byteCount
    var records = LogRecords()
    /// Lowest and highest number of the log's records; nil without records.
    var sequences: ClosedRange<UInt64>?
    /// The number of the first record that is not known to be durable.
    var firstUnsynced: UInt64?
    /// Bytes that are known to be durable.
    var durableEnd = SegmentHeader.byteCount
    /// Of the synced mark that counts; nil where no more are written.
    var markTurn: Int?
    /// Bytes behind `end` that are not just reserved space.
    var hasTornTail = false
    /// They begin with a batch that is not whole.
    var endsInBatch = false
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
        var opened = try open(entry, in: directory)
        var mark = mark(of: opened, entry)
        // A reader beside a writer may find a mark beyond the size it asked for a moment ago.
        while !isWriter, mark.length ?? 0 > opened.size,
            directory.size(of: FileName.segment(entry.number).name) ?? 0 > opened.size
        {
            opened = try open(entry, in: directory)
            mark = self.mark(of: opened, entry)
        }
        try report(opened)
        let (segment, size) = (opened.segment, opened.size)
        let known = result.uncertainties.count
        let log = try readLog(of: opened, mark: mark, entry)
        // The marks were durable before MANIFEST named the segment, so that what took them may have
        // taken all records as well. (The one of version 1 may be torn.)
        let hasLostMarks =
            mark.rule == .unmarked && (entry.format > 1 || opened.damage != nil)
        if hasLostMarks, log.records.count == 0 {
            let start = min(size, SegmentHeader.byteCount)
            addUncertainty(in: segment, start..<max(size, SegmentHeader.byteCount), above: .max)
        }
        segment.end = log.end
        segment.sequences = log.sequences
        segment.keepsCutBytes = log.cutRecords > 0
        see(log.highestSequence)
        if let first = log.firstUnsynced {
            result.firstUnsynced = min(result.firstUnsynced ?? .max, first)
        }
        if log.end != entry.extent?.length {
            // A power cut may have taken records that nothing shows any more. No more than fit into
            // the segment, so this many numbers are left out.
            let capacity = Int(clamping: opened.header?.capacity ?? UInt64(Format.maxSegmentLength))
            skipSequences(max(capacity, log.end) / Format.aligned(RecordHeader.byteCount + 1))
        }
        if log.records.count == 0, log.cutRecords == 0, result.uncertainties.count == known {
            // Its process died before the first write.
            result.dropped.append(entry)
        } else {
            take(segment, size, log)
        }
        return log.endsEarly
    }

    private mutating func take(_ segment: Segment, _ size: Int, _ log: RecoveredLog) {
        result.segments.append(segment)
        result.logs.append((segment, log.records))
        result.unsealed.append(
            RecoveredStore.Unsealed(segment: segment, fileSize: size, log: log))
    }

    func mark(of opened: Opened, _ entry: Manifest.Segment) -> SegmentHeader.Mark {
        // SAFETY: `size` bytes of the file are mapped.
        unsafe SegmentHeader.mark(
            in: opened.segment.bytes(upTo: opened.size).bytes, identity: entry.identity,
            version: opened.header?.version ?? entry.format)
    }

    /// An unsealed segment behind a log that ended early is no part of the log: its records are not
    /// served. A file with whole records stays, sealed as one that ends before them.
    mutating func leaveOut(
        _ entry: Manifest.Segment, in directory: borrowing Directory
    ) throws(StoreError) {
        let opened = try open(entry, in: directory)
        try report(opened)
        var log = RecoveredLog()
        // SAFETY: `size` bytes of the file are mapped.
        unsafe countCutRecords(in: opened.segment.bytes(upTo: opened.size).bytes, entry, &log)
        see(log.highestSequence)
        skipSequences(ofDropped: entry)
        let rest = log.cutRecords == 0 ? "" : "; the file stays"
        result.notices.append(
            "\(opened.segment.path) follows a log that ended early; its \(log.cutRecords) unsynced"
                + " records are left out\(rest)")
        guard log.cutRecords > 0 else {
            result.dropped.append(entry)
            return
        }
        opened.segment.end = SegmentHeader.byteCount
        opened.segment.keepsCutBytes = true
        take(opened.segment, opened.size, log)
    }

    private mutating func readLog(
        of opened: Opened, mark: SegmentHeader.Mark, _ entry: Manifest.Segment
    ) throws(StoreError) -> RecoveredLog {
        let segment = opened.segment
        var log = RecoveredLog()
        let limit = min(opened.size, entry.extent?.length ?? opened.size)
        // SAFETY: `limit` bytes of the file are mapped.
        let bytes = unsafe segment.bytes(upTo: limit)
        log.durableEnd = max(mark.length ?? 0, entry.durableLength)
        log.markTurn = opened.header == nil ? nil : mark.turn
        reportMarks(mark, opened)
        var walk = SegmentWalk(
            identity: entry.identity, rule: mark.rule, durableEnd: log.durableEnd)
        let ahead = segment.record(at: 0, upTo: limit)
        var offset = SegmentHeader.byteCount
        scan: while true {
            if let header = unsafe wholeRecord(at: offset, in: bytes, entry, log),
                !header.continues || offset < max(log.durableEnd, walk.batchEnd)
            {
                // The processor guesses no further than a page.
                ahead.moved(to: offset &+ 1024).prefetch()
                try unsafe note(header, at: offset, in: bytes, segment, &log)
                offset += header.recordLength
                continue
            }
            walk.resume(at: offset)
            let item = unsafe walk.next(in: bytes.bytes)
            switch item {
            case .record(_, let header, _):
                try unsafe note(header, at: offset, in: bytes, segment, &log)
                offset = walk.offset
            case .damage(let range, _):
                addDamage(in: segment, unsafe bytes.bytes, range)
                offset = range.upperBound
            case .torn:
                log.hasTornTail = true
                log.endsInBatch = unsafe SegmentWalk.isBatch(
                    tornAt: offset, in: bytes.bytes, identity: entry.identity)
                break scan
            case .reserved, nil: break scan
            }
        }
        log.end = offset
        if log.hasTornTail || limit < opened.size {
            // What an earlier recovery left behind the end of a full segment is kept, too.
            // SAFETY: `size` bytes of the file are mapped.
            unsafe countCutRecords(in: segment.bytes(upTo: opened.size).bytes, entry, &log)
        }
        // SAFETY: `limit` bytes of the file are mapped.
        if unsafe log.hasTornTail && (isWriter || isTear(log, in: bytes.bytes, entry, mark)) {
            reportTear(in: segment, log)
        }
        log.endsEarly = log.hasTornTail || log.end < (entry.extent?.length ?? 0)
        return log
    }

    /// The quick answer to what the walk would say of a record that is as it should be.
    @inline(__always)
    private func wholeRecord(
        at offset: Int, in bytes: UnsafeRawBufferPointer, _ entry: Manifest.Segment,
        _ log: borrowing RecoveredLog
    ) -> RecordHeader? {
        guard
            let header = unsafe Record.header(
                in: bytes.bytes, at: offset, identity: entry.identity),
            unsafe offset < log.durableEnd
                || Record.valueChecksOut(
                    header, in: bytes.bytes, at: offset, identity: entry.identity)
        else { return nil }
        return header
    }

    /// Notes a record of the log.
    @inline(__always)
    private func note(
        _ header: RecordHeader, at offset: Int, in bytes: UnsafeRawBufferPointer,
        _ segment: Segment, _ log: inout RecoveredLog
    ) throws(StoreError) {
        guard !header.needsNewerVersion else {
            throw .newerVersion(
                file: segment.path, reason: "record at offset \(offset) has unknown flags")
        }
        log.highestSequence = max(log.highestSequence, header.sequence)
        log.sequences.include(header.sequence)
        if offset >= log.durableEnd, log.firstUnsynced == nil {
            log.firstUnsynced = header.sequence
        }
        let start = offset + RecordHeader.byteCount
        let key = unsafe bytes.bytes.extracting(start..<(start + header.keyLength))
        log.records.append(
            header, hash: Checksum.hash(key, seed: manifest.storeID.low), at: offset)
    }

    /// Notes damage below what is known to be durable.
    private mutating func addDamage(in segment: Segment, _ bytes: RawSpan, _ range: Range<Int>) {
        // The next record's number bounds the lost ones: the log is written in order.
        let next = Record.header(in: bytes, at: range.upperBound, identity: segment.identity)
        addUncertainty(in: segment, range, above: next.map { $0.sequence &- 1 } ?? .max)
    }

    private func countCutRecords(
        in bytes: RawSpan, _ entry: Manifest.Segment, _ log: inout RecoveredLog
    ) {
        var walk = SegmentWalk(identity: entry.identity, rule: .unmarked, checksValues: true)
        walk.resume(at: log.end)
        while let item = walk.next(in: bytes) {
            guard case .record(_, let header, value: .good) = item else { continue }
            log.cutRecords += 1
            log.highestSequence = max(log.highestSequence, header.sequence)
        }
    }

    private mutating func reportMarks(_ mark: SegmentHeader.Mark, _ opened: Opened) {
        let file = opened.segment.path
        if let damaged = mark.damaged, mark.length != nil {
            result.notices.append(
                "\(file) is damaged at offset \(damaged.lowerBound): a synced mark does not check"
                    + " out; the other one is used, and whole records behind it as well")
        } else if mark.length == nil {
            result.notices.append(
                "\(file) is damaged at offset \(SegmentHeader.markOffset): its synced marks do not"
                    + " check out; where its log ended cannot be told from them")
        }
    }

    /// For a reader: whole records lie behind the tear, and no writer is at work there. One writes
    /// record by record, so that what was torn is whole by now where there is one behind it.
    private func isTear(
        _ log: RecoveredLog, in bytes: RawSpan, _ entry: Manifest.Segment,
        _ mark: SegmentHeader.Mark
    ) -> Bool {
        guard log.cutRecords > 0 else { return false }
        var walk = SegmentWalk(
            identity: entry.identity, rule: mark.rule, durableEnd: log.durableEnd)
        walk.resume(at: log.end)
        if case .torn = walk.next(in: bytes) { return true }
        return false
    }

    private mutating func reportTear(in segment: Segment, _ log: RecoveredLog) {
        let rest = log.cutRecords == 0 ? "" : ", with \(log.cutRecords) whole records behind it"
        let what = log.endsInBatch ? "batch that is not whole" : "torn record"
        result.notices.append(
            "\(segment.path) ends in a \(what) at offset \(log.end)\(rest);"
                + " what was never synced behind it is left out")
    }
}
