import Glibc
import Stave
import TestSupport
import Testing

@testable import StaveTool

/// A store with enough dead records that a compaction takes a while: `count` keys, each set twice.
private func makeWasteful(_ path: String, count: Int, segmentSize: Int = 1 << 20) throws {
    var options = StoreOptions()
    options.createsIfMissing = true
    options.segmentSize = segmentSize
    options.compaction.isAutomatic = false
    let store = try Store(path: path, options: options)
    let value = [UInt8](repeating: 0x76, count: 100)
    for round in 0..<2 {
        for number in 0..<count where round == 0 || number % 2 == 0 {
            try store.set(value, forKey: Array("key\(number)".utf8))
        }
    }
    try store.close()
}

struct CompactTests {
    private let scratch = Scratch()

    @Test("A command that is interrupted cancels, and the store is as it was")
    func cancelled() throws {
        try makeWasteful(scratch.store, count: 2000, segmentSize: 64 << 10)
        let store = try Store(path: scratch.store)
        let before = try store.statistics()
        let session = Session(store, place: .script, settings: SessionSettings())
        session.isInterrupted = { true }
        #expect { try session.run("compact") } throws: {
            ($0 as? CommandError)?.message == "cancelled"
        }
        let after = try store.statistics()
        #expect(after.deadBytes == before.deadBytes)
        #expect(after.liveBytes == before.liveBytes)
        #expect(after.compactionCount == 0)
        #expect(try store.value(forKey: Array("key7".utf8))?.count == 100)
        session.isInterrupted = { false }
        try session.run("compact")
        #expect(try store.statistics().deadBytes == 0)
        try store.close()
    }

    @Test("An interrupted verify stops, and the store goes on")
    func stoppedVerify() throws {
        try makeWasteful(scratch.store, count: 2000, segmentSize: 64 << 10)
        let store = try Store(path: scratch.store)
        let session = Session(store, place: .script, settings: SessionSettings())
        session.isInterrupted = { true }
        #expect { try session.run("verify") } throws: {
            ($0 as? CommandError)?.message == "cancelled"
        }
        session.isInterrupted = { false }
        try session.run("verify")
        try store.close()
    }

    // The signal comes while a hundred thousand records are copied; `cancelled` needs no such luck.
    @Test("Ctrl-C stops a compaction behind its bar, and never leaves the shell")
    func controlC() throws {
        try makeWasteful(scratch.store, count: 120_000, segmentSize: 8 << 20)
        let terminal = try scratch.terminal([], ["NO_COLOR": ""])
        try terminal.expect("> ")
        terminal.type("compact\r")
        try terminal.expect("compacting  ")
        try terminal.expect(" %")
        terminal.type("\u{03}")
        try terminal.expect("(stopped)\r\n")
        try terminal.expect("> ")
        terminal.type("count\r")
        try terminal.expect("\r\n120000\r\n")
        try terminal.expect("> ")
        terminal.type("\u{04}")
        #expect(terminal.waitForExit() == 0)

        // In a script it stops the compaction, and the script with it.
        let child = try PipedChild([stave, scratch.store])
        child.send("echo begun\ncompact\necho not reached\n")
        #expect(child.waitForOutput("begun\n"))
        child.signal(SIGINT)
        #expect(child.finish() == 128 + SIGINT)
        #expect(child.output == Array("begun\n".utf8))
        #expect(child.errors.hasPrefix("stdin:2:1: cancelled\n"))
        let statistics = try run([scratch.store, "stats", "--json"]).text
        #expect(!statistics.contains("\"deadBytes\":0,\"tombstoneBytes\":0,\"keydir"))
    }

    @Test("Without a terminal, on a dumb one or with NO_COLOR there is no bar")
    func noBar() throws {
        try makeWasteful(scratch.store, count: 2000, segmentSize: 64 << 10)
        let outcome = try run([scratch.store, "compact"])
        #expect(outcome.text.hasPrefix("compacted "))
        #expect(outcome.errors == "")
        for more in [["TERM": "dumb", "NO_COLOR": ""], [:]] {
            let terminal = try scratch.terminal([], more)
            try terminal.expect("store> ")
            terminal.type("compact\rquit\r")
            // The first one left nothing to do.
            try terminal.expect("nothing to compact")
            #expect(terminal.waitForExit() == 0)
            #expect(!terminal.unmatched.contains("compacting"))
        }
    }

    @Test("pause and resume answer OK; compact waits for resume")
    func pause() throws {
        try makeWasteful(scratch.store, count: 10)
        let script = "compact pause\nstats\ncompact\ncompact --dry-run\ncompact resume\ncompact\n"
        let outcome = try run(["--keep-going", scratch.store], script: script)
        #expect(outcome.text.hasPrefix("OK\nstore "))
        #expect(outcome.text.contains("compaction  none so far; paused\n"))
        #expect(outcome.text.contains("\nwould compact 1 segment into 1: "))
        #expect(outcome.text.contains("\nOK\ncompacted 1 segment into 1: "))
        #expect(outcome.errors.hasPrefix("stdin:3:1: compaction is paused; compact resume"))
        for (words, reason) in [
            (["compact", "pause"], "as long as a shell"), (["compact", "later"], "what follows"),
            (["compact", "pause", "--dry-run"], "stands alone"),
        ] {
            let single = try run([scratch.store] + words)
            #expect(single.status == (reason == "as long as a shell" ? 2 : 64))
            #expect(single.errors.contains(reason))
        }
        let readOnly = try run(["--read-only", scratch.store], script: "compact pause\n")
        #expect(readOnly.errors.contains("read-only"))
    }

    @Test("The bar fits any width and says how fast and how long")
    func barLine() {
        func line(_ columns: Int, _ fraction: Double = 0.42) -> String {
            ProgressBar.line(
                "compacting", done: Int((fraction * Double(1 << 30)).rounded(.up)), total: 1 << 30,
                elapsed: .seconds(4), columns: columns)
        }
        #expect(
            line(80)
                == "compacting  ████████████░░░░░░░░░░░░░░░░░░   42 %  107.5 MiB/s  6 s left")
        #expect(line(60) == "compacting  █████░░░░░░░   42 %  107.5 MiB/s  6 s left")
        #expect(line(40) == "compacting   42 %  107.5 MiB/s")
        #expect(line(20) == "compacting   42 %")
        #expect(line(8) == "compact")
        #expect(line(1) == "")
        #expect(line(80, 0).hasSuffix("░    0 %"))
        for columns in 1...200 {
            for fraction in [-1, 0, 0.001, 0.02, 0.5, 1, 2] {
                #expect(line(columns, fraction).count < columns)
                let endless = ProgressBar.line(
                    "keys", done: 12_345, total: nil, unit: .count("key"), elapsed: .seconds(2),
                    columns: columns)
                #expect(endless.count < columns)
            }
        }
    }
}

struct RefreshTests {
    private let scratch = Scratch()

    @Test("A read-only script sees later writes after refresh, and not before")
    func script() throws {
        _ = try run(["--create", scratch.store, "set", "a", "1"])
        let reader = try PipedChild([stave, "--read-only", scratch.store])
        reader.send("get a\necho --1--\n")
        #expect(reader.waitForOutput("1\n--1--\n"))
        #expect(try run([scratch.store, "set", "a", "2"]).status == 0)
        reader.send("get a\nrefresh\nget a\necho --2--\n")
        #expect(reader.waitForOutput("--1--\n1\nOK\n2\n--2--\n"))
        #expect(reader.finish() == 0)
    }

    @Test("A failed refresh is an error, and the old store stays")
    func failure() throws {
        _ = try run(["--create", scratch.store, "set", "a", "1"])
        let reader = try PipedChild([stave, "--read-only", "--keep-going", scratch.store])
        reader.send("get a\necho --1--\n")
        #expect(reader.waitForOutput("1\n--1--\n"))
        #expect(unsafe rename(scratch.store, scratch.store + ".away") == 0)
        reader.send("refresh\nget a\n")
        #expect(reader.finish() == 2)
        #expect(reader.output == Array("1\n--1--\n1\n".utf8))
        #expect(reader.errors.hasPrefix("stdin:3:1: "))
    }

    @Test("The writer's refresh does nothing; a read-only prompt completes new keys behind it")
    func prompt() throws {
        #expect(
            try run(["--create", scratch.store], script: "set a 1\nrefresh\n").text == "OK\nOK\n")
        let terminal = try scratch.terminal(["--read-only"])
        try terminal.expect("(read-only)> ")
        #expect(try run([scratch.store, "set", "brandnew", "2"]).status == 0)
        terminal.type("refresh\r")
        try terminal.expect("OK\r\n")
        try terminal.expect("> ")
        terminal.type("get br\t\r")
        try terminal.expect("brandnew")
        try terminal.expect("\r\n2\r\n")
        try terminal.expect("> ")
        terminal.type("\u{04}")
        #expect(terminal.waitForExit() == 0)
    }
}

extension Session {
    /// One line of a script.
    func run(_ line: String) throws {
        let parser = WordParser()
        // SAFETY: the words are used while the line lives.
        try unsafe Array(line.utf8).withUnsafeBytes { bytes in
            _ = unsafe try parser.parse(bytes)
            try execute(parser.words)
        }
    }
}
