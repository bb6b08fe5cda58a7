internal import CLinux
internal import Glibc

/// A file that the user named; no part of a store.
package enum OutputFile {
    /// Would a file at `path` lie in `folder` or below it, by whatever names both are reached?
    package static func isInside(_ path: String, _ folder: String) throws(FileError) -> Bool {
        let wanted = try status(folder)
        var directory = try open(parent(of: path))
        defer { close(directory) }
        while true {
            var here = stat()
            var above = stat()
            _ = try retrying(.examine, path) { unsafe fstat(directory, &here) }
            if isSame(here, wanted) { return true }
            let next = try retrying(.open, path) {
                unsafe stave_open_at(directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
            }
            close(directory)
            directory = next
            _ = try retrying(.examine, path) { unsafe fstat(directory, &above) }
            // The root is above itself.
            if isSame(here, above) { return false }
        }
    }

    private static func parent(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func open(_ path: String) throws(FileError) -> Int32 {
        try retrying(.open, path) {
            unsafe stave_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
        }
    }

    private static func status(_ path: String) throws(FileError) -> stat {
        var status = stat()
        _ = try retrying(.examine, path) { unsafe fstatat(AT_FDCWD, path, &status, 0) }
        return status
    }

    private static func isSame(_ a: stat, _ b: stat) -> Bool {
        a.st_dev == b.st_dev && a.st_ino == b.st_ino
    }
}
