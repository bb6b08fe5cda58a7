internal import Glibc
internal import StaveDisk

/// The bytes of a file, mapped: as many as fstat(2) says are there.
///
/// Rules:
/// 1. A file may be cut while it is looked at (a writer trims the active segment when it closes),
///    and a disk may fail to read it: the pages that are gone hold zeros then (`LostPages`), and
///    `firstLostOffset` says so.
/// 2. Bytes may change between two looks, so nothing that was checked once is believed again where
///    believing it could trap.
final class FileImage {
    private enum Contents {
        case mapped(Mapping)
        case kept([UInt8])
    }

    private let contents: Contents
    /// The file, where more may come behind what was mapped.
    private let followed: File?
    /// Bytes of the file, which may be more than were taken.
    let fileSize: Int
    /// Bytes that are here.
    let count: Int

    /// Maps at most `limit` bytes of `file`.
    init(mapping file: borrowing File, limit: Int = .max) throws(FileError) {
        LostPages.survive()
        followed = nil
        fileSize = try file.size()
        count = min(fileSize, limit)
        contents = try Self.map(file, count)
    }

    private static func map(
        _ file: borrowing File, _ count: Int
    ) throws(FileError) -> Contents {
        count > 0 ? .mapped(try Mapping(file, count: count, isWritable: false)) : .kept([])
    }

    /// Maps all of a log that a writer may extend, and keeps it open to see that.
    init(following file: consuming File) throws(FileError) {
        LostPages.survive()
        fileSize = try file.size()
        count = fileSize
        contents = try Self.map(file, count)
        followed = consume file
    }

    /// Has a writer extended the file since it was mapped? Then the last record here may end behind
    /// it.
    var hasGrown: Bool { (try? followed?.size()) ?? 0 > fileSize }

    /// Bytes that are in memory already.
    init(_ bytes: [UInt8]) {
        followed = nil
        contents = .kept(bytes)
        fileSize = bytes.count
        count = bytes.count
    }

    /// Others may change the bytes.
    var isMapped: Bool {
        if case .mapped = contents { true } else { false }
    }

    /// Where the first page begins that could not be read, so that zeros stand there.
    var firstLostOffset: Int? {
        guard case .mapped(let mapping) = contents else { return nil }
        return mapping.firstLostOffset
    }

    /// Says that the bytes in `range` have been looked at and need not stay in this process's
    /// memory.
    func release(_ range: Range<Int>) {
        if case .mapped(let mapping) = contents, !range.isEmpty {
            mapping.advise(.notNeeded, range)
        }
    }

    func withBytes<Result>(_ body: (RawSpan) throws -> Result) rethrows -> Result {
        switch contents {
        case .mapped(let mapping): unsafe try body(mapping.bytes.bytes)
        case .kept(let bytes): unsafe try body(bytes.span.bytes)
        }
    }

    /// The bytes as a hint image; nil where the file is empty.
    func hint(
        identity: UInt64?, segmentLength: Int?
    ) throws(FormatError) -> HintImage {
        guard case .mapped(let mapping) = contents else {
            throw FormatError("hint file is empty", at: 0)
        }
        return unsafe try HintImage(
            decoding: mapping.bytes, keeping: mapping, identity: identity,
            segmentLength: segmentLength)
    }
}

extension RawSpan {
    /// A copy of the bytes in `range`, cut to what is there.
    func array(_ range: Range<Int>) -> [UInt8] {
        let bytes = extracting(range.clamped(to: 0..<byteCount))
        return unsafe bytes.withUnsafeBytes { unsafe Array($0) }
    }

    /// From the first to the last byte in which the two differ, a missing one too; nil where none
    /// does.
    func differing(from other: RawSpan) -> Range<Int>? {
        let common = Swift.min(byteCount, other.byteCount)
        var (low, high) = (0, Swift.max(byteCount, other.byteCount))
        unsafe withUnsafeBytes { left in
            unsafe other.withUnsafeBytes { right in
                let isSame =
                    unsafe left.count == right.count && common > 0
                    && memcmp(left.baseAddress!, right.baseAddress!, common) == 0
                if isSame {
                    low = high
                    return
                }
                while low < common, unsafe left[low] == right[low] { low += 1 }
                while high > low, high <= common, unsafe left[high - 1] == right[high - 1] {
                    high -= 1
                }
            }
        }
        return low < high ? low..<high : nil
    }
}
