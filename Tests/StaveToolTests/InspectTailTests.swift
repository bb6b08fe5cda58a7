import Glibc
import Stave
import StaveDisk
import TestSupport
import Testing

@Suite("The inspector following a live store")
struct InspectTailTests {
    let folder: TemporaryFolder
    let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.path("store")
    }

    private func open() throws -> Store { try Store(path: path, options: .small(4096)) }

    /// A child that has found the end of what is there.
    private func tail(_ options: String...) throws -> PipedChild {
        let child = try PipedChild([stave, "inspect", path, "--tail"] + options)
        if !options.contains("--json") { #expect(child.waitForOutput("key = value")) }
        return child
    }

    private func sequences(_ child: PipedChild) -> [Int] {
        String(decoding: child.output, as: UTF8.self).split(separator: "\n").dropFirst()
            .compactMap { Int($0.split(separator: " ")[3]) }
    }

    @Test("Every new record is shown once, in order, across rotation and compaction")
    func rotation() throws {
        let store = try open()
        try store.set("old", forKey: "before")
        let child = try tail()
        for round in 0..<3 {
            for number in 0..<150 {
                try store.set("value of some length \(number)", forKey: "key \(number)")
            }
            _ = try store.removeValue(forKey: "key 7")
            try store.set("end", forKey: "round \(round)")
            #expect(child.waitForOutput("\"round \(round)\" = end"))
            _ = try store.compact()
        }
        try store.close()
        child.signal(SIGINT)
        #expect(child.finish() == 128 + SIGINT)
        #expect(child.errors == "")
        #expect(sequences(child) == Array(2...(1 + 3 * 152)))
    }

    @Test("What was written and compacted between two looks is shown in the order of writing")
    func compactedMeanwhile() throws {
        let store = try open()
        try store.set("1", forKey: "a")
        let child = try tail()
        child.signal(SIGSTOP)
        for number in (0..<300).reversed() {
            try store.set("value of some length", forKey: "key \(number)")
        }
        try store.set("2", forKey: "a")
        _ = try store.compact()
        try store.set("last", forKey: "z")
        child.signal(SIGCONT)
        #expect(child.waitForOutput("z = last"))
        try store.close()
        child.signal(SIGINT)
        _ = child.finish()
        #expect(sequences(child) == Array(2...303))
    }

    @Test("It ends when its reader has gone, although nothing is written")
    func closedPipe() throws {
        let store = try open()
        let child = try tail()
        child.closeOutput()
        #expect(child.waitForExit(seconds: 30) == 0)
        try store.close()
    }

    @Test("Keys, columns, JSON and a limit apply as in any listing")
    func options() throws {
        let store = try open()
        try store.set("1", forKey: "k:0")
        let child = try tail("--key", "k:*", "--limit", "2", "--json", "--columns", "key,value")
        var number = 0
        // The child may find the end of the log later than the first of these.
        while child.waitForExit(seconds: 0.05) == nil, number < 1000 {
            number += 1
            try store.set("x", forKey: "other \(number)")
            try store.set("\(number)", forKey: "k:\(number)")
        }
        #expect(child.finish() == 0)
        let lines = String(decoding: child.output, as: UTF8.self).split(separator: "\n")
        #expect(lines.count == 2)
        for line in lines {
            #expect(line.hasPrefix("{\"type\":\"record\",\"key\":\"k:"), "\(line)")
            #expect(!line.contains("offset"))
        }
        try store.close()
    }

    @Test("A store that was cut short and goes on is followed on the same segment")
    func reopened() throws {
        var store = try open()
        try store.set("1", forKey: "a")
        let child = try tail()
        try store.close()
        store = try open()
        try store.set("2", forKey: "b")
        #expect(child.waitForOutput("b = 2"))
        try store.close()
    }

    @Test("There is nothing to follow in a file, or in no store")
    func noStore() throws {
        let small = try TemporaryFolder()
        SmallStore().write(to: small)
        #expect(try InspectRun(["0000000001.segment", "--tail"], in: small).status == 64)
        small.remove("MANIFEST")
        #expect(try InspectRun([".", "--tail"], in: small).status == 66)
        #expect(try InspectRun([".", "--tail", "--segment", "1"], in: small).status == 64)
    }
}
