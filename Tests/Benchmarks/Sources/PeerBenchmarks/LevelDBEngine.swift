import CPeers
import Glibc
import Workbench

extension EngineKind {
    static let levelDB = EngineKind(
        name: "leveldb", title: "LevelDB", package: "libleveldb-dev",
        settings: """
            As doc/index.md advises: a block cache that holds the data, a Bloom filter of 10 bits a key; a \
            write buffer of 64 MB (options.h: larger ones for bulk loads); compression off. The log is \
            written at each set and not synced. Values come as copies: the C interface has no other get. \
            fillsync: `sync` on the last set of the group.
            """,
        features: [.ordered, .compacts, .reopens, .durable, .threads],
        open: { LevelDBEngine($0) })
}

final class LevelDBEngine: Engine, @unchecked Sendable {
    private let database: OpaquePointer
    private let options = leveldb_options_create()
    private let cache: OpaquePointer
    private let filter: OpaquePointer
    private let reading = leveldb_readoptions_create()
    private let writing = leveldb_writeoptions_create()
    private let syncing = leveldb_writeoptions_create()

    init(_ engine: EngineOptions) {
        cache = leveldb_cache_create_lru(engine.cacheBytes)
        filter = leveldb_filterpolicy_create_bloom(10)
        leveldb_options_set_create_if_missing(options, 1)
        leveldb_options_set_cache(options, cache)
        leveldb_options_set_filter_policy(options, filter)
        leveldb_options_set_write_buffer_size(options, 64 << 20)
        leveldb_options_set_compression(options, Int32(leveldb_no_compression))
        leveldb_writeoptions_set_sync(syncing, 1)
        var error: UnsafeMutablePointer<CChar>?
        let opened = leveldb_open(options, engine.directory, &error)
        succeed(error == nil, "leveldb_open")
        database = opened!
    }

    func set(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        put(key, value, writing)
    }

    private func put(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ how: OpaquePointer?
    ) {
        var error: UnsafeMutablePointer<CChar>?
        leveldb_put(
            database, how, key.characters, key.count, value.characters, value.count, &error)
        succeed(error == nil, "leveldb_put")
    }

    func get(_ key: UnsafeRawBufferPointer, _ check: inout Check) -> Bool {
        var (length, error) = (0, UnsafeMutablePointer<CChar>?.none)
        let value = leveldb_get(database, reading, key.characters, key.count, &length, &error)
        succeed(error == nil, "leveldb_get")
        guard let value else { return false }
        check.value(value, length, for: key)
        leveldb_free(value)
        return true
    }

    /// LevelDB does not tell whether the key was there, so this says that it was.
    func delete(_ key: UnsafeRawBufferPointer) -> Bool {
        var error: UnsafeMutablePointer<CChar>?
        leveldb_delete(database, writing, key.characters, key.count, &error)
        succeed(error == nil, "leveldb_delete")
        return true
    }

    func scan(_ check: inout Check) {
        scan(.max, &check) { leveldb_iter_seek_to_first($0) }
    }

    func scan(from key: UnsafeRawBufferPointer, count: Int, _ check: inout Check) {
        scan(count, &check) { leveldb_iter_seek($0, key.characters, key.count) }
    }

    private func scan(_ count: Int, _ check: inout Check, seek: (OpaquePointer) -> Void) {
        let iterator = leveldb_create_iterator(database, reading)!
        seek(iterator)
        var left = count
        while left > 0, leveldb_iter_valid(iterator) != 0 {
            var (keyLength, length) = (0, 0)
            let key = leveldb_iter_key(iterator, &keyLength)
            let value = leveldb_iter_value(iterator, &length)
            check.entry(UnsafeRawBufferPointer(start: key, count: keyLength), value!, length)
            left -= 1
            if left > 0 { leveldb_iter_next(iterator) }
        }
        leveldb_iter_destroy(iterator)
    }

    func setDurably(_ keys: UnsafeRawBufferPointer, count: Int, _ value: inout Value) {
        for index in 0..<count {
            let key = keys.key(index, keys.count / count)
            put(key, value.bytes(for: key), index == count - 1 ? syncing : writing)
        }
    }

    func compact() { leveldb_compact_range(database, nil, 0, nil, 0) }

    func close() {
        leveldb_close(database)
        leveldb_options_destroy(options)
        leveldb_cache_destroy(cache)
        leveldb_filterpolicy_destroy(filter)
        leveldb_readoptions_destroy(reading)
        leveldb_writeoptions_destroy(writing)
        leveldb_writeoptions_destroy(syncing)
    }
}
