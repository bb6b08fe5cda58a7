internal import Glibc
internal import Stave

/// Reads commands from stdin and carries them out, for people's scripts and for programs that drive
/// the shell through pipes.
///
/// Rule 1: replies come in the order of the commands.
/// Rule 2: all replies are written before a read that would wait, so a program that waits for a
/// reply before it goes on gets it. Rule 3: gets that stand together in memory are looked up as one
/// batch. Any other command answers the batch first. Rule 4: what long scripts are made of takes a
/// short way, `PlainLine`, which means the same.
final class ScriptRunner {
    private let session: Session
    private let reader: ByteReader
    private let parser = WordParser()
    private var batch = GetBatch()
    private var succeeded = 0
    private var failed = 0
    private var isStopped = false
    /// The line of the command that stopped the script.
    private var stopLine: Int?

    init(_ session: Session, reader: ByteReader) {
        self.session = session
        self.reader = reader
        parser.takesPrograms = session.settings.allowsShell
    }

    /// Runs to the end of the input, `quit`, an error that stops the script, or a signal.
    /// Returns the exit status; all replies are written.
    func run() -> Int32 {
        if session.settings.isAtomic { session.beginBatch() }
        session.bar = session.makeBar("stdin", total: Self.bytesLeft, unit: .bytes)
        defer { session.endBar() }
        while !isFinished {
            if let line = unsafe reader.nextLine() {
                if unsafe !executePlain(line) { unsafe execute(line) }
                continue
            }
            answerBatch()
            if isFinished || reader.isAtEnd { break }
            waitForInput()
        }
        answerBatch()
        endBatch()
        return finish()
    }

    private var isFinished: Bool {
        isStopped || session.isDone || session.output.failure != nil
            || Signals.isInterrupted
    }

    /// Bytes to the end of a file on stdin; nil for a pipe.
    private static var bytesLeft: Int? {
        var status = stat()
        // SAFETY: fills in the struct.
        guard unsafe fstat(STDIN_FILENO, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            return nil
        }
        return max(0, Int(status.st_size) - Int(lseek(STDIN_FILENO, 0, SEEK_CUR)))
    }

    /// A line that begins with no command is refused before all of it is in memory; a comment is
    /// not kept either.
    private func refuseJunk() {
        guard let line = unsafe reader.longBeginning,
            let start = unsafe line.firstIndex(where: { $0 != Byte.space && $0 != Byte.tab })
        else { return }
        if unsafe line[start] == Byte.hash { return reader.discardLine() }
        let rest = unsafe line[start...].prefix(64)
        let bytes = unsafe rest.prefix { $0 != Byte.space && $0 != Byte.tab }
        let word = unsafe Word(bytes: .init(rebasing: bytes), kind: .bare, offset: start)
        do throws(CommandError) {
            _ = try session.command(for: word)
        } catch {
            unsafe report(error, line, reader.lineNumber + 1)
            reader.discardLine()
        }
    }

    private func waitForInput() {
        session.showMessages()
        session.bar?.show(done: reader.byteCount)
        refuseJunk()
        if isFinished { return }
        if !Signals.waitToRead(STDIN_FILENO, milliseconds: 0) {
            settle()
            guard !isFinished, Signals.waitToRead(STDIN_FILENO) else { return }
        }
        do throws(SystemError) {
            try reader.fill()
        } catch {
            session.note("stave: \(error.message)")
            failed += 1
            isStopped = true
        }
    }

    /// Everything so far is durable as promised, and answered.
    private func settle() {
        session.flush()
        do throws(SystemError) {
            try session.makeDurable()
        } catch {
            session.note("stave: \(error.message)")
            failed += 1
            isStopped = true
        }
    }

    /// Carries out a plain line; false, and nothing done, where it is another one.
    @inline(__always)
    private func executePlain(_ line: UnsafeRawBufferPointer) -> Bool {
        guard !session.settings.showsTiming, !session.isInBatch, let plain = unsafe PlainLine(line)
        else {
            return false
        }
        if !plain.isSet {
            unsafe batch.add(
                plain.key, line: line, number: reader.lineNumber, offset: PlainLine.keyOffset)
            batch.endCommand()
            if batch.isFull { answerBatch() }
            return true
        }
        unsafe set(plain.value, forKey: plain.key, line: line, offset: PlainLine.keyOffset)
        return true
    }

    private func set(
        _ value: UnsafeRawBufferPointer, forKey key: UnsafeRawBufferPointer,
        line: UnsafeRawBufferPointer, offset: Int
    ) {
        answerBatch()
        // The batch may have met what stops the script.
        guard !isFinished else { return }
        do throws(StoreError) {
            try unsafe session.set(value, forKey: key)
            succeeded += 1
        } catch {
            let word = unsafe Word(bytes: key, kind: .bare, offset: offset)
            let failure = CommandError(error, at: word, key: word)
            unsafe report(failure, line, reader.lineNumber)
        }
    }

    private func execute(_ whole: UnsafeRawBufferPointer) {
        var line = unsafe whole
        // A byte order mark is no part of the first command.
        if reader.lineNumber == 1, unsafe line.starts(with: [0xEF, 0xBB, 0xBF]) {
            unsafe line = UnsafeRawBufferPointer(rebasing: whole[3...])
        }
        do throws(SyntaxError) {
            // SAFETY: the line is valid until the reader fills again, which is after this command.
            unsafe _ = try parser.parse(line)
        } catch {
            answerBatch()
            unsafe report(
                CommandError(message: error.message, offset: error.offset), line, reader.lineNumber)
            return
        }
        let words = parser.words
        guard let first = words.first else { return }
        let isTimed = session.settings.showsTiming
        if first.equals("set"), words.count == 3, !isTimed, !Self.needsCare(words[1]),
            !words[2].mayBeSign, !words[2].isBare("-")
        {
            return unsafe set(
                words[2].bytes, forKey: words[1].bytes, line: line, offset: words[1].offset)
        }
        if first.equals("get"), words.count > 1, !isTimed, !session.isInBatch,
            !words.contains(where: Self.needsCare)
        {
            for word in words.dropFirst() {
                unsafe batch.add(
                    word.bytes, line: line, number: reader.lineNumber, offset: word.offset)
            }
            batch.endCommand()
            if batch.isFull { answerBatch() }
            return
        }
        answerBatch()
        guard !isFinished else { return }
        do throws(CommandError) {
            try session.execute(words)
            succeeded += 1
        } catch {
            unsafe report(error, line, reader.lineNumber)
        }
    }

    /// What makes a get more than a look-up: a file, an option, or a word that can be no key.
    private static func needsCare(_ word: Word) -> Bool {
        word.mayBeSign || !word.canBeKey
    }

    private func answerBatch() {
        guard !batch.isEmpty else { return }
        let result = unsafe batch.answer(session) { error, line, lineNumber in
            unsafe show(error, line, lineNumber)
            return session.settings.keepGoing
        }
        succeeded += result.succeeded
        failed += result.failed
    }

    private func report(_ error: CommandError, _ line: UnsafeRawBufferPointer, _ number: Int) {
        failed += 1
        session.hasFailedInBatch = true
        unsafe show(error, line, number)
    }

    private func show(_ error: CommandError, _ line: UnsafeRawBufferPointer, _ number: Int) {
        session.flush()
        session.bar?.erase()
        session.errors.write(
            unsafe LineReport.text(
                error.message, line: line, number: number, offset: error.offset))
        session.errors.flush()
        let column = error.offset.map { unsafe LineReport.column(of: $0, in: line) }
        session.replyError(
            error.message,
            [("line", .number(number)), ("column", column.map(JSON.number) ?? .null)])
        session.advise(on: error)
        if !session.settings.keepGoing {
            isStopped = true
            stopLine = number
        }
    }

    /// A script that is atomic is made now; a batch that was only begun is given up.
    private func endBatch() {
        if session.settings.isAtomic, failed == 0, session.output.failure == nil,
            !Signals.isInterrupted
        {
            do throws(CommandError) {
                return try session.commitBatch()
            } catch {
                session.note("stdin: \(error.message)")
                failed += 1
            }
        }
        if session.giveUpBatch(), failed == 0 { failed += 1 }
    }

    private func finish() -> Int32 {
        settle()
        let output = session.output
        if output.isBrokenPipe { return 128 + SIGPIPE }
        if let failure = output.failure, Signals.endingSignal == nil {
            session.note("stave: \(failure.message)")
        }
        if failed > 0 { session.note("stdin: " + summary) }
        return failed > 0 || output.failure != nil || session.reportedErrorCount > 0 ? 2 : 0
    }

    /// What was done all the same.
    private var summary: String {
        let done = Units.count(succeeded, "command")
        guard !session.settings.keepGoing else {
            return "\(Units.count(failed)) failed, \(done) succeeded"
        }
        let place = stopLine.map { "stopped in line \(Units.count($0)); " } ?? "stopped; "
        if succeeded == 0 { return place + "nothing was done" }
        return place + "\(done) before it \(succeeded == 1 ? "was" : "were") done"
    }
}
