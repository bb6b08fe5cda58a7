public import ArgumentParser
internal import Glibc
public import Stave

extension Durability: ExpressibleByArgument {}
extension OutputFormat: ExpressibleByArgument {}

/// A number of bytes with an optional suffix.
struct ByteSize: ExpressibleByArgument {
    var bytes: Int

    init?(argument: String) {
        guard let bytes = Units.parseBytes(argument) else { return nil }
        self.bytes = bytes
    }
}

/// `stave [options] DIR [COMMAND [ARG...]]`.
struct StaveCommand: ParsableCommand {
    static let optionsWithValue: Set<String> = ["--durability", "--segment-size", "--format"]

    static let configuration = CommandConfiguration(
        commandName: "stave",
        abstract: "A key-value store in a directory: its shell, and single commands.",
        usage: """
            stave [options] DIR                     a shell; a script where stdin is no terminal
            stave [options] DIR COMMAND [ARG...]    one command, then exit
            stave inspect DIR|FILE [options]        look at the files; never writes, never locks
            stave help [COMMAND]                    the shell's commands
            """,
        discussion: """
            Commands: \(CommandTable.all.map(\.name).joined(separator: ", ")).

            A directory that is missing is made at a terminal, or with --create. A directory named \
            inspect or help is written ./inspect. Exit status: 0 done, 1 get or exists of a key \
            that is not there, 2 an error, 64 wrong usage.
            """,
        version: "stave 0.1.0")

    @Flag(inversion: .prefixedNo, help: "Make DIR and an empty store where there is none.")
    var create: Bool?

    @Flag(help: "Open without the lock, beside a writer; nothing can be changed.")
    var readOnly = false

    @Option(help: "When a write counts as done: always, interval or os.")
    var durability: Durability = .interval

    @Option(help: "Size at which a segment is full: bytes, or with K, M or G.")
    var segmentSize: ByteSize?

    @Option(
        help: "How keys and values are printed; quoted at a terminal, raw in a pipe otherwise.")
    var format: OutputFormat?

    @Flag(help: "Go on after an error in a script; the exit status is 2 all the same.")
    var keepGoing = false

    @Flag(help: "Leave out OK, the counts of set and delete, and 'not found'.")
    var quiet = false

    @Flag(help: "Answer yes to every question.")
    var yes = false

    @Flag(help: "No colors; so does the environment variable NO_COLOR.")
    var noColor = false

    @Argument(help: ArgumentHelp("The store's directory.", valueName: "dir"))
    var directory: String

    @Argument(help: ArgumentHelp("A command with its words.", valueName: "command"))
    var command: [String] = []

    func validate() throws {
        if let size = segmentSize?.bytes, !(4096...(256 << 20)).contains(size) {
            throw ValidationError("--segment-size must lie between 4K and 256M")
        }
        if let name = command.first, CommandTable.command(named: name) == nil {
            let suggestion = CommandTable.suggestion(for: name)
            throw ValidationError(
                "unknown command \(Quoting.text(Array(name.utf8)))"
                    + (suggestion.map { "; did you mean \($0)?" } ?? ""))
        }
    }

    func run() throws {
        let status =
            command.isEmpty
            ? (isatty(STDIN_FILENO) == 1 ? runPrompt() : runScript())
            : runOnce()
        Glibc.exit(status)
    }

    /// `stave help [COMMAND]`.
    static func printHelp(for words: [String]) {
        guard let name = words.first else {
            print(helpMessage())
            print("\n" + Help.overview, terminator: "")
            return
        }
        guard let command = CommandTable.command(named: name) else {
            exit(withError: ValidationError("unknown command '\(name)'"))
        }
        print(Help.text(for: command), terminator: "")
    }
}

// MARK: - Three ways to run

extension StaveCommand {
    private func runPrompt() -> Int32 {
        Signals.install(interactive: true)
        guard let store = open(createsIfMissing: create ?? !readOnly, readOnly: readOnly) else {
            return 2
        }
        let session = Session(store, place: .prompt, settings: settings)
        printNotices(of: store, session)
        let status = Prompt(session).run()
        return close(store, session, status)
    }

    private func runScript() -> Int32 {
        Signals.install(interactive: false)
        guard let store = open(createsIfMissing: create ?? false, readOnly: readOnly) else {
            return 2
        }
        let session = Session(store, place: .script, settings: settings)
        if !readOnly { printNotices(of: store, session) }
        let reader = ByteReader(descriptor: STDIN_FILENO)
        let status = ScriptRunner(session, reader: reader).run()
        return close(store, session, status)
    }

    private func runOnce() -> Int32 {
        Signals.install(interactive: false)
        let words = argumentWords
        guard let access = usableAccess(words) else { return 64 }
        var store: Store?
        if access != .nothing {
            store = open(
                createsIfMissing: create ?? false, readOnly: readOnly || access == .read)
            if store == nil { return 2 }
        }
        let session = Session(store, place: .oneShot, settings: settings)
        if let store, access == .write { printNotices(of: store, session) }
        var status: Int32 = 0
        do throws(CommandError) {
            try session.execute(words)
            if session.reportedErrorCount > 0 { status = 2 }
        } catch {
            session.flush()
            session.note("stave: \(error.message)")
            status = error.isUsage ? 64 : 2
        }
        if status == 0, session.missCount > 0 { status = 1 }
        return close(store, session, status)
    }

    /// What the command needs of the store; nil, and said so, where the words make no command.
    private func usableAccess(_ words: [Word]) -> Command.Access? {
        guard let command = CommandTable.command(named: command[0]) else { return nil }
        do throws(CommandError) {
            return try Invocation(command, words).access
        } catch {
            complain("stave: \(error.message)")
            return nil
        }
    }

    private func complain(_ line: String) {
        let errors = OutputWriter(descriptor: STDERR_FILENO, name: "stderr")
        errors.write(line: line)
        errors.flush()
    }

    /// The command's words as the bytes that the process was given, UTF-8 or not.
    private var argumentWords: [Word] {
        let first = ArgumentSplit(CommandLine.arguments).commandIndex ?? 0
        return (first..<first + command.count).compactMap { index in
            // SAFETY: the arguments live as long as the process, and nothing changes them.
            guard let text = unsafe CommandLine.unsafeArgv[index] else { return nil }
            let bytes = unsafe UnsafeRawBufferPointer(start: text, count: strlen(text))
            return unsafe Word(bytes: bytes, kind: .argument, offset: 0)
        }
    }

    private var settings: SessionSettings {
        let isTerminal = isatty(STDOUT_FILENO) == 1
        var settings = SessionSettings()
        settings.format = format ?? (isTerminal ? .quoted : .raw)
        settings.quiet = quiet
        settings.keepGoing = keepGoing
        settings.assumesYes = yes
        settings.hasColor = isTerminal && !noColor && Environment.allowsColor
        return settings
    }

    private func open(createsIfMissing: Bool, readOnly: Bool) -> Store? {
        var options = StoreOptions()
        options.access = readOnly ? .readOnly : .readWrite
        options.createsIfMissing = createsIfMissing
        options.durability = durability
        if let segmentSize { options.segmentSize = segmentSize.bytes }
        do throws(StoreError) {
            return try Store(path: directory, options: options)
        } catch {
            let errors = OutputWriter(descriptor: STDERR_FILENO, name: "stderr")
            errors.write(line: "stave: \(error.description)")
            if case .locked(_, let holder) = error {
                if let holder, let command = Environment.commandLine(ofProcess: holder) {
                    errors.write(line: "  it is held by: \(command)")
                }
                let path = Quoting.quoted(Array(directory.utf8))
                errors.write(
                    line: "  to read: stave --read-only \(String(decoding: path, as: UTF8.self))")
            }
            errors.flush()
            return nil
        }
    }

    private func printNotices(of store: Store, _ session: Session) {
        for notice in store.notices { session.note("note: \(notice)") }
    }

    /// Writes what is left, closes the store and says how it all ended: the status, or 2 where that
    /// failed. A signal that ended the session ends the process.
    private func close(_ store: Store?, _ session: Session, _ status: Int32) -> Int32 {
        var status = status
        let isWritten = session.flush()
        do throws(StoreError) {
            try store?.close()
        } catch {
            session.note("stave: \(error.description)")
            status = 2
        }
        if let signal = Signals.endingSignal { Signals.raiseDefault(signal) }
        if session.output.isBrokenPipe { Signals.raiseDefault(SIGPIPE) }
        if !isWritten, status != 2 {
            session.note("stave: \(session.output.failure?.message ?? "cannot write to stdout")")
            status = 2
        }
        return status
    }
}

/// What the process was started with.
enum Environment {
    static func value(_ name: String) -> String? {
        // SAFETY: nothing in this process changes the environment.
        guard let text = unsafe getenv(name) else { return nil }
        let value = unsafe String(cString: text)
        return value.isEmpty ? nil : value
    }

    static var isDumbTerminal: Bool { (value("TERM") ?? "dumb") == "dumb" }
    static var allowsColor: Bool { value("NO_COLOR") == nil && !isDumbTerminal }

    /// What another process was started as; nil where that cannot be seen.
    static func commandLine(ofProcess id: Int) -> String? {
        let descriptor = unsafe open("/proc/\(id)/cmdline", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { Glibc.close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1024)
        // SAFETY: reads into the array.
        let count = unsafe read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return nil }
        let words = bytes[..<count].split(separator: 0)
        return words.map { Quoting.text(Array($0)) }.joined(separator: " ")
    }
}
