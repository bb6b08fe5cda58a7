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
