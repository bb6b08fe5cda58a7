internal import CLinux
internal import Glibc

/// Which file or directory it is, whatever its names are.
package struct FileIdentity: Equatable, Sendable {
    private let device: UInt64
    private let inode: UInt64
    /// How many names it had. None of the identity: names come and go.
    let linkCount: Int

    private init(_ found: stave_identity) {
        device = found.device
        inode = found.inode
        linkCount = Int(found.links)
    }

    package static func == (one: FileIdentity, other: FileIdentity) -> Bool {
        one.device == other.device && one.inode == other.inode
    }

    /// Of what is open.
    init(of descriptor: Int32, _ path: String) throws(FileError) {
        var found = stave_identity()
        // SAFETY: the call fills the struct in.
        try retrying(.examine, path) { unsafe stave_identify(descriptor, "", 0, &found) }
        self.init(found)
    }

    /// Of what a path leads to.
    init(at path: String) throws(FileError) {
        var found = stave_identity()
        // SAFETY: the call fills the struct in.
        try retrying(.examine, path) { unsafe stave_identify(AT_FDCWD, path, 1, &found) }
        self.init(found)
    }

    /// Does a name in an open directory still lead here? Also true where that cannot be seen.
    func isStill(_ name: String, in directory: Int32, _ path: String) -> Bool {
        var found = stave_identity()
        // SAFETY: the call fills the struct in.
        let result = attempt(.examine, path) { unsafe stave_identify(directory, name, 0, &found) }
        return result == 0 ? FileIdentity(found) == self : errno != ENOENT
    }
}
