import Foundation
import Stave

extension EngineKind {
    static let stave = EngineKind(
        name: "stave", title: "Stave", package: nil,
        settings: """
            The defaults, but durability `os`: a write survives the process, none waits for the disk \
            (the default, `interval`, would add a sync a second). Checksums are verified on every read, \
            compaction runs in the background by its usual policy. Values are lent by `withValue`, \
            from C copied by `copyValue`; \
            multiget is `withValues(for:)`; scans lend entries by `withNext`. fillsync: durability \
            `always`; 16 together by `deferringSync` and one `sync()`.
            """,
        features: [.ordered, .multiget, .compacts, .reopens, .durable, .threads, .hints],
        open: { StaveEngine($0) })
}

final class StaveEngine: Engine, @unchecked Sendable {
    private let store: Store
    private var batch = KeyBatch()
    private let keyLength: Int

    init(_ engine: EngineOptions) {
        keyLength = engine.keyLength
        var options = StoreOptions()
        options.createsIfMissing = true
        options.durability = engine.isDurable ? .always : .os
        store = try! Store(path: engine.directory + "/store", options: options)
    }

    func set(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        try! store.set(RawSpan(_unsafeBytes: value), forKey: RawSpan(_unsafeBytes: key))
    }

    func get(_ key: UnsafeRawBufferPointer, _ check: inout Check) -> Bool {
        let isThere: Void? = try! store.withValue(forKey: RawSpan(_unsafeBytes: key)) { value in
            value.withUnsafeBytes { check.value($0.baseAddress!, $0.count, for: key) }
        }
        return isThere != nil
    }

    func copy(_ key: UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer) -> Int? {
        var bytes = buffer.mutableBytes
        return try! store.copyValue(forKey: RawSpan(_unsafeBytes: key), into: &bytes)
    }

    func delete(_ key: UnsafeRawBufferPointer) -> Bool {
        try! store.removeValue(forKey: RawSpan(_unsafeBytes: key))
    }

    func getMany(_ keys: UnsafeRawBufferPointer, count: Int, _ check: inout Check) {
        batch.removeAll()
        let span = RawSpan(_unsafeBytes: keys)
        for index in 0..<count {
            batch.append(span.extracting(index * keyLength..<(index + 1) * keyLength))
        }
        let length = keyLength
        try! store.withValues(for: batch) { index, value in
            guard let value else { return }
            let key = UnsafeRawBufferPointer(
                start: keys.baseAddress! + index * length, count: length)
            value.withUnsafeBytes { check.value($0.baseAddress!, $0.count, for: key) }
        }
    }

    func scan(_ check: inout Check) { scan(.all, count: .max, &check) }

    func scan(from key: UnsafeRawBufferPointer, count: Int, _ check: inout Check) {
        scan(KeyRange(from: Array(key), to: nil), count: count, &check)
    }

    private func scan(_ range: KeyRange, count: Int, _ check: inout Check) {
        var cursor = try! store.entries(in: range)
        var left = count
        while left > 0 {
            let isThere: Void? = try! cursor.withNext { key, value in
                key.withUnsafeBytes { key in
                    value.withUnsafeBytes { check.entry(key, $0.baseAddress!, $0.count) }
                }
            }
            if isThere == nil { break }
            left -= 1
        }
    }

    func setDurably(_ keys: UnsafeRawBufferPointer, count: Int, _ value: inout Value) {
        for index in 0..<count {
            let key = UnsafeRawBufferPointer(
                start: keys.baseAddress! + index * keyLength, count: keyLength)
            try! store.set(
                RawSpan(_unsafeBytes: value.bytes(for: key)), forKey: RawSpan(_unsafeBytes: key),
                deferringSync: count > 1)
        }
        if count > 1 { try! store.sync() }
    }

    func indexBytes() -> Int? { try! store.statistics().keydirBytes }

    func compact() { _ = try! store.compact() }

    func close() { try! store.close() }
}
