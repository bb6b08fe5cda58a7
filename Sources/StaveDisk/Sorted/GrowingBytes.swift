#if canImport(Glibc)
    internal import Glibc
#endif

/// Bytes that grow, in memory that may be written to directly: the room in which records and hint
/// images are made.
@safe package final class GrowingBytes {
    package private(set) var base: UnsafeMutableRawPointer
    private(set) var capacity: Int
    /// Bytes that are filled.
    package var count = 0

    package init(capacity: Int = 256) {
        self.capacity = max(capacity, 256)
        unsafe base = .allocate(byteCount: self.capacity, alignment: 8)
    }

    deinit { unsafe base.deallocate() }

    package var isEmpty: Bool { count == 0 }

    /// Takes the first `dropped` bytes away; the others move to the front.
    package func removeFirst(_ dropped: Int) {
        count -= dropped
        // SAFETY: both ranges lie inside what was filled; they may overlap.
        if count > 0 { unsafe memmove(base, base + dropped, count) }
    }

    package var bytes: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: base, count: count)
    }

    package func append(_ more: UnsafeRawBufferPointer) {
        guard let start = more.baseAddress else { return }
        reserve(more.count)
        // SAFETY: there is room behind what is filled.
        unsafe (base + count).copyMemory(from: start, byteCount: more.count)
        count += more.count
    }

    /// Makes room for `extra` bytes behind `count`.
    package func reserve(_ extra: Int) {
        guard count + extra > capacity else { return }
        capacity = max(count + extra, capacity * 2)
        // SAFETY: the new room is larger than what is copied into it.
        let grown = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 8)
        unsafe grown.copyMemory(from: base, byteCount: count)
        unsafe base.deallocate()
        unsafe base = unsafe grown
    }
}
