internal import Glibc
internal import StaveDisk

/// Goes through a segment's bytes and says of every stretch what it is.
///
/// Rules (docs/format.md, "Torn tail and damage"):
/// 1. In a sealed segment whatever is no whole record is damage.
/// 2. In a log, which may grow, a bad record below the synced mark is damage, and the log goes on
///    behind it; a bad record at or above the mark ends the log: a torn tail, whatever follows.
/// 3. A file alone, of which no MANIFEST says what it is: as a log, but where whole records follow
///    unreadable bytes those bytes are damage, as they were once behind a whole record.
/// 4. Zeros up to the end of a log are reserved space, unless they begin below the mark.
/// 5. What looks torn may be a record that a running writer has not finished: a log is looked at again
///    a moment later, and goes on where it has grown.
/// 6. Where its file is longer by now than what was mapped, the last record may end behind that: no
///    whole record up to the end is no torn tail then, and no damage.
struct SegmentWalk {
    enum Rule { case sealed, log, alone }

    enum ValueCheck: Equatable {
        case good
        case bad(computed: UInt32)
        case unread
    }

    enum Item {
        case record(offset: Int, header: RecordHeader, value: ValueCheck)
        case damage(Range<Int>, String)
        /// `nextRecord`: a whole record behind it that is no part of the log.
        case torn(Range<Int>, nextRecord: Int?)
        case reserved(Range<Int>)

        /// Where it stands.
        var range: Range<Int> {
            switch self {
            case .record(let offset, let header, _): offset..<(offset + header.recordLength)
            case .damage(let range, _), .torn(let range, _), .reserved(let range): range
            }
        }
    }

    let identity: UInt64
    let rule: Rule
    /// The synced mark; of no use in a sealed segment.
    let mark: Int
    /// Check values also where the rules do not need it.
    let checksValues: Bool
    /// The bytes may change while they are looked at.
    let mayGrow: Bool
    /// There are more bytes by now than can be looked at.
    let hasGrown: () -> Bool
    private(set) var offset = SegmentHeader.byteCount
    private var queue: [Item] = []
    private var effort = SearchEffort()

    init(
        identity: UInt64, rule: Rule, mark: Int?, checksValues: Bool, mayGrow: Bool = false,
        hasGrown: @escaping () -> Bool = { false }
    ) {
        self.hasGrown = hasGrown
        self.mayGrow = mayGrow
        self.identity = identity
        self.rule = rule
        self.mark = mark ?? SegmentHeader.byteCount
        self.checksValues = checksValues
    }

    /// The next stretch of `bytes`: the file from its start to where records may reach, the same
    /// memory at each call. nil at the end.
    mutating func next(in bytes: RawSpan) -> Item? {
        if !queue.isEmpty { return queue.removeFirst() }
        let start = offset
        var item = examine(bytes)
        while rule == .log, mayGrow, let tail = tornTail(item) {
            let queued = queue
            usleep(1000)
            (offset, queue) = (start, [])
            let again = examine(bytes)
            // Nobody is writing there.
            if tornTail(again) == tail {
                queue = queued
                break
            }
            item = again
        }
        return item
    }

    /// The torn tail that begins with `item`, or is to come behind it.
    private func tornTail(_ item: Item?) -> Range<Int>? {
        for item in [item].compactMap(\.self) + queue {
            if case .torn(let range, _) = item { return range }
        }
        return nil
    }

    private mutating func examine(_ bytes: RawSpan) -> Item? {
        let start = offset
        let step = SegmentScan.step(in: bytes, at: start, identity: identity, effort: &effort)
        switch step {
        case .end: return nil
        case .record(let header): return record(header, in: bytes)
        case .zeros:
            if rule == .sealed {
                offset = bytes.byteCount
                return .damage(start..<offset, "zeros in place of records")
            }
            return endOfLog(in: bytes, nextRecord: nil, "zeros below the synced mark")
        case .unreadable(_, isLast: true) where rule == .log && hasGrown():
            offset = bytes.byteCount
            return .reserved(start..<offset)
        case .unreadable(let until, let isLast):
            let goesOn = rule == .sealed || until <= mark || (rule == .alone && !isLast)
            guard !goesOn else {
                offset = until
                return .damage(start..<until, "no whole record")
            }
            return endOfLog(
                in: bytes, nextRecord: isLast ? nil : until, "no whole record below the synced mark"
            )
        }
    }

    private mutating func record(_ header: RecordHeader, in bytes: RawSpan) -> Item? {
        let start = offset
        let isAboveMark = rule != .sealed && start >= mark
        var check = ValueCheck.unread
        if checksValues || isAboveMark {
            check = Self.check(header, in: bytes, at: start, identity)
        }
        offset = start + header.recordLength
        if case .bad = check, isAboveMark {
            var next: Int?
            if case .record = SegmentScan.step(in: bytes, at: offset, identity: identity) {
                next = offset
            }
            if rule == .log || next == nil {
                offset = start
                return endOfLog(in: bytes, nextRecord: next, "")
            }
        }
        return .record(offset: start, header: header, value: check)
    }

    /// Is the value of the record at `offset` whole?
    static func check(
        _ header: RecordHeader, in bytes: RawSpan, at offset: Int, _ identity: UInt64
    ) -> ValueCheck {
        let start = offset + RecordHeader.byteCount + header.keyLength
        let value = bytes.extracting(start..<(start + header.valueLength))
        let binding = Checksum.binding(identity: identity, offset: offset)
        let computed = Record.valueChecksum(value, binding: binding)
        return computed == header.valueChecksum ? .good : .bad(computed: computed)
    }

    /// The log ends at `offset`: what is below the mark is damage, then comes a torn tail up to the
    /// last byte that is not zero, then reserved space.
    private mutating func endOfLog(
        in bytes: RawSpan, nextRecord: Int?, _ damage: String
    ) -> Item? {
        let end = bytes.byteCount
        if offset < mark { queue.append(.damage(offset..<min(mark, end), damage)) }
        let tail = max(offset, min(mark, end))
        var zeros = tail
        if let last = bytes.lastNonZero(from: tail) {
            zeros = min(Format.aligned(last + 1), end)
            queue.append(.torn(tail..<zeros, nextRecord: nextRecord))
        }
        if zeros < end { queue.append(.reserved(zeros..<end)) }
        offset = end
        return queue.isEmpty ? nil : queue.removeFirst()
    }
}
