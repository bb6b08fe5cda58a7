/// The formats of import and export. docs/import-export.md describes each.
enum TransferFormat: String, CaseIterable, Sendable {
    /// JSON Lines: an object a line.
    case jsonl
    case csv, tsv
    /// Key, NUL, value, NUL.
    case raw0
    /// Two words of the shell a line.
    case quoted
    /// Commands of Redis as they go over the wire; also an append-only file.
    case resp
    /// A snapshot file of Redis.
    case rdb
    /// What mdb_dump and db_dump write; out, as LMDB's mdb_load takes it.
    case mdb
    /// The same as Berkeley DB's db_load takes it.
    case db
    /// What gdbm_dump writes.
    case gdbm
    /// What `ldb dump --hex` writes.
    case ldb
    /// A directory of Bitcask; only in.
    case bitcask

    static let names = allCases.map(\.rawValue).joined(separator: ", ")
    static let namesOut = allCases.filter(\.isWritten).map(\.rawValue).joined(separator: ", ")

    var isWritten: Bool { self != .bitcask }
    /// A terminal may show it as it is: all that it must not get is escaped.
    var isForTerminals: Bool { [.jsonl, .quoted, .mdb, .db, .gdbm, .ldb].contains(self) }
    /// Whether its records have columns with names.
    var hasFields: Bool { [.jsonl, .csv, .tsv].contains(self) }
    var hasHeader: Bool { [.csv, .tsv].contains(self) }
}

/// How the records of a format are laid out, where that is not given by the format alone.
struct TransferLayout: Sendable {
    /// The first line of csv and tsv has the names of the columns.
    var hasHeader = false
    /// A column or member by name; without a header, by number from 1 on.
    var keyField: String?
    var valueField: String?
    /// The one database that is taken of several.
    var database: String?
}

/// What is wrong with the input, and where.
struct TransferError: Error, Equatable {
    var message: String
    /// Nothing can be read behind it: where the next record begins is not known.
    var isFatal = false
}

/// One record of the input. Its arrays are used again for the next one.
struct TransferRecord {
    enum Action { case set, setIfAbsent, delete, expire }

    var action = Action.set
    var key: [UInt8] = []
    var value: [UInt8] = []
    /// It ends at some time, which the store cannot note.
    var hasExpiry = false

    mutating func clear() {
        action = .set
        hasExpiry = false
        key.removeAll(keepingCapacity: true)
        // One long value does not keep its memory.
        value.removeAll(keepingCapacity: value.capacity <= 4 << 20)
    }
}

/// What a decoder has met besides records.
final class TransferRemarks {
    /// What no store of plain keys can hold, by name: hashes, lists, keys of other databases.
    private(set) var skipped: [String: Int] = [:]
    /// Keys whose time was over.
    var expired = 0
    /// Sentences for stderr.
    private(set) var notes: [String] = []
    private var noteCount = 0
    private static let mostNotes = 20

    func skip(_ kind: String, count: Int = 1) { skipped[kind, default: 0] += count }

    func note(_ text: String) {
        noteCount += 1
        if noteCount <= Self.mostNotes { notes.append(text) }
        if noteCount == Self.mostNotes + 1 { notes.append("more of this is not shown") }
    }

    func takeNotes() -> [String] {
        defer { notes = [] }
        return notes
    }
}
