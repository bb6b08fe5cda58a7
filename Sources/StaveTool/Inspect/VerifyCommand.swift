internal import ArgumentParser
internal import StaveDisk

/// `stave verify DIR`: proves that every byte of a store is as it should be. Reads the files as the
/// inspector does; never writes, never locks.
struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stave verify",
        abstract: "Check every byte of a store; never writes, never locks.",
        discussion: """
            Reads every record, value, hint file and MANIFEST, and says what is wrong, where. Exit \
            status: 0 clean, 1 damage, 2 torn tail only, 64 usage, 66 no such store. The command \
            verify of the shell checks the keydir and the counters of an open store, too.
            """)

    @Argument(help: "The store's directory.")
    var directory: String
    @Flag(help: "Print a JSON object a line.")
    var json = false

    func run() throws {
        let output = Output()
        defer { output.flush() }
        let errors = OutputWriter(descriptor: 2, name: "stderr")
        var bar = ProgressBar.isWanted ? ProgressBar("verifying", total: nil, on: errors) : nil
        let verification: Verification
        do throws(InspectError) {
            verification = try Verification(of: directory) {
                // Before a large store is read.
                if !json { output.line("store \(Quoting.message(directory))") }
                output.flushEarly()
            } progress: { done, total in
                bar?.show(done: done, of: total)
            }
        } catch {
            bar?.erase()
            Output.complain(error.text)
            throw ExitCode(error.status)
        }
        bar?.erase()
        json ? verification.printJSON(to: output) : verification.print(to: output)
        let worst = verification.findings.worst
        if worst != .note { throw ExitCode(worst.exitStatus) }
    }
}
