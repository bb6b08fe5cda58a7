internal import CLinux
internal import Glibc

/// A stretch of memory backed by a file. Unmapped when the last reference goes.
@safe package final class Mapping: @unchecked Sendable {
    // @unchecked: the address and length never change; who may write where is the segment's rule.

    package let base: UnsafeMutableRawPointer
    /// Bytes mapped; may reach beyond the end of the file, where nothing may be touched.
    package let count: Int
    package let isWritable: Bool
    private let path: String
    /// Names the file where a program wants a bus error to do so.
    private let note: UnsafeMutableRawPointer?

    /// Maps the first `count` bytes of `file`, shared with every other process. count > 0.
    package init(_ file: borrowing File, count: Int, isWritable: Bool) throws(FileError) {
        precondition(count > 0, "an empty mapping is impossible")
        let protection = isWritable ? PROT_READ | PROT_WRITE : PROT_READ
        let descriptor = file.descriptor
        // MAP_FAILED is -1, as other calls' failure.
        let address = try retrying(.map, file.path) {
            unsafe Int(bitPattern: mmap(nil, count, protection, MAP_SHARED, descriptor, 0))
        }
        // SAFETY: what mmap returns where it does not fail is an address, and not 0.
        unsafe base = UnsafeMutableRawPointer(bitPattern: address)!
        self.count = count
        self.isWritable = isWritable
        path = file.path
        unsafe note = stave_note_mapping(base, count, file.path)
    }

    deinit {
        unsafe stave_forget_mapping(note)
        unsafe munmap(base, count)
        // SAFETY: the addresses are only compared.
        unsafe stave_forget_lost_pages(base, Int64(count))
    }

    package var bytes: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: base, count: count)
    }

    /// Says that the pages of a range will be read in order, or are not needed any more. Only a
    /// hint: errors are of no consequence.
    package func advise(_ advice: Advice, _ range: Range<Int>) {
        let start = range.lowerBound & ~4095
        _ = attempt(.advise, path) {
            unsafe madvise(base + start, range.upperBound - start, advice.rawValue)
        }
    }

    package enum Advice: Int32 {
        case sequential = 2
        case notNeeded = 4
    }

    /// Brings pages into memory ready for writing, so that stores there do not fault one by one.
    /// Only a hint: errors are of no consequence.
    package func populateForWriting(_ range: Range<Int>) {
        let populateWrite: Int32 = 23  // MADV_POPULATE_WRITE, Linux 5.14; not in Glibc's module
        let start = range.lowerBound & ~4095
        _ = attempt(.advise, path) {
            unsafe madvise(base + start, range.upperBound - start, populateWrite)
        }
    }

    /// Takes whole pages out of the mapping, which stay in the page cache: a later access maps them
    /// again.
    package func dropPages(_ range: Range<Int>) {
        _ = attempt(.advise, path) {
            unsafe madvise(base + range.lowerBound, range.count, MADV_DONTNEED)
        }
    }

    /// Reads pages into memory, and returns when they are there.
    package func load(_ range: Range<Int>) {
        if populateForReading(range) { return }
        let start = range.lowerBound & ~4095
        _ = attempt(.advise, path) {
            unsafe madvise(base + start, range.upperBound - start, MADV_WILLNEED)
        }
    }

    /// Bytes of the first `end` that are in memory, counted in whole pages.
    package func residentBytes(upTo end: Int) -> Int {
        let step = 64 << 20
        var pages = [UInt8](repeating: 0, count: step / 4096)
        var count = 0
        for start in stride(from: 0, to: end, by: step) {
            let length = min(step, end - start)
            let result = attempt(.examine, path) {
                // SAFETY: mincore writes a byte for each page of the stretch; the array has as
                // many.
                unsafe mincore(base + start, length, &pages)
            }
            guard result == 0 else { return 0 }
            for page in 0..<((length + 4095) / 4096) where pages[page] & 1 == 1 { count += 4096 }
        }
        return count
    }

    /// Maps pages that are in memory already, so that the first reads of them do not fault one by
    /// one.
    ///
    /// - Returns: whether it was done; without, they are mapped when they are read.
    @discardableResult
    package func populateForReading(_ range: Range<Int>) -> Bool {
        let populateRead: Int32 = 22  // MADV_POPULATE_READ, Linux 5.14; not in Glibc's module
        let start = range.lowerBound & ~4095
        return attempt(.advise, path) {
            unsafe madvise(base + start, range.upperBound - start, populateRead)
        } == 0
    }
}
