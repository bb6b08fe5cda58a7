internal import CLinux
internal import Glibc

/// The lock that makes a process the one writer of a store: flock(2) on the directory itself, and
/// on LOCK as well, because versions before took only that.
///
/// The kernel drops both when the process ends, however it ends, so they are never stale, and LOCK
/// is never removed. It says which process holds it for messages; nothing depends on it.
package struct StoreLock: ~Copyable, Sendable {
    private let file: File
    /// Open for a second time: a lock belongs to what one call of open(2) made.
    private let directory: Directory
    /// Leads to the directory whatever the process's own directory is later; nil where it is not
    /// known.
    private let absolutePath: String?
    /// What they were when they were locked; nil where that could not be seen.
    private let place: FileIdentity?
    private let filePlace: FileIdentity?

    /// Takes the lock, or returns nil where another process (or another store in this one) holds
    /// it.
    package static func acquire(in directory: borrowing Directory) throws(FileError) -> StoreLock? {
        let own = try directory.reopened()
        guard try own.lockAlone() else { return nil }
        let file: File?
        do throws(FileError) {
            file = try lockedFile(in: own)
        } catch {
            own.unlock()
            throw error
        }
        guard let file else {
            own.unlock()
            return nil
        }
        return StoreLock(file: file, directory: own)
    }

    /// LOCK, locked; nil where another process has it.
    private static func lockedFile(in directory: borrowing Directory) throws(FileError) -> File? {
        let file: File
        do throws(FileError) {
            file = try directory.open(FileName.lockName, .create)
        } catch {
            guard error.code == EEXIST else { throw error }
            file = try directory.open(FileName.lockName, .readWrite)
        }
        return try file.lockAlone() ? consume file : nil
    }

    private init(file: consuming File, directory: consuming Directory) {
        absolutePath = Self.absolute(directory.path)
        place = try? directory.identity()
        filePlace = try? file.identity()
        self.file = file
        self.directory = directory
    }

    private static func absolute(_ path: String) -> String? {
        if path.hasPrefix("/") { return path }
        // SAFETY: getcwd makes a string that is freed here.
        guard let here = unsafe getcwd(nil, 0) else { return nil }
        defer { unsafe free(here) }
        return unsafe String(cString: here) + "/" + path
    }

    /// Throws where what is written now would not be found later, or by another writer as well:
    ///
    /// 1. The directory was removed.
    /// 2. Its path leads to another directory. (One that was renamed keeps what is written.)
    /// 3. LOCK was removed or replaced: versions before look at nothing else.
    ///
    /// What cannot be seen is not held against it.
    package func requirePlace() throws(FileError) {
        let found = absolutePath.flatMap { try? FileIdentity(at: $0) }
        if let place, found != place {
            if try directory.identity().linkCount == 0 {
                throw FileError("use", directory.path, reason: "it was removed")
            }
            if found != nil {
                throw FileError(
                    "use", directory.path, reason: "another directory has taken its place")
            }
        }
        if let filePlace, !directory.holds(filePlace, as: FileName.lockName, file.path) {
            throw FileError(
                "use", file.path,
                reason: "it was removed or replaced, so that another process may write, too")
        }
    }

    /// Writes who holds it, for the message that another writer gets. A full disk must not keep a
    /// store from opening, so a failure here is of no consequence.
    package func announce() {
        var text = Array("\(ProcessIdentity(of: getpid())?.text ?? "\(getpid())")".utf8)
        // Always of one length: cutting the file would give the reserve away.
        while text.count < Self.textLength { text.append(UInt8(ascii: " ")) }
        text.append(UInt8(ascii: "\n"))
        unsafe try? file.write(text.span.bytes, at: 0)
    }

    private static let textLength = 63
    private static let reserveLength = 128 << 10

    /// Keeps some space of the disk behind LOCK's text, which its size does not show, so that keys
    /// can be deleted and the store compacted when the disk is full. Where there is none left,
    /// nothing is kept.
    package func keepReserve() {
        try? file.reserve(Self.reserveLength, at: 0, growing: false)
    }

    /// What asks for the space that is kept.
    package enum ReserveUse {
        /// Leaves half of it to a compaction, which gives back what deleting only marks.
        case deleting
        case compacting
    }

    /// Gives space back for this.
    ///
    /// - Returns: whether there was any.
    package func releaseReserve(for use: ReserveUse) -> Bool {
        let half = Self.reserveLength / 2
        let least = use == .deleting ? half + half / 2 : half / 2
        guard let size = try? file.size(), let bytes = try? file.bytesOnDisk(), bytes >= least
        else { return false }
        // Growing first, because some file systems do nothing where the size stays.
        try? file.truncate(to: max(size, Self.reserveLength) + 4096)
        try? file.truncate(to: size)
        if use == .deleting { try? file.reserve(half, at: 0, growing: false) }
        return true
    }

    /// The process id of the holder, as far as can be known: who wrote LOCK is still there, and is
    /// seen by this process under that number. nil where LOCK says another one (until the holder
    /// has announced itself, an earlier holder stands there), or too little: versions before wrote
    /// a number only.
    package static func holder(in directory: borrowing Directory) -> Int? {
        guard let file = try? directory.open(FileName.lockName, .read),
            let bytes = try? file.contents(limit: 100),
            let written = ProcessIdentity(String(decoding: bytes, as: UTF8.self)),
            written == ProcessIdentity(of: written.id)
        else { return nil }
        return Int(written.id)
    }

    /// Lets the lock go while the value lives on.
    package func release() {
        file.unlock()
        directory.unlock()
    }

    /// Explicitly: a child that is being started right now may have inherited the descriptors, and
    /// would keep the lock until it runs.
    deinit {
        file.unlock()
        directory.unlock()
    }
}
