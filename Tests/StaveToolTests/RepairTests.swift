import Foundation
import Stave
import StaveDisk
import TestSupport
import Testing

@testable import StaveTool

/// `stave repair`: what is lost is told, what is not told is there, and the source stays as it was.
@Suite("Repairing stores")
struct RepairTests {
    private let store = WrittenStore.shared
    private let folder = try! TemporaryFolder(isInMemory: true)
    private var new: String { folder.path("new") }

    /// A damaged copy of the store in a folder of its own.
    private func damaged(_ name: String? = nil, _ change: (inout [UInt8]) -> Void = { _ in })
        throws -> TemporaryFolder
    {
        let source = try TemporaryFolder(isInMemory: true)
        store.write(to: source)
        if let name {
            var bytes = source.read(name)
            change(&bytes)
            source.write(bytes, to: name)
        }
        return source
    }

    private func repair(_ path: String, to target: String? = nil) throws -> Repair {
        let directory = try Directory(path: path)
        let survey = try StoreSurvey(directory, .overview, finder: SegmentFinder(directory))
        var repair = Repair(of: survey)
        try repair.write(to: try StoreBuilder(path: target ?? new))
        return repair
    }

    private func contents(_ path: String) throws -> [[UInt8]: [UInt8]] {
        let store = try Store(path: path, options: .small())
        defer { try? store.close() }
        #expect(try store.verify().problems == [])
        return try store.dictionary()
    }

    @Test("Of a store without damage nothing is lost: keys, values, numbers and times")
    func lossless() throws {
        let source = try damaged()
        let before = try StoreFolder.items(source.path)
        let repair = try repair(source.path)
        #expect(repair.isLossless)
        #expect(try StoreFolder.items(source.path) == before)
        #expect(try Verification(of: new).findings.list.isEmpty)
        // Live records of both, by key: the same headers except for the checksums, which are bound.
        func live(_ path: String) throws -> [[UInt8]: RecordHeader] {
            var live: [[UInt8]: RecordHeader] = [:]
            for name in try StoreFolder.segments(path) {
                for record in try StoreFolder.records(path, name) {
                    var header = record.header
                    (header.headerChecksum, header.valueChecksum) = (0, 0)
                    if header.sequence > live[record.key]?.sequence ?? 0 {
                        live[record.key] = header
                    }
                }
            }
            return live.filter { $0.value.kind == .value }
        }
        #expect(try live(new) == live(source.path))
        #expect(try contents(new) == store.contents)
        let manifest = try StoreFolder.manifest(new)
        #expect(manifest.nextSequence >= store.manifest.nextSequence)
        #expect(manifest.storeID != store.manifest.storeID)
    }

    /// Each field of each record's header, where a hint file tells what stood there.
    @Test("A record of which a look-up still gives the value is not lost")
    func damagedHeaders() throws {
        for name in store.names where name.hasSuffix(".segment") {
            let source = try damaged()
            guard !source.read(String(name.dropLast(8)) + ".hint").isEmpty else { continue }
            let good = source.read(name)
            for record in try StoreFolder.records(source.path, name) {
                guard record.header.kind == .value,
                    try isNewest(record.header.sequence, record.key, in: source.path)
                else { continue }
                // Checksums, number, time, lengths, kind, flags.
                for byte in [0, 4, 9, 17, 21, 24, 26, 27] {
                    var bytes = good
                    bytes[record.offset + byte] ^= 4
                    source.write(bytes, to: name)
                    var options = StoreOptions.small()
                    options.access = .readOnly
                    let damagedStore = try Store(path: source.path, options: options)
                    let served = try? damagedStore.value(forKey: record.key)
                    try damagedStore.close()
                    let target = folder.path("\(name)-\(record.offset)-\(byte)")
                    let repair = try repair(source.path, to: target)
                    let found = try contents(target)
                    let place = "\(name) at \(record.offset), byte \(byte)"
                    if served != nil || byte != 4 {
                        #expect(found == store.contents, "\(place)")
                        #expect(repair.isLossless, "\(place)")
                        #expect(repair.notes.contains { $0.text.contains("a damaged header") })
                    } else {
                        #expect(repair.losses.count == 1, "\(place)")
                    }
                    try FileManager.default.removeItem(atPath: target)
                }
            }
        }
    }

    /// Each record once: its value, or its header and key where a hint file still names it.
    @Test(
        "A damaged record costs its key, or takes it back to the version before, and that is told",
        arguments: WrittenStore.shared.names.filter { $0.hasSuffix(".segment") })
    func everyRecord(_ name: String) throws {
        let source = try damaged()
        let hasHint = source.read(String(name.dropLast(8)) + ".hint").isEmpty == false
        let good = source.read(name)
        for (index, record) in try StoreFolder.records(source.path, name).enumerated() {
            let isAboveMark = !hasHint && record.offset >= store.mark
            if isAboveMark || record.header.valueLength == 0 && !hasHint { continue }
            var bytes = good
            let hitsHeader = hasHint && (index % 2 == 0 || record.header.valueLength == 0)
            if hitsHeader {
                // Number and key: the value alone proves nothing then.
                bytes[record.offset + 9] ^= 4
                bytes[record.offset + 28] ^= 4
            } else {
                bytes[record.offset + 28 + record.key.count] ^= 4
            }
            source.write(bytes, to: name)
            let target = folder.path("\(name)-\(index)")
            let repair = try repair(source.path, to: target)
            let found = try contents(target)
            var expected = store.contents
            let isNewest = try isNewest(record.header.sequence, record.key, in: source.path)
            if isNewest, record.header.kind == .value {
                let loss = try #require(repair.losses.first)
                #expect(repair.losses.count == 1)
                #expect(loss.record.key == record.key && loss.file == name)
                #expect(loss.record.sequence == record.header.sequence)
                #expect(loss.record.offset == record.offset)
                expected[record.key] = found[record.key]
                #expect((found[record.key] == nil) == (loss.successor?.kind != .value))
                let older = store.versions[record.key]!.dropLast().contains(found[record.key])
                #expect(older || found[record.key] == nil)
            } else {
                #expect(repair.losses.isEmpty, "\(name) at \(record.offset)")
            }
            #expect(repair.unknown.isEmpty)
            #expect(found == expected, "\(name) at \(record.offset)")
            try FileManager.default.removeItem(atPath: target)
        }
    }

    /// Is it the number of the key's last write?
    private func isNewest(_ sequence: UInt64, _ key: [UInt8], in path: String) throws -> Bool {
        let image = try KeyHistory(
            of: key, in: StoreSurvey(try Directory(path: path), .overview))
        return image.versions.first?.sequence == sequence
    }

    @Test("Whatever random damage does, what was not told is right, and no value is made up")
    func random() throws {
        var random = SeededRandom.forTest()
        for round in 0..<40 {
            let source = try damaged()
            for name in store.names where random.chance(50) {
                var bytes = source.read(name)
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    let start = Int.random(in: 0..<bytes.count, using: &random)
                    let end = min(bytes.count, start + Int.random(in: 1...60, using: &random))
                    bytes[start..<end] = random.bytes(end - start)[...]
                }
                source.write(bytes, to: name)
            }
            if random.chance(20) { source.remove("MANIFEST") }
            let before = try StoreFolder.items(source.path)
            let target = folder.path("random-\(round)")
            let repair = try repair(source.path, to: target)
            #expect(try StoreFolder.items(source.path) == before)
            #expect(try Verification(of: target).findings.list.isEmpty)
            let found = try contents(target)
            let told = Set(repair.losses.map(\.record.key))
            for (key, value) in found {
                #expect(store.versions[key]?.contains(value) == true, "round \(round)")
            }
            // A torn tail takes the writes above the mark, and damage without a hint any key.
            let isKnown = repair.unknown.isEmpty && repair.notes.isEmpty
            for (key, value) in store.contents where isKnown && !told.contains(key) {
                #expect(found[key] == value, "round \(round)")
            }
        }
    }

    /// Two segments that had changed places were all lost; without MANIFEST nothing was.
    @Test("Files that changed places: segments are found by their headers, and the rest is told")
    func swapped() throws {
        for (index, first) in store.files.enumerated() {
            for second in store.files[(index + 1)...] {
                let source = try damaged()
                source.write(first.bytes, to: second.name)
                source.write(second.bytes, to: first.name)
                let before = try StoreFolder.items(source.path)
                let target = folder.path("\(first.name)-\(second.name)")
                let repair = try repair(source.path, to: target)
                let what = "\(first.name) and \(second.name)"
                #expect(try StoreFolder.items(source.path) == before)
                let found = try contents(target)
                guard ![first.name, second.name].contains("MANIFEST") else {
                    // Then nothing tells which segments there were.
                    #expect(!repair.notes.isEmpty, "\(what)")
                    for (key, value) in found {
                        #expect(store.versions[key]?.contains(value) == true, "\(what)")
                    }
                    continue
                }
                #expect(repair.isLossless && found == store.contents, "\(what)")
                for name in [first.name, second.name] where name.hasSuffix(".segment") {
                    #expect(repair.notes.contains { [first.name, second.name].contains($0.file) })
                }
            }
        }
    }

    @Test("Bytes without a trace of their keys are told with the numbers that were there")
    func unknown() throws {
        let name = store.names.last { $0.hasSuffix(".segment") }!
        let source = try damaged()
        let records = try StoreFolder.records(source.path, name)
        let record = records[3]
        var bytes = source.read(name)
        bytes[record.offset + 9] ^= 1
        source.write(bytes, to: name)
        let repair = try repair(source.path)
        let unknown = try #require(repair.unknown.first)
        #expect(unknown.file == name && unknown.bytes.range.lowerBound == record.offset)
        #expect(unknown.bytes.sequences == record.header.sequence...record.header.sequence)
        #expect(repair.uncertainKeys > 0)
        #expect(try run(["repair", source.path, folder.path("other")]).status == 1)
    }

    @Test("Without MANIFEST the segments that are there make the store, and that is said")
    func withoutManifest() throws {
        let source = try damaged()
        source.remove("MANIFEST")
        let outcome = try run(["repair", source.path, new])
        #expect(outcome.text.contains("all segments that are there were taken"))
        #expect(try contents(new) == store.contents)
        // A segment of another store among them is left out.
        var other = SegmentMaker(number: 77, storeID: StoreID(low: 1, high: 2), firstSequence: 5000)
        other.set("k1", "from elsewhere")
        other.sync()
        source.write(other.bytes, to: "0000000077.segment")
        let again = try repair(source.path, to: folder.path("again"))
        #expect(again.notes.contains { $0.file == "0000000077.segment" })
        #expect(try contents(folder.path("again")) == store.contents)
    }

    @Test("It writes into nothing but an empty directory, and never into its source")
    func targets() throws {
        let source = try damaged()
        let before = try StoreFolder.items(source.path)
        #expect(try run(["repair", source.path, source.path]).status == 73)
        #expect(try run(["repair", source.path, source.path("inside")]).status == 73)
        #expect(try run(["repair", source.path, folder.path("a/b")]).status == 73)
        #expect(try run(["repair", folder.path("nothing"), new]).status == 66)
        #expect(try run(["repair", source.path]).status == 64)
        folder.makeFolder("full")
        folder.write([1], to: "full/file")
        #expect(try run(["repair", source.path, folder.path("full")]).status == 73)
        #expect(try StoreFolder.names(folder.path("full")) == ["file"])
        #expect(try StoreFolder.items(source.path) == before)
        folder.makeFolder("empty")
        let outcome = try run(["repair", "--json", source.path, folder.path("empty")])
        #expect(outcome.status == 0)
        #expect(outcome.text.hasPrefix(#"{"type":"repaired","#))
        #expect(try contents(folder.path("empty")) == store.contents)
    }

    @Test("Several segments and records longer than one keep their limits")
    func segments() throws {
        let builder = try StoreBuilder(path: new, segmentSize: 4096)
        var expected: [[UInt8]: [UInt8]] = [:]
        for number in 0..<200 {
            let key = Array("key \(1000 + number)".utf8)
            let value = [UInt8](repeating: 7, count: number == 50 ? 100_000 : number)
            expected[key] = value
            let header = RecordHeader(
                kind: .value, sequence: UInt64(500 - number), time: 1_700_000_000,
                keyLength: key.count, valueLength: value.count)
            let checksum = unsafe UInt32(
                truncatingIfNeeded: Checksum.hash(value.span.bytes))
            try unsafe key.withUnsafeBytes {
                unsafe try builder.append(
                    header, key: $0, value: value.span.bytes, unboundValueChecksum: checksum)
            }
        }
        #expect(throws: StoreError.self) { try Store(path: new) }
        try builder.finish(nextSequence: 1)
        #expect(builder.segmentCount > 5)
        #expect(try StoreFolder.manifest(new).nextSequence == 501)
        #expect(try Verification(of: new).findings.list.isEmpty)
    }
}
