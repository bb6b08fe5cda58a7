import CFloor

extension EngineKind {
    static let floor = EngineKind(
        name: "floor", title: "floor", package: nil,
        settings: """
            Not an engine but a measure: the same design bare, in C. A mapped, preallocated log with \
            libxxhash's XXH3 over each record, verified when read; 8-byte slots on huge pages. No recovery, no deletion \
            of old records, no growth, no second thread.
            """,
        features: [.multiget], open: { FloorEngine($0) })
}

final class FloorEngine: Engine, @unchecked Sendable {
    private let floor: OpaquePointer
    private let keyLength: Int

    init(_ options: EngineOptions) {
        keyLength = options.keyLength
        let record = options.keyLength + options.valueLength + 24
        floor = cfloor_open(
            options.directory + "/floor", UInt64(options.expectedWrites * record + 1 << 20),
            UInt64(options.expectedKeys))
    }

    func set(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        cfloor_set(floor, key.baseAddress, key.count, value.baseAddress, value.count)
    }

    func get(_ key: UnsafeRawBufferPointer, _ check: inout Check) -> Bool {
        var length = 0
        guard let value = cfloor_get(floor, key.baseAddress, key.count, &length) else {
            return false
        }
        check.value(value, length, for: key)
        return true
    }

    func delete(_ key: UnsafeRawBufferPointer) -> Bool {
        cfloor_delete(floor, key.baseAddress, key.count) != 0
    }

    func getMany(_ keys: UnsafeRawBufferPointer, count: Int, _ check: inout Check) {
        cfloor_prefetch(floor, keys.baseAddress, keyLength, Int32(count))
        for index in 0..<count {
            let key = UnsafeRawBufferPointer(
                start: keys.baseAddress! + index * keyLength, count: keyLength)
            _ = get(key, &check)
        }
    }

    func scan(_ check: inout Check) {
        withUnsafeMutablePointer(to: &check) { check in
            cfloor_scan(
                floor,
                { context, key, keyLength, value, length in
                    context!.assumingMemoryBound(to: Check.self).pointee.entry(
                        UnsafeRawBufferPointer(start: key, count: keyLength), value!, length)
                }, check)
        }
    }

    func close() { cfloor_close(floor) }
}
