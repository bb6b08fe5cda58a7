internal import CLinux
internal import Glibc

/// A store's directory, held open: all names are looked up in it, whatever happens to its path.
package struct Directory: ~Copyable, Sendable {
    private let descriptor: Int32
    package let path: String
    /// Whose directory it is, and for whom, by user and group id and the bits of its mode.
    private let owner: uid_t
    private let group: gid_t
    private let mode: mode_t

    /// Opens the directory at `path`.
    package init(path: String) throws(FileError) {
        let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC
        let descriptor = try retrying(.open, path) { unsafe stave_open(path, flags, 0) }
        self = try Directory(descriptor: descriptor, path: path)
    }

    /// Takes the descriptor over, also where it throws.
    private init(descriptor: Int32, path: String) throws(FileError) {
        var status = stat()
        do throws(FileError) {
            // SAFETY: fstat fills the struct in.
            try retrying(.examine, path) { unsafe fstat(descriptor, &status) }
        } catch {
            close(descriptor)
            throw error
        }
        self.descriptor = descriptor
        self.path = path
        owner = status.st_uid
        group = status.st_gid
        mode = status.st_mode
    }

    /// The same directory, opened once more.
    func reopened() throws(FileError) -> Directory {
        let copy = try retrying(.open, path) {
            unsafe stave_open_at(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
        }
        return try Directory(descriptor: copy, path: path)
    }

    /// The directory that this one lies in, only to be walked further; the root lies in itself.
    func above() throws(FileError) -> Directory {
        let above = try retrying(.open, path) { stave_open_above(descriptor) }
        return try Directory(descriptor: above, path: path)
    }

    deinit { close(descriptor) }

    /// Makes the directory, mode 0700, and its entry in the parent durable. The parent must exist.
    package static func create(_ path: String) throws(FileError) {
        do throws(FileError) {
            _ = try retrying(.makeDirectory, path) { unsafe mkdir(path, 0o700) }
        } catch {
            if error.code == EEXIST { return }
            throw error
        }
        try syncName(of: path)
    }

    /// Makes the entry of the directory at `path` in its parent durable.
    package static func syncName(of path: String) throws(FileError) {
        try Directory(path: parent(of: path)).sync()
    }

    package func path(of name: String) -> String { path + "/" + name }

    /// The names in the directory without "." and "..", sorted.
    package func names() throws(FileError) -> [String] {
        let copy = try retrying(.list, path) {
            unsafe stave_open_at(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
        }
        guard let stream = unsafe fdopendir(copy) else {
            let code = errno
            close(copy)
            throw FileError("list", path, code: code)
        }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while true {
            let next = try retrying(.list, path) { () -> Int in
                errno = 0
                let entry = unsafe readdir(stream)
                // The address of an entry, or 0 at the end.
                return errno == 0 ? Int(bitPattern: entry) : -1
            }
            guard let entry = unsafe UnsafeMutablePointer<dirent>(bitPattern: next) else { break }
            // SAFETY: d_name is a NUL-terminated string inside the entry.
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) {
                    unsafe String(cString: $0)
                }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Opens a file of the store. A symbolic link, FIFO, directory or device in its place is
    /// refused, and so is a file that another user owns or that carries set-id bits. All is asked
    /// of the open file, not of its name, which may be another's by now.
    package func open(_ name: String, _ mode: File.Mode) throws(FileError) -> File {
        let path = path(of: name)
        let flags =
            switch mode {
            case .read: O_RDONLY
            case .readWrite: O_RDWR
            case .create: O_RDWR | O_CREAT | O_EXCL
            }
        let descriptor: Int32
        do throws(FileError) {
            descriptor = try retrying(.open, path) {
                unsafe stave_open_at(
                    self.descriptor, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0o600)
            }
        } catch {
            guard error.code == ELOOP else { throw error }
            throw FileError("open", path, reason: "it is a symbolic link, which a store never has")
        }
        let file = File(descriptor: descriptor, path: path)
        if mode == .create { follow(file) }
        // Who may write to the directory may replace its files anyway.
        try file.requireOwn(owner, group: self.mode & S_IWGRP != 0 ? group : nil)
        return file
    }

    /// Gives a new file to whom the directory belongs, so that they can open it later: its group,
    /// its owner where root works for another user, and its permissions except for execution,
    /// whatever the umask is. What is refused is no error.
    private func follow(_ file: borrowing File) {
        // Until then it is the owner's alone.
        let isForOther = geteuid() == 0 && owner != 0
        guard var status = try? file.status() else { return }
        if isForOther || status.st_gid != group {
            _ = attempt(.setAccess, file.path) {
                fchown(file.descriptor, isForOther ? owner : uid_t.max, group)
            }
            guard let now = try? file.status() else { return }
            status = now
        }
        var bits = mode & 0o666 | 0o600
        // Another group is given no more than everybody.
        if status.st_gid != group { bits = bits & 0o606 | (bits & 0o006) << 3 }
        if status.st_mode & 0o777 != bits {
            _ = attempt(.setAccess, file.path) { fchmod(file.descriptor, bits) }
        }
    }

    func identity() throws(FileError) -> FileIdentity {
        try FileIdentity(of: descriptor, path)
    }

    /// Does the name of `path`, which lies here, still lead to this file? Also true where that
    /// cannot be seen.
    package func holds(_ file: FileIdentity, as name: String, _ path: String) -> Bool {
        file.isStill(name, in: descriptor, path)
    }

    /// Takes the directory for this descriptor alone; false where another one has it. A file system
    /// that cannot lock directories, as NFS, leaves the choice to LOCK.
    func lockAlone() throws(FileError) -> Bool {
        do throws(FileError) {
            return try File.lockAlone(descriptor, path)
        } catch {
            if error.isUnsupported || error.code == EBADF || error.code == EINVAL { return true }
            throw error
        }
    }

    func unlock() { flock(descriptor, LOCK_UN) }

    /// Is there anything of this name, a dangling symbolic link included?
    package func contains(_ name: String) -> Bool {
        var status = stat()
        // SAFETY: fstatat fills the struct in.
        return attempt(.examine, path(of: name)) {
            unsafe fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW)
        } == 0
    }

    /// Is it a file, and no link, FIFO, directory or device?
    package func isRegularFile(_ name: String) -> Bool {
        var status = stat()
        // SAFETY: fstatat fills the struct in.
        let result = attempt(.examine, path(of: name)) {
            unsafe fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW)
        }
        return result == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    /// Bytes of the file `name`, or nil where there is none.
    package func size(of name: String) -> Int? {
        var status = stat()
        // SAFETY: fstatat fills the struct in.
        let result = attempt(.examine, path(of: name)) {
            unsafe fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW)
        }
        guard result == 0 else { return nil }
        return Int(status.st_size)
    }

    /// What changes when a file is replaced or written to.
    package struct Stamp: Equatable, Sendable {
        private var device: UInt64
        private var inode: UInt64
        private var size: Int
        private var seconds: Int
        private var nanoseconds: Int

        fileprivate init(_ status: stat) {
            device = UInt64(status.st_dev)
            inode = UInt64(status.st_ino)
            size = Int(status.st_size)
            seconds = status.st_mtim.tv_sec
            nanoseconds = status.st_mtim.tv_nsec
        }
    }

    /// The stamp of the file `name`, or nil where there is none.
    package func stamp(of name: String) throws(FileError) -> Stamp? {
        var status = stat()
        do throws(FileError) {
            // SAFETY: fstatat fills the struct in.
            _ = try retrying(.examine, path(of: name)) {
                unsafe fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW)
            }
        } catch {
            if error.isNoSuchFile { return nil }
            throw error
        }
        return Stamp(status)
    }

    package func remove(_ name: String) throws(FileError) {
        _ = try retrying(.remove, path(of: name)) { unsafe unlinkat(descriptor, name, 0) }
    }

    package func rename(_ old: String, to new: String) throws(FileError) {
        _ = try retrying(.rename, path(of: old)) {
            unsafe renameat(descriptor, old, descriptor, new)
        }
    }

    /// Gives a file of another directory a second name here, in place of what has it.
    ///
    /// - Returns: false where it can only be copied: the other directory is on another file system,
    ///   has no such file, or has it from another owner, or its file system knows no links.
    package func link(_ name: String, of other: borrowing Directory) throws(FileError) -> Bool {
        var status = stat()
        // SAFETY: fstatat fills the struct in.
        let found = attempt(.examine, other.path(of: name)) {
            unsafe fstatat(other.descriptor, name, &status, AT_SYMLINK_NOFOLLOW)
        }
        guard found == 0, status.st_mode & S_IFMT == S_IFREG, status.st_uid == owner else {
            return false
        }
        let temporary = name + FileName.temporarySuffix
        if contains(temporary) { try remove(temporary) }
        do throws(FileError) {
            _ = try retrying(.link, other.path(of: name)) {
                unsafe linkat(other.descriptor, name, descriptor, temporary, 0)
            }
        } catch {
            guard [EXDEV, EPERM, ENOENT, EMLINK, EOPNOTSUPP, ENOSYS, EACCES].contains(error.code)
            else { throw error }
            return false
        }
        try rename(temporary, to: name)
        // Where both names led to the same file before, that has done nothing.
        if contains(temporary) { try remove(temporary) }
        return true
    }

    /// Makes names that were created, renamed or removed durable.
    package func sync() throws(FileError) {
        _ = try retrying(.syncDirectory, path) { fsync(descriptor) }
    }

    /// Puts `bytes` under `file`'s name, whole or not at all: temporary file, sync, rename. The
    /// caller syncs the directory where the name must be durable.
    package func replace(_ file: FileName, with bytes: RawSpan) throws(FileError) {
        try replace(file.name) { (output) throws(FileError) in try output.write(bytes, at: 0) }
    }

    /// The same for any name, with contents that `write` puts into the new file.
    package func replace(
        _ name: String, _ write: (borrowing File) throws(FileError) -> Void
    ) throws(FileError) {
        let output = try beginReplacing(name)
        do throws(FileError) {
            try write(output)
            try output.sync()
            try rename(FileName.temporary(for: name), to: name)
        } catch {
            giveUpReplacing(name)
            throw error
        }
    }

    /// The temporary file for new contents, to be synced and renamed.
    func beginReplacing(_ name: String) throws(FileError) -> File {
        let temporary = FileName.temporary(for: name)
        if contains(temporary) { try remove(temporary) }
        do throws(FileError) {
            return try open(temporary, .create)
        } catch {
            giveUpReplacing(name)
            throw error
        }
    }

    /// Removes the temporary file. What cannot be removed, the next open removes.
    package func giveUpReplacing(_ name: String) { try? remove(FileName.temporary(for: name)) }
}
