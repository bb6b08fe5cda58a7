/// Goes through a segment's bytes and says of every stretch what it is: the one rule for what is
/// torn and what is damaged. Recovery, compaction, verification, repair and the inspector all ask
/// here.
///
/// Rules (docs/format.md, "Torn tail and damage"):
/// 1. Below `durableEnd` whatever is no whole record is damage, and the log goes on behind it. For
///    a sealed segment that is its whole length.
/// 2. At or above it, the first thing that is no whole record, header or value, ends the log: a
///    torn tail, whatever follows.
/// 3. Where nothing tells how far a log is durable, because its marks are lost or no MANIFEST names
///    it, unreadable bytes with a whole record behind them are damage: they once were behind a
///    whole record.
/// 4. Zeros up to the end of a log are reserved space, unless they begin below `durableEnd`.
/// 5. A record whose header and key are whole, and whose end was cut off with the file below
///    `durableEnd`, is a record without a value: it still names its key.
/// 6. At or above `durableEnd` a batch counts whole or not at all: behind a record that says that
///    more follow come whole records with the next numbers, up to one that does not say so. Else
///    the torn tail begins with the batch. (Rule 3 comes first.)
package struct SegmentWalk {
    package enum Rule: Sendable {
        case sealed
        case log
        /// Rule 3.
        case unmarked
    }

    package enum ValueCheck: Equatable, Sendable {
        case good
        case bad(computed: UInt32)
        /// Rule 5.
        case cut
        case unread
    }

    package enum Item: Equatable, Sendable {
        case record(offset: Int, header: RecordHeader, value: ValueCheck)
        case damage(Range<Int>, String)
        /// `nextRecord`: a whole record behind it that is no part of the log.
        case torn(Range<Int>, nextRecord: Int?)
        case reserved(Range<Int>)

        /// Where it stands.
        package var range: Range<Int> {
            switch self {
            case .record(let offset, let header, _): offset..<(offset + header.recordLength)
            case .damage(let range, _), .torn(let range, _), .reserved(let range): range
            }
        }
    }

    package let identity: UInt64
    package let rule: Rule
    /// Bytes that are known to be durable; may lie behind the end of a file that was cut.
    package let durableEnd: Int
    /// Check values also where the rules do not need it.
    private let checksValues: Bool
    /// Where the next item begins.
    package private(set) var offset = SegmentHeader.byteCount
    /// Below it, batches are whole.
    package private(set) var batchEnd = 0
    private var queue: [Item] = []
    private var effort = SearchEffort()

    package init(
        identity: UInt64, rule: Rule, durableEnd: Int = SegmentHeader.byteCount,
        checksValues: Bool = false
    ) {
        self.identity = identity
        self.rule = rule
        self.durableEnd = durableEnd
        self.checksValues = checksValues
    }

    /// Goes on at `offset`: a caller that has read the records before it asks only for the rest.
    package mutating func resume(at offset: Int) {
        self.offset = offset
        queue = []
    }

    /// The next stretch of `bytes`: the file from its start to where records may reach, the same
    /// memory at each call. nil at the end.
    package mutating func next(in bytes: RawSpan) -> Item? {
        if !queue.isEmpty { return queue.removeFirst() }
        let start = offset
        switch SegmentScan.step(in: bytes, at: start, identity: identity, effort: &effort) {
        case .record(let header): return record(header, in: bytes)
        case .end: return endOfFile(bytes)
        case .zeros:
            if let cut = cutRecord(in: bytes) { return cut }
            if rule == .sealed { return damage(upTo: durableEnd, "zeros in place of records") }
            return endOfLog(in: bytes, nextRecord: nil, "zeros below the synced mark")
        case .unreadable(let until, let isLast):
            if isLast, let cut = cutRecord(in: bytes) { return cut }
            if isLast, rule == .sealed { return damage(upTo: durableEnd, "no whole record") }
            if until <= durableEnd || (rule == .unmarked && !isLast) {
                return damage(upTo: until, "no whole record")
            }
            if !isLast, start < durableEnd {
                // The mark is where a record ended: what lies behind it is looked at from there.
                return damage(
                    upTo: Format.aligned(durableEnd), "no whole record below the synced mark")
            }
            return endOfLog(
                in: bytes, nextRecord: isLast ? nil : until, "no whole record below the synced mark"
            )
        }
    }

    private mutating func damage(upTo end: Int, _ reason: String) -> Item {
        defer { offset = max(end, offset) }
        return .damage(offset..<max(end, offset), reason)
    }

    private mutating func record(_ header: RecordHeader, in bytes: RawSpan) -> Item? {
        let start = offset
        let isCertain = start < durableEnd
        var check = ValueCheck.unread
        if checksValues || !isCertain { check = Self.check(header, in: bytes, at: start, identity) }
        if header.continues, !isCertain, start >= batchEnd, check == .good {
            let (end, isWhole, next) = batch(from: start, in: bytes)
            guard isWhole || (rule == .unmarked && next != nil) else {
                return endOfLog(in: bytes, nextRecord: next, "")
            }
            batchEnd = end
        }
        offset = start + header.recordLength
        if case .bad = check, !isCertain {
            var next: Int?
            if Record.header(in: bytes, at: offset, identity: identity) != nil { next = offset }
            if rule == .log || next == nil {
                offset = start
                return endOfLog(in: bytes, nextRecord: next, "")
            }
        }
        return .record(offset: start, header: header, value: check)
    }

    /// Rule 6: where the batch ends that begins or goes on at `start`, or where it breaks off, and
    /// then the whole record behind unreadable bytes.
    private mutating func batch(
        from start: Int, in bytes: RawSpan
    ) -> (end: Int, isWhole: Bool, next: Int?) {
        var end = start
        var sequence: UInt64?
        while true {
            switch SegmentScan.step(in: bytes, at: end, identity: identity, effort: &effort) {
            case .record(let header):
                guard sequence == nil || sequence == header.sequence else {
                    return (end, false, nil)
                }
                let next = end + header.recordLength
                guard Self.check(header, in: bytes, at: end, identity) == .good else {
                    let isRecord = Record.header(in: bytes, at: next, identity: identity) != nil
                    return (end, false, isRecord ? next : nil)
                }
                end = next
                if !header.continues { return (end, true, nil) }
                sequence = header.sequence &+ 1
            case .unreadable(let until, let isLast): return (end, false, isLast ? nil : until)
            case .zeros, .end: return (end, false, nil)
            }
        }
    }

    /// Rule 6, for a reader that goes from record to record by itself: where the batch ends that
    /// begins or goes on with the record at `start`; nil where it is not whole.
    package static func endOfBatch(
        from start: Int, in bytes: RawSpan, identity: UInt64
    ) -> Int? {
        var walk = SegmentWalk(identity: identity, rule: .log)
        let (end, isWhole, _) = walk.batch(from: start, in: bytes)
        return isWhole ? end : nil
    }

    /// Is what is torn at `offset` the beginning of a batch?
    package static func isBatch(tornAt offset: Int, in bytes: RawSpan, identity: UInt64) -> Bool {
        Record.header(in: bytes, at: offset, identity: identity)?.continues == true
    }

    /// Rule 5.
    private mutating func cutRecord(in bytes: RawSpan) -> Item? {
        let start = offset
        guard bytes.byteCount < durableEnd,
            let header = Record.header(
                in: bytes, at: start, identity: identity, upTo: durableEnd)
        else { return nil }
        offset = start + header.recordLength
        let valueEnd = start + RecordHeader.byteCount + header.keyLength + header.valueLength
        // No more than padding may be missing.
        let isThere = valueEnd <= bytes.byteCount
        return .record(
            offset: start, header: header,
            value: isThere ? Self.check(header, in: bytes, at: start, identity) : .cut)
    }

    /// Is the value of the record at `offset` whole?
    package static func check(
        _ header: RecordHeader, in bytes: RawSpan, at offset: Int, _ identity: UInt64
    ) -> ValueCheck {
        let start = offset + RecordHeader.byteCount + header.keyLength
        let value = bytes.extracting(start..<(start + header.valueLength))
        let binding = Checksum.binding(identity: identity, offset: offset)
        let computed = Record.valueChecksum(value, binding: binding)
        return computed == header.valueChecksum ? .good : .bad(computed: computed)
    }

    private mutating func endOfFile(_ bytes: RawSpan) -> Item? {
        offset < durableEnd ? damage(upTo: durableEnd, "the file was cut") : nil
    }

    /// The log ends at `offset`: what is below `durableEnd` is damage, then comes a torn tail up to
    /// the last byte that is not zero, then reserved space.
    private mutating func endOfLog(
        in bytes: RawSpan, nextRecord: Int?, _ damage: String
    ) -> Item? {
        let end = bytes.byteCount
        if offset < durableEnd { queue.append(.damage(offset..<durableEnd, damage)) }
        let tail = min(max(offset, durableEnd), max(end, offset))
        var zeros = tail
        if tail < end, let last = bytes.lastNonZero(from: tail) {
            zeros = min(Format.aligned(last + 1), end)
            queue.append(.torn(tail..<zeros, nextRecord: nextRecord))
        }
        if zeros < end { queue.append(.reserved(zeros..<end)) }
        offset = max(end, durableEnd)
        return queue.isEmpty ? nil : queue.removeFirst()
    }
}
