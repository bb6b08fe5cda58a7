internal import CLinux

/// The records of a `RecordList` in the order of their keys, sorted in place while they are walked.
///
/// Sorts by the four bytes of the keys that the items hold. Items that agree in them get the next
/// four, are sorted by these, and so on to the end of the keys: a radix sort from the most
/// significant digit that keeps the digit it works on at hand (W.-K. Ng, K. Kakehi, Cache Efficient
/// Radix Sort for String Sorting, 2007). Each stretch is walked as soon as it is sorted, so that a
/// record is fetched from memory once: its key for sorting, and then all of it, out of the
/// processor's cache.
@safe struct RecordOrder {
    /// A stretch of items that agree in the bytes before `depth` and are sorted by the four there.
    private struct Frame {
        var start: Int
        var end: Int
        var depth: Int
    }

    let items: UnsafeMutableBufferPointer<UInt64>
    let segment: UnsafeRawBufferPointer

    /// As many are sorted by comparing whole keys.
    private static let few = 8

    /// Calls `body` with the newest record of each key. All keys agree in the first `common` bytes,
    /// and the items hold the four behind.
    func forEachNewest<Failure: Error>(
        behind common: Int, _ body: (HintEntry) throws(Failure) -> Void
    ) throws(Failure) {
        unsafe RadixSort.sort(items)
        var frame = unsafe Frame(start: 0, end: items.count, depth: common)
        var outer: [Frame] = []
        var position = 0
        while true {
            if position == frame.end {
                guard let last = outer.popLast() else { return }
                frame = last
                continue
            }
            let group = groupOfDigit(at: position, in: frame)
            if group.count <= Self.few {
                try walkFew(group, body)
            } else if let inner = split(group, of: frame) {
                outer.append(frame)
                frame = inner
                continue
            } else {
                try walkEnded(group, body)
            }
            position = group.upperBound
        }
    }

    /// The items from `position` on with the same four bytes.
    @inline(__always)
    private func groupOfDigit(at position: Int, in frame: Frame) -> Range<Int> {
        let digit = unsafe items[position] >> 32
        var end = position + 1
        while end < frame.end, unsafe items[end] >> 32 == digit { end += 1 }
        return position..<end
    }

    /// Sorts a group by its next four bytes; nil where its keys all end before.
    private func split(_ group: Range<Int>, of frame: Frame) -> Frame? {
        var depth = frame.depth + 4
        // The four bytes told nothing apart: the next ones that do may be far.
        if group == frame.start..<frame.end { depth = max(depth, commonPrefix(of: group)) }
        var longest = 0
        for index in group {
            prefetch(index + 32)
            let item = unsafe items[index]
            let key = unsafe Self.key(item, in: segment)
            longest = max(longest, key.count)
            unsafe items[index] =
                unsafe UInt64(keyDigit(key, from: depth)) << 32 | item & 0xffff_ffff
        }
        if longest <= depth { return nil }
        unsafe RadixSort.sort(UnsafeMutableBufferPointer(rebasing: items[group]))
        return Frame(start: group.lowerBound, end: group.upperBound, depth: depth)
    }

    private func commonPrefix(of group: Range<Int>) -> Int {
        let model = unsafe Self.key(items[group.lowerBound], in: segment)
        var common = model.count
        for index in group {
            prefetch(index + 32)
            common = unsafe commonPrefixLength(
                Self.key(items[index], in: segment),
                UnsafeRawBufferPointer(rebasing: model.prefix(common)))
        }
        return common
    }

    // MARK: Walking

    @inline(__always)
    private func walkFew<Failure: Error>(
        _ group: Range<Int>, _ body: (HintEntry) throws(Failure) -> Void
    ) throws(Failure) {
        for index in group { prefetch(index + 32) }
        for index in group.dropFirst() {
            let item = unsafe items[index]
            var place = index
            while place > group.lowerBound, unsafe isBefore(item, items[place - 1]) {
                unsafe items[place] = unsafe items[place - 1]
                place -= 1
            }
            unsafe items[place] = item
        }
        try walkSorted(group, body)
    }

    /// Keys that differ in nothing but the number of zeros at their ends, and mostly not even in
    /// that: one key that was written over and over.
    private func walkEnded<Failure: Error>(
        _ group: Range<Int>, _ body: (HintEntry) throws(Failure) -> Void
    ) throws(Failure) {
        let length = unsafe Self.key(items[group.lowerBound], in: segment).count
        var newest = unsafe items[group.lowerBound]
        for index in group.dropFirst() {
            prefetch(index + 32)
            let item = unsafe items[index]
            guard unsafe Self.key(item, in: segment).count == length else {
                unsafe items[group].sort(by: isBefore)
                return try walkSorted(group, body)
            }
            if isNewer(item, newest) { newest = item }
        }
        try body(entry(newest))
    }

    @inline(__always)
    private func walkSorted<Failure: Error>(
        _ group: Range<Int>, _ body: (HintEntry) throws(Failure) -> Void
    ) throws(Failure) {
        var last = unsafe entry(items[group.lowerBound])
        try body(last)
        for index in group.dropFirst() {
            let next = unsafe entry(items[index])
            if unsafe compareKeys(last.key, next.key) == 0 { continue }
            try body(next)
            last = next
        }
    }

    private func isBefore(_ a: UInt64, _ b: UInt64) -> Bool {
        let order = unsafe compareKeys(Self.key(a, in: segment), Self.key(b, in: segment))
        return order == 0 ? isNewer(a, b) : order < 0
    }

    /// Of two records of one key.
    private func isNewer(_ a: UInt64, _ b: UInt64) -> Bool {
        let (left, right) = unsafe (
            Self.header(a, in: segment).sequence, Self.header(b, in: segment).sequence
        )
        return left == right ? Self.offset(a) > Self.offset(b) : left > right
    }

    // MARK: Records

    @inline(__always)
    private func entry(_ item: UInt64) -> HintEntry {
        let header = unsafe Self.header(item, in: segment)
        return unsafe HintEntry(
            header, kind: header.kind ?? .value, offset: Self.offset(item),
            key: Self.key(item, in: segment))
    }

    /// Asks for the header and the first bytes of the key.
    @inline(__always)
    private func prefetch(_ index: Int) {
        guard unsafe index < items.count else { return }
        // SAFETY: a prefetch of any address is harmless.
        let start = unsafe segment.baseAddress! + Self.offset(items[index])
        unsafe stave_prefetch(start)
        unsafe stave_prefetch(start + RecordHeader.byteCount + 12)
    }

    /// Where an item's record starts in the segment, in bytes.
    @inline(__always)
    static func offset(_ item: UInt64) -> Int {
        Int(truncatingIfNeeded: item & 0xffff_ffff) &* Format.alignment
    }

    // SAFETY: the record was checked to lie inside the segment with its key when it was appended. A
    // program may overwrite a mapped file since, so the key's length is cut to what is there: it
    // may be wrong then, but it traps nowhere.
    @inline(__always)
    static func header(_ item: UInt64, in segment: UnsafeRawBufferPointer) -> RecordHeader {
        unsafe RecordHeader(
            unchecked: UnsafeRawBufferPointer(
                start: segment.baseAddress! + offset(item), count: RecordHeader.byteCount
            ).bytes)
    }

    @inline(__always)
    static func key(
        _ item: UInt64, in segment: UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer {
        let start = offset(item) &+ RecordHeader.byteCount
        let length = unsafe min(
            header(item, in: segment).keyLength, segment.count &- start)
        return unsafe UnsafeRawBufferPointer(start: segment.baseAddress! + start, count: length)
    }
}

/// Four bytes of a key from `depth` on, as a number that orders as they do; zeros where it has
/// ended.
@inline(__always)
func keyDigit(_ key: UnsafeRawBufferPointer, from depth: Int) -> UInt32 {
    // SAFETY: the loads are guarded by the count.
    if key.count &- depth >= 4 {
        return unsafe UInt32(bigEndian: key.loadUnaligned(fromByteOffset: depth, as: UInt32.self))
    }
    var digit: UInt32 = 0
    for index in depth..<depth + 4 {
        digit = unsafe digit << 8 | (index < key.count ? UInt32(key[index]) : 0)
    }
    return digit
}
