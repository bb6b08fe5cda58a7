internal import Glibc
internal import Stave

/// The shell at a terminal: reads a line, carries out its commands, prints, until the person
/// leaves.
final class Prompt {
    private let session: Session
    private let history: History
    private let parser = WordParser()
    private var editor: LineEditor?
    /// Reads where there is no editor: on a dumb terminal.
    private var plain: PlainReader?
    private var hasToldProblem = false

    init(_ session: Session) {
        self.session = session
        history = History(path: History.defaultPath)
        parser.takesPrograms = true
        session.historyLines = { [history] in history.lines }
        session.confirm = { [unowned self] question in confirm(question) }
    }

    /// Returns the exit status.
    func run() -> Int32 {
        guard startReading() else {
            session.note("stave: there is no terminal to write to")
            return 2
        }
        defer { editor?.giveTerminalBack() }
        tellProblem()
        while !session.isDone, Signals.endingSignal == nil {
            guard let text = readCommand() else { break }
            remember(text)
            executeAll(text)
            if let failure = session.output.failure {
                session.note("stave: \(failure.message)")
                return 2
            }
        }
        history.save(waiting: true)
        _ = session.giveUpBatch()
        return 0
    }

    /// False where there is no terminal.
    private func startReading() -> Bool {
        editor = LineEditor(
            history: history, mailbox: session.mailbox, hasColor: session.settings.colorsPrompt)
        if let editor, !editor.isOff {
            // `refresh` replaces the store.
            editor.aliases = session.settings.aliases.keys.sorted()
            editor.completion = { [session, aliases = editor.aliases] text in
                var completion = Completion(session.store)
                completion.aliases = aliases
                return completion.candidates(for: text)
            }
            session.output.beforePaging = { editor.giveTerminalBack() }
            editor.onlyCompletion = { [session] in Completion.only(for: $0, session.store) }
        } else {
            editor = nil
            plain = PlainReader()
        }
        return editor != nil || plain != nil
    }

    private func readLine(_ prompt: StyledText, isCommand: Bool = true) -> LineEditor.Reading {
        if let editor { return editor.readLine(prompt: prompt, isCommand: isCommand) }
        return plain?.readLine(prompt: prompt.map(\.text).joined()) ?? .end
    }

    private func remember(_ line: String) {
        if history.add(line) { editor?.remember(line) }
        tellProblem()
    }

    /// Why the history is not kept: once.
    private func tellProblem() {
        guard !hasToldProblem, let problem = history.problem else { return }
        hasToldProblem = true
        session.note("note: \(problem)")
    }

    /// A whole command. The editor returns none with an open quote; without it, lines are joined as
    /// long as one is open. nil at the end of input.
    private func readCommand() -> String? {
        var text = ""
        while true {
            let quote = text.isEmpty ? nil : openQuote(in: text)
            session.showMessages()
            session.flush()
            switch readLine(prompt(quote)) {
            case .line(let line):
                text += (quote == nil ? "" : "\n") + line
                if openQuote(in: text) == nil { return text }
            case .refused(let reason, let line):
                session.note("error: \(reason)")
                if text.isEmpty { remember(line) }
                text = ""
            case .cancelled: text = ""
            case .end:
                // Ctrl-D inside an open quote gives the command up, like Ctrl-C.
                guard quote != nil, Signals.endingSignal == nil else { return nil }
                text = ""
            }
        }
    }

    /// Bold in the terminal's own color is readable on dark and on light.
    private func prompt(_ quote: UInt8?) -> StyledText {
        if let quote { return [(String(Character(Unicode.Scalar(quote))) + "> ", .dim)] }
        let name = Self.name(ofPath: session.store.path)
        var mark = session.store.isReadOnly ? "(read-only)" : ""
        if let batch = session.batch { mark = "(batch: \(batch.count))" }
        if mark.isEmpty { return [(name, .name), ("> ", .plain)] }
        return [(name, .name), (" ", .plain), (mark, .dim), ("> ", .plain)]
    }

    /// The last part of the path that says something, without what a terminal must not get.
    static func name(ofPath path: String) -> String {
        var name = path.split(separator: "/").last.map(String.init) ?? path
        if name == "." || name == "..", let full = unsafe realpath(path, nil) {
            // SAFETY: realpath's result is ours to free.
            name = unsafe String(cString: full).split(separator: "/").last.map(String.init) ?? "/"
            unsafe free(full)
        }
        return String(String.UnicodeScalarView(name.unicodeScalars.filter(UTF8Scan.isPrintable)))
    }

    /// The quote that `text` leaves open; nil where it is whole or wrong in another way.
    private func openQuote(in text: String) -> UInt8? {
        var bytes = Array(text.utf8)
        // SAFETY: the array lives through the call, and the words are not used behind it.
        return unsafe bytes.withUnsafeMutableBytes { buffer in
            let line = UnsafeRawBufferPointer(buffer)
            var index = 0
            do throws(SyntaxError) {
                while index < line.count {
                    index = unsafe try parser.parse(line, from: index, multiline: true)
                }
                return nil
            } catch {
                return error.openQuote
            }
        }
    }

    /// Carries out the commands of a text, which has several lines where it was pasted; an error
    /// stops it.
    private func executeAll(_ text: String) {
        let bytes = Array(text.utf8)
        Signals.clearInterruption()
        session.gathersReplies = bytes.contains(Byte.newline)
        defer {
            session.gathersReplies = false
            session.flush()
        }
        // SAFETY: the array lives through the call.
        unsafe bytes.withUnsafeBytes { line in
            var index = 0
            while index < line.count, !session.isDone, !Signals.isInterrupted {
                do throws(CommandError) {
                    index = unsafe try executeOne(line, index)
                } catch {
                    session.report(error)
                    break
                }
                session.flush()
            }
        }
        session.flush()
        Signals.clearInterruption()
    }

    private func executeOne(_ line: UnsafeRawBufferPointer, _ index: Int) throws(CommandError)
        -> Int
    {
        let next: Int
        do throws(SyntaxError) {
            // SAFETY: the caller's line outlives the words.
            next = unsafe try parser.parse(line, from: index, multiline: true)
        } catch {
            let column = unsafe LineReport.columnCount(.init(rebasing: line[..<error.offset])) + 1
            throw CommandError(message: "column \(column): \(error.message)", offset: error.offset)
        }
        try session.execute(parser.words)
        return next
    }

    private func confirm(_ question: String) -> Bool {
        session.flush()
        let prompt: StyledText = [(question + " [y/N] ", .plain)]
        guard case .line(let answer) = readLine(prompt, isCommand: false) else { return false }
        return ["y", "yes"].contains(answer.lowercased())
    }
}
