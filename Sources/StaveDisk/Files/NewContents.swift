internal import CLinux
internal import Glibc

/// New contents for a file that the user named. Rules:
///
/// 1. What the user may not write to stays as it is, although a new file could take its place: a
///    shell refuses it too.
/// 2. The file keeps its owner, group and permissions. Not so access control lists and hard
///    links.
/// 3. It is replaced by a rename, so that a reader sees the old bytes or all the new ones. Where
///    the new file cannot be made beside it, or cannot belong to the same owner, it is written to
///    in place.
package struct NewContents {
    private let path: String
    /// Of the file that is there; nil where there is none.
    private let old: (owner: uid_t, group: gid_t, mode: mode_t)?
    /// Of a file that is made, less what umask(2) takes away.
    private let newMode: mode_t

    /// Looks at `path`, and changes nothing. Throws where the user may not write there, and where
    /// no regular file is there; a symbolic link is none.
    package init(for path: String, newMode: UInt32) throws(FileError) {
        self.path = path
        self.newMode = newMode
        var status = stat()
        // SAFETY: fills in the struct.
        if unsafe lstat(path, &status) != 0 {
            guard errno == ENOENT else { throw FileError("open", path, code: errno) }
            old = nil
            return
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw FileError("write to", path, reason: "it is not a regular file")
        }
        old = (status.st_uid, status.st_gid, status.st_mode & 0o777)
        // Rule 1: access(2) knows nothing of a file that runs, or that may not be changed.
        close(try open(path, O_WRONLY))
    }

    package var exists: Bool { old != nil }

    package func write(_ bytes: RawSpan) throws(FileError) {
        if try replace(bytes) { return }
        // Rule 3.
        let file = File(descriptor: try open(path, O_WRONLY | O_TRUNC), path: path)
        try file.write(bytes, at: 0)
    }

    /// False, and nothing done, where that would break rule 2.
    private func replace(_ bytes: RawSpan) throws(FileError) -> Bool {
        let folder = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[...$0]) } ?? ""
        let temporary = folder + ".stave-\(getpid()).tmp"
        // What an earlier process of this number left when it was killed.
        unsafe unlink(temporary)
        let descriptor: Int32
        do throws(FileError) {
            // No other user reads it before it has the permissions of the old one.
            let mode = exists ? 0o600 : newMode
            descriptor = try open(temporary, O_WRONLY | O_CREAT | O_EXCL, mode)
        } catch {
            if exists, error.isPermission { return false }
            throw error
        }
        let file = File(descriptor: descriptor, path: path)
        do throws(FileError) {
            guard keepsOwner(descriptor) else {
                unsafe unlink(temporary)
                return false
            }
            try file.write(bytes, at: 0)
            _ = try retrying(.rename, path) { unsafe rename(temporary, path) }
            return true
        } catch {
            unsafe unlink(temporary)
            throw error
        }
    }

    /// Rule 2. The owner first: changing it takes permissions away.
    private func keepsOwner(_ descriptor: Int32) -> Bool {
        guard let old else { return true }
        var status = stat()
        // SAFETY: fills in the struct.
        guard unsafe fstat(descriptor, &status) == 0 else { return false }
        if (status.st_uid, status.st_gid) != (old.owner, old.group),
            fchown(descriptor, old.owner, old.group) != 0
        {
            return false
        }
        return fchmod(descriptor, old.mode) == 0
    }

    private func open(_ name: String, _ flags: Int32, _ mode: mode_t = 0) throws(FileError) -> Int32
    {
        try retrying(.open, path) {
            unsafe stave_open(name, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, mode)
        }
    }
}
