import Foundation
import TestSupport
import Testing

@testable import StaveTool

/// The scripts in docs/backup.md, as they stand there.
@Suite("The page on backups")
struct BackupDocumentTests {
    private let scratch = Scratch()

    /// The blocks of the page that are scripts, in order.
    private func scripts() throws -> [String] {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let page = try String(
            contentsOf: root.appendingPathComponent("docs/backup.md"), encoding: .utf8)
        return page.components(separatedBy: "```backup\n").dropFirst().map {
            $0.components(separatedBy: "```\n")[0]
        }
    }

    private func sh(_ script: String, _ arguments: String...) throws -> Outcome {
        let folder = URL(fileURLWithPath: stave).deletingLastPathComponent().path
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        let child = try PipedChild(
            ["/bin/sh", "-c", script, "sh"] + arguments, environment: ["PATH": folder + ":" + path])
        child.closeInput()
        let status = child.finish()
        return Outcome(status: status, output: child.output, errors: child.errors)
    }

    private func entries(_ path: String) throws -> String { try run([path, "scan"]).text }

    @Test("Its scripts back a store up every day, and bring it back")
    func backAndForth() throws {
        let scripts = try scripts()
        #expect(scripts.count == 3)
        let backups = scratch.path + "/backups"
        _ = try run(["--create", scratch.store], script: "set a 1\nset b 2\n")
        for round in 0..<2 {
            let outcome = try sh(scripts[0], scratch.store, backups)
            #expect(outcome.status == 0 && outcome.text == "", "\(round): \(outcome.errors)")
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: backups)
        let backup = backups + "/" + (names.first ?? "none")
        #expect(try entries(backup) == "a\t1\nb\t2\n")
        _ = try run([scratch.store, "set", "a", "wrong"])
        let outcome = try sh(scripts[2], scratch.store, backup)
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(try entries(scratch.store) == "a\t1\nb\t2\n")
        #expect(try entries(scratch.store + ".before") == "a\twrong\nb\t2\n")
        #expect(try run([scratch.store, "set", "c", "3"]).status == 0)
        #expect(try entries(backup) == "a\t1\nb\t2\n")
    }

    @Test("Its script for another machine brings each backup there, whole")
    func away() throws {
        guard try sh("command -v rsync").status == 0 else {
            print("left out: there is no rsync")
            return
        }
        let script = try scripts()[1]
        let there = scratch.path + "/there"
        for round in 1...3 {
            let input = (1...50).map { "set k\($0) \(round)\n" }.joined()
            _ = try run(["--create", "--segment-size", "4K", scratch.store], script: input)
            if round == 3 { _ = try run([scratch.store, "compact"]) }
            let outcome = try sh(script, scratch.store, there)
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(try entries(there) == entries(scratch.store))
            #expect(try run(["verify", there]).status == 0)
        }
    }
}
