internal import Glibc
internal import Stave

// Opening the store, and what to say where that fails.
extension StaveCommand {
    /// A session on the store; nil where it could not be opened, which is said.
    func openSession(_ place: Session.Place, creates: Bool, readOnly: Bool) -> Session? {
        let mailbox = Mailbox(isInteractive: place == .prompt)
        var options = StoreOptions()
        options.access = readOnly ? .readOnly : .readWrite
        options.createsIfMissing = creates
        options.durability = durability
        if let segmentSize { options.segmentSize = segmentSize.bytes }
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
        let errors = OutputWriter(descriptor: STDERR_FILENO, name: "stderr")
        if creates, case .noSuchDirectory = error {
            errors.write(
                message: "stave: the directory that \(directory) is to be made in is missing;"
                    + " make it first: \(missingParent)")
        } else {
            errors.write(message: "stave: \(error.description)")
        }
        if case .locked(_, let holder) = error {
            if let holder, let command = Environment.commandLine(ofProcess: holder) {
                errors.write(message: "  it is held by: \(command)")
            }
            let path = Quoting.shellWord(directory.hasPrefix("-") ? "./" + directory : directory)
            errors.write(message: "  to read: stave --read-only \(path)")
        }
        errors.flush()
    }

    private var missingParent: String {
        var path = directory
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return String(path[..<slash])
    }

    static func complain(_ line: String) {
        let errors = OutputWriter(descriptor: STDERR_FILENO, name: "stderr")
        errors.write(message: line)
        errors.flush()
    }
}
