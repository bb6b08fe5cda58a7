import Foundation
import StaveDisk
import TestSupport
import Testing

@testable import Stave

@Suite("More than one process, and the sudden end of one")
struct ProcessTests {
    private let folder: TemporaryFolder
    private let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.path("store")
    }

    private func shell(_ arguments: [String] = []) throws -> PipedChild {
        try PipedChild([builtProduct("stave"), "--create"] + arguments + [path])
    }

    @Test("A second writer in this process is refused, and told whose the lock is")
    func lockedHere() throws {
        let store = try Store(path: path, options: .small())
        let error = storeError { try Store(path: path) }
        #expect(error == .locked(path: path, holder: Int(getpid())))
        #expect(error?.description.contains("pid \(getpid())") == true)
        _ = try Store(path: path, options: .reading)
        try store.close()
        try Store(path: path).close()
    }

    @Test("A damaged store, opened read-only, lets the lock go when it is closed")
    func lockOfDamaged() throws {
        let store = try Store(path: path, options: .small())
        try store.set("1", forKey: "a")
        try store.set("2", forKey: "b")
        try store.close()
        let name = try StoreFolder.segments(path)[0]
        var bytes = try StoreFolder.bytes(path, name)
        bytes[90] ^= 1
        try StoreFolder.write(bytes, path, name)
        let damaged = try Store(path: path)
        #expect(damaged.isReadOnly)
        try damaged.close()
        try Store(path: path).close()
        withExtendedLifetime(damaged) {}
    }

    @Test("A segment is not cut at its end while a reader may have it mapped")
    func mappedByReader() throws {
        let store = try Store(path: path, options: .small())
        try store.set("1", forKey: "a")
        let name = try StoreFolder.segments(path)[0]
        let size = try StoreFolder.bytes(path, name).count
        let reader = try Store(path: path, options: .reading)
        try store.sealActive()
        #expect(try StoreFolder.bytes(path, name).count == size)
        #expect(try reader.value(forKey: "a") == [UInt8(ascii: "1")])
        try store.set("2", forKey: "a")
        try store.close()
        let last = try #require(try StoreFolder.segments(path).last)
        #expect(try StoreFolder.bytes(path, last).count < size)
        try reader.close()
    }

    @Test("The lock of another process names its pid, and is free once it is killed")
    func lockedThere() throws {
        let child = try shell()
        child.send("set a 1\n")
        #expect(child.waitForOutput("OK\n"))
        guard case .locked(_, let holder)? = storeError({ try Store(path: path) }) else {
            Issue.record("the store is not locked")
            return
        }
        #expect(holder != nil && holder != Int(getpid()))
        #expect(try Store(path: path, options: .reading).value(forKey: "a") == [UInt8(ascii: "1")])
        child.signal(SIGKILL)
        _ = child.finish()
        let store = try Store(path: path)
        #expect(try store.value(forKey: "a") == [UInt8(ascii: "1")])
    }

    /// The writer is killed at a random moment, many times over, in one store. What it had replied
    /// to is there, and what else is there is a prefix of what it was told to do.
    @Test("After SIGKILL everything acknowledged is there", arguments: Seeds.some(1))
    func killed(seed: UInt64) throws {
        print("seed \(seed)")
        var random = SeededRandom(seed: seed)
        var base: [[UInt8]: [UInt8]] = [:]
        for round in 0..<25 {
            let history = History.random(600, keys: 25, seed: random.next())
            let child = try shell([
                "--segment-size", "4K", "--durability", round % 3 == 0 ? "always" : "os",
            ])
            let fence = Int.random(in: 0..<history.writes.count, using: &random)
            let lines = history.writes.enumerated().map { index, write in
                let command =
                    write.value.map { "set '\(write.key)' '\($0)'" } ?? "delete '\(write.key)'"
                let fence = index == fence ? "\necho fence" : ""
                return command + fence + (index % 170 == 149 ? "\ncompact" : "")
            }
            // Little more than what is waited for, so that the kill finds it at work.
            child.send(lines.prefix(fence + 200).joined(separator: "\n") + "\n")
            _ = child.waitForOutput("fence\n")
            child.signal(SIGKILL)
            _ = child.finish()
            let replies = child.output.split(separator: UInt8(ascii: "\n"))
            let acknowledged = replies.count {
                $0.elementsEqual("OK".utf8) || $0.elementsEqual("1".utf8)
            }
            let store = try Store(path: path)
            let found = try store.dictionary()
            #expect(acknowledged >= fence)
            // What each number of writes would have left.
            var states = [base]
            for write in history.writes {
                var next = states.last!
                next[Array(write.key.utf8)] = write.value.map { Array($0.utf8) }
                states.append(next)
            }
            let fits = states[acknowledged...].contains(found)
            #expect(fits, "seed \(seed), round \(round), \(acknowledged) acknowledged")
            #expect(try store.gets(Array(found.keys)) == found)
            base = found
            try store.close()
        }
    }

    /// A limit on the size of files stands in for a full disk; the signal that comes with it would
    /// end the program.
    @Test(
        "A full disk is an error: what was acknowledged stays, and the store goes on with room",
        arguments: [70_001, 90_007, 131_072])
    func fullDisk(limit: Int) throws {
        let tool = builtProduct("stave")
        let child = try PipedChild([
            "/usr/bin/prlimit", "--fsize=\(limit)", tool, "--create", "--keep-going", path,
        ])
        let value = String(repeating: "v", count: 1000)
        for number in 0..<300 { child.send("set key\(number) \(value)\n") }
        child.send("compact\nset key0 short\n")
        #expect(child.finish() == 2)
        #expect(child.errors.contains("no space left"), "\(child.errors.suffix(300))")
        let acknowledged = child.output.split(separator: UInt8(ascii: "\n")).count {
            $0.elementsEqual("OK".utf8)
        }
        #expect(acknowledged > 50 && acknowledged < 300)
        let store = try Store(path: path)
        #expect(store.notices == [])
        #expect(store.count == acknowledged || store.count + 1 == acknowledged)
        for number in 1..<(acknowledged - 1) {
            #expect(try store.value(forKey: "key\(number)") == Array(value.utf8))
        }
        try store.set("after", forKey: "new")
        _ = try store.compact()
        try store.close()
        #expect(try Store(path: path).value(forKey: "new") == Array("after".utf8))
    }
}
