internal import ArgumentParser
internal import StaveDisk

extension RecordFilter.Values: ExpressibleByArgument {}
extension RecordFilter.Kind: ExpressibleByArgument {}

/// `stave inspect`: looks at a store's files and never writes, locks or opens a store.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Look at segments, records and hint files; never writes, never locks.",
        usage: "stave inspect [<options>] DIR | FILE",
        discussion: """
            Works beside a running writer, on read-only media and on damage of any kind. Exit \
            status: 0 clean, 1 damage, 2 torn tail only, 64 usage, 66 no such file.
            """)

    @Argument(
        help: "A store's directory, or one of its files: segment, hint file, MANIFEST, checkpoint.")
    var path: String
    @Option(help: "Show the records of this segment of the directory.")
    var segment: UInt64?
    @Option(help: "Show records from this offset on.")
    var from: Int?
    @Option(help: "Show records below this offset.")
    var to: Int?
    @Option(help: "Show records of this key, or of a prefix with * behind it.")
    var key: String?
    @Option(help: "Show records of this kind: value or tombstone.")
    var kind: RecordFilter.Kind?
    @Option(help: "Show at most this many lines of records.")
    var limit: Int?
    @Option(help: "How much of values is shown: full, preview or none.")
    var values: RecordFilter.Values = .preview
    @Flag(help: "Show the one record at --from byte by byte, its fields named.")
    var hex = false
    @Option(help: "Which columns of records are shown, in this order: \(Column.names).")
    var columns: String?
    @Flag(help: "Show records as they are written, until Ctrl-C.")
    var tail = false
    @Flag(help: "Show where the bytes are: a map of the segments, by kind, by prefix of the key.")
    var space = false
    @Option(help: "What ends the prefix of a key, for --space and --html.")
    var delimiter = ":"
    @Option(help: "Write one page with all of it to this file, which must not lie in DIR.")
    var html: String?
    @Flag(help: "Print a JSON object a line.")
    var json = false
    @Flag(help: "Print histograms of key and value sizes.")
    var stats = false
    @Flag(help: "Check records, values, hint entries, checkpoint: every byte is accounted for.")
    var verify = false

    mutating func validate() throws {
        guard from ?? 0 >= 0, to ?? 0 >= 0, limit ?? 0 >= 0 else {
            throw ValidationError("offsets and limits are not negative")
        }
        if hex, from == nil { throw ValidationError("--hex needs --from OFFSET") }
        if let key, KeyPattern(key) == nil {
            throw ValidationError("--key: an escape in quotes is not understood")
        }
        if delimiter.isEmpty { throw ValidationError("--delimiter must not be empty") }
        let modes = [
            ("--hex", hex), ("--stats", stats), ("--tail", tail), ("--space", space),
            ("--html", html != nil),
        ].filter(\.1).map(\.0)
        if modes.count > 1 {
            throw ValidationError(modes.joined(separator: " and ") + " do not go together")
        }
        let records = [
            ("--segment", segment != nil), ("--from", from != nil), ("--to", to != nil),
            ("--key", key != nil), ("--kind", kind != nil), ("--columns", columns != nil),
        ].filter(\.1).map(\.0)
        if space || html != nil, let option = records.first {
            throw ValidationError("\(modes[0]) and \(option) do not go together")
        }
        if tail,
            let option = records.first(where: { ["--segment", "--from", "--to"].contains($0) })
        {
            throw ValidationError("--tail and \(option) do not go together")
        }
        if hex || stats, columns != nil {
            throw ValidationError("\(modes[0]) and --columns do not go together")
        }
        if html != nil, json { throw ValidationError("--html and --json do not go together") }
        if let columns {
            do throws(UnknownColumn) {
                _ = try Column.parse(columns)
            } catch {
                throw ValidationError(
                    "--columns: there is no column \(Quoting.text(Array(error.name.utf8)));"
                        + " there are \(Column.names)")
            }
        }
    }

    func run() throws {
        // What goes on for ever and what goes elsewhere is not for a pager.
        let output = Output(isPaged: !tail && html == nil)
        defer { output.finish() }
        let filter = RecordFilter(
            from: from, to: to, key: key.flatMap(KeyPattern.init), kind: kind, values: values)
        var inspection = Inspection(
            path: path, segment: segment, filter: filter, limit: limit ?? .max, hex: hex,
            json: json, stats: stats, verify: verify, output: output)
        inspection.columns = columns.flatMap { try? Column.parse($0) }
        inspection.tail = tail
        inspection.space = space
        inspection.delimiter = Array(delimiter.utf8)
        inspection.html = html
        let worst: Severity
        do throws(InspectError) {
            worst = try inspection.run()
        } catch {
            Output.complain(error.text)
            throw ExitCode(error.status)
        }
        if worst != .note { throw ExitCode(worst.exitStatus) }
    }
}

/// What keeps the inspector from looking at all.
enum InspectError: Error {
    /// Status 66: no such file, or one that cannot be read.
    case noInput(String)
    /// Status 64.
    case usage(String)
    /// Status 74: a page that cannot be written.
    case output(String)

    var text: String {
        switch self {
        case .noInput(let text), .usage(let text), .output(let text): text
        }
    }

    var status: Int32 {
        switch self {
        case .noInput: 66
        case .usage: 64
        case .output: 74
        }
    }
}
