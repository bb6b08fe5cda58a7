/// Images to merge, as few sorted sequences as their keys allow: images whose keys do not overlap
/// follow one another in a chain, so that a store after compaction is one chain, and merging it
/// costs nothing.
package struct ImageChains: Sendable {
    /// In the order in which they were given: an entry's source is its image's index.
    package let images: [HintImage]
    /// Indices of images that have entries, chain after chain, each in key order.
    private(set) var order: [Int] = []
    /// Where in `order` each chain ends.
    private(set) var ends: [Int] = []
    /// Bytes that all keys begin with.
    private(set) var common = 0

    package init(_ images: [HintImage]) {
        self.images = images
        let sorted = images.indices.filter { images[$0].count > 0 }
            .sorted { unsafe compareKeys(images[$0].first, images[$1].first) < 0 }
        var chains: [[Int]] = []
        /// Chains by their last keys, the lowest at the end: if that one does not fit, none does.
        var byLast: [Int] = []
        for index in sorted {
            let image = images[index]
            var chain = chains.count
            if let free = byLast.last,
                unsafe compareKeys(images[chains[free].last!].last, image.first) < 0
            {
                chain = byLast.removeLast()
                chains[chain].append(index)
            } else {
                chains.append([index])
            }
            var (low, high) = (0, byLast.count)
            while low < high {
                let middle = (low + high) / 2
                let other = images[chains[byLast[middle]].last!]
                if unsafe compareKeys(other.last, image.last) > 0 {
                    low = middle + 1
                } else {
                    high = middle
                }
            }
            byLast.insert(chain, at: low)
        }
        for chain in chains {
            order += chain
            ends.append(order.count)
        }
        // What the lowest and the highest key have in common, all have.
        if let lowest = sorted.first {
            common = sorted.reduce(.max) {
                unsafe min($0, commonPrefixLength(images[lowest].first, images[$1].last))
            }
        }
    }
}
