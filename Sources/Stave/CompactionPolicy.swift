package import StaveDisk

/// When the background compacts. Sizes are bytes of records; hint files come on top, with 24 bytes and
/// the key for each key.
public struct CompactionPolicy: Sendable {
    /// Compact in the background, without being asked.
    public var isAutomatic = true
    /// Compaction starts when records take this many times the bytes of the live ones.
    public var startAmplification = 1.5
    /// Writers are held up while records take more than this many times the bytes of the live ones,
    /// and half a segment: the directory stays below it, with a segment in flight.
    public var maxAmplification = 2.0
    /// Fewer dead bytes than this are not worth a compaction.
    public var minDeadBytes = 4 << 20
    /// Bytes a second that a compaction in the background may copy; 0 is no limit.
    public var bytesPerSecond = 0

    public init() {}
}

/// How a store's records are spread, in bytes, at one moment.
package struct SpaceUse {
    /// All records.
    var totalBytes = 0
    var liveBytes = 0
    var tombstoneBytes = 0

    var deadBytes: Int { totalBytes - liveBytes - tombstoneBytes }

    package init(_ segments: [some CompactionCandidate]) {
        for segment in segments {
            totalBytes += segment.end - SegmentHeader.byteCount
            liveBytes += segment.liveBytes
            tombstoneBytes += segment.tombstoneBytes
        }
    }

    package func isDue(_ policy: CompactionPolicy) -> Bool { deadBytes >= deadBytesToStart(policy) }

    /// More dead bytes until a compaction starts.
    package func deadBytesLeft(_ policy: CompactionPolicy) -> Int {
        Swift.max(0, deadBytesToStart(policy) - deadBytes)
    }

    /// Dead bytes at which a compaction starts.
    func deadBytesToStart(_ policy: CompactionPolicy) -> Int {
        max(policy.minDeadBytes, Int(Double(liveBytes) * (policy.startAmplification - 1)))
    }

    /// Half a segment is for what the writer appends meanwhile, half for what the compaction writes.
    func isOverBound(_ policy: CompactionPolicy, segmentSize: Int) -> Bool {
        let slack = segmentSize / 2 - min(32 << 20, segmentSize / 4) + policy.minDeadBytes
        return Double(totalBytes) > Double(liveBytes) * policy.maxAmplification + Double(slack)
    }
}

/// What a choice of segments to rewrite looks at. Sizes are bytes. The one rule for the store that
/// compacts and for the inspector that says what a compaction would do.
package protocol CompactionCandidate {
    /// Where its records end.
    var end: Int { get }
    /// Values that are the newest record of their key.
    var liveBytes: Int { get }
    /// Tombstones that are the newest record of their key.
    var tombstoneBytes: Int { get }
    /// Whole records lie behind its end: nothing rewrites it.
    var keepsCutBytes: Bool { get }
    /// It is known to have damage: the background leaves it alone.
    var isDamaged: Bool { get }
}

extension CompactionCandidate {
    /// Records that are neither live nor a needed tombstone, in bytes.
    package var deadBytes: Int { end - SegmentHeader.byteCount - liveBytes - tombstoneBytes }

    fileprivate var gainForCost: Double {
        Double(deadBytes) / Double(liveBytes + tombstoneBytes + 4096)
    }
}

/// Between which keys those of a segment lie.
private struct KeyPlace {
    let index: Int
    let image: HintImage
}

extension Array where Element: CompactionCandidate {
    /// What `compact` rewrites: segments that hold dead records or tombstones, and those that keep the
    /// store from being one sorted sequence, because their records are not in key order or their keys
    /// overlap another's. Small ones, too, beside another one to rewrite: the two become one.
    ///
    /// - Parameter image: a segment's sorted entries; nil where they are not known.
    package func worthRewriting(
        segmentSize: Int, image: (Element) -> HintImage?
    ) -> [Element] {
        let whole = filter { !$0.keepsCutBytes }
        let isSmall = whole.map { $0.end < segmentSize / 2 }
        var isChosen = whole.map { $0.deadBytes > 0 || $0.tombstoneBytes > 0 }
        let places = whole.placesInKeyOrder(image)
        var furthest: KeyPlace?
        for place in places {
            if !place.image.isInKeyOrder { isChosen[place.index] = true }
            if let before = furthest, unsafe compareKeys(place.image.first, before.image.last) <= 0
            {
                isChosen[before.index] = true
                isChosen[place.index] = true
                if unsafe compareKeys(place.image.last, before.image.last) <= 0 { continue }
            }
            furthest = place
        }
        func isMergeable(_ index: Int) -> Bool {
            (isSmall[index] && !whole[index].isDamaged) || isChosen[index]
        }
        var joining = Set(whole.indices.filter { isMergeable($0) && isSmall[$0] })
        if whole.indices.count(where: isMergeable) < 2 { joining = [] }
        for (position, place) in places.enumerated() {
            let neighbours = places[
                Swift.max(0, position - 1)..<Swift.min(position + 2, places.count)]
            if neighbours.count(where: { isMergeable($0.index) }) < 2 {
                joining.remove(place.index)
            }
        }
        return whole.indices.filter { isChosen[$0] || joining.contains($0) }.map { whole[$0] }
    }

    /// Where the keys of segments lie, by their first key; without segments whose keys are not known, or
    /// that are to stay as they are.
    private func placesInKeyOrder(_ image: (Element) -> HintImage?) -> [KeyPlace] {
        indices.compactMap { index -> KeyPlace? in
            guard !self[index].isDamaged, let image = image(self[index]), image.count > 0 else {
                return nil
            }
            return KeyPlace(index: index, image: image)
        }.sorted { unsafe compareKeys($0.image.first, $1.image.first) < 0 }
    }

    /// The segments to rewrite next: most gain for the cost first, with no more live bytes than half a
    /// segment, so that the space in flight is bounded. At least one where any holds dead records.
    package func victims(segmentSize: Int) -> [Element] {
        let candidates = filter { $0.deadBytes > 0 && !$0.keepsCutBytes && !$0.isDamaged }
            .sorted { $0.gainForCost > $1.gainForCost }
        var chosen: [Element] = []
        var room = segmentSize / 2
        for segment in candidates {
            let cost = segment.liveBytes + segment.tombstoneBytes
            guard chosen.isEmpty || (cost <= room && segment.deadBytes * 8 > segment.end) else {
                continue
            }
            chosen.append(segment)
            room -= cost
        }
        return chosen
    }

    /// Small segments that would fit into few: they are merged when there are many.
    package func smallOnes(segmentSize: Int) -> [Element] {
        var chosen: [Element] = []
        var room = segmentSize
        for segment in self.sorted(by: { $0.end < $1.end })
        where segment.end < segmentSize / 4 && segment.end <= room && !segment.keepsCutBytes
            && !segment.isDamaged
        {
            chosen.append(segment)
            room -= segment.end
        }
        return chosen.count >= 8 ? chosen : []
    }
}
