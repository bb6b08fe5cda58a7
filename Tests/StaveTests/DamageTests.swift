import StaveDisk
import TestSupport
import Testing

@testable import Stave

/// A small store with everything in it, flipped at every byte.
///
/// What is allowed, whatever is flipped:
///
/// 1. Opening fails with an error that names the file, only for MANIFEST. Nothing is changed then.
/// 2. A get answers the key's value, or throws. Never another value, an older one, or "not there".
/// 3. A scan hands out nothing but true entries, and throws for each key it leaves out.
/// 4. Hints: nothing is lost at all. A segment with a hint: at most the record that was hit, and
///    gets of all other keys answer. A sealed segment without its hint: the same for a value; a
///    damaged header or key makes the store read-only, and any key may answer with an error.
/// 5. The active segment: below the synced mark as without a hint. Above it: a prefix of the writes
///    survives, which includes all that were synced.
@Suite("Damage: any flipped bit")
struct DamageTests {
    private let folder: TemporaryFolder
    private let history = History.random(56, keys: 9, seed: 3)
    private let source: String
    private let syncedWrites = 50
    private let wanted: [[UInt8]: [UInt8]]

    init() throws {
        folder = try TemporaryFolder(isInMemory: true)
        source = folder.path("source")
        wanted = history.state()
        let store = try Store(path: folder.path("live"), options: .small())
        try history.play(0..<22, on: store)
        try store.sealActive()
        try history.play(22..<44, on: store)
        try store.sealActive()
        try history.play(44..<syncedWrites, on: store)
        try store.sync()
        try history.play(syncedWrites..<56, on: store)
        try store.copyAsKilled(to: source)
        try store.close()
    }

    private enum Outcome: Equatable { case whole, lost(Set<[UInt8]>), uncertain }

    /// Flips, opens, checks rules 2 and 3, and says what was lost.
    private func outcome(
        _ name: String, _ bytes: [UInt8], _ offset: Int, _ bit: Int, without hint: String? = nil,
        upTo writes: Int? = nil
    ) throws -> Outcome {
        let copy = folder.path("copy \(name)")
        try StoreFolder.copy(source, to: copy)
        if let hint { try StoreFolder.remove(copy, hint) }
        var changed = bytes
        changed[offset] ^= UInt8(1 << bit)
        try StoreFolder.write(changed, copy, name)
        let store = try Store(path: copy, options: .small())
        let wanted = writes.map { history.state(after: $0) } ?? wanted
        let place = "\(name) offset \(offset) bit \(bit)"
        var failed: Set<[UInt8]> = []
        for key in history.keys {
            do {
                let value = try store.value(forKey: key)
                #expect(value == wanted[key], "\(place), key \(key)")
            } catch {
                failed.insert(key)
                #expect(throws: StoreError.self, "\(place)") {
                    try store.values(forKeys: [key])
                }
            }
        }
        try checkScan(store, wanted, failed, place)
        if store.isReadOnly {
            #expect(store.notices.contains { $0.contains(name) }, "\(place)")
            return .uncertain
        }
        return failed.isEmpty ? .whole : .lost(failed)
    }

    /// Rule 3.
    private func checkScan(
        _ store: Store, _ wanted: [[UInt8]: [UInt8]], _ failed: Set<[UInt8]>, _ place: String
    ) throws {
        var cursor = try store.entries()
        var seen: Set<[UInt8]> = []
        var errors = 0
        while true {
            do {
                guard let (key, value) = try cursor.next() else { break }
                #expect(wanted[key] == value, "\(place), scan of \(key)")
                #expect(seen.insert(key).inserted)
            } catch {
                errors += 1
                try #require(errors < 100)
            }
        }
        if seen.count < wanted.count { #expect(errors > 0, "\(place)") }
        if failed.isEmpty && !store.isReadOnly { #expect(seen.count == wanted.count, "\(place)") }
    }

    /// The bits to flip at an offset: two, not the same everywhere.
    private func bits(_ offset: Int) -> [Int] { [offset % 8, (offset + 3) % 8] }

    private func record(
        _ records: [(offset: Int, header: RecordHeader, key: [UInt8])], at offset: Int
    ) -> (offset: Int, header: RecordHeader, key: [UInt8])? {
        records.last { $0.offset <= offset && offset < $0.offset + $0.header.recordLength }
    }

    @Test("There are sealed segments with hints, and an active one")
    func shape() throws {
        let manifest = try StoreFolder.manifest(source)
        #expect(manifest.segments.count { $0.isSealed } == 2)
        #expect(manifest.segments.last?.extent == nil)
        #expect(try StoreFolder.hints(source).count == manifest.segments.count - 1)
    }

    @Test("In a hint: nothing is lost")
    func hints() throws {
        for name in try StoreFolder.hints(source) {
            let bytes = try StoreFolder.bytes(source, name)
            for offset in bytes.indices {
                for bit in bits(offset) {
                    #expect(try outcome(name, bytes, offset, bit) == .whole)
                }
            }
        }
    }

    @Test("In a sealed segment with a hint: at most the record that was hit")
    func sealed() throws {
        for name in try StoreFolder.segments(source).dropLast() {
            let bytes = try StoreFolder.bytes(source, name)
            let records = try StoreFolder.records(source, name)
            for offset in bytes.indices {
                let hit = record(records, at: offset)
                for bit in bits(offset) {
                    let outcome = try outcome(name, bytes, offset, bit)
                    guard outcome != .whole else { continue }
                    #expect(
                        outcome == .lost(hit.map { [$0.key] } ?? []), "\(name) \(offset) \(bit)")
                }
            }
        }
    }

    @Test("In a live value of a sealed segment: that key answers with an error")
    func liveValues() throws {
        for name in try StoreFolder.segments(source).dropLast() {
            let bytes = try StoreFolder.bytes(source, name)
            for hint in [nil, String(name.dropLast(8)) + ".hint"] {
                for record in try liveRecords(name, bytes) {
                    let start = record.offset + RecordHeader.byteCount + record.key.count
                    for offset in [start, start + record.header.valueLength - 1] {
                        let outcome = try outcome(name, bytes, offset, 6, without: hint)
                        #expect(outcome == .lost([record.key]), "\(name) \(offset)")
                    }
                }
            }
        }
    }

    private func liveRecords(
        _ name: String, _ bytes: [UInt8]
    ) throws -> [(offset: Int, header: RecordHeader, key: [UInt8])] {
        try StoreFolder.records(source, name).filter { record in
            let start = record.offset + RecordHeader.byteCount + record.key.count
            let value = Array(bytes[start..<(start + record.header.valueLength)])
            return record.header.kind == .value && wanted[record.key] == value
        }
    }

    @Test("In a sealed segment without its hint: that value, or no certain answer, and no writes")
    func sealedWithoutHint() throws {
        for name in try StoreFolder.segments(source).dropLast() {
            let bytes = try StoreFolder.bytes(source, name)
            let records = try StoreFolder.records(source, name)
            let hint = String(name.dropLast(8)) + ".hint"
            for offset in bytes.indices {
                let hit = record(records, at: offset)
                for bit in bits(offset) {
                    switch try outcome(name, bytes, offset, bit, without: hint) {
                    case .whole: continue
                    case .lost(let keys): #expect(keys == [hit?.key], "\(name) \(offset) \(bit)")
                    case .uncertain:
                        #expect(
                            hit.map { offset - $0.offset < 28 + $0.key.count } == true,
                            "\(name) \(offset) \(bit)")
                    }
                }
            }
        }
    }

    @Test("In the active segment: damage below the synced mark, a prefix above it")
    func active() throws {
        let name = try StoreFolder.segments(source).last!
        let bytes = try StoreFolder.bytes(source, name)
        let records = try StoreFolder.records(source, name)
        let last = records.last!
        let before = history.writes.count - records.count
        let mark = try #require(try StoreFolder.mark(bytes))
        for offset in 0..<(last.offset + last.header.recordLength + 16) {
            let hit = record(records, at: offset)
            let index = records.firstIndex { $0.offset == hit?.offset }
            for bit in bits(offset) {
                // A flip in a record's padding, or behind the last record, is no damage.
                let isCut = offset >= mark && index != nil && !isPadding(offset, in: hit!)
                let writes = isCut ? before + index! : nil
                switch try outcome(name, bytes, offset, bit, upTo: writes) {
                case .whole: continue
                case .lost(let keys): #expect(keys == [hit?.key] && offset < mark, "\(offset)")
                case .uncertain: #expect(offset < mark && offset >= 80, "\(offset)")
                }
            }
        }
    }

    private func isPadding(
        _ offset: Int, in record: (offset: Int, header: RecordHeader, key: [UInt8])
    ) -> Bool {
        offset - record.offset
            >= RecordHeader.byteCount + record.key.count + record.header.valueLength
    }

    @Test("A compaction leaves a damaged segment where it is, reports it, and loses nothing else")
    func compaction() throws {
        for name in try StoreFolder.segments(source).dropLast() {
            let bytes = try StoreFolder.bytes(source, name)
            let records = try StoreFolder.records(source, name)
            for record in records {
                let value = RecordHeader.byteCount + record.key.count
                for place in [9, 29, value] {
                    // A tombstone has no value, and padding is no record's.
                    if place == value && record.header.valueLength == 0 { continue }
                    try compactOver(name, bytes, record.offset + place, record.key)
                }
            }
        }
    }

    private func compactOver(_ name: String, _ bytes: [UInt8], _ offset: Int, _ hit: [UInt8]) throws
    {
        let copy = folder.path("copy")
        try StoreFolder.copy(source, to: copy)
        var changed = bytes
        changed[offset] ^= 2
        try StoreFolder.write(changed, copy, name)
        for round in 0..<2 {
            let store = try Store(path: copy, options: .small())
            let report = try store.compact()
            #expect(report.damage.count == 1, "\(name) \(offset)")
            #expect(report.damage.first?.contains(name) == true)
            if round == 0 { #expect(try StoreFolder.bytes(copy, name) == changed) }
            for key in history.keys {
                if key == hit, (try? store.value(forKey: key)) == nil { continue }
                #expect(try store.value(forKey: key) == wanted[key], "\(name) \(offset) \(key)")
            }
            // Out of its damage: a new value takes the damaged one's place.
            try store.set("new", forKey: hit.text)
            #expect(try store.value(forKey: hit) == Array("new".utf8))
            try store.set(wanted[hit] ?? [], forKey: hit)
            if wanted[hit] == nil { try store.removeValue(forKey: hit) }
            #expect(try store.value(forKey: hit) == wanted[hit])
            try store.close()
        }
    }
}

extension [UInt8] {
    fileprivate var text: String { String(decoding: self, as: UTF8.self) }
}
