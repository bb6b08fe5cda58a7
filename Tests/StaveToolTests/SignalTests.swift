import Glibc
import TestSupport
import Testing

/// Signals that others send, and limits that others set.
struct SignalTests {
    private let scratch = Scratch()

    private func script(_ count: Int) -> String {
        (0..<count).map { "set key\($0) \(String(repeating: "v", count: 300))\n" }.joined()
    }

    @Test("SIGHUP closes the store and ends the process by that signal")
    func hangUp() throws {
        let child = try PipedChild([stave, "--create", scratch.store])
        child.send("set a 1\n")
        #expect(child.waitForOutput("OK\n"))
        child.signal(SIGHUP)
        #expect(child.finish() == 128 + SIGHUP)
        #expect(try run(["inspect", "--verify", scratch.store]).status == 0)
        #expect(try run([scratch.store, "get", "a"]).text == "1\n")
    }

    @Test("Stopped by SIGTSTP and continued again and again, it answers each line once")
    func stopped() throws {
        let child = try PipedChild([stave, "--create", "--segment-size", "16K", scratch.store])
        for round in 0..<10 {
            child.send(script(50) + "echo round\(round)\n")
            child.signal(round % 2 == 0 ? SIGTSTP : SIGSTOP)
            child.signal(SIGCONT)
            #expect(child.waitForOutput("round\(round)\n"))
        }
        #expect(child.finish() == 0)
        let lines = child.output.split(separator: UInt8(ascii: "\n"))
        #expect(lines.count == 510)
        #expect(try run([scratch.store, "count"]).text == "50\n")
    }

    @Test("A storm of signals that mean nothing to it changes no answer")
    func storm() throws {
        let child = try PipedChild([
            stave, "--create", "--segment-size", "16K", "--durability", "always", scratch.store,
        ])
        for _ in 0..<20 {
            child.send(script(10))
            for signal in [SIGWINCH, SIGCHLD, SIGURG, SIGCONT] { child.signal(signal) }
        }
        #expect(child.finish() == 0)
        #expect(child.errors == "")
        #expect(child.output.elementsEqual(String(repeating: "OK\n", count: 200).utf8))
    }

    private func limited(_ limit: String, _ arguments: [String], _ input: String) throws -> Outcome
    {
        let words = ([stave] + arguments).map { "'\($0)'" }.joined(separator: " ")
        let child = try PipedChild(
            ["/bin/sh", "-c", "\(limit); exec \(words)"],
            environment: ["SWIFT_BACKTRACE": "enable=no"])
        child.send(input)
        let status = child.finish()
        return Outcome(status: status, output: child.output, errors: child.errors)
    }

    @Test("With few descriptors thousands of segments are written, opened, read and compacted")
    func fewDescriptors() throws {
        let written = try limited(
            "ulimit -n 64", ["--create", "--segment-size", "4K", scratch.store], script(2000))
        #expect(written.status == 0, "\(written.errors)")
        let read = try limited("ulimit -n 64", [scratch.store], "count\nget key1999\n")
        #expect(read.text.hasPrefix("2000\nvvv"), "\(read.errors)")
        // Half of each segment is dead now, so that a compaction has a hundred outputs.
        let odd = script(2000).split(separator: "\n").enumerated()
            .filter { $0.offset % 2 == 1 }.map { $0.element + "\n" }.joined()
        let changed = try limited(
            "ulimit -n 64", ["--segment-size", "4K", scratch.store], "compact pause\n" + odd)
        #expect(changed.status == 0, "\(changed.errors)")
        let compacted = try limited(
            "ulimit -n 64", ["--segment-size", "4K", scratch.store, "compact"], "")
        #expect(compacted.status == 0, "\(compacted.errors)")
        #expect(try run([scratch.store, "count"]).text == "2000\n")
        #expect(try run(["inspect", "--verify", scratch.store]).status == 0)
    }

    @Test("Without a descriptor left, the error names the file, and nothing is lost")
    func noDescriptors() throws {
        _ = try run(["--create", "--segment-size", "4K", scratch.store], script: script(50))
        for limit in stride(from: 3, through: 42, by: 3) {
            let outcome = try limited("ulimit -n \(limit)", [scratch.store, "set", "a", "1"], "")
            // With the fewest the loader itself fails, with 127.
            let isTold = outcome.errors.contains(scratch.store) || outcome.status == 127
            #expect(outcome.status == 0 || isTold, "\(limit): \(outcome.status) \(outcome.errors)")
        }
        #expect(Int(try run([scratch.store, "count"]).text.dropLast()) ?? 0 >= 50)
    }

    @Test("Without address space it is an error, and what was acknowledged stays")
    func addressSpace() throws {
        _ = try run(["--create", scratch.store], script: script(50))
        for kibibytes in [200_000, 300_000, 500_000] {
            let outcome = try limited(
                "ulimit -v \(kibibytes)", ["--keep-going", scratch.store], script(60))
            #expect(outcome.status < 128, "\(kibibytes): \(outcome.status) \(outcome.errors)")
            if outcome.status != 0 { #expect(!outcome.errors.isEmpty) }
        }
        #expect(Int(try run([scratch.store, "count"]).text.dropLast()) ?? 0 >= 50)
        #expect(try run(["inspect", "--verify", scratch.store]).status == 0)
    }
}
