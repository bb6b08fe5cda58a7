import CPeers
import Workbench

extension EngineKind {
    static let tkrzw = EngineKind(
        name: "tkrzw", title: "tkrzw HashDBM", package: "libtkrzw-dev",
        settings: """
            HashDBM on its default file class (MemoryMapParallelFile) and default update mode (in place), \
            `num_buckets` twice the keys (the manual: for good performance more buckets than records). Values \
            are lent by `process`; multiget is `get_multi`. fillsync: `synchronize(hard)`.
            """,
        features: [.multiget, .reopens, .durable, .threads], open: { TkrzwEngine($0) })
}

final class TkrzwEngine: Engine, @unchecked Sendable {
    private let database: UnsafeMutablePointer<TkrzwDBM>
    private let keyLength: Int
    private let list: UnsafeMutablePointer<TkrzwStr>

    init(_ options: EngineOptions) {
        keyLength = options.keyLength
        database = tkrzw_dbm_open(
            options.directory + "/store.tkh", true,
            "dbm=HashDBM,num_buckets=\(options.expectedKeys * 2)")!
        list = .allocate(capacity: 64)
    }

    func set(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        succeed(
            tkrzw_dbm_set(
                database, key.characters, Int32(key.count), value.characters, Int32(value.count),
                true),
            "tkrzw_dbm_set")
    }

    func get(_ key: UnsafeRawBufferPointer, _ check: inout Check) -> Bool {
        let before = check.found
        withUnsafeMutablePointer(to: &check) { check in
            _ = tkrzw_dbm_process(
                database, key.characters, Int32(key.count), TkrzwEngine.visit, check, false)
        }
        return check.found != before
    }

    private static let visit: tkrzw_record_processor = {
        context, key, keyLength, value, length, _ in
        if let value {
            context.check.pointee.value(
                value, Int(length),
                for: UnsafeRawBufferPointer(start: key, count: Int(keyLength)))
        }
        return TKRZW_REC_PROC_NOOP
    }

    func delete(_ key: UnsafeRawBufferPointer) -> Bool {
        tkrzw_dbm_remove(database, key.characters, Int32(key.count))
    }

    func getMany(_ keys: UnsafeRawBufferPointer, count: Int, _ check: inout Check) {
        for index in 0..<count {
            list[index] = TkrzwStr(
                ptr: keys.key(index, keyLength).characters, size: Int32(keyLength))
        }
        var found: Int32 = 0
        let pairs = tkrzw_dbm_get_multi(database, list, Int32(count), &found)
        for index in 0..<Int(found) {
            let pair = pairs![index]
            check.value(
                pair.value_ptr, Int(pair.value_size),
                for: UnsafeRawBufferPointer(start: pair.key_ptr, count: Int(pair.key_size)))
        }
        tkrzw_free_str_map(pairs, found)
    }

    func scan(_ check: inout Check) {
        withUnsafeMutablePointer(to: &check) { check in
            _ = tkrzw_dbm_process_each(
                database,
                { context, key, keyLength, value, length, _ in
                    // Called once before and once behind the records, without one.
                    if let key, let value {
                        context.check.pointee.entry(
                            UnsafeRawBufferPointer(start: key, count: Int(keyLength)), value,
                            Int(length))
                    }
                    return TKRZW_REC_PROC_NOOP
                }, check, false)
        }
    }

    func setDurably(_ keys: UnsafeRawBufferPointer, count: Int, _ value: inout Value) {
        for index in 0..<count {
            let key = keys.key(index, keyLength)
            set(key, value.bytes(for: key))
        }
        succeed(tkrzw_dbm_synchronize(database, true, nil, nil, ""), "tkrzw_dbm_synchronize")
    }

    func close() { succeed(tkrzw_dbm_close(database), "tkrzw_dbm_close") }
}
