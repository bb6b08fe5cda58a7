import Foundation
import Stave
import StaveDisk
import TestSupport
import Testing

@testable import StaveTool

/// `stave verify` against every kind of damage that a file can have. In this process, so that tens
/// of thousands of damaged stores take seconds; a trap ends the whole run, which cannot be
/// overlooked.
///
/// Changed bytes that are no damage: those of LOCK, whose contents decide nothing (a process id for
/// messages).
/// Of the log above its synced mark a changed byte is a torn tail: what a crash may do; but not of
/// the padding of a record that is whole. All other bytes, marks and padding too, are noticed as
/// damage.
@Suite("Verifying damaged stores")
struct VerifyDamageTests {
    private static let store = isExhaustive ? WrittenStore.withCheckpoint : .shared
    private static let checkpoint = FileName.checkpoint.name
    private static let names = WrittenStore.withCheckpoint.names

    /// With a checkpoint where that is what is damaged.
    private func store(_ name: String) -> WrittenStore {
        name == Self.checkpoint ? .withCheckpoint : Self.store
    }

    /// All bits of each byte, instead of one that changes from byte to byte.
    private static let isExhaustive =
        ProcessInfo.processInfo.environment["STAVE_EXHAUSTIVE"] == "1"

    private func findings(_ folder: TemporaryFolder) throws -> Findings {
        try Verification(of: folder.path).findings
    }

    private func severity(_ place: WrittenStore.Place) -> Severity {
        switch place {
        case .lock: .note
        case .unsynced, .reserved: .torn
        case .manifest, .hint, .checkpoint, .header, .mark, .synced, .unsyncedPadding: .damage
        }
    }

    private func inspect(
        _ folder: TemporaryFolder, segment: UInt64? = nil, json: Bool
    ) throws -> (worst: Severity, text: String) {
        let output = Output(isKept: true)
        let inspection = Inspection(
            path: folder.path, segment: segment, filter: RecordFilter(), limit: .max, hex: false,
            json: json, stats: false, verify: true, output: output)
        return (try inspection.run(), output.text)
    }

    /// `inspect --verify` comes to the same verdict as `verify`, names the same files and places,
    /// and says so to people and to programs.
    private func expectAgreement(_ folder: TemporaryFolder, _ findings: Findings) throws {
        let (worst, text) = try inspect(folder, json: false)
        let (worstForPrograms, lines) = try inspect(folder, json: true)
        #expect(worst == findings.worst && worstForPrograms == findings.worst)
        for finding in findings.list where finding.severity != .note {
            let range = finding.range
            let place = range.map { "offset \($0.lowerBound)" } ?? finding.file
            let member =
                "\"file\":\"\(finding.file)\""
                + (range.map { ",\"offset\":\($0.lowerBound)," } ?? "")
            let isSaid = text.split(separator: "\n").contains {
                $0.contains(finding.file) && $0.contains(place)
            }
            #expect(isSaid && lines.contains(member), "\(finding)")
        }
    }

    @Test("The store is clean, or has nothing but a log that was not closed")
    func clean() throws {
        let folder = try TemporaryFolder(isInMemory: true)
        let store = WrittenStore.withCheckpoint
        store.write(to: folder)
        let verification = try Verification(of: folder.path)
        #expect(verification.findings.list.map(\.text) == [])
        #expect(Verification.Check.allCases.allSatisfy { verification.passed($0) })
        #expect(verification.account.unknownBytes == 0)
        #expect(verification.survey.checkpoint?.isUsed == true)
        #expect(store.mark > SegmentHeader.byteCount && store.mark < store.logEnd)
        #expect(store.names.filter { $0.hasSuffix(".hint") }.count >= 2)
        #expect(store.names.filter { $0.hasSuffix(".segment") }.count >= 3)
        #expect(verification.survey.segments.reduce(0) { $0 + $1.recordCount } > 200)
    }

    @Test("Every changed byte is noticed, with its file and place", arguments: names)
    func flipped(_ name: String) throws {
        let store = store(name)
        let folder = try TemporaryFolder(isInMemory: true)
        store.write(to: folder)
        let file = try PatchedFile(folder.path(name))
        let bytes = folder.read(name)
        for offset in bytes.indices {
            let place = store.place(name, offset)
            // Thousands of zeros: five is prime to the length of a word.
            if place == .reserved, offset % 5 != 0, !Self.isExhaustive { continue }
            if place == .checkpoint, offset % 331 != 0, !Self.isExhaustive { continue }
            for bit in Self.isExhaustive ? 0..<8 : (offset % 8)..<(offset % 8 + 1) {
                try file.put(bytes[offset] ^ UInt8(1 << bit), at: offset)
                let findings = try findings(folder)
                var expected = severity(place)
                // The digit of the version: a higher one is a newer version's.
                if place == .manifest, findings.worst == .unreadable, offset == 15 {
                    expected = .unreadable
                }
                #expect(findings.worst == expected, "\(name) at \(offset), bit \(bit)")
                if place == .lock { continue }
                let isNamed = findings.list.contains {
                    guard $0.file == name, $0.severity == expected else { return false }
                    // Of MANIFEST and the heads of other files only the checksum tells that it is
                    // damaged.
                    return place == .manifest || place == .header || $0.range!.contains(offset)
                        || (place == .checkpoint && offset < $0.range!.lowerBound)
                }
                #expect(isNamed, "\(name) at \(offset), bit \(bit): \(findings.list.map(\.text))")
                if place == .hint {
                    #expect(findings.list.first?.range == offset..<(offset + 1))
                }
            }
            try file.put(bytes[offset], at: offset)
        }
        #expect(folder.read(name) == bytes)
    }

    @Test(
        "inspect says the same of a changed byte as verify, in every form", arguments: names)
    func inspected(_ name: String) throws {
        let store = store(name)
        let folder = try TemporaryFolder(isInMemory: true)
        store.write(to: folder)
        let file = try PatchedFile(folder.path(name))
        let bytes = folder.read(name)
        let step = Self.isExhaustive ? 1 : name == Self.checkpoint ? 3001 : 61
        for offset in stride(from: 0, to: bytes.count, by: step) {
            try file.put(bytes[offset] ^ 0x40, at: offset)
            let wanted = try findings(folder).worst
            for segment in [nil, 1, store.manifest.segments.last?.number] {
                let inspection = Inspection(
                    path: folder.path, segment: segment, filter: RecordFilter(), limit: .max,
                    hex: false, json: offset % 2 == 0, stats: false, verify: true,
                    output: Output(isKept: true))
                let worst = try? inspection.run()
                if segment == nil { #expect(worst == wanted, "\(name) at \(offset)") }
            }
            let alone = Inspection(
                path: folder.path(name), segment: nil, filter: RecordFilter(), limit: .max,
                hex: false, json: false, stats: false, verify: true, output: Output(isKept: true))
            _ = try? alone.run()
            _ = try KeyHistory.show(
                Array("k7".utf8), in: folder.path, json: false, to: Output(isKept: true))
            try file.put(bytes[offset], at: offset)
        }
    }

    @Test("Every cut of a file is noticed", arguments: names)
    func cut(_ name: String) throws {
        let store = store(name)
        let folder = try TemporaryFolder(isInMemory: true)
        store.write(to: folder)
        let bytes = store.files.first { $0.name == name }!.bytes
        for length in bytes.indices {
            // A third of the lengths of a sealed segment: InspectEveryByteTests has all of a
            // smaller one.
            let step = name.hasSuffix(".segment") ? 3 : name == Self.checkpoint ? 997 : 1
            let isLeftOut = length % step != 0 && !Self.isExhaustive
            if isLeftOut, !store.logStarts.contains(length) { continue }
            folder.write(Array(bytes[..<length]), to: name)
            let findings = try findings(folder)
            let place = store.place(name, length)
            var expected = severity(place)
            if place == .reserved || (length >= store.mark && place == .unsynced),
                length >= store.logEnd || store.logStarts.contains(length)
            {
                // Between two records, or in reserved space: a shorter log, which is whole.
                expected = .note
            }
            if place == .unsyncedPadding { expected = .torn }
            // A checksum that begins with zeros leaves what looks like reserved space.
            let start = store.logStarts.filter { $0 <= length }.max() ?? length
            if place == .unsynced, length >= store.mark,
                bytes[start..<length].allSatisfy({ $0 == 0 })
            {
                expected = .note
            }
            #expect(findings.worst == expected, "\(name) cut to \(length)")
            if expected != .note { #expect(findings.list.contains { $0.file == name }) }
            // The hint file of a segment that was cut is right.
            if name.hasSuffix(".segment"), expected == .damage {
                #expect(findings.list.allSatisfy { $0.file == name }, "\(name) cut to \(length)")
            }
            if length % 13 == 0 || Self.isExhaustive { try expectAgreement(folder, findings) }
        }
    }

    private static let others = WrittenStore.others

    @Test(
        "A file that is removed, another kind of file, or 4 GiB of zeros is noticed",
        arguments: names, others)
    func replaced(_ name: String, _ other: String) throws {
        let store = store(name)
        let folder = try TemporaryFolder(isInMemory: true)
        store.write(to: folder)
        try store.put(other, name, in: folder)
        let findings = try findings(folder)
        let isHarmless: Bool =
            switch store.place(name, 0) {
            case .lock: ["removed", "zeros", "empty"].contains(other)
            case .hint, .checkpoint: other == "removed"
            default: false
            }
        #expect(findings.worst == (isHarmless ? .note : .damage), "\(findings.list)")
        #expect(isHarmless || findings.list.contains { $0.file == name })
        try expectAgreement(folder, findings)
        for json in [false, true] { _ = try? inspect(folder, segment: 1, json: json) }
        _ = try KeyHistory.show(
            Array("k7".utf8), in: folder.path, json: true, to: Output(isKept: true))
    }

    @Test("Two files that changed places are noticed, both of them")
    func swapped() throws {
        let store = Self.store
        for (index, first) in store.files.enumerated() {
            for second in store.files[(index + 1)...] {
                let folder = try TemporaryFolder(isInMemory: true)
                store.write(to: folder)
                folder.write(second.bytes, to: first.name)
                folder.write(first.bytes, to: second.name)
                let before = try StoreFolder.items(folder.path)
                let findings = try findings(folder)
                #expect(findings.worst == .damage)
                try expectAgreement(folder, findings)
                #expect(try StoreFolder.items(folder.path) == before)
                for name in [first.name, second.name] where name != "LOCK" {
                    // Without MANIFEST nothing says what a file should be.
                    let isNamed = findings.list.contains { $0.file == name }
                    let isManifest = first.name == "MANIFEST" || second.name == "MANIFEST"
                    let needsManifest = name.hasSuffix(".hint") || name == Self.checkpoint
                    #expect(isNamed || (isManifest && needsManifest), "\(name)")
                }
            }
        }
    }

    @Test("What no MANIFEST names and what is none of a store's is named, and is no fault")
    func leftovers() throws {
        let folder = try TemporaryFolder(isInMemory: true)
        let store = Self.store
        store.write(to: folder)
        folder.write(store.files[0].bytes, to: "0000009999.segment")
        folder.write([1, 2, 3], to: "notes.txt")
        folder.write([], to: "MANIFEST.tmp")
        let verification = try Verification(of: folder.path)
        #expect(verification.findings.worst == .note)
        let output = Output(isKept: true)
        verification.print(to: output)
        for name in ["0000009999.segment", "MANIFEST.tmp", "notes.txt"] {
            #expect(output.text.contains(name))
        }
        #expect(verification.account.unknownBytes == 0)
    }

    @Test("What is said of a file that no MANIFEST names is what the first write does with it")
    func fates() throws {
        let folder = try TemporaryFolder(isInMemory: true)
        func fate(_ change: (Store, String) throws -> Void) throws -> (said: String, done: String) {
            let path = folder.path("fates")
            defer { try? FileManager.default.removeItem(atPath: path) }
            let store = try Store(path: path, options: .small(1 << 20))
            try store.set("1", forKey: "a")
            try store.sync()
            try StoreFolder.copy(path, to: folder.path("other"))
            try change(store, path)
            try? store.close()
            let name = "0000009999.segment"
            let said = try StoreSurvey(ofStoreAt: path, to: "look at").fate(ofLeftover: name)
            let writer = try Store(path: path, options: .small(1 << 20))
            try writer.set("2", forKey: "b")
            try writer.close()
            let isAside = FileManager.default.fileExists(atPath: path + "/\(name).aside")
            return (said, isAside ? "sets it aside" : "removes it")
        }
        let none = try fate { _, path in try StoreFolder.write([], path, "0000009999.segment") }
        #expect(none.said.contains(none.done) && none.done == "removes it", "\(none)")
        let noSegment = try fate { _, path in
            try StoreFolder.write([UInt8](repeating: 7, count: 500), path, "0000009999.segment")
        }
        #expect(noSegment.said.contains("sets it aside") && noSegment.done == "sets it aside")
        let known = try fate { _, path in
            let bytes = try StoreFolder.bytes(path, StoreFolder.segments(path)[0])
            try StoreFolder.write(bytes, path, "0000009999.segment")
        }
        #expect(known.said.contains(known.done) && known.said.contains(", or "), "\(known)")
        let foreign = try fate { _, path in
            let other = Self.store.files.first { $0.name.hasSuffix(".segment") }!.bytes
            try StoreFolder.write(other, path, "0000009999.segment")
        }
        #expect(foreign.said.contains("another store's") && foreign.done == "sets it aside")
        let newer = try fate { store, path in
            // A MANIFEST that was put back knows fewer segments.
            let manifest = try StoreFolder.bytes(path, "MANIFEST")
            try store.set("later", forKey: "a")
            try store.close()
            let name = try StoreFolder.segments(path)[0]
            let bytes = try StoreFolder.bytes(path, name)
            try FileManager.default.removeItem(atPath: path)
            try StoreFolder.copy(folder.path("other"), to: path)
            try StoreFolder.write(manifest, path, "MANIFEST")
            try StoreFolder.write(bytes, path, "0000009999.segment")
        }
        #expect(newer.said.contains(newer.done), "\(newer)")
        #expect(newer.said.contains("1 record newer") && newer.done == "sets it aside", "\(newer)")
    }
}

/// The program itself: statuses, and the system calls that it makes.
@Suite("Verifying by the program")
struct VerifyProgramTests {
    private let store = WrittenStore.shared
    private let folder = try! TemporaryFolder(isInMemory: true)

    @Test("Statuses are those of the contract, and nothing of the directory changes")
    func statuses() throws {
        store.write(to: folder)
        let commands = [["verify"], ["inspect"], ["why", "k7"]]
        func expect(_ status: Int32, _ name: String, _ offset: Int?) throws {
            let bytes = folder.read(name)
            if let offset {
                var changed = bytes
                changed[offset] ^= 1
                folder.write(changed, to: name)
            }
            let before = try StoreFolder.items(folder.path)
            for words in commands {
                let arguments = [words[0], folder.path] + words.dropFirst()
                let outcome = try run(arguments)
                if words == ["verify"] { #expect(outcome.status == status, "\(name)") }
                #expect([0, 1, 2].contains(outcome.status), "\(words): \(outcome.errors)")
            }
            #expect(try StoreFolder.items(folder.path) == before)
            folder.write(bytes, to: name)
        }
        let segment = store.names.last { $0.hasSuffix(".segment") }!
        try expect(0, "MANIFEST", nil)
        try expect(1, "MANIFEST", 30)
        try expect(1, "0000000002.hint", 30)
        try expect(1, segment, 90)
        try expect(2, segment, store.mark + 3)
        try expect(2, segment, store.logEnd + 100)
        #expect(try run(["verify", folder.path("nothing")]).status == 66)
        #expect(try run(["verify", folder.path("MANIFEST")]).status == 66)
        #expect(try run(["verify"]).status == 64)
        #expect(try run(["why", folder.path]).status == 64)
        let json = try run(["verify", "--json", folder.path]).text
        #expect(json.contains(#"{"type":"check","check":"records","ok":true}"#))
        #expect(json.hasSuffix("\"verified\":true,\"findings\":0}\n"))
    }

    @Test("No file that is no file makes the program wait or crash")
    func obstacles() throws {
        for name in ["MANIFEST", "0000000002.segment", "0000000002.hint", "LOCK"] {
            store.write(to: folder)
            folder.remove(name)
            folder.makeFIFO(name)
            #expect(try run(["verify", folder.path]).status == 1)
            #expect(try run(["inspect", folder.path]).status == 1)
            folder.remove(name)
        }
    }
}
