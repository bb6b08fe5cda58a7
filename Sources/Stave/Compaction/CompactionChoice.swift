package import StaveDisk

/// Between which keys those of a segment lie.
private struct KeySpan {
    let index: Int
    let image: HintImage
}

extension Array where Element: CompactionCandidate {
    /// What `compact` rewrites: segments that hold dead records or tombstones, and those that keep
    /// the store from being one sorted sequence, because their records are not in key order or
    /// their keys overlap another's. Small ones, too, beside another one to rewrite: the two become
    /// one.
    ///
    /// - Parameter image: a segment's sorted entries; nil where they are not known.
    package func worthRewriting(
        segmentSize: Int, image: (Element) -> HintImage?
    ) -> [Element] {
        let whole = filter { !$0.keepsCutBytes }
        let isSmall = whole.map { $0.end < segmentSize / 2 }
        var isChosen = whole.map { $0.deadBytes > 0 || $0.tombstoneBytes > 0 }
        let spans = whole.spansInKeyOrder(image)
        var furthest: KeySpan?
        for span in spans {
            if !span.image.isInKeyOrder { isChosen[span.index] = true }
            if let before = furthest, unsafe compareKeys(span.image.first, before.image.last) <= 0 {
                isChosen[before.index] = true
                isChosen[span.index] = true
                if unsafe compareKeys(span.image.last, before.image.last) <= 0 { continue }
            }
            furthest = span
        }
        func isMergeable(_ index: Int) -> Bool {
            (isSmall[index] && !whole[index].isDamaged) || isChosen[index]
        }
        var joining = Set(whole.indices.filter { isMergeable($0) && isSmall[$0] })
        if whole.indices.count(where: isMergeable) < 2 { joining = [] }
        for (position, span) in spans.enumerated() {
            let neighbours = spans[
                Swift.max(0, position - 1)..<Swift.min(position + 2, spans.count)]
            if neighbours.count(where: { isMergeable($0.index) }) < 2 {
                joining.remove(span.index)
            }
        }
        return whole.indices.filter { isChosen[$0] || joining.contains($0) }.map { whole[$0] }
    }

    /// Where the keys of segments lie, by their first key; without segments whose keys are not
    /// known, or that are to stay as they are.
    private func spansInKeyOrder(_ image: (Element) -> HintImage?) -> [KeySpan] {
        indices.compactMap { index -> KeySpan? in
            guard !self[index].isDamaged, let image = image(self[index]), image.count > 0 else {
                return nil
            }
            return KeySpan(index: index, image: image)
        }.sorted { unsafe compareKeys($0.image.first, $1.image.first) < 0 }
    }

    /// What the background rewrites next. Where too many bytes are dead, segments that are worth
    /// it; else, or where none is, small ones that have become many.
    package func nextRewrite(_ policy: CompactionPolicy, segmentSize: Int) -> [Element] {
        let use = SpaceUse(self)
        let victims =
            use.isDue(policy)
            ? victims(freeing: use.share(policy), segmentSize: segmentSize) : []
        if !victims.isEmpty { return victims }
        let largest = Swift.max(use.liveBytes, policy.minDeadBytes) / 32
        return smallOnes(upTo: Swift.min(largest, segmentSize / 4), segmentSize: segmentSize)
    }

    /// Most gain for the cost first, until so many bytes are freed: what is left loses more live
    /// bytes while it waits. No more is copied than half a segment, so that the space in flight is
    /// bounded; except for a larger segment where all are.
    private func victims(freeing wanted: Int, segmentSize: Int) -> [Element] {
        let candidates = filter { $0.isSealed && !$0.isStuck && $0.isWorthRewriting }
            .sorted { $0.gainForCost > $1.gainForCost }
        var chosen: [Element] = []
        var room = segmentSize / 2
        var missing = wanted
        for segment in candidates where segment.copiedBytes <= room {
            // One without live bytes is free.
            guard missing > 0 || segment.copiedBytes == 0 else { continue }
            chosen.append(segment)
            room -= segment.copiedBytes
            missing -= segment.deadBytes
        }
        return chosen.isEmpty ? Array(candidates.prefix(1)) : chosen
    }

    /// Those worth rewriting if nothing needs their tombstones any more; for when nothing else is.
    package var withTombstones: [Element] {
        filter {
            $0.isSealed && !$0.isStuck && $0.tombstoneBytes > 0
                && $0.isMostlyFreed(copying: $0.liveBytes)
        }
    }

    /// Small segments are merged when there are eight: each one is a file, and a part of every
    /// scan.
    private func smallOnes(upTo largest: Int, segmentSize: Int) -> [Element] {
        var chosen: [Element] = []
        var room = segmentSize / 2
        for segment in self.sorted(by: { $0.end < $1.end })
        where segment.isSealed && !segment.isStuck && segment.end < largest && segment.end <= room {
            chosen.append(segment)
            room -= segment.end
        }
        return chosen.count >= 8 ? chosen : []
    }
}
