import Foundation
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
