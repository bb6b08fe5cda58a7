internal import CLinux

/// What a segment's hint needs of each of its records, in the order in which they were found.
package struct RecordList: Sendable {
    private struct Item {
        var sequence: UInt64
        /// Offset / 8.
        var place: UInt32
        var valueLength: UInt32
        var keyLength: UInt16
        var kind: RecordKind
        var flags: UInt8
    }

    private var items: [Item] = []

    package init() {}

    package init(_ records: some Sequence<(offset: Int, header: RecordHeader)>) {
        for record in records { append(record.header, at: record.offset) }
    }

    package var count: Int { items.count }

    package mutating func reserveCapacity(_ count: Int) { items.reserveCapacity(count) }

    /// Adds a record that starts at `offset` of the segment, checked already.
    package mutating func append(_ header: RecordHeader, at offset: Int) {
        items.append(
            Item(
                sequence: header.sequence, place: UInt32(offset / Format.alignment),
                valueLength: UInt32(header.valueLength), keyLength: UInt16(header.keyLength),
                kind: header.kind ?? .value, flags: header.flags))
    }

    /// Lowest and highest sequence number; nil without records.
    package var sequences: ClosedRange<UInt64>? {
        guard let first = items.first else { return nil }
        var (low, high) = (first.sequence, first.sequence)
        for item in items { (low, high) = (min(low, item.sequence), max(high, item.sequence)) }
        return low...high
    }

    /// The hint image of these records: sorted by key, the newest of each key.
    ///
    /// - Parameter segment: the segment's bytes from the start of its file; read for the keys.
    package func image(
        of segment: UnsafeRawBufferPointer, identity: UInt64, segmentLength: Int
    ) -> HintImage {
        var builder = HintBuilder(
            expectedCount: items.count,
            expectedKeyBytes: items.reduce(0) { $0 + Int($1.keyLength) })
        for item in items { builder.count(sequence: item.sequence, kind: item.kind) }
        let order = unsafe sortedOrder(in: segment)
        var previous: UnsafeRawBufferPointer?
        unsafe ask(for: order, 0..<Self.blockSize, in: segment)
        for position in order.indices {
            if position % Self.blockSize == 0 {
                let next = position + Self.blockSize
                unsafe ask(for: order, next..<next + Self.blockSize, in: segment)
            }
            let item = items[Int(order[position].index)]
            let key = unsafe key(of: item, in: segment)
            let isTie = position > 0 && order[position].word == order[position - 1].word
            if isTie, let previous = unsafe previous, unsafe compareKeys(previous, key) == 0 {
                continue
            }
            unsafe previous = unsafe key
            unsafe builder.append(
                HintEntry(
                    sequence: item.sequence, offset: Int(item.place) * Format.alignment,
                    valueLength: Int(item.valueLength), kind: item.kind, flags: item.flags, key: key
                ))
        }
        return builder.finish(identity: identity, segmentLength: segmentLength)
    }

    /// Items and records that are asked for together.
    private static let blockSize = 32

    /// Asks for what comes up, all of it at once: the processor then looks for the pages of many at the
    /// same time, and that takes longest.
    private func ask(
        for order: [RadixSort.Item], _ range: Range<Int>, in segment: UnsafeRawBufferPointer
    ) {
        guard let start = segment.baseAddress else { return }
        unsafe items.withUnsafeBufferPointer { items in
            for item in order[range.clamped(to: order.indices)] {
                unsafe stave_prefetch(items.baseAddress! + Int(item.index))
                let record = unsafe start + Int(item.place) * Format.alignment
                unsafe stave_prefetch(record)
                unsafe stave_prefetch(record + RecordHeader.byteCount + 15)
            }
        }
    }

    // SAFETY: whoever appended the record checked that it lies inside the segment with its key.
    @inline(__always)
    private func key(of item: Item, in segment: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let start = Int(item.place) * Format.alignment + RecordHeader.byteCount
        return unsafe UnsafeRawBufferPointer(
            start: segment.baseAddress! + start, count: Int(item.keyLength))
    }

    // MARK: Sorting

    /// Positions in `items`, by key, the newest first among records of one key.
    ///
    /// Sorts by the eight bytes behind what all keys have in common, as one number, and compares whole
    /// keys only where these are equal.
    private func sortedOrder(in segment: UnsafeRawBufferPointer) -> [RadixSort.Item] {
        let common = unsafe commonPrefixLength(in: segment)
        var order: [RadixSort.Item] = []
        order.reserveCapacity(items.count)
        // From the end, because the sort is stable: records of one key mostly come out newest first.
        for index in items.indices.reversed() {
            let key = unsafe key(of: items[index], in: segment)
            unsafe order.append(
                RadixSort.Item(
                    word: keyPrefix(key, from: common), index: UInt32(index),
                    place: items[index].place))
        }
        RadixSort.sort(&order)
        var start = 0
        while start < order.count {
            var end = start + 1
            while end < order.count, order[end].word == order[start].word { end += 1 }
            if end - start > 1 { unsafe sortTies(&order, start..<end, in: segment) }
            start = end
        }
        return order
    }

    /// Sorts records whose keys agree in the number: a few, and mostly in order, by insertion.
    private func sortTies(
        _ order: inout [RadixSort.Item], _ range: Range<Int>, in segment: UnsafeRawBufferPointer
    ) {
        guard range.count <= 16 else {
            order[range].sort { a, b in unsafe isBefore(a.index, b.index, in: segment) }
            return
        }
        for position in range.dropFirst() {
            let item = order[position]
            var place = position
            while place > range.lowerBound,
                unsafe isBefore(item.index, order[place - 1].index, in: segment)
            {
                order[place] = order[place - 1]
                place -= 1
            }
            order[place] = item
        }
    }

    private func isBefore(_ a: UInt32, _ b: UInt32, in segment: UnsafeRawBufferPointer) -> Bool {
        let (left, right) = (items[Int(a)], items[Int(b)])
        let order = unsafe compareKeys(key(of: left, in: segment), key(of: right, in: segment))
        if order != 0 { return order < 0 }
        return left.sequence > right.sequence
    }

    private func commonPrefixLength(in segment: UnsafeRawBufferPointer) -> Int {
        guard let first = items.first else { return 0 }
        let model = unsafe key(of: first, in: segment)
        var common = model.count
        for item in items {
            let key = unsafe key(of: item, in: segment)
            // No further than they are known to agree.
            common = unsafe StaveDisk.commonPrefixLength(
                key, UnsafeRawBufferPointer(rebasing: model.prefix(common)))
            if common == 0 { return 0 }
        }
        return common
    }
}

/// Sorting by a 64-bit number, least significant digit first (Knuth, The Art of Computer Programming
/// 3, 5.2.5). Stable. Digits in which all numbers agree cost nothing but their counting.
package enum RadixSort {
    package struct Item: Sendable {
        package var word: UInt64
        package var index: UInt32
        /// Whatever else is to be known of it.
        package var place: UInt32

        package init(word: UInt64, index: UInt32, place: UInt32 = 0) {
            self.word = word
            self.index = index
            self.place = place
        }
    }

    private static let digitBits: UInt64 = 11

    package static func sort(_ items: inout [Item]) {
        // The tables of a radix sort cost more than sorting a few by comparison.
        guard items.count > 512 else {
            items.sort { ($0.word, $0.index) < ($1.word, $1.index) }
            return
        }
        var differing: UInt64 = 0
        for item in items { differing |= item.word ^ items[0].word }
        var other = items
        var shift: UInt64 = 0
        while shift < 64 {
            if differing >> shift & (1 << digitBits - 1) != 0 {
                pass(shift, from: items, to: &other)
                swap(&items, &other)
            }
            shift += digitBits
        }
    }

    private static func pass(_ shift: UInt64, from items: [Item], to target: inout [Item]) {
        let mask: UInt64 = 1 << digitBits - 1
        var starts = [Int](repeating: 0, count: 1 << Int(digitBits))
        for item in items { starts[Int(item.word >> shift & mask)] += 1 }
        var sum = 0
        for digit in starts.indices { (starts[digit], sum) = (sum, sum + starts[digit]) }
        // SAFETY: both arrays have the same count, and each item's place is counted once.
        unsafe target.withUnsafeMutableBufferPointer { target in
            for item in items {
                let digit = Int(item.word >> shift & mask)
                unsafe target[starts[digit]] = item
                starts[digit] += 1
            }
        }
    }
}
