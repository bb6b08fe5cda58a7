internal import CLinux
internal import Glibc

/// The lock that makes a process the one writer of a store: flock(2) on LOCK.
///
/// The kernel drops it when the process ends, however it ends, so it is never stale, and the file is
/// never removed. It holds the holder's process id for messages; nothing depends on it.
package struct StoreLock: ~Copyable, Sendable {
    private let file: File

    /// Takes the lock, or returns nil where another process (or another store in this one) holds it.
    package static func acquire(in directory: borrowing Directory) throws(FileError) -> StoreLock? {
        let file: File
        do throws(FileError) {
            file = try directory.open(FileName.lockName, .create)
        } catch {
            guard error.code == EEXIST else { throw error }
            file = try directory.open(FileName.lockName, .readWrite)
        }
        guard try file.lockAlone() else { return nil }
        return StoreLock(file: file)
    }

    /// Writes who holds it, for the message that another writer gets. A full disk must not keep a store
    /// from opening, so a failure here is of no consequence.
    package func announce() {
        let text = Array("\(getpid())\n".utf8)
        try? file.truncate(to: 0)
        unsafe try? file.write(text.span.bytes, at: 0)
    }

    /// The process id that the holder wrote, if it can be read and such a process lives. (Until the
    /// holder has announced itself, an earlier holder's stands there.)
    package static func holder(in directory: borrowing Directory) -> Int? {
        guard let file = try? directory.open(FileName.lockName, .read),
            let bytes = try? file.contents(limit: 64)
        else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let id = Int32(text.prefix { $0.isNumber }), kill(id, 0) == 0 || errno == EPERM
        else { return nil }
        return Int(id)
    }

    /// Lets the lock go while the value lives on.
    package func release() { flock(file.descriptor, LOCK_UN) }

    private init(file: consuming File) { self.file = file }
}
