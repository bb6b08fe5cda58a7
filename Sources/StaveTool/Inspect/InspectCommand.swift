internal import ArgumentParser
internal import StaveDisk

/// `stave inspect`: looks at a store's files and never writes, locks or opens a store.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Look at segments, records and hint files; never writes, never locks.",
        discussion: """
            Works beside a running writer, on read-only media and on damage of any kind. Exit \
            status: 0 clean, 1 damage, 2 torn tail only, 64 usage, 66 no such file.
            """)

    @Argument(help: "A store's directory, or one of its files: a segment, a hint file, MANIFEST.")
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
    @Flag(help: "Print a JSON object a line.")
    var json = false
    @Flag(help: "Print histograms of key and value sizes.")
    var stats = false
    @Flag(help: "Check every record, value and hint entry: every byte is accounted for.")
    var verify = false

    mutating func validate() throws {
        guard from ?? 0 >= 0, to ?? 0 >= 0, limit ?? 0 >= 0 else {
            throw ValidationError("offsets and limits are not negative")
        }
        if hex, from == nil { throw ValidationError("--hex needs --from OFFSET") }
        if hex, json { throw ValidationError("--hex and --json do not go together") }
        if let key, KeyPattern(key) == nil {
            throw ValidationError("--key: an escape in quotes is not understood")
        }
    }

    func run() throws {
        let output = Output(isPaged: true)
        defer { output.finish() }
        let filter = RecordFilter(
            from: from, to: to, key: key.flatMap(KeyPattern.init), kind: kind, values: values)
        let inspection = Inspection(
            path: path, segment: segment, filter: filter, limit: limit ?? .max, hex: hex,
            json: json, stats: stats, verify: verify, output: output)
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

    var text: String {
        switch self {
        case .noInput(let text), .usage(let text): text
        }
    }

    var status: Int32 {
        switch self {
        case .noInput: 66
        case .usage: 64
        }
    }
}
