internal import Glibc

/// The memory of the keydir's tables: large stretches, handed out from the front and never reused.
///
/// A freed table's pages go back to the kernel at once, so that what stays resident is what is in use;
/// a reader still looking there finds zeros, which are empty slots, and then a new descriptor. The
/// addresses themselves go back when a whole stretch is free and no reader can be inside.
@safe struct KeydirMemory {
    @safe private struct Stretch {
        let base: UnsafeMutableRawPointer
        let size: Int
        var used = 0
        var freed = 0
        /// Pages up to here are in memory, or wait for their first use.
        var populated = 0
    }

    private static let hugePage = 2 << 20
    private static let populateStep = 64 << 10
    private var stretches: [Stretch] = []
    private var limbo = Limbo()
    private var nextSize = 128 << 10
    /// Bytes of the tables in use.
    private(set) var liveBytes = 0

    /// Sizes the next stretch for `bytes` of tables.
    mutating func expect(bytes: Int) { nextSize = max(nextSize, bytes) }

    /// A table of empty slots, aligned to a cache line.
    ///
    /// - Parameter isFilledNow: its pages are needed at once.
    mutating func allocate(
        buckets: Int, isFilledNow: Bool = true
    ) throws(StoreError) -> UnsafeMutableRawPointer {
        let size = buckets * 64
        if let last = stretches.last, last.size - last.used >= size {
            return unsafe take(size, isFilledNow: isFilledNow)
        }
        // A quarter of what is in use: few mappings, little slack.
        try addStretch(max(nextSize, size, min(liveBytes / 4, 64 << 20)))
        nextSize = 0
        return unsafe take(size, isFilledNow: isFilledNow)
    }

    private mutating func take(_ size: Int, isFilledNow: Bool) -> UnsafeMutableRawPointer {
        let last = stretches.count - 1
        let table = unsafe stretches[last].base + stretches[last].used
        stretches[last].used += size
        liveBytes += size
        if !isFilledNow {
            stretches[last].populated = max(stretches[last].populated, stretches[last].used & ~4095)
        } else if stretches[last].used > stretches[last].populated {
            populate(last)
        }
        return unsafe table
    }

    /// Has the kernel make pages ready, some at a time: a fault for each would cost several times as much.
    private mutating func populate(_ index: Int) {
        let populateWrite: Int32 = 23  // MADV_POPULATE_WRITE, Linux 5.14; not in Glibc's module
        let stretch = stretches[index]
        let end = min(stretch.size, max(stretch.used, stretch.populated + Self.populateStep))
        let aligned = (end + 4095) & ~4095
        unsafe madvise(
            stretch.base + stretch.populated, aligned - stretch.populated, populateWrite)
        stretches[index].populated = aligned
    }

    /// Takes a table back that no descriptor names any more.
    mutating func free(_ table: UnsafeMutableRawPointer, buckets: Int) {
        let size = buckets * 64
        liveBytes -= size
        let start = (UInt(bitPattern: table) + 4095) & ~4095
        let end = (UInt(bitPattern: table) + UInt(size)) & ~4095
        if end > start {
            // SAFETY: whole pages inside the freed table.
            unsafe madvise(
                UnsafeMutableRawPointer(bitPattern: start), Int(end - start), Int32(MADV_DONTNEED))
        }
        guard
            let index = stretches.firstIndex(where: {
                unsafe table >= $0.base && table < $0.base + $0.size
            })
        else { return }
        stretches[index].freed += size
        if stretches[index].freed == stretches[index].used, index < stretches.count - 1 {
            let stretch = stretches.remove(at: index)
            limbo.retire { unsafe munmap(stretch.base, stretch.size) }
        }
    }

    /// Gives back what no reader can be inside of.
    mutating func collect() { limbo.collect() }

    /// Called when the keydir goes: no reader is left.
    mutating func unmapAll() {
        limbo.releaseAll()
        for stretch in stretches { unsafe munmap(stretch.base, stretch.size) }
    }

    private mutating func addStretch(_ wanted: Int) throws(StoreError) {
        let isLarge = wanted >= Self.hugePage
        let unit = isLarge ? Self.hugePage : 4096
        let size = (wanted + unit - 1) / unit * unit
        let extra = isLarge ? Self.hugePage : 0
        let mapped = unsafe mmap(
            nil, size + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
            -1, 0)
        guard var base = unsafe mapped, unsafe base != MAP_FAILED else {
            throw .system(
                operation: "get memory for", file: "the keydir", code: errno,
                reason: "\(size) bytes are not to be had")
        }
        if isLarge {
            // Cut to a 2 MiB boundary, so that huge pages can back it: 30-60 % off a lookup.
            let start = UInt(bitPattern: base)
            let aligned = (start + UInt(unit) - 1) / UInt(unit) * UInt(unit)
            let head = Int(aligned - start)
            if head > 0 { unsafe munmap(base, head) }
            unsafe base += head
            if extra - head > 0 { unsafe munmap(base + size, extra - head) }
            unsafe madvise(base, size, Int32(MADV_HUGEPAGE))
        }
        unsafe stretches.append(Stretch(base: base, size: size))
    }
}
