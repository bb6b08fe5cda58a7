import CPeers
import Workbench

extension EngineKind {
    static let sqlite = EngineKind(
        name: "sqlite", title: "SQLite", package: "libsqlite3-dev",
        settings: """
            One table, `WITHOUT ROWID`, keys and values as blobs; `journal_mode=WAL` with \
            `synchronous=OFF`, so that each statement is its own transaction, written to the kernel and not \
            synced; prepared statements; `cache_size` and `mmap_size` hold the data. Values are lent by \
            `sqlite3_column_blob`; multiget reads its keys in one transaction. A thread reads through a \
            connection of its own. fillsync: `synchronous=FULL`, 16 together in one transaction.
            """,
        features: [.ordered, .multiget, .reopens, .durable, .threads], open: { SQLiteEngine($0) })
}

final class SQLiteEngine: Engine, @unchecked Sendable {
    private let database: OpaquePointer
    private let options: EngineOptions
    private let putting, getting, deleting, scanning, ranging, beginning, committing: OpaquePointer

    init(_ options: EngineOptions) {
        self.options = options
        var opened: OpaquePointer?
        succeed(sqlite3_open(options.directory + "/store.db", &opened) == SQLITE_OK, "sqlite3_open")
        let database = opened!
        self.database = database
        // A writer beside readers waits for its turn to begin the log anew.
        sqlite3_busy_timeout(database, 10_000)
        for statement in [
            "PRAGMA journal_mode=WAL", "PRAGMA synchronous=\(options.isDurable ? "FULL" : "OFF")",
            "PRAGMA cache_size=-\(options.cacheBytes >> 10)",
            "PRAGMA mmap_size=\(options.cacheBytes)",
            "CREATE TABLE IF NOT EXISTS entries (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID",
        ] {
            let status = sqlite3_exec(database, statement, nil, nil, nil)
            succeed(status == SQLITE_OK, "\(statement): \(status)")
        }
        func prepare(_ text: String) -> OpaquePointer {
            var statement: OpaquePointer?
            succeed(
                sqlite3_prepare_v3(
                    database, text, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
                    == SQLITE_OK, text)
            return statement!
        }
        putting = prepare("INSERT OR REPLACE INTO entries VALUES (?1, ?2)")
        getting = prepare("SELECT value FROM entries WHERE key = ?1")
        deleting = prepare("DELETE FROM entries WHERE key = ?1")
        scanning = prepare("SELECT key, value FROM entries ORDER BY key")
        ranging = prepare("SELECT key, value FROM entries WHERE key >= ?1 ORDER BY key LIMIT ?2")
        beginning = prepare("BEGIN")
        committing = prepare("COMMIT")
    }

    private func bind(_ statement: OpaquePointer, _ place: Int32, _ bytes: UnsafeRawBufferPointer) {
        // No destructor: the bytes stay where they are until the statement is reset.
        sqlite3_bind_blob(statement, place, bytes.baseAddress, Int32(bytes.count), nil)
    }

    private func run(_ statement: OpaquePointer) {
        let status = sqlite3_step(statement)
        succeed(status == SQLITE_DONE, "sqlite3_step: \(status)")
        sqlite3_reset(statement)
    }

    func set(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        bind(putting, 1, key)
        bind(putting, 2, value)
        run(putting)
    }

    func get(_ key: UnsafeRawBufferPointer, _ check: inout Check) -> Bool {
        bind(getting, 1, key)
        defer { sqlite3_reset(getting) }
        guard sqlite3_step(getting) == SQLITE_ROW else { return false }
        check.value(
            sqlite3_column_blob(getting, 0), Int(sqlite3_column_bytes(getting, 0)), for: key)
        return true
    }

    func getMany(_ keys: UnsafeRawBufferPointer, count: Int, _ check: inout Check) {
        run(beginning)
        for index in 0..<count { _ = get(keys.key(index, options.keyLength), &check) }
        run(committing)
    }

    func delete(_ key: UnsafeRawBufferPointer) -> Bool {
        bind(deleting, 1, key)
        run(deleting)
        return sqlite3_changes(database) == 1
    }

    func scan(_ check: inout Check) { visit(scanning, &check) }

    func scan(from key: UnsafeRawBufferPointer, count: Int, _ check: inout Check) {
        bind(ranging, 1, key)
        sqlite3_bind_int64(ranging, 2, Int64(count))
        visit(ranging, &check)
    }

    private func visit(_ statement: OpaquePointer, _ check: inout Check) {
        while sqlite3_step(statement) == SQLITE_ROW {
            let key = UnsafeRawBufferPointer(
                start: sqlite3_column_blob(statement, 0),
                count: Int(sqlite3_column_bytes(statement, 0)))
            check.entry(
                key, sqlite3_column_blob(statement, 1), Int(sqlite3_column_bytes(statement, 1)))
        }
        sqlite3_reset(statement)
    }

    func setDurably(_ keys: UnsafeRawBufferPointer, count: Int, _ value: inout Value) {
        if count > 1 { run(beginning) }
        for index in 0..<count {
            let key = keys.key(index, options.keyLength)
            set(key, value.bytes(for: key))
        }
        if count > 1 { run(committing) }
    }

    func reader() -> any Engine { SQLiteEngine(options) }

    func closeReader() { close() }

    func close() {
        for statement in [putting, getting, deleting, scanning, ranging, beginning, committing] {
            sqlite3_finalize(statement)
        }
        succeed(sqlite3_close(database) == SQLITE_OK, "sqlite3_close")
    }
}
