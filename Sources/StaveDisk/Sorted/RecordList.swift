internal import CLinux

/// Where a segment's records lie, and what sorts them by key: all that its hint needs, for the rest
/// stands in the records.
///
/// Eight bytes a record, because a full segment has millions of them. An item is a number that
/// sorts as the keys do, as far as it reaches:
///
///     | 4 bytes of the key, from where the keys begin to differ | offset / 8 |
package struct RecordList: Sendable {
    private var items: [UInt64] = []
    private var lowestSequence = UInt64.max
    private var highestSequence: UInt64 = 0
    private var tombstoneCount = 0
    /// Of all records together.
    private var keyBytes = 0

    /// Items whose four bytes of the key are there.
    private var keyedCount = 0
    /// Bytes that the keys of these begin with.
    private var common = 0
    /// Where `common` became shorter: items from `start` on were made with this one.
    private var eras: [(start: Int, common: Int)] = []

    package init() {}

    package init(_ records: some Sequence<(offset: Int, header: RecordHeader)>) {
        for record in records { append(record.header, at: record.offset) }
    }

    package var count: Int { items.count }

    /// Adds a record that starts at `offset` of the segment, checked already.
    @inline(__always)
    package mutating func append(_ header: RecordHeader, at offset: Int) {
        items.append(UInt64(offset / Format.alignment))
        lowestSequence = min(lowestSequence, header.sequence)
        highestSequence = max(highestSequence, header.sequence)
        if header.isTombstone { tombstoneCount += 1 }
        keyBytes += header.keyLength
    }

    /// Bytes below a segment's end that are no record.
    package struct Unreadable: Sendable {
        package var range: Range<Int>
        /// The number of the whole record behind them; nil where there is none.
        package var nextSequence: UInt64?
    }

    /// Adds all records that begin in `range`, of which all is part of the segment.
    ///
    /// - Parameter segment: the segment's bytes from the start of its file; may end before the
    ///   range.
    /// - Returns: stretches of the range that could not be read.
    package mutating func read(
        _ range: Range<Int>, of segment: UnsafeRawBufferPointer, identity: UInt64
    ) -> [Unreadable] {
        // Room for as many as there can be. What is not used of it stays untouched, and so costs no
        // memory; growing would cost three times as much for a moment.
        items.reserveCapacity(count + range.count / Format.aligned(RecordHeader.byteCount + 1))
        let end = min(range.upperBound, segment.count)
        let bytes = unsafe UnsafeRawBufferPointer(rebasing: segment[..<end]).bytes
        var walk = SegmentWalk(identity: identity, rule: .sealed, durableEnd: range.upperBound)
        var unreadable: [Unreadable] = []
        var offset = range.lowerBound
        while true {
            if let header = Record.header(in: bytes, at: offset, identity: identity) {
                // SAFETY: a prefetch of any address is harmless. The processor's own end at each
                // page.
                unsafe stave_prefetch(segment.baseAddress! + offset + 1024)
                append(header, at: offset)
                // While they are in the processor's cache.
                if count & 1023 == 0 { unsafe readKeys(in: segment) }
                offset += header.recordLength
                continue
            }
            walk.resume(at: offset)
            switch walk.next(in: bytes) {
            case .record(_, let header, _): append(header, at: offset)
            case .damage(let range, _):
                let next = Record.header(in: bytes, at: range.upperBound, identity: identity)
                unreadable.append(Unreadable(range: range, nextSequence: next?.sequence))
            case .torn, .reserved, nil: return unreadable
            }
            offset = walk.offset
        }
    }

    /// Lowest and highest sequence number; nil without records.
    package var sequences: ClosedRange<UInt64>? {
        items.isEmpty ? nil : lowestSequence...highestSequence
    }

    /// The hint image of these records: sorted by key, the newest of each key.
    ///
    /// - Parameter segment: the segment's bytes from the start of its file.
    package consuming func image(
        of segment: UnsafeRawBufferPointer, identity: UInt64, segmentLength: Int
    ) -> HintImage {
        let entries = items.count * (HintImage.entryHeaderLength + 4) + keyBytes
        var builder = HintBuilder(capacity: HintImage.emptyLength + entries)
        addCounts(to: &builder)
        unsafe forEachNewest(in: segment) { builder.append($0) }
        return builder.finish(identity: identity, segmentLength: segmentLength)
    }

    func addCounts(to builder: inout HintBuilder) {
        builder.addCounts(
            records: items.count, tombstones: tombstoneCount, sequences: sequences)
    }

    /// Calls `body` with the newest record of each key, in key order. Once: it sorts the items.
    mutating func forEachNewest<Failure: Error>(
        in segment: UnsafeRawBufferPointer, _ body: (HintEntry) throws(Failure) -> Void
    ) throws(Failure) {
        unsafe readKeys(in: segment)
        if items.isEmpty { return }
        unsafe alignEras(RecordOrder.key(items[0], in: segment))
        let common = common
        // SAFETY: `RecordOrder` keeps to the buffer.
        unsafe try items.withUnsafeMutableBufferPointer { (buffer) throws(Failure) in
            unsafe try RecordOrder(items: buffer, segment: segment).forEachNewest(
                behind: common, body)
        }
    }

    // MARK: Keys

    /// Takes out of the keys what sorts them, of the records that were added since the last call.
    private mutating func readKeys(in segment: UnsafeRawBufferPointer) {
        guard keyedCount < items.count else { return }
        let model = unsafe RecordOrder.key(items[0], in: segment)
        var common = eras.isEmpty ? model.count : self.common
        for index in keyedCount..<items.count where common > 0 {
            let key = unsafe RecordOrder.key(items[index], in: segment)
            common = unsafe commonPrefixLength(
                key, UnsafeRawBufferPointer(rebasing: model.prefix(common)))
        }
        if eras.last?.common != common { eras.append((keyedCount, common)) }
        self.common = common
        for index in keyedCount..<items.count {
            let key = unsafe RecordOrder.key(items[index], in: segment)
            items[index] |= unsafe UInt64(keyDigit(key, from: common)) << 32
        }
        keyedCount = items.count
    }

    /// Makes the items of earlier eras what they would be in the last one: the bytes that are
    /// missing in front are those that all keys of an era have in common with `model`, the first of
    /// all.
    private mutating func alignEras(_ model: UnsafeRawBufferPointer) {
        let lead = unsafe UInt64(keyDigit(model, from: common)) << 32
        for (era, next) in zip(eras, eras.dropFirst()) {
            // Bits.
            let missing = UInt64(min(era.common - common, 4)) * 8
            let front = lead & ~(UInt64.max >> missing)
            for index in era.start..<next.start {
                let (digit, place) = (items[index] & ~0xffff_ffff, items[index] & 0xffff_ffff)
                items[index] = front | digit >> missing & ~0xffff_ffff | place
            }
        }
        eras = [(0, common)]
    }
}
