import Foundation
import Stave
import TestSupport

@testable import StaveTool

/// A record as a test compares it.
struct Entry: Equatable, Hashable {
    var key: [UInt8]
    var value: [UInt8]

    init(_ key: [UInt8], _ value: [UInt8]) { (self.key, self.value) = (key, value) }
    init(_ key: String, _ value: String) { self.init(Array(key.utf8), Array(value.utf8)) }
}

/// What a decoder makes of bytes.
struct Decoding {
    /// Records that set a value.
    var entries: [Entry] = []
    /// Keys that were deleted.
    var deleted: [[UInt8]] = []
    var expiries = 0
    var errors: [TransferError] = []
    var skipped: [String: Int] = [:]
    var expired = 0
    var notes: [String] = []

    /// Reads to the end or the first fatal error. More than `limit` records and errors are a trap:
    /// the decoder does not get on.
    init(_ decoder: any RecordDecoder, limit: Int = 1_000_000) {
        var record = TransferRecord()
        for _ in 0..<limit {
            record.clear()
            do throws(TransferError) {
                guard try decoder.next(&record) else {
                    finish(decoder)
                    return
                }
                if record.hasExpiry || record.action == .expire { expiries += 1 }
                switch record.action {
                case .set, .setIfAbsent: entries.append(Entry(record.key, record.value))
                case .delete: deleted.append(record.key)
                case .expire: break
                }
            } catch {
                errors.append(error)
                if error.isFatal {
                    finish(decoder)
                    return
                }
            }
        }
        fatalError("the decoder does not come to an end")
    }

    private mutating func finish(_ decoder: any RecordDecoder) {
        skipped = decoder.remarks.skipped
        expired = decoder.remarks.expired
        notes = decoder.remarks.takeNotes()
    }

    init(_ format: TransferFormat, _ bytes: [UInt8], _ layout: TransferLayout = .init()) {
        self.init(format.decoder(ByteSource(bytes, name: "input"), layout))
    }

    init(_ format: TransferFormat, _ text: String, _ layout: TransferLayout = .init()) {
        self.init(format, Array(text.utf8), layout)
    }

    var messages: [String] { errors.map(\.message) }
}

enum TransferFixture {
    /// What formats get wrong: ends of lines, quotes, separators, marks, and nothing at all.
    static let awkward: [[UInt8]] =
        [
            "a\"b", "line\nbreak", "cr\rx", "crlf\r\n", "tab\tq", "comma,", "\\back", "'q'", "-x",
            "#c",
            "\u{FEFF}bom", "ü😀", " sp ", "{a}b", "\u{7F}", "0", "-5", "123456789", "null", "$5",
            "DATA=END", "# End", "*3", "0x61", "\u{2028}", "\u{85}",
        ].map { Array($0.utf8) } + [[0xff], [0xed, 0xa0, 0x80], [0xef, 0xbb, 0xbf], [0, 1, 0]]

    /// Keys and values of any bytes, sorted by key.
    static func entries(
        _ count: Int, _ random: inout SeededRandom, withoutNul: Bool = false,
        longestKey: Int = 65_535, withoutEmpty: Bool = false
    ) -> [Entry] {
        var values: [[UInt8]: [UInt8]] = [:]
        for _ in 0..<count {
            let key = random.bytes(Int.random(in: 1...24, using: &random))
            values[key] = random.bytes(
                [0, 1, 5, 57, 58, 63, 64, 300].randomElement(using: &random)!)
        }
        for key in awkward {
            values[key] = awkward.randomElement(using: &random)!
        }
        values[Array("empty".utf8)] = []
        values[random.bytes(longestKey)] = random.bytes(20_000)
        values[Array("large".utf8)] = [UInt8](repeating: 7, count: 300_000) + random.bytes(70_000)
        var entries = values.map { Entry($0.key, $0.value) }
        if withoutNul {
            entries = entries.map { Entry(filled($0.key), filled($0.value)) }
            var seen: Set<[UInt8]> = []
            entries = entries.filter { seen.insert($0.key).inserted }
        }
        if withoutEmpty { entries = entries.filter { !$0.value.isEmpty } }
        return entries.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    }

    private static func filled(_ bytes: [UInt8]) -> [UInt8] { bytes.map { $0 == 0 ? 1 : $0 } }

    /// Makes a store that holds the entries.
    static func make(_ entries: [Entry], at path: String) throws {
        var options = StoreOptions()
        options.createsIfMissing = true
        options.durability = .os
        let store = try Store(path: path, options: options)
        for entry in entries { try store.set(entry.value, forKey: entry.key) }
        try store.close()
    }

    /// All that a store holds, in order.
    static func entries(of path: String) throws -> [Entry] {
        var options = StoreOptions()
        options.access = .readOnly
        let store = try Store(path: path, options: options)
        var cursor = try store.entries()
        var entries: [Entry] = []
        while let entry = try cursor.withNext({ key, value in
            unsafe Entry(
                key.withUnsafeBytes { unsafe Array($0) },
                value.withUnsafeBytes { unsafe Array($0) })
        }) { entries.append(entry) }
        try store.close()
        return entries
    }

    /// The bytes that an export of the entries makes.
    static func exported(_ entries: [Entry], _ format: TransferFormat) throws -> [UInt8] {
        let scratch = Scratch()
        try make(entries, at: scratch.store)
        return try run(["export", scratch.store, "--to", format.rawValue]).output
    }
}

/// A program that some tests compare with.
enum Peer {
    static func path(_ name: String) -> String? {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
            .map { $0 + "/" + name }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    static func has(_ names: String...) -> Bool { names.allSatisfy { path($0) != nil } }

    /// Runs a line of the POSIX shell in `folder`, where $STAVE is the program under test.
    static func shell(_ line: String, in folder: String) throws -> Outcome {
        var environment = ProcessInfo.processInfo.environment
        environment["STAVE"] = stave
        let child = try PipedChild(
            ["/bin/sh", "-c", "cd \"$0\" && \(line)", folder], environment: environment)
        let status = child.finish()
        return Outcome(status: status, output: child.output, errors: child.errors)
    }
}
