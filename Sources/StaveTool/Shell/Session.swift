internal import Glibc
internal import Stave

/// What the user can set, by an option or while the shell runs.
struct SessionSettings {
    var format: OutputFormat = .raw
    /// Leaves out OK and the counts of set and delete.
    var quiet = false
    /// Goes on after an error in a script, and after damage in a scan.
    var keepGoing = false
    /// Answers yes to every question.
    var assumesYes = false
    /// A whole script is one batch.
    var isAtomic = false
    var showsTiming = false
    var hasColor = false
    /// Not only by the place where replies go.
    var formatIsChosen = false
    var greets = true
    /// Commands by names that the person gave them.
    var aliases: [String: String] = [:]
    /// Scripts may write files and run programs.
    var allowsShell = false
    /// The prompt may stand on a terminal where the replies do not.
    var colorsPrompt = false
}

/// A store with the state of one conversation about it. Executes commands; knows nothing of where
/// their words come from.
final class Session {
    enum Place {
        /// A terminal with a person.
        case prompt
        case script
        /// One command from the process's arguments.
        case oneShot
    }

    let place: Place
    let output: OutputWriter
    var errors: OutputWriter
    var settings: SessionSettings
    /// Set by `quit`.
    var isDone = false
    /// Keys that were asked for and not there.
    var missCount = 0
    /// Whether it was said where to go on behind damage.
    var hasAdvised = false
    /// Errors that did not end their command, such as damage that a scan stepped over.
    var reportedErrorCount = 0
    /// Asks the person; absent where there is none.
    var confirm: ((String) -> Bool)?
    /// Lines entered so far, oldest first.
    var historyLines: () -> [String] = { [] }

    /// Whether a running command is to stop.
    var isInterrupted: () -> Bool = { Signals.isInterrupted }
    /// What is written is shown by `watch`.
    var isWatching = false
    /// Set by `compact pause`.
    var isCompactionPaused = false
    /// How far a long command or script is; nil where it is not shown.
    var bar: ProgressBar?
    /// What the background has to say.
    let mailbox: Mailbox
    /// Opens the store once more, as it was opened at first.
    var reopen: (() throws(StoreError) -> Store)?

    /// The writes since `begin`.
    var batch: Batch?
    /// A command of it failed, and the script went on.
    var hasFailedInBatch = false
    /// The same as a word: a script asks it for each line.
    private(set) var isInBatch = false

    func beginBatch() {
        batch = store.makeBatch()
        (isInBatch, hasFailedInBatch) = (true, false)
    }

    func forgetBatch() {
        batch = nil
        isInBatch = false
    }

    /// Whether equal replies that come one after the other are to be one line: a thousand lines
    /// that were pasted need no thousand OKs.
    var gathersReplies = false { didSet { writeGathered() } }
    private var gathered: (line: String, count: Int)?
    /// How many files of commands are open in each other.
    var sourceDepth = 0

    private(set) var openedStore: Store? {
        didSet { defersSync = writesDeferSync }
    }
    /// Writes of a script wait for the disk together, before the replies to them are written.
    private(set) var defersSync = false
    private var hasUnsyncedWrites = false
    /// How long the command in hand has waited for answers.
    private var timeOfPerson = Duration.zero

    init(
        _ store: Store?, place: Place, settings: SessionSettings,
        mailbox: Mailbox = Mailbox(isInteractive: false)
    ) {
        openedStore = store
        self.mailbox = mailbox
        self.place = place
        self.settings = settings
        output = OutputWriter(descriptor: STDOUT_FILENO, name: "stdout")
        // Where both go to one file or pipe, they stand there in the order of the commands.
        errors =
            Self.sharesOutput
            ? output
            : Self.makeErrors()
        defersSync = writesDeferSync
        output.beforeWrite = { [unowned self] () throws(SystemError) in
            if outputIsTerminal { bar?.erase() }
            try makeDurable()
        }
    }

    static func makeErrors() -> OutputWriter {
        OutputWriter(descriptor: STDERR_FILENO, name: "stderr", capacity: 16 << 10)
    }

    /// Whether a person sees the replies where they go now.
    var outputIsTerminal = isatty(STDOUT_FILENO) == 1

    /// Whether stdout and stderr are the same file or pipe, as after 2>&1.
    private static var sharesOutput: Bool {
        var (out, err) = (stat(), stat())
        // SAFETY: fills in the structs.
        guard unsafe fstat(STDOUT_FILENO, &out) == 0, unsafe fstat(STDERR_FILENO, &err) == 0 else {
            return false
        }
        return out.st_dev == err.st_dev && out.st_ino == err.st_ino && isatty(STDOUT_FILENO) == 0
    }

    var store: Store {
        guard let openedStore else {
            preconditionFailure("a command with access .nothing asked for the store")
        }
        return openedStore
    }

    /// Only for a read-only store, which has nothing to lose.
    func reopenStore() throws(StoreError) {
        guard let reopen else { return }
        let old = openedStore
        openedStore = try reopen()
        try? old?.close()
    }

    /// Carries out one command. Its replies are in `output`, not necessarily written yet.
    func execute(_ words: [Word]) throws(CommandError) {
        guard let first = words.first else { return }
        if first.equals("!"), words.count == 2, words[1].kind == .program {
            return try runProgram(words[1])
        }
        if !settings.aliases.isEmpty, CommandTable.command(for: first) == nil,
            let alias = settings.aliases[first.string]
        {
            return try execute(alias: alias, words)
        }
        let command = try command(for: first)
        if command.isForPeople, place == .script {
            throw .usage("\(command.name) needs a person; no script has it", at: first)
        }
        // These answer with nothing else.
        if command.name != "set", command.name != "delete" { writeGathered() }
        timeOfPerson = .zero
        let started = settings.showsTiming || place == .prompt ? ContinuousClock.now : nil
        if let redirection = try Redirection(words, of: command) {
            try redirection.apply(to: self) { () throws(CommandError) in
                try command.run(self, Invocation(command, redirection.words))
            }
        } else {
            let isPaged = command.isPaged && !isWatching
            if isPaged { output.beginPaging() }
            defer { if isPaged { endPaging() } }
            try command.run(self, Invocation(command, words))
        }
        if let started, !command.isForPeople { reportTime(since: started) }
    }

    /// The command that a line begins with; an error with a suggestion where there is none.
    func command(for word: Word) throws(CommandError) -> Command {
        if let command = CommandTable.command(for: word) { return command }
        if let advice = ForeignWords.advice(for: word) {
            throw .usage("unknown command \(word.shown); \(advice)", at: word)
        }
        let suggestion = CommandTable.suggestion(for: word)
        throw .usage(
            "unknown command \(word.shown); "
                + (suggestion.map { "did you mean \($0)?" } ?? "help lists them"), at: word)
    }

    private func reportTime(since start: ContinuousClock.Instant) {
        let duration = ContinuousClock.now - start - timeOfPerson
        // In a pager, the command waits for the person most of the time.
        guard settings.showsTiming || (Self.isSlow(duration) && !output.isPaging) else { return }
        output.flush()
        note("(\(Units.duration(duration)))")
    }

    /// What takes so long says so unasked.
    static func isSlow(_ duration: Duration) -> Bool { duration > .seconds(1) }

    /// Asks the person, where there is one; the time until the answer is not the command's.
    func isConfirmed(_ question: String) -> Bool {
        guard let confirm, !settings.assumesYes else { return true }
        let start = ContinuousClock.now
        defer { timeOfPerson += ContinuousClock.now - start }
        return confirm(question)
    }

    // MARK: Replies

    var printer: EntryPrinter {
        var printer = EntryPrinter(output: output, format: settings.format)
        // Only there anything may not fit.
        if settings.format == .raw0 { printer.onUnfit = { self.reportUnfit($0) } }
        if outputIsTerminal {
            printer.hasColor = settings.hasColor
            printer.columns = ScreenSize.of(STDOUT_FILENO).columns
        }
        return printer
    }

    func reply(_ line: String) { reply(line, as: ("reply", .string(line))) }

    /// A reply that --quiet leaves out.
    func acknowledge(_ line: String) {
        if settings.quiet { return }
        guard gathersReplies, settings.format != .json else {
            return reply(line, as: ("ok", .bool(true)))
        }
        if gathered?.line != line { writeGathered() }
        gathered = (line, (gathered?.count ?? 0) + 1)
    }

    private func writeGathered() {
        guard let (line, count) = gathered else { return }
        gathered = nil
        // A few are as easily read as they are.
        if count > 3 { return output.write(line: "\(line) (\(Units.count(count)) times)") }
        for _ in 0..<count { output.write(line: line) }
    }

    func reportMissing(_ key: UnsafeRawBufferPointer) {
        missCount += 1
        if settings.format == .json { return unsafe replyMissing(key) }
        if place == .prompt, outputIsTerminal { return reply("(not found)") }
        // SAFETY: the key's bytes are only read.
        if settings.quiet { return }
        bar?.erase()
        errors.write("not found: ")
        unsafe Quoting.writeText(key) { errors.write($0) }
        errors.write(Byte.newline)
    }

    /// A line on stderr that is neither a result nor an error. While the terminal is the pager's,
    /// it waits.
    ///
    /// - Parameters:
    ///   - label: what the line begins with.
    ///   - color: of the label.
    func note(_ line: String, label: String = "", color: String? = nil) {
        bar?.erase()
        if gathered != nil {
            writeGathered()
            output.flush()
        }
        for (index, piece) in wrapped(label + line).enumerated() {
            guard index == 0, let color else {
                errors.write(message: piece)
                continue
            }
            errors.write(Palette.colored(label, color))
            errors.write(message: String(piece.dropFirst(label.count)))
        }
        if !output.isPaging { errors.flush() }
    }

    /// For a person at the prompt, cut between words; programs find a message on one line.
    private func wrapped(_ line: String) -> [String] {
        guard place == .prompt, isatty(STDERR_FILENO) == 1 else { return [line] }
        let columns = ScreenSize.of(STDERR_FILENO).columns
        guard line.count > columns else { return [line] }
        return Units.wrapped(line, columns: columns).split(separator: "\n").map(String.init)
    }

    private func endPaging() {
        output.endPaging()
        errors.flush()
    }

    /// Prints what the background has to say on stderr, a line each.
    func showMessages() {
        for message in mailbox.take() {
            note(place == .prompt ? message : "stave: \(message)")
        }
    }

    /// Reports an error and goes on with the command, where the settings allow that.
    func stepOver(_ error: CommandError) throws(CommandError) {
        guard settings.keepGoing || place == .prompt else { throw error }
        reportedErrorCount += 1
        replyError(error.message)
        report(error)
    }

    // MARK: Durability

    /// Whether a write may leave its sync to `makeDurable`: in a script under `always`, so that
    /// commands already waiting in the pipe share one.
    private var writesDeferSync: Bool { place == .script && openedStore?.durability == .always }

    /// To be called after each write that was told `defersSync`.
    func didWrite() {
        if defersSync { hasUnsyncedWrites = true }
    }

    /// Gives every write so far the durability that was promised. Runs before replies are written.
    func makeDurable() throws(SystemError) {
        guard hasUnsyncedWrites else { return }
        hasUnsyncedWrites = false
        do throws(StoreError) {
            try store.sync()
        } catch {
            throw SystemError(message: error.description)
        }
    }

    /// Writes out all replies; false where that failed.
    @discardableResult
    func flush() -> Bool {
        output.flush()
        if !output.isPaging { errors.flush() }
        return output.failure == nil
    }
}
