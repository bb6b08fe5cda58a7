internal import Glibc

/// A stretch of memory without a file: zeros, whose pages the kernel gives when they are first
/// touched.
@safe package struct AnonymousMemory: @unchecked Sendable {
    // @unchecked: address and length never change; what lies there is its owner's business.

    private static let hugePage = 2 << 20

    package let base: UnsafeMutableRawPointer
    package let count: Int
    private let path: String

    /// Takes at least `wanted` bytes, in whole pages. The owner calls `unmap`.
    ///
    /// - Parameter path: of the store that they are for.
    package init(_ wanted: Int, for path: String) throws(FileError) {
        let isLarge = wanted >= Self.hugePage
        let unit = isLarge ? Self.hugePage : 4096
        let count = (wanted + unit - 1) / unit * unit
        let extra = isLarge ? Self.hugePage : 0
        // MAP_FAILED is -1, as other calls' failure.
        let address = try retrying(.allocate, path) {
            unsafe Int(
                bitPattern: mmap(
                    nil, count + extra, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))
        }
        // SAFETY: what mmap returns where it does not fail is an address, and not 0.
        var base = unsafe UnsafeMutableRawPointer(bitPattern: address)!
        if isLarge {
            // Cut to a 2 MiB boundary, so that huge pages can back it: 30-60 % off a lookup.
            let start = UInt(bitPattern: base)
            let aligned = (start + UInt(unit) - 1) / UInt(unit) * UInt(unit)
            let head = Int(aligned - start)
            if head > 0 { unsafe munmap(base, head) }
            unsafe base += head
            if extra - head > 0 { unsafe munmap(base + count, extra - head) }
            _ = attempt(.advise, path) { unsafe madvise(base, count, Int32(MADV_HUGEPAGE)) }
        }
        unsafe self.base = base
        self.count = count
        self.path = path
    }

    package func unmap() { unsafe munmap(base, count) }

    /// Has the kernel make whole pages ready, some at a time: a fault for each would cost several
    /// times as much. Only a hint: without it they come when they are touched.
    package func populate(_ pages: Range<Int>) {
        let populateWrite: Int32 = 23  // MADV_POPULATE_WRITE, Linux 5.14; not in Glibc's module
        _ = attempt(.advise, path) {
            unsafe madvise(base + pages.lowerBound, pages.count, populateWrite)
        }
    }

    /// Gives the whole pages inside a range back: zeros again. Where the kernel keeps them, they
    /// stay as they are and in memory.
    package func drop(_ range: Range<Int>) {
        let start = (range.lowerBound + 4095) & ~4095
        let end = range.upperBound & ~4095
        guard end > start else { return }
        _ = attempt(.advise, path) {
            unsafe madvise(base + start, end - start, Int32(MADV_DONTNEED))
        }
    }
}
