internal import CLinux
internal import Glibc

/// Replies on their way to a descriptor, gathered and written in large pieces.
///
/// Rule 1: what is written here is an acknowledgement, so `beforeWrite` runs ahead of every
/// write(2); the script loop makes the commands that are being acknowledged durable there. Where it
/// throws, the gathered replies are dropped, never written.
///
/// Rule 2: no write(2) waits where a signal that ends the process could not end the wait. What is
/// not reads is dropped then.
@safe final class OutputWriter {
    private var descriptor: Int32
    private var name: String
    private let capacity: Int
    private var memory: UnsafeMutableRawPointer
    private var count = 0
    private var isPaged = false
    private var pager: Pager?
    /// Not a file: its reader may have gone.
    private var mayBlock: Bool
    /// Whether the kernel can write as much as fits; terminals and older pipes cannot.
    private var hasWriteWithoutWaiting = true
    /// Otherwise: a pipe that poll(2) calls ready takes this much without blocking (PIPE_BUF).
    private static let piece = 4096
    var beforeWrite: () throws(SystemError) -> Void = {}
    /// Runs before a pager gets the terminal.
    var beforePaging: () -> Void = {}
    /// What went wrong; from then on everything is dropped.
    private(set) var failure: SystemError?
    /// The reader of the pipe has gone.
    var isBrokenPipe: Bool { failure?.code == EPIPE }

    init(descriptor: Int32, name: String, capacity: Int = 64 << 10) {
        self.descriptor = descriptor
        self.name = name
        self.capacity = capacity
        mayBlock = Self.mayBlock(descriptor)
        unsafe memory = .allocate(byteCount: capacity, alignment: 1)
    }

    deinit { unsafe memory.deallocate() }

    private static func mayBlock(_ descriptor: Int32) -> Bool {
        var status = stat()
        // SAFETY: fills in the struct.
        return unsafe fstat(descriptor, &status) != 0 || status.st_mode & S_IFMT != S_IFREG
    }

    // MARK: Other places

    /// Where replies went before, to go there again.
    struct Origin {
        fileprivate let descriptor: Int32
        fileprivate let name: String
    }

    /// What is written next goes to another descriptor, until `redirect(back:)`.
    func redirect(to descriptor: Int32, name: String) -> Origin {
        flush()
        defer { set(descriptor, name) }
        return Origin(descriptor: self.descriptor, name: self.name)
    }

    /// What could not be written elsewhere is no failure here.
    func redirect(back origin: Origin) {
        flush()
        failure = nil
        set(origin.descriptor, origin.name)
    }

    private func set(_ descriptor: Int32, _ name: String) {
        (self.descriptor, self.name) = (descriptor, name)
        mayBlock = Self.mayBlock(descriptor)
        hasWriteWithoutWaiting = true
    }

    private var captured: [UInt8]?

    /// What `body` writes, kept instead of written.
    func capture<Failure: Error>(_ body: () throws(Failure) -> Void) throws(Failure) -> [UInt8] {
        flush()
        captured = []
        defer { captured = nil }
        try body()
        flush()
        return captured ?? []
    }

    @inline(__always)
    func write(_ byte: UInt8) {
        if count == capacity { flush() }
        // SAFETY: count < capacity after the line above.
        unsafe memory.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count &+= 1
    }

    func write(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        if bytes.count > capacity - count { flush() }
        guard bytes.count <= capacity else {
            // SAFETY: the caller's bytes are only read.
            if unsafe isReady(source, bytes.count) { unsafe writeAll(source, bytes.count) }
            return
        }
        // SAFETY: they fit, as was just checked.
        unsafe (memory + count).copyMemory(from: source, byteCount: bytes.count)
        count &+= bytes.count
    }

    func write(_ bytes: [UInt8]) {
        // SAFETY: the array outlives the call.
        unsafe bytes.withUnsafeBytes { unsafe write($0) }
    }

    func write(_ text: String) {
        var text = text
        // SAFETY: the bytes are used inside the call only.
        text.withUTF8 { unsafe write(UnsafeRawBufferPointer($0)) }
    }

    func write(line text: String) {
        write(text)
        write(Byte.newline)
    }

    /// A line on stderr: paths and arguments in it may hold anything, and a terminal may read it.
    func write(message text: String) { write(line: Quoting.message(text)) }

    /// A line on standard error, at once.
    static func complain(_ line: String) {
        let errors = OutputWriter(descriptor: STDERR_FILENO, name: "stderr")
        errors.write(message: line)
        errors.flush()
    }

    /// Writes what was gathered. After a failure it does nothing; see `failure`.
    func flush() {
        let pending = count
        count = 0
        guard pending > 0, unsafe isReady(memory, pending) else { return }
        // SAFETY: the first `pending` bytes of the memory are set.
        unsafe writeAll(memory, pending)
    }

    /// From now on, what is longer than the screen goes through the pager, where one is wanted.
    func beginPaging() { isPaged = Pager.isWanted }

    /// Writes what is left, and waits until the person has read it.
    func endPaging() {
        guard isPaged else { return }
        flush()
        isPaged = false
        guard let pager else { return }
        pager.finish()
        self.pager = nil
        // The person has left the pager early: nothing went wrong.
        if isBrokenPipe { failure = nil }
    }

    /// Whether the terminal belongs to the pager.
    var isPaging: Bool { pager != nil }

    /// - Parameters: what is written next.
    private func isReady(_ start: UnsafeRawPointer, _ count: Int) -> Bool {
        guard failure == nil else { return false }
        if isPaged, pager == nil {
            let text = unsafe UnsafeRawBufferPointer(start: start, count: count)
            pager = unsafe Pager.start(for: text, lending: beforePaging)
        }
        do throws(SystemError) {
            try beforeWrite()
        } catch {
            failure = error
        }
        return failure == nil
    }

    private func writeAll(_ start: UnsafeRawPointer, _ count: Int) {
        if captured != nil {
            // SAFETY: the caller's bytes are only read.
            unsafe captured?.append(contentsOf: UnsafeRawBufferPointer(start: start, count: count))
            return
        }
        var done = 0
        while done < count {
            if mayBlock, !Signals.waitToWrite(descriptor) {
                failure = SystemError(message: "a signal ended the write to \(name)")
                return
            }
            // SAFETY: stays inside the caller's bytes.
            let written = unsafe writeSome(start + done, count - done)
            if written > 0 {
                done += written
            } else if written == 0 || (errno != EINTR && errno != EAGAIN) {
                failure = SystemError("write to", name, errno)
                return
            }
        }
    }

    /// One write(2) that does not wait, to a descriptor that poll(2) calls ready.
    private func writeSome(_ start: UnsafeRawPointer, _ count: Int) -> Int {
        if !mayBlock { return unsafe Glibc.write(descriptor, start, count) }
        if hasWriteWithoutWaiting {
            let written = unsafe stave_write_without_waiting(descriptor, start, count)
            if written >= 0 || ![EOPNOTSUPP, ENOSYS, EINVAL, ESPIPE].contains(errno) {
                return written
            }
            hasWriteWithoutWaiting = false
        }
        return unsafe Glibc.write(descriptor, start, min(count, Self.piece))
    }
}
