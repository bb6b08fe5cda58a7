import TestSupport
import Testing

@testable import StaveTool

@Suite("There and back through the programs of others")
struct TransferPeerTests {
    private let scratch = Scratch()

    /// Makes a store, runs a line of the shell that leaves `back`, and imports that.
    private func roundTrip(
        _ line: String, _ format: TransferFormat, withoutEmpty: Bool = false,
        longestKey: Int = 65_535, withoutNul: Bool = false
    ) throws {
        var random = SeededRandom.forTest("roundTrip(\(line))")
        let entries = TransferFixture.entries(
            300, &random, withoutNul: withoutNul, longestKey: longestKey,
            withoutEmpty: withoutEmpty)
        try TransferFixture.make(entries, at: scratch.path + "/store")
        let outcome = try Peer.shell(line, in: scratch.path)
        #expect(outcome.status == 0, "\(outcome.errors)\(outcome.text)")
        let copy = scratch.path + "/copy"
        let back = try run([
            "import", copy, scratch.path + "/back", "--from", format.rawValue, "--create",
        ])
        #expect(back.status == 0, "\(back.errors)")
        #expect(try TransferFixture.entries(of: copy) == entries)
    }

    @Test(
        "LMDB: mdb_load, then mdb_dump",
        .enabled(if: Peer.has("mdb_load", "mdb_dump"), "lmdb-utils is not installed"))
    func lmdb() throws {
        // LMDB's keys have at most 511 bytes.
        try roundTrip(
            """
            "$STAVE" export store --to mdb > out && mkdir env && mdb_load -f out env \
            && mdb_dump env > back
            """, .mdb, longestKey: 511)
    }

    @Test(
        "Berkeley DB: db_load, then db_dump, as hex digits and as text",
        .enabled(if: Peer.has("db5.3_load", "db5.3_dump"), "db5.3-util is not installed"),
        arguments: ["", "-p"])
    func berkeley(_ option: String) throws {
        try roundTrip(
            "\"$STAVE\" export store --to db | db5.3_load x.db && db5.3_dump \(option) x.db > back",
            .mdb)
    }

    @Test(
        "GDBM: gdbm_load, then gdbm_dump",
        .enabled(if: Peer.has("gdbm_load", "gdbm_dump"), "gdbmtool is not installed"))
    func gdbm() throws {
        // gdbm_load 1.23 cannot read an empty value, not even what gdbm_dump writes of one.
        try roundTrip(
            """
            "$STAVE" export store --to gdbm > out && gdbm_load out x.gdbm \
            && gdbm_dump x.gdbm back
            """, .gdbm, withoutEmpty: true)
    }

    @Test(
        "RocksDB: ldb load --hex, then ldb dump --hex",
        .enabled(if: Peer.has("ldb"), "rocksdb-tools is not installed"))
    func rocksdb() throws {
        try roundTrip(
            """
            "$STAVE" export store --to ldb | ldb load --hex --db=db --create_if_missing \
            && ldb dump --hex --db=db > back
            """, .ldb)
    }

    @Test(
        "SQLite: .import of csv, then -csv",
        .enabled(if: Peer.has("sqlite3"), "sqlite3 is not installed"))
    func sqlite() throws {
        // SQLite's text ends with the first NUL, and its -csv writes CR LF.
        try roundTrip(
            """
            "$STAVE" export store --to csv > out \
            && sqlite3 x.db 'create table t(k blob, v blob)' '.mode csv' '.import out t' \
            && sqlite3 -csv x.db 'select k, v from t' > back
            """, .csv, withoutNul: true)
    }

    private static let python = """
        import csv, json, sys
        csv.field_size_limit(1 << 30)
        how = sys.argv[1]
        text = dict(encoding='latin1', newline='')
        if how == 'jsonl':
            with open('out', encoding='utf8', newline='\\n') as file, open('back', 'w') as back:
                for line in file.read().split('\\n')[:-1]:
                    back.write(json.dumps(json.loads(line)) + '\\n')
        else:
            mark = {'csv': ',', 'tsv': '\\t'}[how]
            with open('out', **text) as file, open('back', 'w', **text) as back:
                for row in csv.reader(file, delimiter=mark):
                    csv.writer(back, delimiter=mark).writerow(row)
        """

    @Test(
        "Python's csv and json read what is written, and write what is read",
        .enabled(if: Peer.has("python3"), "python3 is not installed"),
        arguments: [TransferFormat.csv, .tsv, .jsonl])
    func python(_ format: TransferFormat) throws {
        try scratch.write(Self.python, to: "convert.py")
        try roundTrip(
            """
            "$STAVE" export store --to \(format.rawValue) > out \
            && python3 -B convert.py \(format.rawValue)
            """, format, withoutNul: true)
    }

    private static let script =
        #filePath.split(separator: "/").dropLast()
        .reduce("") { $0 + "/" + $1 } + "/Transfer/cluster.py"

    @Test(
        "Redis: to a cluster of three and to one server, and back",
        .enabled(
            if: Peer.has("redis-server", "redis-cli", "redis-check-rdb", "python3"),
            "redis-server, redis-tools or python3 is not installed"))
    func redis() throws {
        let outcome = try Peer.shell(
            "python3 -B '\(Self.script)' \"$STAVE\" '\(scratch.path)' 10000", in: scratch.path)
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.text.hasSuffix("10000 keys: there, and back again\n"))
    }
}
