/// The k-way merge over sorted hint images: the one mechanism behind open, ordered scan, compaction
/// and verification.
///
/// It streams, reads nothing at random and compares real keys: each step hands over one key with its
/// newest entry (the winner) and every older one (the losers). Newest means highest sequence number;
/// the same number twice is the same write, copied by a compaction that a crash interrupted.
///
/// A tournament of cursors: who lost a match stays at its node, so that a step plays one match a level
/// (the loser tree; Knuth, The Art of Computer Programming 3, 5.4.1). Keys are compared by the eight bytes
/// behind what all of them have in common, as one number, and whole only where these are equal. Who wins
/// cannot be predicted, so that a match of numbers is played without a branch.
///
///     tree[0]  the winner: the cursor with the next key
///     tree[n]  the loser of the match between the winners of 2n and 2n + 1; a leaf is cursor n - count
package struct SortedMerge {
    package enum Direction: Sendable { case ascending, descending }

    private struct Cursor {
        var index: Int
        let end: Int
        let source: Int
        let entries: HintImage.Entries

        var entry: HintEntry { entries[index] }
    }

    private struct Node {
        /// What the cursor's key is compared by: the lower one is the next.
        var rank: UInt64
        var cursor: Int
    }

    /// Kept alive while cursors read them.
    private let images: [HintImage]
    private let step: Int
    /// Bytes that all keys begin with.
    private var common = 0
    private var cursors: [Cursor] = []
    /// Of the entry that `next` returned, in its image.
    package private(set) var index = 0
    private var tree: [Node] = []

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
            cursors.append(
                Cursor(index: first, end: end, source: source, entries: image.entries))
        }
        common = commonPrefixLength()
        tree = [Node](repeating: Node(rank: 0, cursor: 0), count: cursors.count)
        if !cursors.isEmpty { tree[0] = playAll(1) }
    }

    /// The next key's winner, with the index of the image it came from; nil at the end.
    ///
    /// - Parameter loser: called for each older entry of the same key, newest first.
    package mutating func next(
        loser: (_ source: Int, _ entry: HintEntry) -> Void = { _, _ in }
    ) -> (source: Int, entry: HintEntry)? {
        guard let winner = tree.first, !isAtEnd(winner.cursor) else { return nil }
        let (source, entry) = (cursors[winner.cursor].source, cursors[winner.cursor].entry)
        index = cursors[winner.cursor].index
        advance(winner.cursor)
        while true {
            let other = tree[0]
            guard other.rank == winner.rank, !isAtEnd(other.cursor),
                unsafe compareKeys(cursors[other.cursor].entry.key, entry.key) == 0
            else { return (source, entry) }
            loser(cursors[other.cursor].source, cursors[other.cursor].entry)
            advance(other.cursor)
        }
    }

    /// Where the record of an entry lies that comes up soon, if the source with the next key goes on that
    /// far: to be asked for in time.
    @inline(__always)
    package func upcoming() -> (source: Int, offset: Int)? {
        guard let winner = tree.first?.cursor else { return nil }
        let index = cursors[winner].index + 8 * step
        let end = cursors[winner].end
        guard (step > 0 && index < end) || (step < 0 && index > end) else { return nil }
        return (cursors[winner].source, cursors[winner].entries.offset(index))
    }

    // MARK: Cursors

    private func isAtEnd(_ cursor: Int) -> Bool { cursors[cursor].index == cursors[cursor].end }

    /// Moves the winner on, and finds the next one.
    private mutating func advance(_ winner: Int) {
        cursors[winner].index += step
        var best = Node(rank: rank(winner), cursor: winner)
        var node = (winner + cursors.count) / 2
        while node > 0 {
            let other = tree[node]
            if other.rank == best.rank {
                if isTieBefore(other.cursor, best.cursor) { swap(&tree[node], &best) }
            } else {
                let isBefore = other.rank < best.rank
                tree[node] = Node(
                    rank: max(other.rank, best.rank), cursor: isBefore ? best.cursor : other.cursor)
                best = Node(
                    rank: min(other.rank, best.rank), cursor: isBefore ? other.cursor : best.cursor)
            }
            node >>= 1
        }
        tree[0] = best
    }

    @inline(__always)
    private func rank(_ cursor: Int) -> UInt64 {
        // Behind every key there may be.
        if isAtEnd(cursor) { return .max }
        // SAFETY: `images` keeps the entry's bytes alive as long as this merge lives. A mapped file that
        // somebody changes may hold a shorter key by now.
        let prefix = unsafe keyPrefix(
            cursors[cursor].entries.keyOfNext(cursors[cursor].index), from: common)
        return step > 0 ? prefix : ~prefix
    }

    /// The keys are sorted: what the first and last of all have in common, all have.
    private func commonPrefixLength() -> Int {
        guard let model = cursors.first else { return 0 }
        var common = unsafe model.entry.key.count
        for cursor in cursors {
            for entry in [cursor.entry, cursor.entries[cursor.end - step]] {
                common = unsafe min(
                    common, StaveDisk.commonPrefixLength(entry.key, model.entry.key))
            }
        }
        return common
    }

    // MARK: The tournament

    /// Plays all matches below `node` for the first time; returns who won.
    private mutating func playAll(_ node: Int) -> Node {
        if node >= cursors.count {
            let cursor = node - cursors.count
            return Node(rank: rank(cursor), cursor: cursor)
        }
        let (left, right) = (playAll(2 * node), playAll(2 * node + 1))
        let isLeft =
            left.rank == right.rank
            ? isTieBefore(left.cursor, right.cursor) : left.rank < right.rank
        tree[node] = isLeft ? right : left
        return isLeft ? left : right
    }

    private func isTieBefore(_ a: Int, _ b: Int) -> Bool {
        if isAtEnd(a) || isAtEnd(b) { return isAtEnd(b) }
        let order = unsafe compareKeys(cursors[a].entry.key, cursors[b].entry.key)
        if order != 0 { return (order < 0) == (step > 0) }
        return cursors[a].entry.sequence > cursors[b].entry.sequence
    }
}
