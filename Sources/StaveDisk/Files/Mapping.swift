internal import CLinux
internal import Glibc

/// A stretch of memory backed by a file. Unmapped when the last reference goes.
@safe package final class Mapping: @unchecked Sendable {
    // @unchecked: the address and length never change; who may write where is the segment's rule.

    package let base: UnsafeMutableRawPointer
    /// Bytes mapped; may reach beyond the end of the file, where nothing may be touched.
    package let count: Int

    /// Maps the first `count` bytes of `file`, shared with every other process. count > 0.
    package init(_ file: borrowing File, count: Int, isWritable: Bool) throws(FileError) {
        precondition(count > 0, "an empty mapping is impossible")
        let protection = isWritable ? PROT_READ | PROT_WRITE : PROT_READ
        let address = unsafe mmap(nil, count, protection, MAP_SHARED, file.descriptor, 0)
        guard let address = unsafe address, unsafe address != MAP_FAILED else {
            throw FileError("map", file.path, code: errno)
        }
        unsafe base = address
        self.count = count
    }

    deinit {
        unsafe munmap(base, count)
        // SAFETY: the addresses are only compared.
        unsafe stave_forget_lost_pages(base, Int64(count))
    }

    package var bytes: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: base, count: count)
    }

    /// Says that the pages of a range will be read in order, or are not needed any more. Only a hint:
    /// errors are of no consequence.
    package func advise(_ advice: Advice, _ range: Range<Int>) {
        let start = range.lowerBound & ~4095
        unsafe madvise(base + start, range.upperBound - start, advice.rawValue)
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
        unsafe madvise(base + start, range.upperBound - start, populateWrite)
    }

    /// Maps pages that are in memory already, so that the first reads of them do not fault one by one.
    package func populateForReading(_ range: Range<Int>) {
        let populateRead: Int32 = 22  // MADV_POPULATE_READ
        let start = range.lowerBound & ~4095
        unsafe madvise(base + start, range.upperBound - start, populateRead)
    }
}
