internal import CLinux
internal import Glibc

/// Lines from a descriptor, without a copy and without a String: the memory grows to the longest
/// line and is reused.
@safe final class ByteReader {
    /// A line longer than this, escapes counted as what they stand for, is refused: the largest
    /// value, and room for a key.
    private let longestLine: Int
    /// What one escape saves at most: \u{000041} is the one byte A.
    private static let escapeGain = 9
    /// Backslashes in the unread bytes up to `counted`, once a line is long.
    private var backslashes = 0
    private var counted = 0

    private let descriptor: Int32
    private var memory = UnsafeMutableRawBufferPointer.allocate(
        byteCount: usualCapacity, alignment: 1)
    /// Unread bytes are `start..<end`; before `searched` there is no newline.
    private var start = 0
    private var searched = 0
    private var end = 0
    private(set) var isAtEnd = false
    /// Bytes read so far.
    private(set) var byteCount = 0
    /// The rest of the line is dropped where it comes.
    private var isDiscarding = false
    private static let usualCapacity = 256 << 10
    /// As much as Linux lets a user ask for by default.
    private static let pipeCapacity: Int32 = 1 << 20
    /// Lines handed out so far; so the number of the last one, counted from 1.
    private(set) var lineNumber = 0

    init(descriptor: Int32, longestLine: Int = (1 << 30) + (1 << 20)) {
        self.descriptor = descriptor
        self.longestLine = longestLine
        // So the two ends of a pipe take turns less often.
        stave_grow_pipe(descriptor, Self.pipeCapacity)
    }

    deinit { unsafe memory.deallocate() }

    /// The next line that is already in memory, without its newline; nil where `fill` must come
    /// first or the input has ended. Valid until the next `fill`.
    func nextLine() -> UnsafeRawBufferPointer? {
        // SAFETY: start <= searched <= end <= memory.count.
        let base = unsafe UnsafeRawPointer(memory.baseAddress!)
        if let newline = unsafe memchr(base + searched, 10, end - searched) {
            let count = unsafe UnsafeRawPointer(newline) - (base + start)
            defer { (start, searched) = (start + count + 1, start + count + 1) }
            lineNumber += 1
            return unsafe UnsafeRawBufferPointer(start: base + start, count: count)
        }
        searched = end
        guard isAtEnd, start < end else { return nil }
        defer { start = end }
        lineNumber += 1
        return unsafe UnsafeRawBufferPointer(start: base + start, count: end - start)
    }

    /// Reads more, and waits for it if need be; sets `isAtEnd` where there is none. A signal that
    /// is handled may end the wait without anything read.
    func fill() throws(SystemError) {
        if unsafe end == memory.count { makeRoom() }
        guard mayGoOn() else {
            throw SystemError(message: "line \(lineNumber + 1) is longer than any command can be")
        }
        // SAFETY: reads into the free end of the memory.
        let count = unsafe read(descriptor, memory.baseAddress! + end, memory.count - end)
        if count > 0 {
            end += count
            byteCount += count
            if isDiscarding { discard() }
        }
        if count == 0 { isAtEnd = true }
        if count < 0, errno != EINTR, errno != EAGAIN { throw SystemError("read", "stdin", errno) }
    }

    /// The beginning of a line whose end has not come; only once it is long enough to be looked at
    /// before it is whole.
    var longBeginning: UnsafeRawBufferPointer? {
        guard end - start >= Self.usualCapacity, !isDiscarding else { return nil }
        // SAFETY: start <= end <= memory.count.
        return unsafe UnsafeRawBufferPointer(rebasing: memory[start..<end])
    }

    /// Counts the line that has begun as handed out, and drops the rest of it as it comes.
    func discardLine() {
        lineNumber += 1
        isDiscarding = true
        discard()
    }

    private func discard() {
        // SAFETY: start <= end <= memory.count.
        let base = unsafe UnsafeRawPointer(memory.baseAddress!)
        if let newline = unsafe memchr(base + start, 10, end - start) {
            start = unsafe UnsafeRawPointer(newline) - base + 1
            isDiscarding = false
        } else {
            start = end
        }
        searched = start
    }

    /// Whether the unread bytes, which hold no newline, may be the beginning of a command.
    private func mayGoOn() -> Bool {
        guard end - start > longestLine else {
            (backslashes, counted) = (0, 0)
            return true
        }
        // SAFETY: start + counted <= end <= memory.count.
        for index in (start + counted)..<end where unsafe memory[index] == Byte.backslash {
            backslashes += 1
        }
        counted = end - start
        return counted - Self.escapeGain * backslashes <= longestLine
    }

    private func makeRoom() {
        let count = end - start
        let isLarge = unsafe memory.count > 16 * Self.usualCapacity
        if unsafe count > memory.count / 2 || (isLarge && count < Self.usualCapacity / 2) {
            // One long line does not keep its memory for ever.
            let capacity =
                unsafe count < Self.usualCapacity / 2 ? Self.usualCapacity : memory.count * 2
            let other = UnsafeMutableRawBufferPointer.allocate(
                byteCount: capacity, alignment: 1)
            // SAFETY: the other memory holds all that is unread.
            unsafe memcpy(other.baseAddress!, memory.baseAddress! + start, count)
            unsafe memory.deallocate()
            unsafe memory = other
        } else {
            // SAFETY: both ends lie in the memory; memmove may overlap.
            unsafe memmove(memory.baseAddress!, memory.baseAddress! + start, count)
        }
        (start, searched, end) = (0, searched - start, count)
    }
}

/// What the operating system refused, in words for people.
struct SystemError: Error, Equatable {
    var message: String
    var code: Int32 = 0

    init(message: String) { self.message = message }

    init(_ operation: String, _ file: String, _ code: Int32) {
        // SAFETY: strerror returns a C string; one thread uses it.
        let reason = unsafe code == EBADF ? "it is closed" : String(cString: strerror(code))
        message = "cannot \(operation) \(file): \(reason)"
        self.code = code
    }
}
