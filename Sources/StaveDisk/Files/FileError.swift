internal import Glibc

/// A system call that failed, or a file that is not what it should be.
package struct FileError: Error, Equatable, Sendable {
    /// What was tried: a verb, as in "cannot open".
    package var operation: String
    package var path: String
    /// errno, or 0 where the kernel had no part in it.
    package var code: Int32
    /// Why, in words.
    package var reason: String

    package init(_ operation: String, _ path: String, code: Int32) {
        self.operation = operation
        self.path = path
        self.code = code
        // SAFETY: strerror returns a string that lasts until the thread's next call.
        reason = unsafe String(cString: strerror(code))
    }

    package init(_ operation: String, _ path: String, reason: String) {
        self.operation = operation
        self.path = path
        code = 0
        self.reason = reason
    }

    package var description: String { "cannot \(operation) \(path): \(reason)" }

    package var isNoSuchFile: Bool { code == ENOENT }
    package var isNotADirectory: Bool { code == ENOTDIR }
    /// No room for what was to be written. Of a sync it says more: what was written before may be
    /// lost.
    package var isNoSpace: Bool {
        [ENOSPC, EDQUOT, EFBIG].contains(code) && operation != SystemCall.sync.verb
    }
    package var isPermission: Bool { code == EACCES || code == EPERM || code == EROFS }
    /// The file system cannot reserve space ahead of writes.
    package var isUnsupported: Bool { code == EOPNOTSUPP || code == ENOSYS }
}
