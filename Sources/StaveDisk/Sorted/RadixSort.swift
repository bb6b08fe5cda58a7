/// Sorting in place by the upper half of 64-bit numbers, most significant digit first ("American
/// flag sort": P. M. McIlroy, K. Bostic, M. D. McIlroy, Engineering Radix Sort, 1993). Not stable.
package enum RadixSort {
    /// As many are sorted by insertion.
    private static let few = 32

    package static func sort(_ items: inout [UInt64]) {
        // SAFETY: the sort keeps to the buffer.
        unsafe items.withUnsafeMutableBufferPointer { unsafe sort($0) }
    }

    static func sort(_ items: UnsafeMutableBufferPointer<UInt64>) {
        if items.count <= few { return unsafe sortFew(items) }
        var differing: UInt64 = 0
        let first = unsafe items[0]
        for index in 0..<items.count { differing |= unsafe items[index] ^ first }
        if differing >> 32 == 0 { return }
        // The eight bits that begin with the first in which any two differ.
        let shift = UInt64(max(32, 56 - differing.leadingZeroBitCount))
        var next = InlineArray<256, Int>(repeating: 0)
        var ends = InlineArray<256, Int>(repeating: 0)
        for index in 0..<items.count { ends[unsafe digit(items[index], shift)] &+= 1 }
        var sum = 0
        for digit in 0..<256 {
            next[digit] = sum
            sum &+= ends[digit]
            ends[digit] = sum
        }
        // SAFETY: an item's place lies inside its digit's range, as each was counted.
        for current in 0..<256 {
            while next[current] < ends[current] {
                var item = unsafe items[next[current]]
                var own = digit(item, shift)
                while own != current {
                    let place = next[own]
                    next[own] = place &+ 1
                    let other = unsafe items[place]
                    unsafe items[place] = item
                    item = other
                    own = digit(item, shift)
                }
                unsafe items[next[current]] = item
                next[current] &+= 1
            }
        }
        if shift == 32 { return }
        var start = 0
        for digit in 0..<256 {
            let end = ends[digit]
            if end - start > 1 {
                unsafe sort(UnsafeMutableBufferPointer(rebasing: items[start..<end]))
            }
            start = end
        }
    }

    @inline(__always)
    private static func digit(_ item: UInt64, _ shift: UInt64) -> Int {
        Int(truncatingIfNeeded: item &>> shift & 255)
    }

    private static func sortFew(_ items: UnsafeMutableBufferPointer<UInt64>) {
        var index = 1
        while index < items.count {
            let item = unsafe items[index]
            var place = index
            while place > 0, unsafe items[place &- 1] > item {
                unsafe items[place] = unsafe items[place &- 1]
                place &-= 1
            }
            unsafe items[place] = item
            index &+= 1
        }
    }
}
