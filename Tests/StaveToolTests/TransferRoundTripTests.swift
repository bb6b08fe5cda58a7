import Foundation
import Stave
import TestSupport
import Testing

@testable import StaveTool

@Suite("Out of one store and into another")
struct TransferRoundTripTests {
    private let scratch = Scratch()
    private static let written = TransferFormat.allCases.filter(\.isWritten)

    @Test("Every format takes every byte there and back", arguments: written)
    func roundTrip(_ format: TransferFormat) throws {
        var random = SeededRandom.forTest("roundTrip(\(format))")
        let entries = TransferFixture.entries(400, &random, withoutNul: format == .raw0)
        try TransferFixture.make(entries, at: scratch.store)
        let out = try run(["export", scratch.store, "--to", format.rawValue])
        #expect(out.status == 0 && out.errors == "")
        let copy = scratch.path + "/copy"
        // Sorted, into a new store; from a pipe.
        let first = try run(
            ["import", copy, "-", "--from", format.rawValue, "--create"], input: out.output)
        #expect(first.status == 0 && first.errors == "")
        let count = Units.count(entries.count)
        #expect(first.text.hasPrefix("\(count) keys: \(count) new, 0 replaced, "))
        #expect(try TransferFixture.entries(of: copy) == entries)
        #expect(try run(["inspect", copy, "--verify"]).status == 0)
        // Once more, into the same store.
        let second = try run(["import", copy, "--from", format.rawValue], input: out.output)
        #expect(second.text.hasPrefix("\(count) keys: 0 new, \(count) replaced, "))
        #expect(try TransferFixture.entries(of: copy) == entries)
        #expect(try run(["export", copy, "--to", format.rawValue]).output == out.output)
    }

    @Test("An export of nothing is imported as nothing", arguments: written)
    func empty(_ format: TransferFormat) throws {
        try TransferFixture.make([], at: scratch.store)
        let out = try run(["export", scratch.store, "--to", format.rawValue])
        let copy = scratch.path + "/copy"
        let outcome = try run(
            ["import", copy, "--from", format.rawValue, "--create"], input: out.output)
        #expect(outcome.text.hasPrefix("0 keys: 0 new, 0 replaced, "))
        #expect(outcome.status == 0)
        #expect(try TransferFixture.entries(of: copy) == [])
    }

    @Test("Keys in any order, and again, end as the last of each", arguments: [false, true])
    func unsorted(_ isAtomic: Bool) throws {
        var random = SeededRandom.forTest()
        var lines: [Entry] = []
        var last: [[UInt8]: [UInt8]] = [:]
        for _ in 0..<500 {
            let entry = Entry("k\(Int.random(in: 0..<200, using: &random))", "\(random.next())")
            lines.append(entry)
            last[entry.key] = entry.value
        }
        // The beginning is sorted, so that a new store is built from it first.
        lines.insert(contentsOf: (0..<50).map { Entry("a\(100 + $0)", "x") }, at: 0)
        for entry in lines.prefix(50) { last[entry.key] = entry.value }
        let text = lines.flatMap { $0.key + [Byte.comma] + $0.value + [Byte.newline] }
        let outcome = try run(
            ["import", scratch.store, "--from", "csv", "--create"] + (isAtomic ? ["--atomic"] : []),
            input: text)
        let replaced = lines.count - last.count
        #expect(
            outcome.text.hasPrefix(
                "\(lines.count) keys: \(last.count) new, \(replaced) replaced, "))
        #expect(
            try TransferFixture.entries(of: scratch.store)
                == last.map { Entry($0.key, $0.value) }
                .sorted { $0.key.lexicographicallyPrecedes($1.key) })
        #expect(try run(["inspect", scratch.store, "--verify"]).status == 0)
    }

    @Test("A prefix, two keys, or --from and --to choose what is exported")
    func ranges() throws {
        try TransferFixture.make(
            ["a", "ab", "b", "csv", "d"].map { Entry($0, "1") }, at: scratch.store)
        let cases: [([String], String)] = [
            (["a", "--to", "csv"], "a,1\nab,1\n"),
            (["ab", "csv", "--to", "csv"], "ab,1\nb,1\n"),
            (["--from", "b", "--to", "csv"], "b,1\ncsv,1\nd,1\n"),
            (["--from", "ab", "--to", "c", "--to", "csv"], "ab,1\nb,1\n"),
            (["--to", "csv", "--from", "ab", "--to", "c"], "ab,1\nb,1\n"),
            // Where both are formats, the last one is.
            (["--to", "csv", "--to", "tsv"], "a\t1\nab\t1\nb\t1\n"),
            (["--to", "csv", "--header"], "key,value\na,1\nab,1\nb,1\ncsv,1\nd,1\n"),
        ]
        for (words, expected) in cases {
            #expect(try run(["export", scratch.store] + words).text == expected, "\(words)")
        }
        for words in [
            [], ["--to", "bitcask"], ["--to", "x"], ["a", "--from", "b", "--to", "csv"],
            ["a", "b", "c", "--to", "csv"], ["--to", "rdb", "--header"],
            ["--to", "resp", "--slots", "1-99999"], ["--to", "resp", "--into", "x"],
        ] {
            let outcome = try run(["export", scratch.store] + words)
            #expect(outcome.status == 64 && outcome.output.isEmpty, "\(words)")
        }
    }

    @Test("raw0 refuses a NUL, and steps over it where told to")
    func nul() throws {
        try TransferFixture.make(
            [Entry("a", "1"), Entry("b", "x\0y"), Entry("c", "3")], at: scratch.store)
        let stopped = try run(["export", scratch.store, "--to", "raw0"])
        #expect(stopped.status == 2 && stopped.errors.contains("raw0 cannot hold a NUL, and b"))
        let rest = try run(["export", scratch.store, "--to", "raw0", "--keep-going"])
        #expect(rest.status == 2 && rest.text == "a\u{0}1\u{0}c\u{0}3\u{0}")
    }

    @Test("An export shows its moment beside a writer, and damage ends it")
    func besideWriter() throws {
        try TransferFixture.make([Entry("a", "1"), Entry("b", "needle")], at: scratch.store)
        let writer = try Store(path: scratch.store)
        #expect(try run(["export", scratch.store, "--to", "tsv"]).text == "a\t1\nb\tneedle\n")
        try writer.close()
        try scratch.damage("needle")
        let outcome = try run(["export", scratch.store, "--to", "mdb"])
        #expect(outcome.status == 2 && outcome.errors.contains("the value of b is damaged"))
        #expect(!outcome.text.contains("DATA=END"))
    }
}
