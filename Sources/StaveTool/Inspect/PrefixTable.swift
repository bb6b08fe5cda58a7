internal import StaveDisk

/// Bytes by prefix of the key: up to the first delimiter, which belongs to the prefix.
///
/// It holds a bounded number of prefixes. As long as there are no more, one walk over the records
/// counts them all. Where there are more, the sorted merge, in which the keys of a prefix come one
/// after the other, chooses those with the most bytes in newest records, and a second walk counts
/// the chosen; the others are counted together.
struct PrefixTable {
    static let defaultCapacity = 1 << 16

    struct Usage {
        /// nil for keys without a delimiter.
        var prefix: [UInt8]?
        var keys = 0
        var liveBytes = 0
        var tombstoneBytes = 0
        /// Of all its records, with their padding.
        var bytes = 0
        var deadBytes: Int { bytes - liveBytes - tombstoneBytes }

        mutating func add(_ length: Int, _ kind: RecordKind) {
            if kind == .value {
                keys += 1
                liveBytes += length
            } else {
                tombstoneBytes += length
            }
        }

        mutating func add(_ other: Usage) {
            keys += other.keys
            liveBytes += other.liveBytes
            tombstoneBytes += other.tombstoneBytes
            bytes += other.bytes
        }
    }

    private let delimiter: [UInt8]
    private let capacity: Int
    private var usages: [Usage] = []
    /// Hash table of places in `usages`, by linear probing; -1 is empty. At most half full.
    private var slots = [Int32](repeating: -1, count: 1024)
    private var hashes: [UInt64] = []
    private var none = Usage()
    /// All prefixes together.
    private(set) var total = Usage()
    /// There are more prefixes than the table holds.
    private(set) var overflowed = false

    // The merge: where prefixes do not fit, the largest so far, the smallest of them on top of a
    // heap.
    private var group = Usage()
    private var heap: [Usage] = []
    /// Prefixes of newest records.
    private(set) var prefixCount = 0

    init(delimiter: [UInt8], capacity: Int) {
        self.delimiter = delimiter
        self.capacity = max(1, capacity)
    }

    /// Bytes of `key` that are its prefix; nil where there is no delimiter in it.
    static func prefixLength(_ key: UnsafeRawBufferPointer, _ delimiter: [UInt8]) -> Int? {
        guard let first = delimiter.first, key.count >= delimiter.count else { return nil }
        var start = 0
        while start + delimiter.count <= key.count {
            // SAFETY: start + delimiter.count <= key.count.
            if unsafe key[start] == first {
                var length = 1
                while length < delimiter.count,
                    unsafe key[start + length] == delimiter[length]
                { length += 1 }
                if length == delimiter.count { return start + length }
            }
            start += 1
        }
        return nil
    }

    // MARK: The walk

    /// Counts a record, whose key lies in `bytes`.
    mutating func count(_ bytes: RawSpan, keyAt offset: Int, _ header: RecordHeader) {
        total.bytes += header.recordLength
        guard !overflowed else { return }
        find(bytes, keyAt: offset, header, makesNew: true)
    }

    /// The same in the second walk: only prefixes that were chosen count.
    mutating func countChosen(_ bytes: RawSpan, keyAt offset: Int, _ header: RecordHeader) {
        find(bytes, keyAt: offset, header, makesNew: false)
    }

    private mutating func find(
        _ bytes: RawSpan, keyAt offset: Int, _ header: RecordHeader, makesNew: Bool
    ) {
        let start = offset + RecordHeader.byteCount
        let key = bytes.extracting(start..<(start + header.keyLength))
        // SAFETY: the key is borrowed for the search.
        let length = unsafe key.withUnsafeBytes { unsafe Self.prefixLength($0, delimiter) }
        guard let length else {
            none.bytes += header.recordLength
            return
        }
        let prefix = key.extracting(first: length)
        guard let place = place(of: prefix, makesNew: makesNew) else { return }
        usages[place].bytes += header.recordLength
    }

    /// Where a prefix is counted; nil where it is none of the table's.
    private mutating func place(of prefix: RawSpan, makesNew: Bool) -> Int? {
        let hash = Checksum.hash(prefix)
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] >= 0 {
            let place = Int(slots[slot])
            // SAFETY: the prefix is borrowed for the comparison.
            if hashes[place] == hash,
                unsafe prefix.withUnsafeBytes({
                    unsafe $0.elementsEqual(usages[place].prefix ?? [])
                })
            {
                return place
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        guard makesNew else { return nil }
        guard usages.count < capacity else {
            overflowed = true
            return nil
        }
        usages.append(Usage(prefix: prefix.array(0..<prefix.byteCount)))
        hashes.append(hash)
        slots[slot] = Int32(usages.count - 1)
        if usages.count * 2 > slots.count { fillSlots(4 * slots.count) }
        return usages.count - 1
    }

    private mutating func fillSlots(_ count: Int) {
        slots = [Int32](repeating: -1, count: count)
        for (place, hash) in hashes.enumerated() {
            var slot = Int(truncatingIfNeeded: hash) & (count - 1)
            while slots[slot] >= 0 { slot = (slot + 1) & (count - 1) }
            slots[slot] = Int32(place)
        }
    }

    // MARK: The merge

    /// The newest record of `key`; keys come in their order.
    mutating func addNewest(_ key: UnsafeRawBufferPointer, _ length: Int, _ kind: RecordKind) {
        total.add(length, kind)
        guard let prefixLength = unsafe Self.prefixLength(key, delimiter) else {
            none.add(length, kind)
            return
        }
        let isSame = group.prefix.map {
            unsafe $0.count == prefixLength && key.starts(with: $0)
        }
        if isSame != true {
            finishGroup()
            group = unsafe Usage(prefix: Array(key[..<prefixLength]))
        }
        group.add(length, kind)
    }

    mutating func finishMerge() {
        finishGroup()
        guard overflowed else { return }
        usages = heap
        heap = []
        none.bytes = 0
        hashes = usages.map { usage in
            let prefix = usage.prefix ?? []
            return unsafe Checksum.hash(prefix.span.bytes)
        }
        fillSlots(slots.count)
    }

    private mutating func finishGroup() {
        guard let prefix = group.prefix else { return }
        prefixCount += 1
        if !overflowed {
            // SAFETY: the span is borrowed for the search.
            if let place = unsafe place(of: prefix.span.bytes, makesNew: false) {
                let bytes = usages[place].bytes
                usages[place] = group
                usages[place].bytes = bytes
            }
        } else if heap.count < capacity {
            heap.append(group)
            siftUp()
        } else if Self.isLess(heap[0], group) {
            heap[0] = group
            siftDown()
        }
        group = Usage()
    }

    private static func isLess(_ a: Usage, _ b: Usage) -> Bool {
        a.liveBytes + a.tombstoneBytes < b.liveBytes + b.tombstoneBytes
    }

    private mutating func siftUp() {
        var place = heap.count - 1
        while place > 0, Self.isLess(heap[place], heap[(place - 1) / 2]) {
            heap.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    private mutating func siftDown() {
        var place = 0
        while true {
            var least = place
            for child in [2 * place + 1, 2 * place + 2] where child < heap.count {
                if Self.isLess(heap[child], heap[least]) { least = child }
            }
            if least == place { return }
            heap.swapAt(place, least)
            place = least
        }
    }

    // MARK: The result

    /// At most `limit` prefixes, the largest first; keys without a delimiter are one of them.
    func largest(_ limit: Int) -> (shown: [Usage], rest: Usage, restCount: Int) {
        var all = usages.filter { $0.bytes > 0 }
        if none.bytes > 0 { all.append(none) }
        all.sort {
            $0.bytes != $1.bytes
                ? $0.bytes > $1.bytes
                : ($0.prefix ?? []).lexicographicallyPrecedes($1.prefix ?? [])
        }
        let shown = Array(all.prefix(limit))
        var rest = total
        for usage in shown {
            rest.keys -= usage.keys
            rest.liveBytes -= usage.liveBytes
            rest.tombstoneBytes -= usage.tombstoneBytes
            rest.bytes -= usage.bytes
        }
        let known = max(prefixCount, usages.count) + (none.bytes > 0 ? 1 : 0)
        return (shown, rest, max(0, known - shown.count))
    }
}
