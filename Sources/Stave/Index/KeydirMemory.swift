internal import StaveDisk

/// The memory of the keydir's tables: large stretches, handed out from the front and never reused.
///
/// A freed table's pages go back to the kernel at once, so that what stays resident is what is in
/// use; a reader still looking there finds zeros, which are empty slots, and then a new descriptor.
/// The addresses themselves go back when a whole stretch is free and no reader can be inside.
@safe struct KeydirMemory {
    private struct Stretch {
        let memory: AnonymousMemory
        var used = 0
        var freed = 0
        /// Pages up to here are in memory, or wait for their first use.
        var populated = 0
    }

    private static let populateStep = 64 << 10
    /// Of the store, for messages.
    private let path: String
    private var stretches: [Stretch] = []
    private var limbo = Limbo()
    private var nextSize = 128 << 10
    /// Bytes of the tables in use.
    private(set) var liveBytes = 0

    init(for path: String) { self.path = path }

    /// Sizes the next stretch for `bytes` of tables.
    mutating func expect(bytes: Int) { nextSize = max(nextSize, bytes) }

    /// A table of empty slots, aligned to a cache line.
    ///
    /// - Parameter isFilledNow: its pages are needed at once.
    mutating func allocate(
        buckets: Int, isFilledNow: Bool = true
    ) throws(StoreError) -> UnsafeMutableRawPointer {
        let size = buckets * 64
        if let last = stretches.last, last.memory.count - last.used >= size {
            return unsafe take(size, isFilledNow: isFilledNow)
        }
        // A quarter of what is in use: few mappings, little slack.
        try addStretch(max(nextSize, size, min(liveBytes / 4, 64 << 20)))
        nextSize = 0
        return unsafe take(size, isFilledNow: isFilledNow)
    }

    private mutating func take(_ size: Int, isFilledNow: Bool) -> UnsafeMutableRawPointer {
        let last = stretches.count - 1
        let table = unsafe stretches[last].memory.base + stretches[last].used
        stretches[last].used += size
        liveBytes += size
        if !isFilledNow {
            stretches[last].populated = max(stretches[last].populated, stretches[last].used & ~4095)
        } else if stretches[last].used > stretches[last].populated {
            populate(last)
        }
        return unsafe table
    }

    private mutating func populate(_ index: Int) {
        let stretch = stretches[index]
        let wanted = max(stretch.used, stretch.populated + Self.populateStep)
        let end = (min(stretch.memory.count, wanted) + 4095) & ~4095
        stretch.memory.populate(stretch.populated..<end)
        stretches[index].populated = end
    }

    /// Takes a table back that no descriptor names any more.
    mutating func free(_ table: UnsafeMutableRawPointer, buckets: Int) {
        let size = buckets * 64
        liveBytes -= size
        guard
            let index = stretches.firstIndex(where: {
                let base = unsafe $0.memory.base
                return unsafe table >= base && table < base + $0.memory.count
            })
        else { return }
        let offset = unsafe table - stretches[index].memory.base
        stretches[index].memory.drop(offset..<offset + size)
        stretches[index].freed += size
        if stretches[index].freed == stretches[index].used, index < stretches.count - 1 {
            let stretch = stretches.remove(at: index)
            limbo.retire { stretch.memory.unmap() }
        }
    }

    /// Gives back what no reader can be inside of.
    mutating func collect() { limbo.collect(for: path) }

    /// Called when the keydir goes: no reader is left.
    mutating func unmapAll() {
        limbo.releaseAll()
        for stretch in stretches { stretch.memory.unmap() }
    }

    private mutating func addStretch(_ wanted: Int) throws(StoreError) {
        try withFileErrors { () throws(FileError) in
            stretches.append(Stretch(memory: try AnonymousMemory(wanted, for: path)))
        }
    }
}
