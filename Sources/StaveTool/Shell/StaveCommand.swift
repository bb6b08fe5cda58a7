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
    static let optionsWithValue: Set<String> = [
        "--durability", "--segment-size", "--format", "--wait", "--config", "--keep-deletions",
    ]

    static let configuration = CommandConfiguration(
        commandName: "stave",
        abstract: "A key-value store in a directory: its shell, and single commands.",
        usage: """
            stave [options] DIR                     a shell; a script where stdin is no terminal
            stave [options] DIR COMMAND [ARG...]    one command, then exit
            stave inspect DIR|FILE [options]        look at the files; never writes, never locks
            stave verify DIR                        check every byte of a store
            stave why DIR KEY                       every version of a key, and what frees it
            stave repair DIR NEWDIR                 write what can be read into a new store
            stave diff DIR1 DIR2                    the keys in which two stores differ
            stave backup DIR NEWDIR                 the store as it is now, beside its writer
            stave changes DIR [--since N]           what was written since, and from now on
            stave import DIR [FILE] --from FORMAT   take keys and values from another format
            stave export DIR [PREFIX] --to FORMAT   write them in another format
            stave help [COMMAND]                    the shell's commands
            """,
        discussion: """
            Commands: \(CommandTable.all.map(\.name).joined(separator: ", ")).

            A directory that is missing is made at a terminal, or with --create. A directory whose \
            name is one of these words, inspect say, is written ./inspect. Exit status: 0 done, 1 get or exists of a key \
            that is not there, 2 an error, 64 wrong usage.
            """,
        version: "stave \(staveVersion)")

    @Flag(inversion: .prefixedNo, help: "Make DIR and an empty store where there is none.")
    var create: Bool?

    @Flag(help: "Open without the lock, beside a writer; nothing can be changed.")
    var readOnly = false

    @Option(help: "Wait so many seconds for the lock while another process has it.")
    var wait: Double?

    @Option(help: "When a write counts as done: always, interval or os.")
    var durability: Durability = .interval

    @Option(help: "Size at which a segment is full: bytes, or with K, M or G.")
    var segmentSize: ByteSize?

    @Option(
        help: ArgumentHelp(
            "Keep deletions so long for stave changes: seconds, or with s, m, h or d.",
            valueName: "time"))
    var keepDeletions: TimeSpan?

    @Option(
        help: "How keys and values are printed; quoted at a terminal, raw in a pipe otherwise.")
    var format: OutputFormat?

    @Flag(help: "Go on after an error in a script; the exit status is 2 all the same.")
    var keepGoing = false

    @Flag(help: "Make all of a script's writes at its end, or none where anything fails.")
    var atomic = false

    @Flag(help: "Leave out OK, the counts of set and delete, and 'not found'.")
    var quiet = false

    @Flag(help: "Answer yes to every question.")
    var yes = false

    @Flag(help: "Let a script write files and run programs: > FILE, >> FILE, | PROGRAM, !PROGRAM.")
    var allowShell = false

    @Option(
        help: "Take settings from this file; without it, a prompt takes ~/.config/stave/config.")
    var config: String?

    @Flag(help: "No colors; so does the environment variable NO_COLOR.")
    var noColor = false

    @Argument(help: ArgumentHelp("The store's directory.", valueName: "dir"))
    var directory: String

    @Argument(help: ArgumentHelp("A command with its words.", valueName: "command"))
    var command: [String] = []

    func validate() throws {
        if create == true, readOnly {
            throw ValidationError("--create and --read-only do not go together")
        }
        if let wait, !(0...1e9).contains(wait) {
            throw ValidationError("--wait takes seconds, 0 or more")
        }
        if atomic, readOnly {
            throw ValidationError("--atomic and --read-only do not go together")
        }
        if atomic, !command.isEmpty {
            throw ValidationError("--atomic is for a script on stdin; one command is atomic anyway")
        }
        if let size = segmentSize?.bytes, !(4096...(256 << 20)).contains(size) {
            throw ValidationError("--segment-size must lie between 4K and 256M")
        }
        if create == nil, CommandTable.command(named: directory) != nil,
            NewStore(at: directory) != nil
        {
            let words = ([directory] + command).map(Quoting.shellWord).joined(separator: " ")
            throw ValidationError("the directory comes first: stave DIR \(words)")
        }
        if let name = Dispatch.nearest(to: directory), NewStore(at: directory) != nil {
            let words = ([name] + command).map(Quoting.shellWord).joined(separator: " ")
            throw ValidationError(
                "no such directory: \(Quoting.message(directory)); did you mean stave \(words)?")
        }
        if let name = command.first, CommandTable.command(named: name) == nil {
            let suggestion = CommandTable.suggestion(for: name)
            throw ValidationError(
                "unknown command \(Quoting.text(Array(name.utf8)))"
                    + (suggestion.map { "; did you mean \($0)?" } ?? "; stave help lists them"))
        }
    }

    func run() throws {
        let isPrompt = command.isEmpty && isatty(STDIN_FILENO) == 1
        let configuration = configuration(isPrompt: isPrompt)
        if config != nil, !isPrompt, let problem = configuration.problems.first {
            Self.complain("stave: \(problem)")
            Glibc.exit(2)
        }
        PreferredPrograms.set(pager: configuration.pager, editor: configuration.editor)
        let settings = settings(configuration)
        let status =
            command.isEmpty
            ? (isPrompt ? runPrompt(settings, configuration.problems) : runScript(settings))
            : runOnce(settings)
        Glibc.exit(status)
    }
}

// MARK: - Three ways to run

extension StaveCommand {
    private func configuration(isPrompt: Bool) -> Configuration {
        if let config { return Configuration(path: config, isNamed: true) }
        guard isPrompt, let path = Configuration.defaultPath else { return Configuration() }
        return Configuration(path: path, isNamed: false)
    }

    private func runPrompt(_ settings: SessionSettings, _ problems: [String]) -> Int32 {
        Signals.install(interactive: true)
        let new = create == nil && !readOnly ? NewStore(at: directory) : nil
        guard
            let session = openSession(
                .prompt, settings, creates: create ?? !readOnly, readOnly: readOnly)
        else { return 2 }
        for problem in problems { session.note("note: \(problem)") }
        greet(session, new)
        printNotices(of: session.store, session)
        let status = Prompt(session).run()
        return close(session, status, new)
    }

    private func runScript(_ settings: SessionSettings) -> Int32 {
        Signals.install(interactive: false)
        guard
            let session = openSession(
                .script, settings, creates: create ?? false, readOnly: readOnly)
        else { return 2 }
        printNotices(of: session.store, session)
        let reader = ByteReader(descriptor: STDIN_FILENO)
        let status = ScriptRunner(session, reader: reader).run()
        if status != 0, reader.byteCount == 0, Signals.endingSignal == nil {
            // Nothing was asked of the store: it stays as it was found, while its object lives.
            session.showMessages()
            Glibc.exit(status)
        }
        return close(session, status)
    }

    /// - Parameter configuration: what counts where no option says otherwise.
    func settings(_ configuration: Configuration) -> SessionSettings {
        let isTerminal = isatty(STDOUT_FILENO) == 1
        var settings = SessionSettings()
        settings.format = format ?? (isTerminal ? .quoted : .raw)
        settings.formatIsChosen = format != nil
        settings.allowsShell = allowShell
        settings.quiet = quiet
        settings.isAtomic = atomic && command.isEmpty
        settings.keepGoing = keepGoing
        settings.assumesYes = yes
        settings.aliases = configuration.aliases
        settings.greets = configuration.greets && !quiet
        if format == nil, let format = configuration.format {
            (settings.format, settings.formatIsChosen) = (format, true)
        }
        settings.colorsPrompt = !noColor && Environment.allowsColor && configuration.hasColor
        settings.hasColor = isTerminal && settings.colorsPrompt
        return settings
    }

    func printNotices(of store: Store, _ session: Session) {
        for notice in store.notices { session.note("note: \(notice)") }
    }

    /// Writes what is left, closes the store and says how it all ended: the status, or 2 where that
    /// failed. A signal that ended the session ends the process.
    func close(_ session: Session, _ status: Int32, _ new: NewStore? = nil) -> Int32 {
        var status = status
        let isWritten = session.flush()
        do throws(StoreError) {
            try session.openedStore?.close()
        } catch {
            session.note("stave: \(error.description)")
            status = 2
        }
        new?.removeIfUnused()
        session.showMessages()
        if let signal = Signals.endingSignal { Signals.raiseDefault(signal) }
        if session.output.isBrokenPipe { Signals.raiseDefault(SIGPIPE) }
        if !isWritten, status != 2 {
            session.note("stave: \(session.output.failure?.message ?? "cannot write to stdout")")
            status = 2
        }
        return status
    }
}
