internal import Glibc
internal import StaveDisk

/// The bytes of a file as they were at one moment.
///
/// A sealed segment or a hint file is mapped: it never changes, and only what fstat(2) says is
/// there is mapped. A file that may be cut while it is looked at (a writer trims the active segment
/// when it closes) is copied, because touching a mapping behind a file's new end ends the process.
final class FileImage {
    private enum Contents {
        case mapped(Mapping)
        case copied([UInt8])
    }

    private let contents: Contents
    /// Bytes of the file, which may be more than were taken.
    let fileSize: Int
    /// Bytes that are here.
    let count: Int

    /// Longest file that is copied: the longest possible segment.
    static let copyLimit =
        Format.maxFileLength

    /// Maps at most `limit` bytes of a file that never changes.
    init(mapping file: borrowing File, limit: Int = .max) throws(FileError) {
        fileSize = try file.size()
        count = min(fileSize, limit)
        contents =
            count > 0 ? .mapped(try Mapping(file, count: count, isWritable: false)) : .copied([])
    }

    /// Copies a file that may change meanwhile.
    init(copying file: borrowing File) throws(FileError) {
        let bytes = try file.contents(limit: Self.copyLimit)
        fileSize = bytes.count
        count = bytes.count
        contents = .copied(bytes)
    }

    func withBytes<Result>(_ body: (RawSpan) throws -> Result) rethrows -> Result {
        switch contents {
        case .mapped(let mapping): unsafe try body(mapping.bytes.bytes)
        case .copied(let bytes): unsafe try body(bytes.span.bytes)
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

    /// Where the last byte that is not zero stands, from `start` on.
    func lastNonZero(from start: Int) -> Int? {
        unsafe withUnsafeBytes { bytes in
            var index = bytes.count
            // Eight at a time: reserved space is megabytes of zeros.
            while index - 8 >= start {
                if unsafe bytes.loadUnaligned(fromByteOffset: index - 8, as: UInt64.self) != 0 {
                    break
                }
                index -= 8
            }
            while index > start {
                index -= 1
                if unsafe bytes[index] != 0 { return index }
            }
            return nil
        }
    }
}
