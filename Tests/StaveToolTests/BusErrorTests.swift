import Foundation
import Glibc
import TestSupport
import Testing

/// A file that is cut while it is mapped.
struct BusErrorTests {
    private let scratch = Scratch()

    private func started() throws -> PipedChild {
        let child = try PipedChild([stave, "--create", "--segment-size", "64K", scratch.store])
        let value = String(repeating: "v", count: 1000)
        for number in 0..<200 { child.send("set key\(number) \(number)\(value)\n") }
        child.send("sync\necho --fence--\n")
        #expect(child.waitForOutput("--fence--\n"))
        return child
    }

    private func cut(_ name: String, to length: Int) {
        #expect(unsafe truncate(scratch.store + "/" + name, off_t(length)) == 0)
    }

    @Test("Reading what was cut off ends with status 74 and a message that names the file")
    func read() throws {
        let child = try started()
        let name = "0000000002.segment"
        cut(name, to: 4096)
        for number in 0..<200 { child.send("get key\(number)\n") }
        #expect(child.finish() == 74)
        #expect(child.errors.contains("cannot read \(scratch.store)/\(name) at offset "))
        #expect(child.errors.hasSuffix("open the store again to see what is left\n"))
        // What was not cut is there; what was is told, and never "not found".
        for number in [0, 199] {
            let outcome = try run([scratch.store, "get", "key\(number)"])
            #expect(outcome.text.hasPrefix("\(number)v") || outcome.errors.contains(name))
        }
        let whole = try run(["--format", "raw", scratch.store, "get", "key199"])
        #expect(whole.status != 1)
    }

    @Test("Writing behind a cut ends in the same way, and what was synced before is there")
    func write() throws {
        let child = try started()
        let last = try #require(
            try FileManager.default.contentsOfDirectory(atPath: scratch.store)
                .filter { $0.hasSuffix(".segment") }.max())
        let header = 80
        let bytes = try Data(contentsOf: URL(fileURLWithPath: scratch.store + "/" + last))
        cut(last, to: header)
        child.send("set more 1\nset more 2\nget key199\n")
        #expect(child.finish() == 74)
        #expect(child.errors.contains("\(scratch.store)/\(last)"))
        #expect(bytes.count > header)
        let outcome = try run([scratch.store, "get", "key0"])
        #expect(outcome.text.hasPrefix("0v") || outcome.errors.contains(last))
    }
}
