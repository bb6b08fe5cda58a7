internal import ArgumentParser
internal import Glibc
internal import Stave

/// `stave export DIR [PREFIX | --from A --to B] --to FORMAT`.
struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stave export",
        abstract: "Write the keys and values of a store to stdout, or a file a cluster's node.",
        discussion: """
            Shows the store as it is at that moment, also beside a writer. --to stands once for \
            the format, one of \(TransferFormat.namesOut); where it stands twice, the first is \
            the key at which to stop, which is not written. Two words in the place of PREFIX are \
            the same as --from and that --to. Exit status: 0 done, 2 an error, 64 usage.
            """)

    @Argument(help: "The store's directory.")
    var directory: String
    @Argument(help: ArgumentHelp("Only keys that begin with this.", valueName: "prefix"))
    var words: [String] = []
    @Option(help: ArgumentHelp("The first key.", valueName: "key"))
    var from: [String] = []
    @Option(help: ArgumentHelp("The format; before it, the key to stop at.", valueName: "format"))
    var to: [String] = []
    @Option(help: ArgumentHelp("Only keys of these slots of a Redis Cluster.", valueName: "a-b"))
    var slots: String?
    @Option(
        help: ArgumentHelp(
            "One file a master, as this output of CLUSTER NODES tells.", valueName: "file"))
    var nodes: String?
    @Option(help: ArgumentHelp("Where the masters' files are made.", valueName: "folder"))
    var into: String?
    @Flag(help: "Write a first line with the names of the fields; for csv and tsv.")
    var header = false
    @Flag(help: "Go on behind entries that cannot be read or written.")
    var keepGoing = false
    @Flag(help: "Print a JSON object for each file of --nodes.")
    var json = false

    func run() throws {
        var request: ExportRequest
        do throws(TransferError) {
            request = try ExportRequest(
                bounds: from.map { Array($0.utf8) }, targets: to.map { Array($0.utf8) },
                words: words.map { Array($0.utf8) })
            try request.setSlots(slots, nodes: nodes, into: into)
        } catch {
            if error.isFatal { throw ValidationError(error.message) }
            StaveCommand.complain("stave: \(error.message)")
            throw ExitCode(2)
        }
        if words.count > 2 { throw ValidationError("one word too many: \(words[2])") }
        if header, !request.format.hasHeader {
            throw ValidationError("--header is for csv and tsv")
        }
        request.layout.hasHeader = header
        if nodes == nil, !request.format.isForTerminals, isatty(STDOUT_FILENO) == 1 {
            throw ValidationError("\(request.format.rawValue) is for files and pipes: > FILE")
        }
        Signals.install(interactive: false)
        let options = (keepGoing ? ["--keep-going"] : []) + (json ? ["--format=json"] : [])
        let shell = try StaveCommand.parse(options + ["--read-only", "--", directory])
        let session = shell.openSession(
            .oneShot, shell.settings(Configuration()), creates: false, readOnly: true)
        guard let session else { throw ExitCode(2) }
        shell.printNotices(of: session.store, session)
        throw ExitCode(shell.close(session, session.export(request)))
    }
}

extension Session {
    /// Exports, says what is wrong, and returns the exit status.
    func export(_ request: ExportRequest) -> Int32 {
        var exporter = Exporter(request, self)
        do throws(CommandError) {
            if let masters = request.masters {
                try exporter.run(for: masters)
            } else {
                try exporter.run(to: output)
            }
        } catch {
            output.flush()
            note("stave: \(error.message)")
            return 2
        }
        return reportedErrorCount > 0 ? 2 : 0
    }
}
