import CPeers
import Glibc
import Workbench

extension EngineKind {
    static let rocksDB = EngineKind(
        name: "rocksdb", title: "RocksDB", package: "librocksdb-dev",
        settings: """
            As the wiki's page "Setup Options and Basic Tuning" advises: dynamic level sizes, 6 background \
            jobs, `bytes_per_sync` 1 MB, blocks of 16 KB, index and filter blocks in the cache and those of \
            level 0 pinned, format version 5, a Bloom filter of 10 bits a key, a block cache that holds the \
            data; compression off. The log is written at each set and not synced. Values are lent by \
            `get_pinned`; multiget is `batched_multi_get`. fillsync: `sync` on the last set of the group. \
            Debian builds it with its assertions in, which costs it time.
            """,
        features: [.ordered, .multiget, .compacts, .reopens, .durable, .threads],
        open: { RocksDBEngine($0) })
}

final class RocksDBEngine: Engine, @unchecked Sendable {
    private let database: OpaquePointer
    private let family: OpaquePointer
    private let options = rocksdb_options_create()
    private let reading = rocksdb_readoptions_create()
    private let writing = rocksdb_writeoptions_create()
    private let syncing = rocksdb_writeoptions_create()
    private let list: KeyList

    init(_ engine: EngineOptions) {
        list = KeyList(capacity: 64, keyLength: engine.keyLength)
        let options = self.options
        rocksdb_options_set_create_if_missing(options, 1)
        rocksdb_options_set_compression(options, Int32(rocksdb_no_compression))
        rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1)
        rocksdb_options_set_max_background_jobs(options, 6)
        rocksdb_options_set_bytes_per_sync(options, 1 << 20)
        let blocks = rocksdb_block_based_options_create()
        rocksdb_block_based_options_set_block_size(blocks, 16 << 10)
        rocksdb_block_based_options_set_cache_index_and_filter_blocks(blocks, 1)
        rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(blocks, 1)
        rocksdb_block_based_options_set_format_version(blocks, 5)
        rocksdb_block_based_options_set_filter_policy(
            blocks, rocksdb_filterpolicy_create_bloom_full(10))
        rocksdb_block_based_options_set_block_cache(
            blocks, rocksdb_cache_create_lru(engine.cacheBytes))
        rocksdb_options_set_block_based_table_factory(options, blocks)
        rocksdb_writeoptions_set_sync(syncing, 1)
        // Opened as a list of one family, because that gives its handle, which the calls for many
        // want.
        var error: UnsafeMutablePointer<CChar>?
        var (family, opened) = (OpaquePointer?.none, OpaquePointer?.none)
        "default".withCString { name in
            var (names, each) = ([UnsafePointer<CChar>?.some(name)], [options])
            opened = rocksdb_open_column_families(
                options, engine.directory, 1, &names, &each, &family, &error)
        }
        succeed(error == nil, "rocksdb_open: " + error.map { String(cString: $0) }!)
        database = opened!
        self.family = family!
    }

    func set(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        put(key, value, writing)
    }

    private func put(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ how: OpaquePointer?
    ) {
        var error: UnsafeMutablePointer<CChar>?
        rocksdb_put(
            database, how, key.characters, key.count, value.characters, value.count, &error)
        succeed(error == nil, "rocksdb_put")
    }

    func get(_ key: UnsafeRawBufferPointer, _ check: inout Check) -> Bool {
        var error: UnsafeMutablePointer<CChar>?
        let slice = rocksdb_get_pinned(database, reading, key.characters, key.count, &error)
        succeed(error == nil, "rocksdb_get_pinned")
        guard let slice else { return false }
        take(slice, key, &check)
        return true
    }

    private func take(_ slice: OpaquePointer, _ key: UnsafeRawBufferPointer, _ check: inout Check) {
        var length = 0
        if let value = rocksdb_pinnableslice_value(slice, &length) {
            check.value(value, length, for: key)
        }
        rocksdb_pinnableslice_destroy(slice)
    }

    func getMany(_ keys: UnsafeRawBufferPointer, count: Int, _ check: inout Check) {
        list.set(keys, count: count)
        withUnsafeTemporaryAllocation(of: OpaquePointer?.self, capacity: count) { slices in
            withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<CChar>?.self, capacity: count) {
                rocksdb_batched_multi_get_cf(
                    database, reading, family, count, list.addresses, list.lengths,
                    slices.baseAddress, $0.baseAddress, false)
                for index in 0..<count {
                    succeed($0[index] == nil, "rocksdb_batched_multi_get_cf")
                    if let slice = slices[index] {
                        take(slice, keys.key(index, list.keyLength), &check)
                    }
                }
            }
        }
    }

    /// RocksDB does not tell whether the key was there, so this says that it was.
    func delete(_ key: UnsafeRawBufferPointer) -> Bool {
        var error: UnsafeMutablePointer<CChar>?
        rocksdb_delete(database, writing, key.characters, key.count, &error)
        succeed(error == nil, "rocksdb_delete")
        return true
    }

    func scan(_ check: inout Check) {
        scan(.max, &check) { rocksdb_iter_seek_to_first($0) }
    }

    func scan(from key: UnsafeRawBufferPointer, count: Int, _ check: inout Check) {
        scan(count, &check) { rocksdb_iter_seek($0, key.characters, key.count) }
    }

    private func scan(_ count: Int, _ check: inout Check, seek: (OpaquePointer) -> Void) {
        let iterator = rocksdb_create_iterator(database, reading)!
        seek(iterator)
        var left = count
        while left > 0, rocksdb_iter_valid(iterator) != 0 {
            var (keyLength, length) = (0, 0)
            let key = rocksdb_iter_key(iterator, &keyLength)
            let value = rocksdb_iter_value(iterator, &length)
            check.entry(UnsafeRawBufferPointer(start: key, count: keyLength), value!, length)
            left -= 1
            if left > 0 { rocksdb_iter_next(iterator) }
        }
        rocksdb_iter_destroy(iterator)
    }

    func setDurably(_ keys: UnsafeRawBufferPointer, count: Int, _ value: inout Value) {
        for index in 0..<count {
            let key = keys.key(index, list.keyLength)
            put(key, value.bytes(for: key), index == count - 1 ? syncing : writing)
        }
    }

    func compact() { rocksdb_compact_range(database, nil, 0, nil, 0) }

    func close() {
        rocksdb_column_family_handle_destroy(family)
        rocksdb_close(database)
        rocksdb_readoptions_destroy(reading)
        rocksdb_writeoptions_destroy(writing)
        rocksdb_writeoptions_destroy(syncing)
        rocksdb_options_destroy(options)
    }
}
