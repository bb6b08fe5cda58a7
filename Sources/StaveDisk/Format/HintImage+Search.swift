// Searching an image: through its fence first, then among a few entries.

extension HintImage {
    /// Its lowest key. count > 0.
    package var first: UnsafeRawBufferPointer { unsafe self[0].key }
    /// Its highest key. count > 0.
    package var last: UnsafeRawBufferPointer { unsafe self[count - 1].key }

    /// The index of the first entry whose key is not below `key`; `count` where there is none.
    package func lowerBound(_ key: UnsafeRawBufferPointer) -> Int {
        unsafe lowerBound(key, in: narrow(key))
    }

    /// The same for a range that `narrow` gave.
    func lowerBound(_ key: UnsafeRawBufferPointer, in range: Range<Int>) -> Int {
        var (low, high) = (range.lowerBound, range.upperBound)
        while low < high {
            let middle = (low + high) / 2
            if unsafe compareKeys(entries[middle].key, key) < 0 {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }

    /// Between which entries the fence leaves `key`: the first at or behind the lower bound, and
    /// not behind the upper one.
    func narrow(_ key: UnsafeRawBufferPointer) -> Range<Int> {
        guard !fence.isEmpty else { return 0..<count }
        let beginning = unsafe UnsafeRawBufferPointer(rebasing: first.prefix(common))
        let order = unsafe compareKeys(
            UnsafeRawBufferPointer(rebasing: key.prefix(common)), beginning)
        // Below or above all keys.
        if order != 0 { return order < 0 ? 0..<0 : count..<count }
        let prefix = unsafe keyPrefix(key, from: common)
        let atLeast = firstFence { $0 >= prefix }
        var above = atLeast
        if above < fence.count, fence[above] == prefix { above = firstFence { $0 > prefix } }
        let low = atLeast == 0 ? 0 : (atLeast - 1) * Self.fenceStep + 1
        return low..<(above == fence.count ? count : above * Self.fenceStep)
    }

    private func firstFence(_ isBehind: (UInt64) -> Bool) -> Int {
        unsafe fence.withUnsafeBufferPointer { fence in
            var (low, high) = (0, fence.count)
            while low < high {
                let middle = (low + high) / 2
                if unsafe isBehind(fence[middle]) { high = middle } else { low = middle + 1 }
            }
            return low
        }
    }

    func narrow(_ key: [UInt8]) -> Range<Int> { unsafe key.withUnsafeBytes { unsafe narrow($0) } }

    func lowerBound(_ key: [UInt8], in range: Range<Int>? = nil) -> Int {
        unsafe key.withUnsafeBytes { unsafe lowerBound($0, in: range ?? narrow($0)) }
    }

    /// The entry for `key`, if the segment has one.
    package func entry(for key: UnsafeRawBufferPointer) -> HintEntry? {
        let index = unsafe lowerBound(key)
        guard index < count else { return nil }
        let entry = self[index]
        return unsafe compareKeys(entry.key, key) == 0 ? entry : nil
    }
}
