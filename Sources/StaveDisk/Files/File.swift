internal import CLinux
internal import Glibc

/// An open regular file. Closed when the value ends.
package struct File: ~Copyable, Sendable {
    package enum Mode: Sendable {
        case read
        case readWrite
        /// Made anew, with the directory's group and permissions; the name must be free.
        case create
    }

    let descriptor: Int32
    /// The path it was opened by, for messages.
    package let path: String

    init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    /// Opens the file at `path`, which may be any the user names. A FIFO, directory or device is
    /// refused; a symbolic link is followed.
    package static func opening(_ path: String) throws(FileError) -> File {
        let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK
        let descriptor = try retrying(.open, path) { unsafe stave_open(path, flags, 0) }
        let file = File(descriptor: descriptor, path: path)
        try file.requireRegular()
        return file
    }

    deinit { close(descriptor) }

    func requireRegular() throws(FileError) {
        let status = try status()
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw FileError("use", path, reason: "it is not a regular file")
        }
    }

    /// A file of a store belongs to the owner of its directory, or else to who runs this or to
    /// root; where a group shares the directory, to all in it.
    func requireOwn(_ owner: uid_t, group: gid_t?) throws(FileError) {
        try requireRegular()
        let status = try status()
        guard status.st_mode & (S_ISUID | S_ISGID) == 0 else {
            throw FileError(
                "use", path, reason: "it has a set-id bit, which a store's file never has")
        }
        guard [owner, geteuid(), 0].contains(status.st_uid) || status.st_gid == group else {
            throw FileError(
                "use", path,
                reason: "it belongs to user \(status.st_uid), the store to user \(owner)")
        }
    }

    func status() throws(FileError) -> stat {
        var status = stat()
        // SAFETY: fstat fills the struct in.
        _ = try retrying(.examine, path) { unsafe fstat(descriptor, &status) }
        return status
    }

    package func identity() throws(FileError) -> FileIdentity {
        try FileIdentity(of: descriptor, path)
    }

    /// Bytes.
    package func size() throws(FileError) -> Int { Int(try status().st_size) }

    /// All of the file, at most `limit` bytes.
    package func contents(limit: Int) throws(FileError) -> [UInt8] {
        let size = try size()
        guard size <= limit else {
            throw FileError("read", path, reason: "\(size) bytes are more than \(limit)")
        }
        return try contents(at: 0, count: size)
    }

    /// `count` bytes from `offset` on, or as many as there are.
    package func contents(at offset: Int, count: Int) throws(FileError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let wanted = permitted(done..<count, .read, path)
            let count = try retrying(.read, path) {
                // SAFETY: the read stays inside the array.
                unsafe bytes.withUnsafeMutableBytes { buffer in
                    unsafe pread(
                        descriptor, buffer.baseAddress! + done, wanted, off_t(offset + done))
                }
            }
            if count == 0 { break }
            done += count
        }
        bytes.removeLast(count - done)
        return bytes
    }

    /// Fills `buffer` from `offset` on. Throws where the file ends before.
    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError)
    {
        var done = 0
        while done < buffer.count {
            let wanted = permitted(done..<buffer.count, .read, path)
            let count = try retrying(.read, path) {
                // SAFETY: the read stays inside the buffer.
                unsafe pread(descriptor, buffer.baseAddress! + done, wanted, off_t(offset + done))
            }
            guard count > 0 else {
                throw FileError("read", path, reason: "it ends at offset \(offset + done)")
            }
            done += count
        }
    }

    /// Writes all of `bytes` at `offset`.
    package func write(_ bytes: RawSpan, at offset: Int) throws(FileError) {
        var done = 0
        while done < bytes.byteCount {
            let wanted = permitted(offset + done..<offset + bytes.byteCount, .write, path)
            let count = try retrying(.write, path) {
                // SAFETY: the pointer is used only while the span is borrowed.
                unsafe bytes.withUnsafeBytes { buffer in
                    unsafe pwrite(
                        descriptor, buffer.baseAddress! + done, wanted, off_t(offset + done))
                }
            }
            guard count > 0 else { throw FileError("write", path, code: ENOSPC) }
            done += count
        }
    }

    /// Reserves `length` bytes at `offset`, growing the file: later stores there cannot run out of
    /// space. fallocate(2) itself, because posix_fallocate hides that a file system cannot do it.
    ///
    /// - Parameter growing: without it the file's size stays, and the space lies behind its end.
    package func reserve(
        _ length: Int, at offset: Int, growing: Bool = true
    ) throws(FileError) {
        _ = try retrying(.reserve, path) {
            stave_fallocate(descriptor, growing ? 0 : 1, Int64(offset), Int64(length))
        }
    }

    /// Bytes that it takes of the disk, reserved ones too.
    package func bytesOnDisk() throws(FileError) -> Int { Int(try status().st_blocks) * 512 }

    package func truncate(to length: Int) throws(FileError) {
        _ = try retrying(.truncate, path) { ftruncate(descriptor, off_t(length)) }
    }

    /// Asks the kernel to begin writing a range to the disk, so that a later sync has little left
    /// to do. Promises nothing, so an error is of no consequence.
    package func startWriteback(_ range: Range<Int>) {
        _ = stave_start_writeback(descriptor, Int64(range.lowerBound), Int64(range.count))
    }

    /// Makes the contents durable.
    package func syncData() throws(FileError) {
        _ = try retrying(.syncData, path) { fdatasync(descriptor) }
    }

    /// Makes contents and metadata durable.
    package func sync() throws(FileError) {
        _ = try retrying(.sync, path) { fsync(descriptor) }
    }

    /// Does the file system write a page that is there already to a new place? Then a full disk can
    /// be met by any store into a mapping, reserved or not, and end the process.
    package var copiesOnWrite: Bool { stave_copies_on_write(descriptor) != 0 }

    /// Keeps others from cutting the file while this value lives: a reader's mapping must not lose
    /// its pages. Waits where the file is being cut right now, which takes no longer than one call.
    package func shareLength() throws(FileError) {
        _ = try retrying(.lock, path) { flock(descriptor, LOCK_SH) }
    }

    /// Takes the file for this process alone; false where another process has or shares it.
    func lockAlone() throws(FileError) -> Bool { try Self.lockAlone(descriptor, path) }

    static func lockAlone(_ descriptor: Int32, _ path: String) throws(FileError) -> Bool {
        do throws(FileError) {
            try retrying(.lock, path) { flock(descriptor, LOCK_EX | LOCK_NB) }
            return true
        } catch {
            if error.code == EWOULDBLOCK { return false }
            throw error
        }
    }

    func unlock() { flock(descriptor, LOCK_UN) }

    /// Fills `range` with zeros.
    package func zero(_ range: Range<Int>) throws(FileError) {
        let zeros = [UInt8](repeating: 0, count: min(range.count, 64 << 10))
        var offset = range.lowerBound
        while offset < range.upperBound {
            let count = min(zeros.count, range.upperBound - offset)
            unsafe try write(zeros.span.bytes.extracting(first: count), at: offset)
            offset += count
        }
    }

    /// Cuts the file, unless a reader shares its length.
    ///
    /// - Returns: whether it was cut.
    package func truncateUnlessShared(to length: Int) throws(FileError) -> Bool {
        guard try lockAlone() else { return false }
        defer { unlock() }
        try truncate(to: length)
        return true
    }
}
