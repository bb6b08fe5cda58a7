// Where a directory lies.

extension Directory {
    /// The path of what holds the file or directory that `path` names.
    package static func parent(of path: String) -> String {
        var bytes = Array(path.utf8)
        while bytes.count > 1, bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == 0 ? "/" : String(decoding: bytes[..<slash], as: UTF8.self)
    }

    /// The directory that holds what `path` names.
    package static func opening(parentOf path: String) throws(FileError) -> Directory {
        try Directory(path: parent(of: path))
    }

    /// Is it `other`, or somewhere inside?
    package func isInside(_ other: borrowing Directory) throws(FileError) -> Bool {
        try isInside(other.identity())
    }

    /// Would a file at `path` lie in `folder` or below it, by whatever names both are reached?
    package static func isInside(_ path: String, _ folder: String) throws(FileError) -> Bool {
        try opening(parentOf: path).isInside(FileIdentity(at: folder))
    }

    private func isInside(_ wanted: FileIdentity) throws(FileError) -> Bool {
        var here = try identity()
        if here == wanted { return true }
        var current = try above()
        while true {
            let next = try current.identity()
            if next == wanted { return true }
            // The root is above itself.
            if next == here { return false }
            here = next
            current = try current.above()
        }
    }
}
