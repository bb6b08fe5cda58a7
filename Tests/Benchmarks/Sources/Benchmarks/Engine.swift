import CFloor
import Stave

/// What the benchmark asks of an engine. Keys of one length, one after the other, so that making them
/// costs nothing while the clock runs.
protocol Engine {
    func set(_ key: RawSpan, _ value: RawSpan)
    /// Length of the value, or -1.
    func get(_ key: RawSpan) -> Int
    func delete(_ key: RawSpan) -> Bool
    /// How many of sixteen keys, one after the other, are there.
    func get16(_ keys: RawSpan) -> Int
}

final class StaveEngine: Engine {
    let store: Store
    private var batch = KeyBatch()
    private let keyLength: Int

    init(_ store: Store, keyLength: Int) {
        self.store = store
        self.keyLength = keyLength
    }

    func set(_ key: RawSpan, _ value: RawSpan) { try! store.set(value, forKey: key) }

    func get(_ key: RawSpan) -> Int {
        try! store.withValue(forKey: key) { $0.byteCount } ?? -1
    }

    func delete(_ key: RawSpan) -> Bool { try! store.removeValue(forKey: key) }

    func get16(_ keys: RawSpan) -> Int {
        batch.removeAll()
        for index in 0..<16 {
            batch.append(keys.extracting(index * keyLength..<(index + 1) * keyLength))
        }
        var found = 0
        try! store.withValues(for: batch) { _, value in if value != nil { found += 1 } }
        return found
    }
}

final class FloorEngine: Engine {
    private let floor: OpaquePointer
    private let keyLength: Int

    init(path: String, bytes: Int, expectedKeys: Int, keyLength: Int) {
        floor = cfloor_open(path, UInt64(bytes), UInt64(expectedKeys))
        self.keyLength = keyLength
    }

    deinit { cfloor_close(floor) }

    func set(_ key: RawSpan, _ value: RawSpan) {
        key.withUnsafeBytes { key in
            value.withUnsafeBytes { value in
                cfloor_set(floor, key.baseAddress, key.count, value.baseAddress, value.count)
            }
        }
    }

    func get(_ key: RawSpan) -> Int {
        key.withUnsafeBytes { key in
            var length = 0
            return cfloor_get(floor, key.baseAddress, key.count, &length) == nil ? -1 : length
        }
    }

    func delete(_ key: RawSpan) -> Bool {
        key.withUnsafeBytes { cfloor_delete(floor, $0.baseAddress, $0.count) != 0 }
    }

    func get16(_ keys: RawSpan) -> Int {
        keys.withUnsafeBytes { Int(cfloor_get16(floor, $0.baseAddress, keyLength)) }
    }
}
