import Foundation
import TestSupport
import Testing

/// What the program makes of the way in which it is started.
struct StartTests {
    private let scratch = Scratch()

    private func shell(_ line: String, input: String = "") throws -> Outcome {
        let child = try PipedChild(["/bin/sh", "-c", line])
        child.send(input)
        let status = child.finish()
        return Outcome(status: status, output: child.output, errors: child.errors)
    }

    @Test("A path that is not UTF-8 is refused; a key may be any bytes")
    func brokenText() throws {
        let broken = "$(printf \\\\377)"
        let create = "\(stave) --create"
        let outcome = try shell("\(create) \(scratch.path)/\(broken) set a 1")
        #expect(outcome.status == 64)
        #expect(outcome.errors.contains(#"\xff" is not UTF-8"#), "\(outcome.errors)")
        #expect(try shell("\(stave) inspect \(scratch.path)/\(broken)").status == 64)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path).isEmpty)
        #expect(try shell("\(create) \(scratch.store) set \(broken) 1").status == 0)
        #expect(try run(["--format", "hex", scratch.store, "keys"]).text == "ff\n")
    }

    @Test("Closed descriptors end in an error, never in the store's files")
    func closedDescriptors() throws {
        _ = try run(["--create", scratch.store, "set", "a", "1"])
        let stave = "\(stave) \(scratch.store)"
        #expect(try shell("\(stave) set b 2 >&-").status == 2)
        #expect(try shell("\(stave) get a >&-").status == 2)
        #expect(try shell("\(stave) >&-", input: "set c 3\nget a\n").status == 2)
        _ = try shell("\(stave) >&- 2>&-", input: "set d 4\nnope\n")
        #expect(try shell("\(stave) set e 5 <&- >&- 2>&-").status == 2)
        #expect(try shell("timeout 20 \(stave) <&-").status == 0)
        #expect(try run([scratch.store, "get", "a"]).text == "1\n")
        #expect(try run(["inspect", scratch.store, "--verify"]).status == 0)
    }
}
