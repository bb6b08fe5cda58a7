import Foundation
import Glibc
import TestSupport
import Testing

struct FileRedirectionTests {
    private let scratch = Scratch()

    private func names(_ path: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    }

    @Test("No file of the store itself is ever a target", arguments: ["MANIFEST", "new", "."])
    func ownFiles(_ name: String) throws {
        _ = try run(["--create", scratch.store, "set", "a", "1"])
        let before = try names(scratch.store)
        let link = scratch.path + "/link"
        try FileManager.default.createSymbolicLink(
            atPath: link, withDestinationPath: scratch.store + "/MANIFEST")
        for target in [scratch.store + "/" + name, link] {
            let outcome = try run([scratch.store], script: "get a > \(target)\n")
            #expect(outcome.status == 2)
        }
        #expect(try names(scratch.store) == before)
        #expect(try run([scratch.store, "get", "a"]).text == "1\n")
    }

    @Test("A target is replaced in one step: with its mode, through a link, and not half")
    func replaced() throws {
        let (file, link) = (scratch.path + "/file", scratch.path + "/link")
        try Data("old and longer".utf8).write(to: URL(fileURLWithPath: file))
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: file)
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "file")
        let old = try FileHandle(forReadingFrom: URL(fileURLWithPath: file))
        let outcome = try run(
            ["--create", "--quiet", scratch.store],
            script: "set a new\nget nope > \(file)\nget a > \(link)\nget a > /dev/null\n")
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(try String(contentsOfFile: file, encoding: .utf8) == "new")
        #expect(String(decoding: old.readDataToEndOfFile(), as: UTF8.self) == "old and longer")
        let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions]
        #expect(mode as? Int == 0o640)
        #expect(try names(scratch.path) == ["file", "link"])
    }

    private func status(_ path: String) -> stat {
        var status = stat()
        // SAFETY: fills in the struct.
        #expect(unsafe stat(path, &status) == 0)
        return status
    }

    @Test(
        "A file that the user may not write to is refused, by name, and stays as it is",
        arguments: [0o444, 0o400, 0o000])
    func forbidden(mode: mode_t) throws {
        try scratch.write("old", to: "file")
        let file = scratch.path + "/file"
        unsafe chmod(file, mode)
        let other = try OtherUser(scratch)
        let script = "set a new\nget a > \(file)\nget nope > \(file)\n"
        let child = try PipedChild(
            other.command + [other.stave, "--create", "--keep-going", scratch.path + "/own"])
        child.send(script)
        #expect(child.finish() == 2)
        let message = "cannot open \(file): Permission denied"
        #expect(child.errors.components(separatedBy: message).count == 3, "\(child.errors)")
        let page = try PipedChild(
            other.command + [other.stave, "inspect", scratch.path + "/own", "--html", file])
        #expect(page.finish() == 74)
        #expect(page.errors.contains(message), "\(page.errors)")
        #expect(status(file).st_mode & 0o777 == mode)
        unsafe chmod(file, 0o600)
        #expect(try String(contentsOfFile: file, encoding: .utf8) == "old")
    }

    @Test(
        "A file keeps its owner and permissions, whichever user replaces it",
        arguments: [0o444, 0o604])
    func keeps(mode: mode_t) throws {
        try scratch.write("old", to: "file")
        let file = scratch.path + "/file"
        unsafe chown(file, OtherUser.number, OtherUser.number)
        // Only root may write to a read-only one.
        let mode = geteuid() == 0 ? mode : 0o604
        unsafe chmod(file, mode)
        let outcome = try run(
            ["--create", "--quiet", scratch.store], script: "set a new\nget a > \(file)\n")
        #expect(outcome.errors == "")
        #expect(try String(contentsOfFile: file, encoding: .utf8) == "new")
        #expect(try run(["inspect", scratch.store, "--html", file]).status == 0)
        #expect(status(file).st_size > 1000)
        #expect(status(file).st_mode & 0o777 == mode)
        #expect(status(file).st_uid == OtherUser.number)
    }

    @Test("In a folder without room for another name, a file is written to in place")
    func inPlace() throws {
        let folder = scratch.path + "/folder"
        unsafe mkdir(folder, 0o755)
        try scratch.write("old and longer", to: "folder/file")
        let file = folder + "/file"
        let other = try OtherUser(scratch)
        unsafe chown(file, OtherUser.number, OtherUser.number)
        unsafe chmod(folder, 0o555)
        let before = status(file).st_ino
        let child = try PipedChild(
            other.command + [other.stave, "--create", "--quiet", scratch.path + "/own"])
        child.send("set a new\nget a > \(file)\nget a > \(folder)/none\n")
        #expect(child.finish() == 2)
        #expect(child.errors.contains("cannot open \(folder)/none: Permission denied"))
        #expect(try String(contentsOfFile: file, encoding: .utf8) == "new")
        #expect(status(file).st_ino == before)
        unsafe chmod(folder, 0o755)
        #expect(try names(folder) == ["file"])
    }

    @Test("A name that is not UTF-8 or holds NUL is refused, not changed")
    func names() throws {
        let script =
            "set a 1\nget a > \"\(scratch.path)/x\\xff\"\n"
            + "get a > \"\(scratch.path)/y\\0z\"\nset b < \"\(scratch.path)/\\xff\"\n"
        let outcome = try run(["--create", "--keep-going", scratch.store], script: script)
        #expect(outcome.errors.split(separator: "\n").count { $0.contains("UTF-8") } == 3)
        #expect(try names(scratch.path).isEmpty)
    }
}
