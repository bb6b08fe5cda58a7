internal import Glibc
internal import Stave

/// Where the replies of one command go instead: `COMMAND > FILE`, `COMMAND >> FILE`, `COMMAND |
/// PROGRAM`.
struct Redirection {
    private enum Place {
        case file(Word, appends: Bool)
        case program(Word)
    }

    private let place: Place
    /// The command without it.
    let words: [Word]

    /// nil where the words hold none.
    init?(_ words: [Word], of command: Command) throws(CommandError) {
        guard let last = words.last else { return nil }
        if last.kind == .program {
            guard unsafe last.bytes.contains(where: { $0 != Byte.space && $0 != Byte.tab }) else {
                throw .usage(
                    "behind | stands a program; quote | if it is meant as a word", at: last)
            }
            place = .program(last)
            self.words = Array(words.dropLast(2))
            return
        }
        guard words.count > 2 else { return nil }
        let sign = words[words.count - 2]
        guard sign.isBare(">") || sign.isBare(">>") else { return nil }
        // `get KEY > FILE` is a command of its own: it writes the bytes of the value and nothing
        // else. `export > FILE` puts the file in place when it is whole.
        let isOwn = command.name == "export" || (command.name == "get" && words.count == 4)
        if isOwn, sign.isBare(">") { return nil }
        place = .file(last, appends: sign.isBare(">>"))
        self.words = Array(words.dropLast(2))
    }

    /// Carries `body` out with the replies going there.
    func apply(
        to session: Session, _ body: () throws(CommandError) -> Void
    ) throws(CommandError) {
        switch place {
        case .file(let file, let appends):
            try session.requireShellAccess("\(appends ? ">>" : ">") FILE", at: file)
            let path = try Session.path(file)
            let target = try Target(path, outside: session.openedStore?.path, file)
            if target.exists, !appends, target.isRegular,
                !session.isConfirmed("overwrite \(file.shown)?")
            {
                return
            }
            let flags = O_WRONLY | O_CREAT | O_CLOEXEC | (appends ? O_APPEND : O_TRUNC)
            let descriptor = unsafe open(target.path, flags, 0o666)
            guard descriptor >= 0 else {
                throw CommandError(SystemError("open", path, errno).message, at: file)
            }
            defer { close(descriptor) }
            let failure = try session.redirect(to: descriptor, name: path, body)
            if let failure { throw CommandError(failure.message, at: file) }
        case .program(let program):
            try session.requireShellAccess("| PROGRAM", at: program)
            try Self.run(program, session, body)
        }
    }

    private static func run(
        _ program: Word, _ session: Session, _ body: () throws(CommandError) -> Void
    ) throws(CommandError) {
        var ends: [Int32] = [-1, -1]
        // SAFETY: pipe fills in two descriptors.
        guard unsafe pipe(&ends) == 0 else {
            throw CommandError(SystemError("make", "a pipe", errno).message, at: program)
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        session.flush()
        let process = Pager.spawn(program.string, input: ends[0], output: STDOUT_FILENO)
        close(ends[0])
        guard let process else {
            close(ends[1])
            throw CommandError(SystemError("start", "sh", errno).message, at: program)
        }
        defer { Session.wait(for: process) }
        // The program sees the end of its input before it is waited for.
        defer { close(ends[1]) }
        let failure = try session.redirect(to: ends[1], name: "the program", body)
        // A program that has seen enough, as head, is none.
        if let failure, failure.code != EPIPE { throw CommandError(failure.message, at: program) }
    }
}

extension Session {
    /// Files are written and programs run for a person; a script may have come from elsewhere.
    func requireShellAccess(_ what: String, at word: Word) throws(CommandError) {
        guard place == .script, !settings.allowsShell else { return }
        throw .usage(
            "\(what) in a script needs --allow-shell; quote the sign if it is meant as a word",
            at: word)
    }

    /// Carries `body` out with replies going to a descriptor, in the format of a pipe where none
    /// was chosen; returns what went wrong with writing them.
    fileprivate func redirect(
        to descriptor: Int32, name: String, _ body: () throws(CommandError) -> Void
    ) throws(CommandError) -> SystemError? {
        let saved = (settings, outputIsTerminal, errors, bar)
        let old = output.redirect(to: descriptor, name: name)
        outputIsTerminal = false
        if !settings.formatIsChosen { settings.format = .raw }
        settings.hasColor = false
        if errors === output { errors = Session.makeErrors() }
        defer {
            errors.flush()
            output.redirect(back: old)
            (settings.format, settings.hasColor) = (saved.0.format, saved.0.hasColor)
            (outputIsTerminal, errors, bar) = (saved.1, saved.2, saved.3)
        }
        try body()
        output.flush()
        return output.failure
    }

    /// `!PROGRAM`.
    func runProgram(_ program: Word) throws(CommandError) {
        try requireShellAccess("!PROGRAM", at: program)
        flush()
        // The input of a script is not the program's.
        let null = place == .script ? unsafe open("/dev/null", O_RDONLY | O_CLOEXEC) : STDIN_FILENO
        defer { if null != STDIN_FILENO { close(null) } }
        guard
            let process = Pager.spawn(program.string, input: null, output: STDOUT_FILENO)
        else { throw CommandError(SystemError("start", "sh", errno).message, at: program) }
        Self.wait(for: process)
    }

    /// Waits for a program that has the terminal; Ctrl-C was meant for it.
    @discardableResult
    static func wait(for process: pid_t) -> Int32 {
        var status: Int32 = 0
        // SAFETY: fills in the status.
        while unsafe waitpid(process, &status, 0) < 0, errno == EINTR {
            if Signals.endingSignal != nil { kill(process, SIGTERM) }
        }
        Signals.clearInterruption()
        return status
    }
}
