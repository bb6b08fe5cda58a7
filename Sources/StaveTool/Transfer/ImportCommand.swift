internal import ArgumentParser
internal import Glibc
internal import Stave
internal import StaveDisk

extension TransferFormat: ExpressibleByArgument {}

/// `stave import DIR [FILE] --from FORMAT`.
struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stave import",
        abstract: "Take the keys and values of a file, or of a pipe, into a store.",
        discussion: """
            Without FILE, or where it is -, the input is a pipe. It may be imported again: a key \
            that is there gets the same value once more. A bad record is told of as FILE:LINE: \
            what is wrong, and ends the import; what came before it stays. Exit status: 0 done, \
            2 an error, 64 usage.
            """)

    @Argument(help: "The store's directory.")
    var directory: String
    @Argument(help: "The input: a file; for bitcask, and for resp if you like, a directory.")
    var file: String?
    @Option(help: "The format of the input.")
    var from: TransferFormat
    @Flag(inversion: .prefixedNo, help: "Make DIR and an empty store where there is none.")
    var create: Bool?
    @Flag(help: "Leave a key alone that is there already.")
    var ifAbsent = false
    @Option(help: ArgumentHelp("Put this before each key.", valueName: "text"))
    var prefix: String?
    @Flag(help: "Read and check all of it, and say what would be done.")
    var dryRun = false
    @Flag(help: "All of it or nothing; into a store that is there, at most 255 MiB.")
    var atomic = false
    @Flag(help: "Skip bad records; the exit status is 2 all the same.")
    var keepGoing = false
    @Flag(help: "The first line of csv or tsv has the names of the fields.")
    var header = false
    @Option(help: ArgumentHelp("Where the key is: a name, or a number.", valueName: "field"))
    var keyField: String?
    @Option(help: ArgumentHelp("Where the value is.", valueName: "field"))
    var valueField: String?
    @Option(help: ArgumentHelp("Take the keys of this database only.", valueName: "name"))
    var database: String?
    @Option(help: "When a write counts as done: always, interval or os.")
    var durability: Durability = .interval
    @Option(help: "Size at which a segment is full: bytes, or with K, M or G.")
    var segmentSize: ByteSize?
    @Flag(help: "Print the closing line as JSON.")
    var json = false
    @Flag(help: "Leave out the closing line.")
    var quiet = false

    var request: ImportRequest {
        var request = ImportRequest()
        request.format = from
        request.file = file == "-" ? nil : file
        request.layout.hasHeader = header
        request.layout.keyField = keyField
        request.layout.valueField = valueField
        request.layout.database = database
        request.prefix = Array((prefix ?? "").utf8)
        request.isIfAbsent = ifAbsent
        request.isDry = dryRun
        request.isAtomic = atomic
        return request
    }

    func validate() throws {
        if let problem = request.problem { throw ValidationError(problem) }
        if prefix?.isEmpty == true { throw ValidationError("--prefix needs a text") }
    }

    /// What opens the store and closes it.
    private var shell: StaveCommand {
        get throws {
            var options = ["--durability=\(durability.rawValue)"]
            if let segmentSize { options.append("--segment-size=\(segmentSize.bytes)") }
            if keepGoing { options.append("--keep-going") }
            if quiet { options.append("--quiet") }
            if json { options.append("--format=json") }
            return try StaveCommand.parse(options + ["--", directory])
        }
    }

    private var creates: Bool { create ?? (isatty(STDIN_FILENO) == 1) }

    func run() throws {
        Signals.install(interactive: false)
        let shell = try shell
        let decoder: any RecordDecoder
        do throws(TransferError) {
            decoder = try request.decoder()
        } catch {
            StaveCommand.complain("stave: \(error.message)")
            throw ExitCode(2)
        }
        let isNew = Self.isMissingOrEmpty(directory)
        let settings = shell.settings(Configuration())
        // Opening it says what is to be done where it may not be made.
        guard isNew, creates || dryRun else {
            let opened = shell.openSession(
                .oneShot, settings, creates: false, readOnly: dryRun)
            guard let session = opened else { throw ExitCode(2) }
            shell.printNotices(of: session.store, session)
            let target = ImportTarget(session.store, isDry: dryRun, isBatch: atomic)
            let status = Self.run(
                request, decoder, target, session, commit: atomic ? target.commitBatch : nil)
            throw ExitCode(shell.close(session, status))
        }
        let session = Session(nil, place: .oneShot, settings: settings)
        if dryRun {
            let status = Self.run(request, decoder, ImportTarget(nil, isDry: true), session)
            throw ExitCode(shell.close(session, status))
        }
        throw ExitCode(shell.close(session, build(decoder, session)))
    }

    /// Makes a new store; with --atomic beside its place.
    private func build(_ decoder: any RecordDecoder, _ session: Session) -> Int32 {
        let path = atomic ? StagedStore.temporaryPath(for: directory) : directory
        let target = ImportTarget(newAt: path) { [durability, segmentSize] () throws(StoreError) in
            var options = StoreOptions()
            options.durability = durability
            if let segmentSize { options.segmentSize = segmentSize.bytes }
            return try Store(path: path, options: options)
        }
        guard atomic else { return Self.run(request, decoder, target, session) }
        if !Self.isMissingOrEmpty(path) {
            session.note("stave: \(path) is left of an import that was cut short; remove it first")
            return 2
        }
        let status = Self.run(request, decoder, target, session) {
            () throws(StoreError) in try StagedStore.commit(path, as: directory)
        }
        // Another process may have been faster: its files are not ours.
        if status != 0, target.isBegun { StagedStore.remove(path) }
        return status
    }

    private static func isMissingOrEmpty(_ path: String) -> Bool {
        var status = stat()
        // SAFETY: fills in the struct.
        if unsafe stat(path, &status) != 0 { return errno == ENOENT }
        guard let directory = try? Directory(path: path), let names = try? directory.names() else {
            return false
        }
        return names.isEmpty
    }
}

extension ImportCommand {
    /// Imports, says what came of it, and returns the exit status.
    ///
    /// - Parameter commit: what makes an import that is whole or nothing count.
    static func run(
        _ request: ImportRequest, _ decoder: any RecordDecoder, _ target: ImportTarget,
        _ session: Session, commit: (() throws(StoreError) -> Void)? = nil
    ) -> Int32 {
        var importer = Importer(request, decoder, target, session)
        var status: Int32 = 0
        do throws(StoreError) {
            try importer.run()
        } catch {
            session.note("stave: \(error.description)")
            status = 2
        }
        if importer.report.bad > 0 { status = 2 }
        let isWhole = status == 0 && !importer.isStopped
        do throws(StoreError) {
            try target.finish(createsEmpty: isWhole)
            if let commit {
                if !isWhole {
                    session.note("stave: nothing was imported")
                    return max(status, 2)
                }
                try commit()
            }
        } catch {
            session.note("stave: \(error.description)")
            return 2
        }
        if session.settings.format == .json {
            if !session.settings.quiet { session.reply(importer.report.json) }
        } else {
            let line = (request.isDry ? "would import " : "") + importer.report.text
            if !session.settings.quiet { session.reply(line) }
        }
        return status
    }
}
