import Foundation
import StaveDisk
import TestSupport
import Testing

@testable import StaveTool

/// What the inspector's commands ask of the kernel, by strace(1), where it is installed: of calls
/// that change files or lock them none, and files of the store are opened to be read, no other way.
@Suite("Looking changes nothing")
struct ReadOnlyTests {
    private let store = WrittenStore.withCheckpoint
    private let folder = try! TemporaryFolder(isInMemory: true)
    private let elsewhere = try! TemporaryFolder(isInMemory: true)
    private static let strace = "/usr/bin/strace"
    private static let isExhaustive =
        ProcessInfo.processInfo.environment["STAVE_EXHAUSTIVE"] == "1"
    private static let calls =
        "open,openat,creat,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,"
        + "linkat,symlink,symlinkat,flock,truncate,ftruncate,fallocate,chmod,fchmod,fchmodat,"
        + "utimensat,fsync,fdatasync,pwrite64,pwritev,pwritev2,sync_file_range,msync,write,fcntl"

    private var canTrace: Bool {
        let isThere = FileManager.default.isExecutableFile(atPath: Self.strace)
        if !isThere { print("left out: strace is not installed") }
        return isThere
    }

    /// The program's status and what it printed, and its calls, a line each.
    private func trace(_ words: [String]) throws -> (status: Int32, text: String, calls: [String]) {
        let child = try PipedChild(
            [
                Self.strace, "-f", "--seccomp-bpf", "-qq", "-s", "20", "-o",
                elsewhere.path("trace"), "-e", "trace=" + Self.calls, stave,
            ] + words, environment: ["SWIFT_BACKTRACE": "enable=no"])
        let status = child.finish()
        let lines = String(decoding: elsewhere.read("trace"), as: UTF8.self)
            .split(separator: "\n").map(String.init)
            .filter { !$0.contains("+++") && !$0.contains("---") }
        return (status, String(decoding: child.output, as: UTF8.self), lines)
    }

    /// - Parameter output: a path outside of the store that may be written.
    private func expectNoChange(_ words: [String], _ calls: [String], output: String? = nil) {
        for line in calls {
            if let output, line.contains(output), !line.contains(folder.path) { continue }
            let isOutput = ["write(", "pwritev2("].contains { call in
                line.contains("\(call)1, ") || line.contains("\(call)2, ")
            }
            if isOutput { continue }
            // What is written to a page's file, and what makes a descriptor close on exec.
            if output != nil, line.contains("write(") || line.contains("sync(") { continue }
            if line.contains("fcntl("), !line.contains("LK") { continue }
            let isReading =
                line.contains("open") && !line.contains("O_WRONLY") && !line.contains("O_CREAT")
                && (!line.contains("O_RDWR") || !line.contains(folder.path))
            #expect(isReading, "\(words): \(line)")
        }
    }

    @Test("Nothing is written, renamed, removed or locked", arguments: [false, true])
    func systemCalls(_ isDamaged: Bool) throws {
        guard canTrace else { return }
        store.write(to: folder)
        let other = try TemporaryFolder(isInMemory: true)
        store.write(to: other)
        if isDamaged {
            folder.write(
                Array(folder.read("0000000002.segment").dropLast(9)), to: "0000000002.segment")
            folder.remove("MANIFEST")
        }
        let before = try StoreFolder.items(folder.path)
        for words in [
            ["verify", folder.path], ["verify", "--json", folder.path],
            ["inspect", "--verify", folder.path], ["inspect", "--space", folder.path],
            ["inspect", "--from", "0", "--json", folder.path], ["why", folder.path, "k7"],
            ["diff", folder.path, other.path],
        ] {
            let (status, _, calls) = try trace(words)
            #expect([0, 1, 2].contains(status), "\(words)")
            #expect(calls.contains { $0.contains("MANIFEST") })
            expectNoChange(words, calls)
        }
        for (words, output) in [
            (["inspect", folder.path, "--html", elsewhere.path("page")], elsewhere.path("page")),
            (["repair", folder.path, elsewhere.path("new")], elsewhere.path("new")),
        ] {
            // Names inside of NEWDIR are relative to it.
            let (status, _, calls) = try trace(words)
            #expect([0, 1, 2].contains(status), "\(words)")
            expectNoChange(words, calls.filter { $0.contains(folder.path) }, output: output)
        }
        #expect(try StoreFolder.items(folder.path) == before)
    }

    @Test("What comes first is on the screen before the files of a large store are read")
    func firstLine() throws {
        guard canTrace else { return }
        store.write(to: folder)
        for words in [["verify"], ["inspect", "--verify"], ["inspect", "--space"], ["inspect"]] {
            let (_, text, calls) = try trace(words + [folder.path])
            #expect(text.hasPrefix("store "))
            let line = try #require(
                calls.firstIndex {
                    $0.contains("(1, ") && $0.contains("\"store ")
                })
            let hint = try #require(calls.firstIndex { $0.contains(".hint") })
            #expect(line < hint, "\(words)")
        }
    }

    /// Both programs on a damaged store end as a look in this process says, and change nothing.
    private func expectStatus(_ what: String, _ replaced: String? = nil) throws {
        let wanted = try Verification(of: folder.path).findings.worst.exitStatus
        for words in [["verify"], ["inspect", "--verify"], ["inspect", "--json", "--verify"]] {
            let (status, text, calls) = try trace(words + [folder.path])
            #expect(status == wanted, "\(what): \(words)")
            #expect(text.contains("verdict"), "\(what): \(words)")
            expectNoChange(words, calls)
        }
        let other = try trace(["inspect", folder.path])
        #expect([0, wanted].contains(other.status), "\(what)")
        expectNoChange([what], other.calls)
    }

    /// What lies in the folder, without reading it: a FIFO would wait, and 4 GiB of zeros take
    /// long.
    private func listing() throws -> [String] {
        try StoreFolder.names(folder.path).map { name in
            let found = try FileManager.default.attributesOfItem(atPath: folder.path(name))
            return "\(name) \(found[.type]!) \(found[.size]!) \(found[.modificationDate]!)"
        }
    }

    /// Every hundredth byte changed and every hundredth length, each file in the place of another
    /// one, and what is no file; without STAVE_EXHAUSTIVE a few of them. VerifyDamageTests do all
    /// of them in their own process.
    @Test("On damaged stores the programs end with their statuses, and change nothing")
    func matrix() throws {
        guard canTrace else { return }
        var random = SeededRandom.forTest()
        let step = Self.isExhaustive ? 100 : 30_000
        var count = 0
        for (name, bytes) in store.files {
            store.write(to: folder)
            let first = min(Int.random(in: 0..<step, using: &random), bytes.count - 1)
            for offset in stride(from: first, to: bytes.count, by: step) {
                var damaged = bytes
                damaged[offset] ^= UInt8(1 << Int.random(in: 0..<8, using: &random))
                for (what, contents) in [("byte", damaged), ("cut", Array(bytes[..<offset]))] {
                    folder.write(contents, to: name)
                    let before = try StoreFolder.items(folder.path)
                    try expectStatus("\(name), \(what) \(offset)")
                    #expect(try StoreFolder.items(folder.path) == before)
                    count += 1
                }
            }
            guard Self.isExhaustive else { continue }
            for other in WrittenStore.others {
                store.write(to: folder)
                try store.put(other, name, in: folder)
                let before = try listing()
                try expectStatus("\(name), \(other)")
                #expect(try listing() == before)
                folder.remove(name)
                folder.remove("elsewhere")
                count += 1
            }
            for (other, otherBytes) in store.files where other > name {
                store.write(to: folder)
                folder.write(otherBytes, to: name)
                folder.write(bytes, to: other)
                let before = try StoreFolder.items(folder.path)
                try expectStatus("\(name) and \(other) swapped")
                #expect(try StoreFolder.items(folder.path) == before)
                count += 1
            }
        }
        print("\(count) damaged stores, 4 runs each")
    }
}
