/// The k-way merge over sorted hint images: the one mechanism behind open, ordered scan, compaction
/// and verification.
///
/// It streams, reads nothing at random and compares real keys: each step hands over one key with its
/// newest entry (the winner) and every older one (the losers). Newest means highest sequence number;
/// the same number twice is the same write, copied by a compaction that a crash interrupted.
///
/// A binary heap of cursors with the key's first eight bytes cached as a number (Knuth, The Art of
/// Computer Programming 3, 5.4.1).
package struct SortedMerge {
    package enum Direction: Sendable { case ascending, descending }

    private struct Cursor {
        var prefix: UInt64
        var entry: HintEntry
        var index: Int
        let end: Int
        let source: Int
        let entries: HintImage.Entries
    }

    /// Kept alive while cursors read them.
    private let images: [HintImage]
    private let step: Int
    private var heap: [Cursor] = []

    /// Merges all entries with `from` <= key < `to`, where nil is unbounded.
    package init(
        _ images: [HintImage], from: [UInt8]? = nil, to: [UInt8]? = nil,
        direction: Direction = .ascending
    ) {
        self.images = images
        step = direction == .ascending ? 1 : -1
        for (source, image) in images.enumerated() {
            // SAFETY: the bounds are borrowed for the search only.
            let low =
                from.map { key in unsafe key.withUnsafeBytes { unsafe image.lowerBound($0) } } ?? 0
            let high =
                to.map { key in unsafe key.withUnsafeBytes { unsafe image.lowerBound($0) } }
                ?? image.count
            guard low < high else { continue }
            let (first, end) = direction == .ascending ? (low, high) : (high - 1, low - 1)
            let entry = image[first]
            unsafe heap.append(
                Cursor(
                    prefix: keyPrefix(entry.key), entry: entry, index: first, end: end,
                    source: source, entries: image.entries))
        }
        var root = heap.count / 2
        while root > 0 {
            root -= 1
            siftDown(root)
        }
    }

    /// The next key's winner, with the index of the image it came from; nil at the end.
    ///
    /// - Parameter loser: called for each older entry of the same key, newest first.
    package mutating func next(
        loser: (_ source: Int, _ entry: HintEntry) -> Void = { _, _ in }
    ) -> (source: Int, entry: HintEntry)? {
        guard let top = heap.first else { return nil }
        advanceTop()
        while let other = heap.first, other.prefix == top.prefix,
            unsafe compareKeys(other.entry.key, top.entry.key) == 0
        {
            loser(other.source, other.entry)
            advanceTop()
        }
        return (top.source, top.entry)
    }

    /// Where the record of an entry lies that comes up soon, if the source with the next key goes on that
    /// far: to be asked for in time.
    @inline(__always)
    package func upcoming() -> (source: Int, offset: Int)? {
        guard let top = heap.first else { return nil }
        let index = top.index + 8 * step
        guard (step > 0 && index < top.end) || (step < 0 && index > top.end) else { return nil }
        return (top.source, top.entries.offset(index))
    }

    private mutating func advanceTop() {
        let next = heap[0].index + step
        if next == heap[0].end {
            let last = heap.removeLast()
            if heap.isEmpty { return }
            heap[0] = last
        } else {
            // SAFETY: `images` keeps the entry's bytes alive as long as this merge lives.
            let entry = heap[0].entries[next]
            heap[0].prefix = unsafe keyPrefix(entry.key)
            heap[0].entry = entry
            heap[0].index = next
        }
        siftDown(0)
    }

    private mutating func siftDown(_ start: Int) {
        var root = start
        while true {
            var smallest = root
            let left = 2 * root + 1
            if left < heap.count, isBefore(left, smallest) { smallest = left }
            if left + 1 < heap.count, isBefore(left + 1, smallest) { smallest = left + 1 }
            if smallest == root { return }
            heap.swapAt(root, smallest)
            root = smallest
        }
    }

    private func isBefore(_ a: Int, _ b: Int) -> Bool {
        if heap[a].prefix != heap[b].prefix {
            return (heap[a].prefix < heap[b].prefix) == (step > 0)
        }
        let order = unsafe compareKeys(heap[a].entry.key, heap[b].entry.key)
        if order != 0 { return (order < 0) == (step > 0) }
        return heap[a].entry.sequence > heap[b].entry.sequence
    }
}
