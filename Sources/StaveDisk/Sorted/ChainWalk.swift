/// The keys that a merge visits, and in which direction: positions a cursor on each chain, and
/// moves it from image to image.
final class ChainWalk: Sendable {
    /// Where it is in a chain: at an entry of one of its images, or at the end.
    struct Cursor {
        fileprivate(set) var entries: HintImage.Entries
        /// Where its entry begins in the image.
        fileprivate(set) var start: Int
        fileprivate(set) var index: Int
        fileprivate(set) var end: Int
        fileprivate(set) var source: Int
        /// Where in `chains.order` its image is, and the last one that it comes to.
        fileprivate(set) var position: Int
        fileprivate let lastPosition: Int

        @inline(__always)
        var isAtEnd: Bool { index == end }

        @inline(__always)
        var entry: HintEntry { entries.entry(at: start) }

        /// Its entry if that is of this key.
        func entry(ifKey key: UnsafeRawBufferPointer) -> HintEntry? {
            guard !isAtEnd else { return nil }
            let entry = entry
            return unsafe compareKeys(entry.key, key) == 0 ? entry : nil
        }
    }

    private let chains: ImageChains
    private let from: [UInt8]?
    private let to: [UInt8]?
    private let step: Int
    /// Bytes that all keys of the range begin with.
    private let common: Int

    /// Entries that are asked for ahead of their turn.
    private static let lookAhead = 8

    init(_ chains: ImageChains, from: [UInt8]?, to: [UInt8]?, step: Int) {
        self.chains = chains
        self.from = from
        self.to = to
        self.step = step
        var common = chains.common
        if let from, let to {
            // What both bounds begin with, all keys between them do.
            let shared = unsafe from.withUnsafeBytes { from in
                unsafe to.withUnsafeBytes { unsafe commonPrefixLength(from, $0) }
            }
            common = max(common, shared)
        }
        self.common = common
    }

    /// The first eight bytes of a cursor's key behind what all have in common, as a number: the
    /// lower, the sooner it comes. A cursor at its end comes last.
    @inline(__always)
    func prefix(_ cursor: Cursor) -> UInt64 {
        if cursor.isAtEnd { return .max }
        let prefix = cursor.entries.prefix(at: cursor.start, from: common)
        return step > 0 ? prefix : ~prefix
    }

    /// Does cursor `a` come before `b`, whose numbers are the same? Of one key, the newest entry
    /// does.
    @inline(never)
    func isBefore(_ a: Cursor, _ b: Cursor) -> Bool {
        if a.isAtEnd || b.isAtEnd { return b.isAtEnd }
        let (left, right) = (a.entry, b.entry)
        let order = unsafe compareKeys(left.key, right.key)
        return order != 0 ? (order < 0) == (step > 0) : left.sequence > right.sequence
    }

    /// Moves a cursor on.
    @inline(__always)
    func move(_ cursor: inout Cursor) {
        let next = cursor.index &+ step
        cursor.index = next
        if next != cursor.end {
            cursor.entries.prefetch(next &+ Self.lookAhead &* step)
            // SAFETY: `chains` keeps the entry's bytes alive as long as the merge lives.
            cursor.start = cursor.entries.start(next)
        } else if cursor.position != cursor.lastPosition {
            enter(cursor.position + step, &cursor)
        }
    }

    @inline(never)
    private func enter(_ position: Int, _ cursor: inout Cursor) {
        let source = chains.order[position]
        let image = chains.images[source]
        let (low, high) = step > 0 ? (0, end(of: image)) : (start(of: image), image.count)
        cursor.position = position
        cursor.source = source
        cursor.entries = image.entries
        cursor.set(low..<max(low, high), step)
    }

    // MARK: Positioning

    /// A cursor for each chain that has keys in the range.
    ///
    /// In rounds, so that what one search has to wait for arrives while others go on.
    func cursors() -> [Cursor] {
        let bound = step > 0 ? from : to
        var starts: [(position: Int, lastPosition: Int, range: Range<Int>)] = []
        starts.reserveCapacity(chains.ends.count)
        var start = 0
        for end in chains.ends {
            defer { start = end }
            guard let position = firstPosition(start..<end) else { continue }
            let image = image(at: position)
            let range = bound.map { image.narrow($0) } ?? 0..<image.count
            if bound != nil { image.entries.prefetchIndex(range.lowerBound) }
            starts.append((position, step > 0 ? end - 1 : start, range))
        }
        if bound != nil {
            for start in starts { image(at: start.position).entries.prefetch(start.range) }
        }
        var cursors: [Cursor] = []
        cursors.reserveCapacity(starts.count)
        for start in starts {
            let image = image(at: start.position)
            var (low, high) = (0, image.count)
            if step > 0 {
                if let from { low = image.lowerBound(from, in: start.range) }
                high = end(of: image)
            } else {
                if let to { high = image.lowerBound(to, in: start.range) }
                low = self.start(of: image)
            }
            guard low < high else { continue }
            var cursor = Cursor(
                entries: image.entries, start: 0, index: 0, end: 0,
                source: chains.order[start.position], position: start.position,
                lastPosition: start.lastPosition)
            cursor.set(low..<high, step)
            cursors.append(cursor)
        }
        return cursors
    }

    private func image(at position: Int) -> HintImage { chains.images[chains.order[position]] }

    /// The first image of a chain, in the direction of the merge, that can have keys in the range.
    private func firstPosition(_ chain: Range<Int>) -> Int? {
        var (low, high) = (chain.lowerBound, chain.upperBound)
        guard let bound = step > 0 ? from : to else { return step > 0 ? low : high - 1 }
        // Going up, images that end below the bound are passed by; going down, the last that begins
        // below it comes first.
        while low < high {
            let middle = (low + high) / 2
            let key = unsafe step > 0 ? image(at: middle).last : image(at: middle).first
            if unsafe compareKeys(key, bound) < 0 { low = middle + 1 } else { high = middle }
        }
        if step > 0 { return low < chain.upperBound ? low : nil }
        return low > chain.lowerBound ? low - 1 : nil
    }

    /// Behind the last entry of an image in the range.
    private func end(of image: HintImage) -> Int {
        guard let to, unsafe compareKeys(image.last, to) >= 0 else { return image.count }
        return image.lowerBound(to)
    }

    /// The first entry of an image in the range.
    private func start(of image: HintImage) -> Int {
        guard let from, unsafe compareKeys(image.first, from) < 0 else { return 0 }
        return image.lowerBound(from)
    }
}

extension ChainWalk.Cursor {
    /// Begins with some entries of its image.
    fileprivate mutating func set(_ range: Range<Int>, _ step: Int) {
        (index, end) =
            step > 0
            ? (range.lowerBound, range.upperBound) : (range.upperBound - 1, range.lowerBound - 1)
        if !isAtEnd { start = entries.start(index) }
    }
}
