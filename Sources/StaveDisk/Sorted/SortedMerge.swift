/// The k-way merge over sorted hint images: the one mechanism behind open, ordered scan, compaction
/// and verification.
///
/// It streams, reads nothing at random and compares real keys: each step hands over one key with
/// its newest entry (the winner) and every older one (the losers). Newest means highest sequence
/// number; the same number twice is the same write, copied by a compaction that a crash
/// interrupted.
///
/// A tournament of cursors, one for each chain: who lost a match stays at its node, so that a step
/// plays one match a level (the loser tree; Knuth, The Art of Computer Programming 3, 5.4.1). Keys
/// are compared by the eight bytes behind what all of them have in common, as one number, and whole
/// only where these are equal.
///
///     tree[0]  the winner: the cursor with the next key
///     tree[n]  the loser of the match between the winners of 2n and 2n + 1; a leaf is cursor n - count
package struct SortedMerge {
    package enum Direction: Sendable { case ascending, descending }

    package typealias Winner = (source: Int, entry: HintEntry)

    private struct Node {
        /// Of the cursor's next key, see `ChainWalk.prefix`.
        var prefix: UInt64 = 0
        var cursor = 0
    }

    private typealias Cursors = UnsafeMutableBufferPointer<ChainWalk.Cursor>
    private typealias Tree = UnsafeMutableBufferPointer<Node>

    /// Keeps the images alive while cursors read them.
    private let walk: ChainWalk
    private var cursors: [ChainWalk.Cursor]
    /// Of the entry that `next` returned, in its image.
    package private(set) var index = 0
    /// Empty where there is nothing to merge.
    private var tree: [Node] = []

    /// Merges all entries with `from` <= key < `to`, where nil is unbounded.
    package init(
        _ images: [HintImage], from: [UInt8]? = nil, to: [UInt8]? = nil,
        direction: Direction = .ascending
    ) {
        self.init(ImageChains(images), from: from, to: to, direction: direction)
    }

    package init(
        _ chains: ImageChains, from: [UInt8]? = nil, to: [UInt8]? = nil,
        direction: Direction = .ascending
    ) {
        walk = ChainWalk(chains, from: from, to: to, step: direction == .ascending ? 1 : -1)
        cursors = walk.cursors()
        guard cursors.count > 1 else { return }
        tree = [Node](repeating: Node(), count: cursors.count)
        unsafe cursors.withUnsafeMutableBufferPointer { cursors in
            unsafe tree.withUnsafeMutableBufferPointer { tree in
                unsafe tree[0] = Self.playAll(1, walk, cursors, tree)
            }
        }
    }

    /// The next key's winner, with the index of the image it came from; nil at the end.
    ///
    /// - Parameter loser: called for each older entry of the same key, newest first.
    package mutating func next(
        loser: (_ source: Int, _ entry: HintEntry) -> Void = { _, _ in }
    ) -> Winner? {
        if tree.isEmpty { return nextOfOne() }
        var index = 0
        defer { self.index = index }
        // One check of whether the arrays are this merge's own, instead of one at every change.
        return unsafe cursors.withUnsafeMutableBufferPointer { cursors in
            unsafe tree.withUnsafeMutableBufferPointer { tree in
                // This merge holds the reference.
                unsafe Unmanaged.passUnretained(walk)._withUnsafeGuaranteedRef { walk in
                    unsafe Self.next(walk, cursors, tree, &index, loser: loser)
                }
            }
        }
    }

    /// Appends the next winners to `winners` until there are `count`, or no more.
    package mutating func take(_ count: Int, into winners: inout [Winner]) {
        guard !tree.isEmpty else {
            while winners.count < count, let next = nextOfOne() { winners.append(next) }
            return
        }
        let walk = walk
        var index = 0
        unsafe cursors.withUnsafeMutableBufferPointer { cursors in
            unsafe tree.withUnsafeMutableBufferPointer { tree in
                while winners.count < count,
                    let next = unsafe Self.next(walk, cursors, tree, &index, loser: { _, _ in })
                {
                    winners.append(next)
                }
            }
        }
    }

    @inline(__always)
    private mutating func nextOfOne() -> Winner? {
        guard let cursor = cursors.first, !cursor.isAtEnd else { return nil }
        index = cursor.index
        walk.move(&cursors[0])
        return (cursor.source, cursor.entry)
    }

    @inline(__always)
    private static func next(
        _ walk: ChainWalk, _ cursors: Cursors, _ tree: Tree, _ index: inout Int,
        loser: (_ source: Int, _ entry: HintEntry) -> Void
    ) -> Winner? {
        let winner = unsafe tree[0]
        guard unsafe !cursors[winner.cursor].isAtEnd else { return nil }
        let source = unsafe cursors[winner.cursor].source
        let entry = unsafe cursors[winner.cursor].entry
        index = unsafe cursors[winner.cursor].index
        unsafe advance(winner.cursor, walk, cursors, tree)
        while true {
            let other = unsafe tree[0]
            guard other.prefix == winner.prefix,
                let older = unsafe cursors[other.cursor].entry(ifKey: entry.key)
            else { return (source, entry) }
            unsafe loser(cursors[other.cursor].source, older)
            unsafe advance(other.cursor, walk, cursors, tree)
        }
    }

    // MARK: The tournament

    /// Moves the winner on, and finds the next one.
    @inline(__always)
    private static func advance(
        _ winner: Int, _ walk: ChainWalk, _ cursors: Cursors, _ tree: Tree
    ) {
        unsafe walk.move(&cursors[winner])
        var best = unsafe Node(prefix: walk.prefix(cursors[winner]), cursor: winner)
        var node = (winner &+ cursors.count) / 2
        while node > 0 {
            let other = unsafe tree[node]
            if unsafe isBefore(other, best, walk, cursors) {
                unsafe tree[node] = best
                best = other
            }
            node /= 2
        }
        unsafe tree[0] = best
    }

    /// Plays all matches below `node` for the first time; returns who won.
    private static func playAll(
        _ node: Int, _ walk: ChainWalk, _ cursors: Cursors, _ tree: Tree
    ) -> Node {
        if node >= cursors.count {
            let cursor = node - cursors.count
            return unsafe Node(prefix: walk.prefix(cursors[cursor]), cursor: cursor)
        }
        let left = unsafe playAll(2 * node, walk, cursors, tree)
        let right = unsafe playAll(2 * node + 1, walk, cursors, tree)
        let isLeft = unsafe isBefore(left, right, walk, cursors)
        unsafe tree[node] = isLeft ? right : left
        return isLeft ? left : right
    }

    @inline(__always)
    private static func isBefore(
        _ a: Node, _ b: Node, _ walk: ChainWalk, _ cursors: Cursors
    ) -> Bool {
        a.prefix != b.prefix
            ? a.prefix < b.prefix
            : unsafe walk.isBefore(cursors[a.cursor], cursors[b.cursor])
    }
}
