internal import Glibc
internal import StaveDisk

extension Store {
    /// Checks all of the open store against itself, beside reads, writes and compactions:
    ///
    /// 1. Every record of every segment: header, key, value and padding; and the segment's header.
    /// 2. Every hint file: the bytes that its segment's records make.
    /// 3. The keydir: for each key what a replay of all segments comes to, no key more or less.
    /// 4. The counters of live bytes: what a recount comes to. (Those of tombstones are an upper
    ///    bound: setting a deleted key does not look for its tombstone.)
    /// 5. MANIFEST on disk: what was last committed, and its files are there.
    ///
    /// Records are checked up to where the store ended when the call began; what was written,
    /// deleted or compacted since is no difference. Takes about 60 bytes of memory and the key for
    /// each record of one segment at a time, and a copy of each key that is deleted meanwhile.
    ///
    /// - Parameter progress: called now and then with how much is done, from 0 to 1, on this
    ///   thread; false stops.
    /// - Throws: `StoreError.cancelled` where `progress` said so, `closed`. Damage is in the
    ///   report.
    public func verify(
        progress: ((Double) -> Bool)? = nil
    ) throws(StoreError) -> VerificationReport {
        try requireOpen()
        let verification = try StoreVerification(self, progress)
        return try verification.run()
    }
}

/// One run of `Store.verify`, over a snapshot: segments as they were, and how far each one reached.
final class StoreVerification {
    struct Source {
        let segment: Segment
        let segmentIndex: Int
        let end: Int
        let isSealed: Bool
        let sequences: ClosedRange<UInt64>?
        let liveBytes: Int
        let tombstoneBytes: Int
    }

    let store: Store
    let log: Log
    let index: Index
    private let progress: ((Double) -> Bool)?
    private let sources: [Source]
    /// Keys with a value and the next write's number, at the moment of the snapshot.
    private let keyCount: Int
    private let nextSequence: UInt64
    var report = VerificationReport()
    private var images: [HintImage] = []
    /// Keys of which the keydir says something else than the snapshot, and that may have changed
    /// since.
    var suspects: Set<[UInt8]> = []

    init(_ store: Store, _ progress: ((Double) -> Bool)?) throws(StoreError) {
        self.store = store
        let (log, index) = (store.log, store.index)
        (self.log, self.index) = (log, index)
        self.progress = progress
        var waits = 0
        while true {
            let snapshot = index.withLock {
                () -> (sources: [Source], count: Int, next: UInt64, isSwitching: Bool) in
                let sources = log.visibleSegments.map { segment in
                    Source(
                        segment: segment, segmentIndex: segment.index, end: segment.end,
                        isSealed: segment.isSealed, sequences: segment.sequences,
                        liveBytes: segment.liveBytes, tombstoneBytes: segment.tombstoneBytes)
                }
                return (sources, index.count, log.nextSequence, index.isSwitching)
            }
            // Between two steps of the switch, live bytes are counted for an input or its copy. It
            // takes milliseconds.
            if snapshot.isSwitching, waits < 1000 {
                waits += 1
                usleep(1000)
                continue
            }
            sources = snapshot.sources.sorted { $0.segment.number < $1.segment.number }
            keyCount = snapshot.count
            nextSequence = snapshot.next
            report.comparedCounters = !snapshot.isSwitching
            return
        }
    }

    func run() throws(StoreError) -> VerificationReport {
        report.segmentCount = sources.count
        let total = max(1, sources.reduce(0) { $0 + $1.end })
        var done = 0
        for source in sources {
            try check(source) { offset throws(StoreError) in
                try self.pass(0.8 * Double(done + offset) / Double(total))
            }
            done += source.end
        }
        checkCheckpoint()
        try replay()
        try checkSuspects()
        checkManifest()
        try pass(1)
        return report
    }

    private func pass(_ fraction: Double) throws(StoreError) {
        try store.requireOpen()
        if let progress, !progress(fraction) { throw .cancelled }
    }

    // MARK: Segments and hints (1 and 2)

    private func check(
        _ source: Source, _ pass: (Int) throws(StoreError) -> Void
    ) throws(StoreError) {
        let segment = source.segment
        // SAFETY: what lies below the end of a segment never changes, and it stays mapped.
        let bytes = unsafe segment.bytes(upTo: source.end).bytes
        checkHeader(of: segment, bytes)
        var records = RecordList()
        var isWhole = true
        var walk = SegmentWalk(
            identity: segment.identity, rule: .sealed, durableEnd: source.end, checksValues: true)
        var reported = 0
        while let item = walk.next(in: bytes) {
            switch item {
            case .record(let offset, let header, let value):
                records.append(header, at: offset)
                check(header, at: offset, value, of: segment, bytes)
            case .damage(let range, let reason):
                report.add(segment.path, range.lowerBound, length: range.count, reason)
                isWhole = false
            case .torn, .reserved: break
            }
            if walk.offset - reported >= 1 << 20 {
                reported = walk.offset
                try pass(reported)
            }
        }
        report.recordCount += records.count
        report.checkedBytes += bytes.byteCount
        if isWhole, records.sequences != source.sequences, records.count > 0 {
            report.add(segment.path, nil, "its sequence numbers are not those that MANIFEST says")
        }
        let made = unsafe bytes.withUnsafeBytes {
            unsafe records.image(of: $0, identity: segment.identity, segmentLength: source.end)
        }
        images.append(checkHint(of: source, made, isWhole: isWhole))
    }

    private func checkHeader(of segment: Segment, _ bytes: RawSpan) {
        do throws(FormatError) {
            let header = try SegmentHeader(decoding: bytes)
            guard header.identity != segment.identity || header.number != segment.number else {
                return
            }
            report.add(segment.path, 16, length: 16, "this segment belongs to another place")
        } catch {
            report.add(segment.path, error.offset, error.reason)
        }
    }

    private func check(
        _ header: RecordHeader, at offset: Int, _ value: SegmentWalk.ValueCheck,
        of segment: Segment, _ bytes: RawSpan
    ) {
        let end = offset + header.recordLength
        if value != .good {
            let start = offset + RecordHeader.byteCount
            // SAFETY: the record's key lies inside the segment.
            let key = unsafe bytes.extracting(start..<(start + min(header.keyLength, 64)))
                .withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
            let what = value == .cut ? "the value was cut off" : "the value's checksum is wrong"
            report.add(
                segment.path, offset, length: header.recordLength,
                "\(what); the key is \(key.debugDescription)")
        }
        let used = offset + RecordHeader.byteCount + header.keyLength + header.valueLength
        guard end <= bytes.byteCount else { return }
        for position in used..<end where bytes.load(position, as: UInt8.self) != 0 {
            report.add(segment.path, position, length: end - position, "padding is not zero")
            return
        }
    }

    /// Returns the entries that an opening would take: the hint's, or those that the records make.
    private func checkHint(of source: Source, _ made: HintImage, isWhole: Bool) -> HintImage {
        guard source.isSealed else { return made }
        let name = log.directory.path(of: FileName.hint(source.segment.number).name)
        var found = source.segment.hint
        do throws(HintFile.Problem) {
            // One that was not needed yet is looked at as it lies on disk, and not made again.
            if found == nil {
                found = try HintFile.read(of: source.segment, in: log.directory)
            }
        } catch {
            report.add(error.file, nil, error.reason)
        }
        guard let hint = found, hint.segmentLength == source.end else { return made }
        report.hintCount += 1
        report.checkedBytes += unsafe hint.bytes.count
        do throws(FormatError) {
            _ = unsafe try HintImage(
                decoding: hint.bytes, keeping: hint, identity: source.segment.identity,
                segmentLength: source.end)
        } catch {
            report.add(name, error.offset, error.reason)
            return made
        }
        guard isWhole else { return hint }
        // SAFETY: both images keep their bytes while they live.
        let isSame =
            unsafe hint.bytes.count == made.bytes.count
            && memcmp(hint.bytes.baseAddress!, made.bytes.baseAddress!, hint.bytes.count) == 0
        if !isSame { report.add(name, nil, "not the bytes that the segment's records make") }
        return hint
    }

    // MARK: Keydir and counters (3 and 4)

    /// Reads all tables in that still wait in the checkpoint.
    private func checkCheckpoint() {
        var reason = "a table of it did not check out, and was made from the segments"
        do throws(StoreError) { try index.restoreAll() } catch { reason = error.description }
        if index.hasDamagedTable {
            report.add(log.directory.path(of: FileName.checkpoint.name), nil, reason)
        }
    }

    private func replay() throws(StoreError) {
        let entries = max(1, images.reduce(0) { $0 + $1.count })
        var liveBytes = [Int](repeating: 0, count: sources.count)
        var tombstoneBytes = liveBytes
        var (merged, passed) = (0, 0)
        var merge = SortedMerge(images)
        while let (index, entry) = merge.next(loser: { _, _ in merged += 1 }) {
            merged += 1
            if merged - passed >= 1 << 12 {
                passed = merged
                try pass(0.8 + 0.2 * Double(merged) / Double(entries))
            }
            if entry.kind == .value {
                liveBytes[index] += entry.recordLength
                report.keyCount += 1
            } else {
                tombstoneBytes[index] += entry.recordLength
            }
            if !agrees(entry, in: sources[index]) {
                unsafe _ = suspects.insert(Array(entry.key))
            }
        }
        if report.keyCount != keyCount {
            report.add(
                store.path, nil, "the keydir has \(keyCount) keys, a replay \(report.keyCount)")
        }
        guard report.comparedCounters else { return }
        for (index, source) in sources.enumerated() {
            compare("live", source.liveBytes, liveBytes[index], of: source.segment)
            // Never too few, see the comment of `Store.verify`.
            guard source.tombstoneBytes < tombstoneBytes[index] else { continue }
            compare("tombstone", source.tombstoneBytes, tombstoneBytes[index], of: source.segment)
        }
    }

    private func compare(_ what: String, _ counted: Int, _ found: Int, of segment: Segment) {
        guard counted != found else { return }
        report.add(
            segment.path, nil, "\(counted) \(what) bytes are counted, a recount finds \(found)")
    }

    /// Does the keydir name this entry, a copy of it, or something newer than the snapshot? Without
    /// a lock, so that "no" may only mean that the key was deleted meanwhile.
    private func agrees(_ entry: HintEntry, in source: Source) -> Bool {
        let known = Location(segmentIndex: source.segmentIndex, offset: entry.offset)
        return unsafe firstAnswer(entry.key.bytes) { location, record in
            // The index may be another segment's by now.
            let isSameSegment = record.identity == source.segment.identity
            if entry.kind == .value, location == known, isSameSegment { return true }
            guard record.hasKey(unsafe entry.key.bytes), let header = record.header else {
                return nil
            }
            return header.sequence >= nextSequence
                || (entry.kind == .value && header.sequence == entry.sequence)
        } ?? (entry.kind == .tombstone)
    }

    /// What `body` says of the first record that may be this key's of which it says something.
    func firstAnswer(
        _ key: RawSpan, _ body: (Location, RecordPointer) -> Bool?
    ) -> Bool? {
        // A table that is lost says nothing; `checkCheckpoint` reports it.
        (try? index.firstAnswer(key, body)) ?? nil
    }
}
