import CPeers
import Workbench

extension EngineKind {
    static let lmdb = EngineKind(
        name: "lmdb", title: "LMDB", package: "liblmdb-dev",
        settings: """
            `MDB_NOSYNC`: a commit is in the kernel's cache, which survives the process. One transaction a \
            write, because each write must have survived when the call returns; a reader keeps one \
            transaction and renews it for each get, as lmdb.h advises (`mdb_txn_reset`, \
            `mdb_txn_renew`, with `MDB_NOTLS`); multiget reads its keys in one transaction. The map is \
            larger than the data will be, as lmdb.h advises. Values are lent where they lie. fillsync: \
            without `MDB_NOSYNC`, 16 together in one transaction.
            """,
        features: [.ordered, .multiget, .reopens, .durable, .threads],
        open: { LMDBEngine($0, flags: 0) })

    static let lmdbWriteMap = EngineKind(
        name: "lmdb-wm", title: "LMDB, MDB_WRITEMAP", package: "liblmdb-dev",
        settings: """
            The same with `MDB_WRITEMAP`: pages are changed in the map instead of by write(2). Faster, and \
            as lmdb.h warns, a stray pointer of the program can then destroy the data.
            """,
        features: [.ordered, .multiget, .reopens, .durable, .threads],
        open: { LMDBEngine($0, flags: UInt32(MDB_WRITEMAP)) })
}

final class LMDBEngine: Engine, @unchecked Sendable {
    private let environment: OpaquePointer
    private let table: MDB_dbi
    /// Of this reader; reset between gets.
    private let reading: OpaquePointer

    init(_ options: EngineOptions, flags: UInt32) {
        var made: OpaquePointer?
        succeed(mdb_env_create(&made) == 0, "mdb_env_create")
        environment = made!
        mdb_env_set_mapsize(environment, options.dataBytes * 4 + 4 << 30)
        let sync = options.isDurable ? 0 : UInt32(MDB_NOSYNC)
        succeed(
            mdb_env_open(environment, options.directory, flags | sync | UInt32(MDB_NOTLS), 0o600)
                == 0, "mdb_env_open")
        let writing = LMDBEngine.begin(environment, 0)
        var opened: MDB_dbi = 0
        succeed(mdb_dbi_open(writing, nil, UInt32(MDB_CREATE), &opened) == 0, "mdb_dbi_open")
        succeed(mdb_txn_commit(writing) == 0, "mdb_txn_commit")
        table = opened
        reading = LMDBEngine.begin(environment, UInt32(MDB_RDONLY))
        mdb_txn_reset(reading)
    }

    private init(reader other: LMDBEngine) {
        environment = other.environment
        table = other.table
        reading = LMDBEngine.begin(environment, UInt32(MDB_RDONLY))
        mdb_txn_reset(reading)
    }

    private static func begin(_ environment: OpaquePointer, _ flags: UInt32) -> OpaquePointer {
        var transaction: OpaquePointer?
        succeed(mdb_txn_begin(environment, nil, flags, &transaction) == 0, "mdb_txn_begin")
        return transaction!
    }

    private func item(_ bytes: UnsafeRawBufferPointer) -> MDB_val {
        MDB_val(mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
    }

    private func put(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ writing: OpaquePointer
    ) {
        var (key, value) = (item(key), item(value))
        succeed(mdb_put(writing, table, &key, &value, 0) == 0, "mdb_put")
    }

    func set(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        let writing = LMDBEngine.begin(environment, 0)
        put(key, value, writing)
        succeed(mdb_txn_commit(writing) == 0, "mdb_txn_commit")
    }

    func get(_ key: UnsafeRawBufferPointer, _ check: inout Check) -> Bool {
        mdb_txn_renew(reading)
        defer { mdb_txn_reset(reading) }
        return look(key, &check)
    }

    private func look(_ key: UnsafeRawBufferPointer, _ check: inout Check) -> Bool {
        var (wanted, value) = (item(key), MDB_val())
        guard mdb_get(reading, table, &wanted, &value) == 0 else { return false }
        check.value(value.mv_data, value.mv_size, for: key)
        return true
    }

    func getMany(_ keys: UnsafeRawBufferPointer, count: Int, _ check: inout Check) {
        mdb_txn_renew(reading)
        let length = keys.count / count
        for index in 0..<count { _ = look(keys.key(index, length), &check) }
        mdb_txn_reset(reading)
    }

    func delete(_ key: UnsafeRawBufferPointer) -> Bool {
        let writing = LMDBEngine.begin(environment, 0)
        var key = item(key)
        let status = mdb_del(writing, table, &key, nil)
        succeed(mdb_txn_commit(writing) == 0, "mdb_txn_commit")
        return status == 0
    }

    func scan(_ check: inout Check) { scan(nil, .max, &check) }

    func scan(from key: UnsafeRawBufferPointer, count: Int, _ check: inout Check) {
        scan(key, count, &check)
    }

    private func scan(_ from: UnsafeRawBufferPointer?, _ count: Int, _ check: inout Check) {
        mdb_txn_renew(reading)
        defer { mdb_txn_reset(reading) }
        var cursor: OpaquePointer?
        succeed(mdb_cursor_open(reading, table, &cursor) == 0, "mdb_cursor_open")
        defer { mdb_cursor_close(cursor) }
        var (key, value) = (from.map(item) ?? MDB_val(), MDB_val())
        var status = mdb_cursor_get(cursor, &key, &value, from == nil ? MDB_FIRST : MDB_SET_RANGE)
        var left = count
        while status == 0, left > 0 {
            check.entry(
                UnsafeRawBufferPointer(start: key.mv_data, count: key.mv_size), value.mv_data,
                value.mv_size)
            left -= 1
            status = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)
        }
    }

    func setDurably(_ keys: UnsafeRawBufferPointer, count: Int, _ value: inout Value) {
        let writing = LMDBEngine.begin(environment, 0)
        for index in 0..<count {
            let key = keys.key(index, keys.count / count)
            put(key, value.bytes(for: key), writing)
        }
        succeed(mdb_txn_commit(writing) == 0, "mdb_txn_commit")
    }

    func reader() -> any Engine { LMDBEngine(reader: self) }

    func closeReader() { mdb_txn_abort(reading) }

    func close() {
        mdb_txn_abort(reading)
        mdb_env_close(environment)
    }
}
