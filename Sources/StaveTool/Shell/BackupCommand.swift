internal import ArgumentParser
internal import Stave
internal import StaveDisk

/// `stave backup DIR NEWDIR`: the store as it is now, as a store of its own.
struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stave backup",
        abstract: "Make a backup of a store, also while another process writes to it.",
        discussion: """
            NEWDIR becomes a store of its own; the way back is another backup, from there to a new \
            directory. Files that never change get a second name in NEWDIR (a hard link) where that is \
            possible, else they are copied. A second backup in the same place takes only what is new; the \
            older one is whole until the new one is. Exit status: 0 done, 1 the backup does not check \
            out, 64 usage, 66 no such store, 73 NEWDIR cannot be written.
            """)

    @Argument(help: "The store's directory.")
    var directory: String
    @Argument(help: "The backup's directory: missing, empty, or with an older backup of the store.")
    var newDirectory: String
    @Flag(help: "Copy all files, so that damage to one is not damage to both.")
    var copy = false
    @Flag(help: "Check every byte of the backup afterwards.")
    var verify = false
    @Flag(help: "Print a JSON object.")
    var json = false
    @Flag(help: "Print nothing where all is well.")
    var quiet = false

    func run() throws {
        let output = Output()
        defer { output.flush() }
        let report = try report()
        if !quiet { json ? printJSON(report, output) : print(report, output) }
        guard verify else { return }
        let worst = try? Verification(of: newDirectory).findings.worst
        if worst != .note {
            Output.complain("the backup does not check out: stave verify \(newDirectory) says more")
            throw ExitCode(1)
        }
        if !quiet, !json { output.line("verified: the backup is clean") }
    }

    private func report() throws -> BackupReport {
        let store: Store
        do throws(StoreError) {
            var options = StoreOptions()
            options.access = .readOnly
            store = try Store(path: directory, options: options)
        } catch {
            Output.complain(error.description)
            throw ExitCode(66)
        }
        let errors = OutputWriter(descriptor: 2, name: "stderr")
        var bar = ProgressBar.isWanted ? ProgressBar("backup", bytes: 1, on: errors) : nil
        defer { bar?.erase() }
        do throws(StoreError) {
            return try store.backup(to: newDirectory, copying: copy) { done, total in
                bar?.show(Double(done) / Double(max(1, total)))
            }
        } catch {
            bar?.erase()
            Output.complain(error.description)
            throw ExitCode(73)
        }
    }

    private func print(_ report: BackupReport, _ output: Output) {
        output.line(
            "backed up \(Units.count(report.keyCount, "key")),"
                + " \(Units.bytes(report.byteCount)) in"
                + " \(Units.count(report.segmentCount, "segment")) to \(newDirectory):"
                + " \(report.linkedCount) linked, \(report.copiedCount) copied"
                + " (\(Units.bytes(report.copiedBytes))), \(report.keptCount) there already")
    }

    private func printJSON(_ report: BackupReport, _ output: Output) {
        output.json([
            ("type", .string("backup")), ("keys", .number(report.keyCount)),
            ("bytes", .number(report.byteCount)), ("segments", .number(report.segmentCount)),
            ("linked", .number(report.linkedCount)), ("copied", .number(report.copiedCount)),
            ("copiedBytes", .number(report.copiedBytes)), ("kept", .number(report.keptCount)),
            ("removed", .number(report.removedCount)),
            ("nextSequence", .number(Int(clamping: report.nextSequence))),
        ])
    }
}
