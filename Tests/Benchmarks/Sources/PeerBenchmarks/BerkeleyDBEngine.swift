import CPeers
import Glibc
import Workbench

extension EngineKind {
    static let berkeleyDB = EngineKind(
        name: "bdb", title: "Berkeley DB hash", package: "libdb5.3-dev",
        settings: """
            A transactional environment (log, locks, cache that holds the data) with \
            `DB_TXN_WRITE_NOSYNC`: the log is written at each commit and not synced; a checkpoint for every \
            64 MB of log, whose files are then removed. Hash access method with `h_nelem` and \
            `h_ffactor` set by the manual's formula. Values come into a buffer of the caller's \
            (`DB_DBT_USERMEM`). One thread only: a second one would need deadlocks to be handled. \
            fillsync: commits that sync, 16 together in one transaction.
            """,
        features: [.reopens, .durable], open: { BerkeleyDBEngine($0) })
}

final class BerkeleyDBEngine: Engine, @unchecked Sendable {
    private let environment: UnsafeMutablePointer<DB_ENV>
    private let database: UnsafeMutablePointer<DB>
    private let buffer: UnsafeMutableRawPointer
    private let bufferLength: Int
    private var writes = 0

    init(_ options: EngineOptions) {
        var made: UnsafeMutablePointer<DB_ENV>?
        succeed(db_env_create(&made, 0) == 0, "db_env_create")
        let environment = made!
        self.environment = environment
        _ = environment.pointee.set_cachesize(
            environment, UInt32(options.cacheBytes >> 30),
            UInt32(options.cacheBytes & (1 << 30 - 1)), 1)
        _ = environment.pointee.log_set_config(environment, UInt32(DB_LOG_AUTO_REMOVE), 1)
        if !options.isDurable {
            _ = environment.pointee.set_flags(environment, UInt32(DB_TXN_WRITE_NOSYNC), 1)
        }
        let flags =
            DB_CREATE | DB_INIT_MPOOL | DB_INIT_LOG | DB_INIT_TXN | DB_INIT_LOCK | DB_RECOVER
            | DB_PRIVATE
        succeed(
            environment.pointee.open(environment, options.directory, UInt32(flags), 0o600) == 0,
            "DB_ENV->open")
        var table: UnsafeMutablePointer<DB>?
        succeed(db_create(&table, environment, 0) == 0, "db_create")
        let database = table!
        self.database = database
        // (page size - 32) / (key size + value size + 8)
        let density = max(1, (4096 - 32) / (options.keyLength + options.valueLength + 8))
        _ = database.pointee.set_pagesize(database, 4096)
        _ = database.pointee.set_h_ffactor(database, UInt32(density))
        _ = database.pointee.set_h_nelem(database, UInt32(options.expectedKeys))
        succeed(
            database.pointee.open(
                database, nil, "store.db", nil, DB_HASH,
                UInt32(DB_CREATE | DB_AUTO_COMMIT), 0o600) == 0, "DB->open")
        bufferLength = options.valueLength + options.keyLength
        buffer = .allocate(byteCount: bufferLength, alignment: 16)
    }

    private func item(_ bytes: UnsafeRawBufferPointer) -> DBT {
        var item = DBT()
        item.data = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
        item.size = UInt32(bytes.count)
        return item
    }

    private func room() -> DBT {
        var item = DBT()
        item.data = buffer
        item.ulen = UInt32(bufferLength)
        item.flags = UInt32(DB_DBT_USERMEM)
        return item
    }

    func set(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        var (key, value) = (item(key), item(value))
        succeed(database.pointee.put(database, nil, &key, &value, 0) == 0, "DB->put")
        checkpoint()
    }

    private func checkpoint() {
        writes += 1
        guard writes % 4096 == 0 else { return }
        succeed(
            environment.pointee.txn_checkpoint(environment, 64 << 10, 0, 0) == 0,
            "DB_ENV->txn_checkpoint")
    }

    func get(_ key: UnsafeRawBufferPointer, _ check: inout Check) -> Bool {
        var (wanted, value) = (item(key), room())
        let status = database.pointee.get(database, nil, &wanted, &value, 0)
        if status == DB_NOTFOUND { return false }
        succeed(status == 0, "DB->get: \(status)")
        check.value(value.data, Int(value.size), for: key)
        return true
    }

    func delete(_ key: UnsafeRawBufferPointer) -> Bool {
        var wanted = item(key)
        defer { checkpoint() }
        return database.pointee.del(database, nil, &wanted, 0) == 0
    }

    func scan(_ check: inout Check) {
        var cursor: UnsafeMutablePointer<DBC>?
        succeed(database.pointee.cursor(database, nil, &cursor, 0) == 0, "DB->cursor")
        while true {
            // Lent by the cursor until its next call.
            var (key, value) = (DBT(), DBT())
            guard cursor!.pointee.get(cursor, &key, &value, UInt32(DB_NEXT)) == 0 else { break }
            check.entry(
                UnsafeRawBufferPointer(start: key.data, count: Int(key.size)), value.data,
                Int(value.size))
        }
        _ = cursor!.pointee.close(cursor)
    }

    func setDurably(_ keys: UnsafeRawBufferPointer, count: Int, _ value: inout Value) {
        var transaction: UnsafeMutablePointer<DB_TXN>?
        succeed(
            environment.pointee.txn_begin(environment, nil, &transaction, 0) == 0,
            "DB_ENV->txn_begin")
        for index in 0..<count {
            let key = keys.key(index, keys.count / count)
            var (name, data) = (item(key), item(value.bytes(for: key)))
            succeed(database.pointee.put(database, transaction, &name, &data, 0) == 0, "DB->put")
        }
        succeed(transaction!.pointee.commit(transaction, 0) == 0, "DB_TXN->commit")
    }

    func close() {
        succeed(database.pointee.close(database, 0) == 0, "DB->close")
        succeed(environment.pointee.close(environment, 0) == 0, "DB_ENV->close")
        buffer.deallocate()
    }
}
