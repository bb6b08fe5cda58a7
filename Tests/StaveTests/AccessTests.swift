import Foundation
import Glibc
import StaveDisk
import TestSupport
import Testing

@testable import Stave

@Suite("A store's files are for whom its directory is")
struct AccessTests {
    private let folder: TemporaryFolder
    private let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.path("store")
        unsafe mkdir(path, 0o700)
    }

    private struct Access: Equatable {
        var mode: UInt32
        var owner: UInt32
        var group: UInt32
    }

    private func access(_ path: String) -> Access {
        var status = stat()
        // SAFETY: fills in the struct.
        unsafe #expect(lstat(path, &status) == 0)
        return Access(
            mode: status.st_mode & 0o7777, owner: status.st_uid, group: status.st_gid)
    }

    /// Files of every kind.
    private func use() throws {
        var options = StoreOptions.small()
        options.checkpointEntries = 0
        let store = try Store(path: path, options: options)
        for number in 0..<200 { try store.set("\(number)", forKey: "key \(number)") }
        _ = try store.compact()
        try store.set("last", forKey: "last")
        try store.close()
        #expect(
            Set(try StoreFolder.names(path)).isSuperset(
                of: ["LOCK", "MANIFEST", "keydir.checkpoint"]))
        #expect(try !StoreFolder.hints(path).isEmpty)
    }

    static let modes: [(directory: UInt32, files: UInt32)] = [
        (0o700, 0o600), (0o750, 0o640), (0o770, 0o660), (0o2750, 0o640), (0o2770, 0o660),
        (0o755, 0o644), (0o777, 0o666),
    ]

    @Test("They have its permissions, except for execution, and its group", arguments: modes)
    func follows(mode: (directory: UInt32, files: UInt32)) throws {
        // Only root gives a directory to a group of others.
        let group = geteuid() == 0 ? 12345 : getegid()
        unsafe #expect(chown(path, uid_t.max, group) == 0)
        unsafe #expect(chmod(path, mode.directory) == 0)
        try use()
        let expected = Access(mode: mode.files, owner: geteuid(), group: group)
        for name in try StoreFolder.names(path) {
            #expect(access(path + "/" + name) == expected, "\(name)")
        }
    }

    @Test("Whatever the umask is", arguments: ["000", "027", "077"])
    func umask(_ mask: String) throws {
        unsafe #expect(chmod(path, 0o770) == 0)
        let tool = builtProduct("stave")
        let child = try PipedChild([
            "/bin/sh", "-c", "umask \(mask); exec '\(tool)' --create --segment-size 4K '\(path)'",
        ])
        for number in 0..<200 { child.send("set key\(number) \(number)\n") }
        child.send("compact\n")
        #expect(child.finish() == 0)
        for name in try StoreFolder.names(path) {
            #expect(access(path + "/" + name).mode == 0o660, "\(name)")
        }
    }

    @Test(
        "Root writes for the directory's owner, who can open the store later",
        .enabled(if: geteuid() == 0))
    func onBehalf() throws {
        unsafe #expect(chown(path, 12345, 23456) == 0)
        unsafe #expect(chmod(path, 0o750) == 0)
        try use()
        let expected = Access(mode: 0o640, owner: 12345, group: 23456)
        for name in try StoreFolder.names(path) {
            #expect(access(path + "/" + name) == expected, "\(name)")
        }
        let tool = builtProduct("stave")
        let become = ["/usr/bin/setpriv", "--reuid=12345", "--regid=23456", "--clear-groups"]
        // The program may lie where others may not look.
        guard try PipedChild(become + ["/usr/bin/test", "-x", tool]).finish() == 0 else { return }
        let child = try PipedChild(become + [tool, path])
        child.send("set mine 1\nget last\n")
        #expect(child.finish() == 0, "\(child.errors)")
        #expect(child.output == Array("OK\nlast\n".utf8))
    }

    @Test("A group that shares the directory shares its files", .enabled(if: geteuid() == 0))
    func shared() throws {
        unsafe #expect(chown(path, 12345, 23456) == 0)
        unsafe #expect(chmod(path, 0o2770) == 0)
        try use()
        let manifest = path + "/MANIFEST"
        // As another one of the group wrote it.
        unsafe #expect(chown(manifest, 12346, 23456) == 0)
        try Store(path: path).close()
        // Of another user.
        unsafe #expect(chown(manifest, 12346, 34567) == 0)
        #expect(throws: StoreError.self) { try Store(path: path) }
        // What the group may not write is not the group's.
        unsafe #expect(chown(manifest, 12346, 23456) == 0)
        unsafe #expect(chmod(path, 0o750) == 0)
        #expect(throws: StoreError.self) { try Store(path: path) }
    }
}
