internal import Glibc
internal import Stave
internal import StaveDisk

// Opening the store, and what to say where that fails.
extension StaveCommand {
    /// A session on the store; nil where it could not be opened, which is said.
    func openSession(
        _ place: Session.Place, _ settings: SessionSettings, creates: Bool, readOnly: Bool
    ) -> Session? {
        let mailbox = Mailbox(isInteractive: place == .prompt)
        var options = StoreOptions()
        options.access = readOnly ? .readOnly : .readWrite
        options.createsIfMissing = creates
        options.durability = durability
        if let segmentSize { options.segmentSize = segmentSize.bytes }
        if let keepDeletions { options.keptDeletions = .seconds(keepDeletions.seconds) }
        options.onEvent = { mailbox.receive($0) }
        do throws(StoreError) {
            let store = try openStore(options)
            let session = Session(store, place: place, settings: settings, mailbox: mailbox)
            session.reopen = { [directory, options] () throws(StoreError) in
                try Store(path: directory, options: options)
            }
            return session
        } catch {
            reportFailure(error, creates: creates)
            return nil
        }
    }

    /// Tries again while another process has the lock, for as long as `--wait` says, or until a
    /// signal.
    private func openStore(_ options: StoreOptions) throws(StoreError) -> Store {
        let end = ContinuousClock.now + .seconds(wait ?? 0)
        while true {
            do throws(StoreError) {
                return try Store(path: directory, options: options)
            } catch {
                guard case .locked = error, ContinuousClock.now < end, !Signals.isInterrupted else {
                    throw error
                }
                usleep(20_000)
            }
        }
    }

    private func reportFailure(_ error: StoreError, creates: Bool) {
        Self.complain("stave: " + text(of: error, creates: creates))
    }

    /// What is wrong, and what can be done about it.
    private func text(of error: StoreError, creates: Bool) -> String {
        let path = Self.shellPath(directory)
        let repair = "; or save what can be read: stave repair \(path) NEWDIR"
        switch error {
        case .noSuchDirectory where creates:
            return "the directory that \(directory) is to be made in is missing;"
                + " make it first: \(Directory.parent(of: directory))"
        case .locked(let place, let holder):
            let command = holder.flatMap { Environment.commandLine(ofProcess: $0) }
            let name = command.map { "`\($0)`" } ?? "another process"
            let id = holder.map { " (pid \($0))" } ?? ""
            return
                "\(place) is in use by \(name)\(id); to read beside it: stave --read-only \(path)"
        case .system(_, _, let code, _) where [EROFS, EACCES, EPERM].contains(code) && !readOnly:
            return error.description + "; to read: --read-only"
        case .missingSegment: return error.description + repair
        case .notAStore(_, let reason) where reason.contains("MANIFEST is missing"):
            return error.description + repair
        case .damaged: return CommandError.text(of: error) + repair
        default: return CommandError.text(of: error)
        }
    }

    /// A path as a word of a command line for the outer shell.
    static func shellPath(_ path: String) -> String {
        Quoting.shellWord(path.hasPrefix("-") ? "./" + path : path)
    }

    static func complain(_ line: String) { OutputWriter.complain(line) }
}
