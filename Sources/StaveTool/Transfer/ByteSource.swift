internal import CLinux
internal import Glibc

/// The bytes of a file or pipe in order, read in pieces. Knows where it is, for messages.
///
/// Memory: a piece, and what the caller keeps. A length in the input is believed only as far as
/// bytes follow it.
final class ByteSource {
    /// As messages name it.
    let name: String
    /// Bytes of the whole; nil for a pipe.
    let total: Int?
    private let descriptor: Int32
    private let isPipe: Bool
    private var buffer: [UInt8]
    private var start = 0
    private var end = 0
    /// Of the input, where the buffer begins.
    private var base = 0
    /// Bytes of the buffer before this one are in the checksum.
    private var summed = 0
    private var checksum: CRC64?
    /// Lines that `readLine` has ended so far.
    private(set) var lineNumber = 0
    /// Whether the line that was read last had its newline.
    private(set) var hasNewline = false

    private static let pieceLength = 256 << 10
    /// A line with the largest value in hexadecimal digits, and room for a key.
    private static let longestLine = (2 << 30) + (1 << 20)

    /// Opens a file.
    init(path: String) throws(TransferError) {
        name = path
        descriptor = unsafe stave_open(path, O_RDONLY | O_CLOEXEC, 0)
        guard descriptor >= 0 else {
            throw TransferError(
                message: SystemError("open", path, errno).message, isFatal: true)
        }
        (isPipe, total) = Self.kind(of: descriptor)
        buffer = [UInt8](repeating: 0, count: Self.pieceLength)
    }

    /// Reads a descriptor, which stays the caller's, from where it is.
    init(descriptor: Int32, name: String) {
        self.name = name
        self.descriptor = dup(descriptor)
        (isPipe, total) = Self.kind(of: descriptor)
        buffer = [UInt8](repeating: 0, count: Self.pieceLength)
        if isPipe { stave_grow_pipe(descriptor, 1 << 20) }
    }

    /// Bytes in memory, for tests.
    init(_ bytes: [UInt8], name: String) {
        self.name = name
        (descriptor, isPipe, total) = (-1, false, bytes.count)
        buffer = bytes
        end = bytes.count
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    private static func kind(of descriptor: Int32) -> (isPipe: Bool, total: Int?) {
        var status = stat()
        // SAFETY: fills in the struct.
        guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            return (true, nil)
        }
        return (false, Int(status.st_size))
    }

    /// Where the next byte lies in the input.
    var offset: Int { base + start }
    var isAtEnd: Bool {
        get throws(TransferError) {
            if start < end { return false }
            return try !fill()
        }
    }

    // MARK: Places for messages

    /// The line that was read last.
    func wrong(_ message: String) -> TransferError {
        TransferError(message: "\(name):\(lineNumber): \(message)")
    }

    /// A place in a binary file.
    func broken(_ message: String, at offset: Int) -> TransferError {
        TransferError(message: "\(name): offset \(offset): \(message)", isFatal: true)
    }

    // MARK: Reading

    /// Makes the next byte available; false at the end. The buffer must be used up.
    private func fill() throws(TransferError) -> Bool {
        guard descriptor >= 0 else { return false }
        sumUp()
        base += end
        (start, end, summed) = (0, 0, 0)
        while true {
            if isPipe { _ = Signals.waitToRead(descriptor) }
            if Signals.isInterrupted {
                throw TransferError(message: "\(name): stopped by a signal", isFatal: true)
            }
            // SAFETY: reads into the array.
            let count = unsafe Glibc.read(descriptor, &buffer, buffer.count)
            if count > 0 {
                end = count
                return true
            }
            if count == 0 { return false }
            guard errno == EINTR || errno == EAGAIN else {
                throw TransferError(
                    message: SystemError("read", name, errno).message, isFatal: true)
            }
        }
    }

    /// Reads a line without its newline; false at the end. A last line without one counts.
    func readLine(_ line: inout [UInt8]) throws(TransferError) -> Bool {
        line.removeAll(keepingCapacity: line.capacity <= 4 << 20)
        if try isAtEnd { return false }
        lineNumber += 1
        hasNewline = false
        while true {
            let newline = firstNewline
            let stop = newline ?? end
            line += buffer[start..<stop]
            start = stop
            if newline != nil {
                start += 1
                hasNewline = true
                return true
            }
            guard line.count <= Self.longestLine else {
                throw TransferError(
                    message: "\(name):\(lineNumber): the line is longer than any record can be",
                    isFatal: true)
            }
            if try !fill() { return true }
        }
    }

    private var firstNewline: Int? {
        // SAFETY: start < end <= count of the array; the pointer is used inside only.
        unsafe buffer.withUnsafeBytes { bytes in
            let first = unsafe bytes.baseAddress! + start
            guard let found = unsafe memchr(first, 10, end - start) else { return nil }
            return unsafe start + (UnsafeRawPointer(found) - first)
        }
    }

    /// Reads up to `delimiter` and drops it. Returns whether it was there; at the end of the input
    /// it is not.
    func readUpTo(_ delimiter: UInt8, _ bytes: inout [UInt8], limit: Int) throws(TransferError)
        -> Bool
    {
        while try !isAtEnd {
            if let found = buffer[start..<end].firstIndex(of: delimiter) {
                bytes += buffer[start..<found]
                start = found + 1
                return true
            }
            bytes += buffer[start..<end]
            start = end
            guard bytes.count <= limit else {
                throw broken("more than \(Units.count(limit)) bytes in one piece", at: offset)
            }
        }
        return false
    }

    func byte() throws(TransferError) -> UInt8 {
        if try isAtEnd { throw broken("it ends in the middle of a record", at: offset) }
        defer { start += 1 }
        return buffer[start]
    }

    /// The next byte, which stays; nil at the end.
    func peek() throws(TransferError) -> UInt8? { try isAtEnd ? nil : buffer[start] }

    /// Appends `count` bytes.
    func read(_ count: Int, _ bytes: inout [UInt8]) throws(TransferError) {
        var left = count
        while left > 0 {
            if try isAtEnd {
                throw broken(
                    "it ends in the middle of a record: \(Units.count(left, "byte")) short",
                    at: offset)
            }
            let step = min(left, end - start)
            bytes += buffer[start..<(start + step)]
            start += step
            left -= step
        }
    }

    func skip(_ count: Int) throws(TransferError) {
        var left = count
        while left > 0 {
            if try isAtEnd { throw broken("it ends in the middle of a record", at: offset) }
            let step = min(left, end - start)
            start += step
            left -= step
        }
    }

    /// A number of `count` bytes, at most 8, the lowest byte first.
    func little(_ count: Int) throws(TransferError) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<count { value |= UInt64(try byte()) << UInt64(8 * index) }
        return value
    }

    /// The same with the highest byte first.
    func big(_ count: Int) throws(TransferError) -> UInt64 {
        var value: UInt64 = 0
        for _ in 0..<count { value = value << 8 | UInt64(try byte()) }
        return value
    }

    // MARK: Checksum

    /// From here on all bytes that are read count.
    func beginChecksum() {
        checksum = CRC64()
        summed = start
    }

    /// Of the bytes read so far.
    var checksumSoFar: UInt64 {
        sumUp()
        return checksum?.value ?? 0
    }

    private func sumUp() {
        if checksum != nil, start > summed { checksum?.add(buffer[summed..<start]) }
        summed = start
    }
}
