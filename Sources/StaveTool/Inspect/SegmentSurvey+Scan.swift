internal import StaveDisk

extension SegmentSurvey {
    /// Learns from a good hint file what a scan would say, except for damage that only a scan sees.
    func trust(_ hint: HintImage) {
        index = hint
        recordCount = hint.recordCount
        end = hint.segmentLength
    }

    /// When the first record of the file and the ones with the lowest and highest number in the
    /// hint file were written. That spans the segment's times unless the clock went backwards.
    func noteTimes() {
        guard let hint = index, let image, let identity, times == nil else { return }
        image.withBytes { bytes in
            var offsets = [SegmentHeader.byteCount]
            var (low, high): (HintEntry?, HintEntry?)
            for index in 0..<hint.count {
                let entry = hint[index]
                if entry.sequence < low?.sequence ?? .max { low = entry }
                if entry.sequence >= high?.sequence ?? 0 { high = entry }
            }
            if let low, let high { offsets += [low.offset, high.offset] }
            for offset in offsets {
                guard offset < recordLimit else { continue }
                if let header = Record.header(
                    in: bytes.extracting(first: recordLimit), at: offset, identity: identity)
                {
                    note(time: header.time)
                } else {
                    add(.damage, offset..<offset, "no whole record where the hint file has one")
                }
            }
        }
    }

    private func note(time: UInt32) {
        guard let span = times else {
            times = time...time
            return
        }
        times = min(span.lowerBound, time)...max(span.upperBound, time)
    }

    /// Reads all records and reports what is no record.
    ///
    /// - Parameter verifies: check values and padding, too, and hold the hint file against the
    ///   records.
    func scan(verifies: Bool) {
        var records = RecordList()
        var reported = 0
        walk(checksValues: verifies) { item, bytes in
            switch item {
            case .record(let offset, let header, _):
                records.append(header, at: offset)
                end = offset + header.recordLength
                if isCut(item) {
                    note(damage: item.range)
                } else {
                    recordBytes += header.recordLength
                }
                if end - reported >= 1 << 20 {
                    reported = end
                    progress?(end)
                }
                note(time: header.time)
            case .damage(let range, _): note(damage: range)
            case .torn(let range, _): tornBytes += range.count
            case .reserved(let range): reservedBytes = range.count
            }
            switch item {
            case .record, .damage: logEnd = item.range.upperBound
            case .torn, .reserved: break
            }
            judge(item, in: bytes, .everything)
            return true
        }
        isScanned = true
        valuesAreChecked = verifies
        recordCount = records.count
        if let extent = listed?.extent, !isSealed, logEnd < extent.length, tornBytes == 0 {
            add(
                .torn, logEnd..<extent.length,
                "the log ends here; the segment was full up to \(extent.length)")
        }
        makeIndex(of: records, verifies: verifies)
        noteLostPages()
        image?.release(0..<(image?.count ?? 0))
    }

    /// From the hint file where that is as good, else from the records.
    private func makeIndex(of records: RecordList, verifies: Bool) {
        guard let image, let identity else {
            index = hint
            return
        }
        if !verifies, let hint, hint.recordCount == recordCount || !damage.isEmpty {
            index = hint
        } else {
            let made = image.withBytes { bytes in
                unsafe bytes.withUnsafeBytes {
                    unsafe records.image(of: $0, identity: identity, segmentLength: end)
                }
            }
            // What is missing at the end is damage, too: the hint file still names its keys.
            index = isWhole ? made : hint ?? made
            if verifies { checkCounts(made) }
            if let hint, hint.hasSameBytes(as: made) {
                // The mapped file rather than a copy in memory.
                index = hint
            } else if verifies, let hint, !isNameless {
                compare(hint, with: made)
            }
        }
    }

    /// What of an item is reported.
    enum Judgement {
        case everything
        /// What only those see who check values: the rest has been reported.
        case values
    }

    /// Reports what is wrong with `item`.
    func judge(_ item: SegmentWalk.Item, in bytes: RawSpan, _ judgement: Judgement) {
        switch item {
        case .record(let offset, let header, let value):
            if judgement == .everything, header.needsNewerVersion {
                add(
                    .unreadable, item.range,
                    "flags \(header.flags) need a newer version of stave")
            }
            if value != .unread { check(header, at: offset, value, in: bytes) }
        case .damage(let range, let reason):
            // That the file was cut is said of its header.
            let inFile = inFile(range)
            guard judgement == .everything, !inFile.isEmpty else { return }
            let names = findings.isFull ? "" : keys(of: range)
            add(.damage, inFile, names.isEmpty ? reason : reason + "; the hint names " + names)
        case .torn(let range, let next):
            if judgement == .everything { add(.torn, range, tornText(range, next, in: bytes)) }
        case .reserved: break
        }
    }

    /// MANIFEST says which sequence numbers a sealed segment has.
    private func checkCounts(_ made: HintImage) {
        guard isSealed, isWhole, let said = listed?.extent?.sequences,
            let found = made.sequences, said != found
        else { return }
        findings.add(
            Finding(
                .damage, FileName.manifestName, nil,
                "sequences of \(name) are \(found.lowerBound) to \(found.upperBound), MANIFEST says"
                    + " \(said.lowerBound) to \(said.upperBound)"))
    }

    /// Says what is wrong with a hint file that cannot be used. Where its segment is whole, the
    /// hint file that the records make shows which bytes are wrong.
    func reportBadHint() {
        guard let (image, error) = badHint else { return }
        let name = FileName.hint(number ?? 1).name
        var range = error.offset..<max(error.offset, image.count)
        var text = error.reason
        if let index, isWhole, identity != nil, self.image != nil {
            let differing = image.withBytes { unsafe $0.differing(from: index.bytes.bytes) }
            if let differing {
                range = differing
                text += "; the first wrong byte is in " + index.field(at: differing.lowerBound)
            }
        }
        findings.add(Finding(.damage, name, range, text + "; the store makes it again"))
    }

    /// - Parameter bytes: the segment's.
    func tornText(_ range: Range<Int>, _ nextRecord: Int?, in bytes: RawSpan) -> String {
        let isBatch = SegmentWalk.isBatch(
            tornAt: range.lowerBound, in: bytes, identity: identity ?? 0)
        let text =
            "the log ends here: "
            + (isBatch
                ? "a batch that was never whole" : "bytes of a write that was never whole")
        guard let nextRecord else { return text }
        return text + "; the records from offset \(nextRecord) on are no part of it"
    }

    private func check(
        _ header: RecordHeader, at offset: Int, _ value: SegmentWalk.ValueCheck, in bytes: RawSpan
    ) {
        let range = offset..<(offset + header.recordLength)
        let keyStart = offset + RecordHeader.byteCount
        let key = bytes.array(keyStart..<(keyStart + header.keyLength))
        if case .cut = value {
            let text = "value of \(Printable.quoted(key, limit: 64)) was cut off with the file"
            return add(.damage, inFile(range), text)
        }
        if case .bad(let computed) = value {
            add(
                .damage, range,
                "value of \(Printable.quoted(key, limit: 64)) is damaged: checksum is "
                    + Printable.hex32(header.valueChecksum) + ", should be "
                    + Printable.hex32(computed))
        }
        let used = offset + RecordHeader.byteCount + header.keyLength + header.valueLength
        if bytes.extracting(used..<min(range.upperBound, bytes.byteCount)).lastNonZero(from: 0)
            != nil
        {
            add(.damage, used..<range.upperBound, "padding is not zero")
            return
        }
    }

    /// The keys that the hint file places in `range`, at most three of them.
    private func keys(of range: Range<Int>) -> String {
        guard let hint else { return "" }
        if hintPlaces == nil { hintPlaces = HintPlaces(hint) }
        var names: [String] = []
        for index in hintPlaces?.entries(in: range) ?? [] {
            if names.count == 3 { return names.joined(separator: ", ") + ", ..." }
            unsafe names.append(Printable.quoted(Array(hint[index].key), limit: 64))
        }
        return names.joined(separator: ", ")
    }

    /// Says that zeros were read in place of a file's bytes, unless the file was only cut behind
    /// its records, as a writer does when it closes.
    private func noteLostPages() {
        guard let lost = image?.firstLostOffset, lost < end || !damage.isEmpty else { return }
        add(.damage, lost..<lost, "cannot be read from here on: cut meanwhile, or a failing disk")
    }

    /// Reports where a hint file that checks out says something else than the segment's records.
    /// Keys whose records are damaged are not held against it.
    private func compare(_ hint: HintImage, with made: HintImage) {
        let name = FileName.hint(number ?? 1).name
        func report(_ key: UnsafeRawBufferPointer, _ text: String) {
            let key = unsafe Printable.quoted(Array(key), limit: 64)
            findings.add(Finding(.damage, name, nil, "\(key) \(text)"))
        }
        let before = findings.count
        defer {
            if isWhole, findings.count == before {
                let differing = unsafe hint.bytes.bytes.differing(from: made.bytes.bytes)
                findings.add(
                    Finding(.damage, name, differing, "not the bytes that the segment makes"))
            }
        }
        var (left, right) = (0, 0)
        while left < hint.count || right < made.count {
            let order =
                unsafe left == hint.count
                ? 1 : right == made.count ? -1 : compareKeys(hint[left].key, made[right].key)
            if order < 0 {
                if !isDamaged(at: hint[left].offset) {
                    unsafe report(hint[left].key, "is not in the segment")
                }
                left += 1
            } else if order > 0 {
                unsafe report(made[right].key, "is in the segment, but not in the hint file")
                right += 1
            } else {
                let (said, found) = (hint[left], made[right])
                if !said.saysTheSame(as: found), !isDamaged(at: said.offset) {
                    unsafe report(
                        said.key, "is at \(said.offset), its newest record at \(found.offset)")
                }
                left += 1
                right += 1
            }
        }
        if isWhole,
            hint.recordCount != made.recordCount || hint.tombstoneCount != made.tombstoneCount
                || hint.sequences != made.sequences
        {
            findings.add(Finding(.damage, name, 32..<60, "counts are not those of the segment"))
        }
    }
}

extension SegmentSurvey {
    /// The part of `range` that a file that was cut still has.
    func inFile(_ range: Range<Int>) -> Range<Int> { range.clamped(to: 0..<(image?.count ?? 0)) }

    /// Was its end cut off with the file?
    func isCut(_ item: SegmentWalk.Item) -> Bool { item.range.upperBound > image?.count ?? 0 }

    /// Notes an unreadable stretch, as far as the file has it.
    func note(damage range: Range<Int>) {
        let inFile = inFile(range)
        if !inFile.isEmpty { damage.append(inFile) }
    }

    /// Nothing of it is unreadable, nothing cut off.
    private var isWhole: Bool { damage.isEmpty && missing == nil && !isNameless }

    /// Does `offset` lie in an unreadable stretch, or in what was cut off?
    func isDamaged(at offset: Int) -> Bool {
        if let missing, missing.contains(offset) { return true }
        var (low, high) = (0, damage.count)
        while low < high {
            let middle = (low + high) / 2
            if damage[middle].upperBound <= offset { low = middle + 1 } else { high = middle }
        }
        return low < damage.count && damage[low].contains(offset)
    }
}

/// A hint file's entries in the order of the places that they name.
struct HintPlaces {
    /// | offset / 8 of the record 32 | index of the entry 32 |
    private let order: [UInt64]

    init(_ hint: HintImage) {
        var order: [UInt64] = []
        order.reserveCapacity(hint.count)
        for index in 0..<hint.count {
            order.append(UInt64(hint[index].offset / Format.alignment) << 32 | UInt64(index))
        }
        RadixSort.sort(&order)
        self.order = order
    }

    /// The first four entries whose records begin in `range`, by place.
    func entries(in range: Range<Int>) -> [Int] {
        func offset(_ item: UInt64) -> Int { Int(item >> 32) * Format.alignment }
        var (low, high) = (0, order.count)
        while low < high {
            let middle = (low + high) / 2
            if offset(order[middle]) < range.lowerBound {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return order[low...].prefix { offset($0) < range.upperBound }.prefix(4)
            .map { Int($0 & 0xffff_ffff) }
    }
}

extension HintEntry {
    func saysTheSame(as other: HintEntry) -> Bool {
        sequence == other.sequence && offset == other.offset && valueLength == other.valueLength
            && kind == other.kind && flags == other.flags
    }
}
