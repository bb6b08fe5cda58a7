internal import CEditline
internal import CLinux
internal import Glibc

/// A line of input at a terminal: libedit edits it, and we draw it.
///
/// libedit keeps key maps (emacs, vi), ~/.editrc, macros, counts and the kill ring. It asks for
/// each key through `readKey`, and whatever it did with the last one shows in its buffer: there the
/// line is drawn, before each wait. What libedit would draw goes into a sink.
///
/// Belongs to the one thread that made it: libedit has static state. Rules, each of them a trap
/// that was met:
///
/// 1. Ctrl-C, Ctrl-Z and Ctrl-\ reach us as bytes (`-isig`). As signals they end el_wgets in ways
///    that look like the end of input.
/// 2. Between two lines the terminal neither echoes nor edits: what is typed ahead is not mixed
///    with replies, and no key is lost. It gets its own settings back for other programs and at the
///    end.
/// 3. libedit's buffer moves when it grows, so its pointers are taken anew each time.
/// 4. ~/.editrc may reset the key map, so our keys are bound again after it was read.
/// 5. libedit draws into pictures of the screen that must hold the whole line: it writes behind
///    them otherwise. It is told of more rows than the line takes; see `giveRoom`.
/// 6. libedit's el_resize makes new pictures and keeps a cursor that may lie outside of them, so it
///    is never called; libedit need not know the terminal's size.
/// 7. In vi's mode `$` on an empty line puts the cursor in front of the buffer, where the next
///    character would be written; it is put back before each key.
@safe final class LineEditor {
    enum Reading: Equatable {
        case line(String)
        /// The line is not to be carried out: why, for the person.
        case refused(String, line: String)
        /// Ctrl-C.
        case cancelled
        /// Ctrl-D on an empty line, the terminal went away, or a signal that ends the process.
        case end
    }

    /// A line, and how many of its code points stand before the cursor.
    struct Line: Equatable {
        var text: Scalars = []
        var cursor = 0
    }

    /// What may stand for the word before the cursor; see `Completion`.
    var completion: (String) -> Completion.Result = { _ in .init() }
    /// Names that the person gave to commands.
    var aliases: [String] = []
    /// What the one way to go on with a line adds to it.
    var onlyCompletion: (String) -> String? = { _ in nil }

    let handle: OpaquePointer
    let keys = KeyReader(descriptor: STDIN_FILENO)
    let display: Display
    /// Messages that appear above the prompt while a line is edited.
    let mailbox: Mailbox
    /// What libedit has "drawn" since it was last looked at.
    let sink: UnsafeMutablePointer<stave_sink>
    private let lines: OpaquePointer
    private let terminal: Int32
    /// As the terminal was found.
    private var settings = termios()

    /// Control keys that ~/.editrc binds, which are then not ours: `^W`.
    let boundKeys = EditorSettings.boundKeys
    var killsToBlank: Bool { !boundKeys.contains("^W") }

    // What is edited now.
    var prompt: StyledText = []
    /// A question of ours has no colors, hint and history.
    var isCommand = true
    var wasCancelled = false
    /// The line as it was when libedit asked for the last key.
    var last = Line()
    /// The line when it was last no question of libedit's: what undo starts from.
    var settled = Line()
    /// What is found in `last`.
    var syntax = LineSyntax([])
    /// Set by what replaces the line as a whole: nothing is to be settled then.
    var wasReplaced = false
    /// Rows that libedit can draw; 0 where the line has just begun.
    var room = 0
    var history = LineHistory()
    var undo = UndoList()
    /// What Ctrl-R has found so far; nil outside of a search.
    var search: HistorySearch?
    /// What was searched for last.
    var lastPattern = ""
    /// Dim text behind the line that Right would take.
    var ghost: Scalars = []
    /// What Tab has found, until the next key.
    var list: Completion.Result?
    /// Bytes that were dropped from the line: it is refused.
    var broken: KeyReader.Dropped?
    /// Where Ctrl-W began.
    var wordEnd = 0
    var widths = CellWidths()
    var hasAskedWidths = false

    /// nil where there is no terminal to write to, or libedit does not start.
    init?(history: History, mailbox: Mailbox, hasColor: Bool) {
        // SAFETY: the sink lives as long as the handle that writes into it; see deinit.
        unsafe sink = .allocate(capacity: 1)
        unsafe sink.initialize(to: stave_sink())
        guard !Environment.isDumbTerminal, TextCells.usesUTF8(),
            let terminal = Self.openTerminal(), let stream = unsafe stave_open_sink(sink),
            let handle = unsafe stave_el_open("stave", stream, STDIN_FILENO, terminal),
            let lines = unsafe history_init()
        else {
            unsafe sink.deallocate()
            return nil
        }
        self.mailbox = mailbox
        self.terminal = terminal
        unsafe self.handle = handle
        unsafe self.lines = lines
        display = Display(descriptor: terminal, hasColor: hasColor)
        // SAFETY: fills in the struct.
        unsafe _ = tcgetattr(STDIN_FILENO, &settings)
        // SAFETY: the editor outlives its handle.
        unsafe _ = stave_el_set_data(handle, Unmanaged.passUnretained(self).toOpaque())
        unsafe _ = stave_el_set_no_prompt(handle)
        unsafe _ = stave_el_set_editor(handle, "emacs")
        unsafe _ = stave_el_set_number(handle, EL_SIGNAL, 0)
        unsafe _ = stave_history_set_size(lines, Int32(History.capacity))
        unsafe _ = stave_el_set_history(handle, lines)
        unsafe stave_el_take_signal_keys(handle)
        unsafe _ = stave_el_set_reader(handle) { handle, result in
            unsafe LineEditor.of(handle).readKey(result!)
        }
        for line in history.lines { remember(line) }
        addFunctions()
        unsafe _ = el_source(handle, nil)
        unsafe stave_el_mark_capabilities(handle)
        keys.isVi = unsafe stave_el_is_vi(handle) != 0
        keys.bound = EditorSettings.boundSequences
        bindKeys()
        keys.idle = { [unowned self] in idle() }
        keys.dropped = { [unowned self] in tell(of: $0) }
        keys.place = { [unowned self] in takeWidth(column: $0) }
    }

    deinit {
        // SAFETY: nothing calls into libedit any more.
        unsafe history_end(lines)
        unsafe el_end(handle)
        unsafe sink.deallocate()
    }

    static func openTerminal() -> Int32? {
        if isatty(STDOUT_FILENO) == 1 { return STDOUT_FILENO }
        // SAFETY: the paths are C strings during the calls.
        var descriptor = unsafe stave_open("/dev/tty", O_RDWR | O_CLOEXEC, 0)
        if descriptor < 0, let name = unsafe ttyname(STDIN_FILENO) {
            descriptor = unsafe stave_open(name, O_RDWR | O_CLOEXEC | O_NOCTTY, 0)
        }
        return descriptor < 0 ? nil : descriptor
    }

    static func of(_ handle: OpaquePointer?) -> LineEditor {
        // SAFETY: init stored the editor there, and it outlives the handle.
        unsafe Unmanaged<LineEditor>.fromOpaque(stave_el_data(handle)!).takeUnretainedValue()
    }

    /// `edit off` in ~/.editrc: the terminal edits.
    var isOff: Bool { unsafe stave_el_number(handle, EL_EDITMODE) == 0 }

    /// Puts a line where the arrow keys and Ctrl-R find it.
    func remember(_ line: String) {
        guard !line.isEmpty, !line.hasPrefix(" ") else { return }
        unsafe _ = stave_history_enter(lines, line)
        history.add(line)
    }

    /// - Parameter isCommand: false for a question, whose answer is a word.
    func readLine(prompt: StyledText, isCommand: Bool = true) -> Reading {
        begin(prompt, isCommand)
        Signals.beginEditing()
        defer { Signals.endEditing() }
        var count: Int32 = 0
        // SAFETY: the result is copied at once.
        let found = unsafe el_wgets(handle, &count)
        display.raw("\u{1B}[?2004l")
        if wasCancelled {
            finish("^C")
            return .cancelled
        }
        guard let found = unsafe found, count > 0, Signals.endingSignal == nil else {
            finish("")
            giveTerminalBack()
            return .end
        }
        let buffer = unsafe UnsafeBufferPointer(start: found, count: Int(count))
        var text = unsafe Self.scalars(buffer)
        if text.last == "\n" { text.removeLast() }
        last = Line(text: text, cursor: text.count)
        finish("")
        if let broken {
            return .refused(
                "nothing was done: \(Self.name(of: broken)) cannot be typed or pasted; write"
                    + " \(broken.spelled) in double quotes", line: text.string)
        }
        return .line(text.string)
    }

    private func begin(_ prompt: StyledText, _ isCommand: Bool) {
        (self.prompt, self.isCommand) = (prompt, isCommand)
        (last, wasReplaced, room, wasCancelled) = (Line(), false, 0, false)
        settled = Line()
        syntax = LineSyntax([])
        (search, ghost, list, broken) = (nil, [], nil, nil)
        undo = UndoList()
        history.endWalk()
        keys.reset()
        display.measure()
        display.forget()
        // Asks the terminal to mark pasted text; see `KeyReader`. What may stand below is cleared.
        display.raw("\u{1B}[?2004h \u{1B}[J\r")
    }

    // MARK: The terminal's settings

    /// Other programs, and the parent, get the terminal as it was found: rule 2.
    func giveTerminalBack() {
        unsafe _ = stave_el_set_number(handle, EL_PREP_TERM, 0)
        // SAFETY: reads the struct.
        unsafe _ = tcsetattr(STDIN_FILENO, TCSANOW, &settings)
    }

    /// The terminal may have any mode now, and the cursor stands at the start of a row.
    func takeTerminal() {
        unsafe _ = stave_el_set_number(handle, EL_PREP_TERM, 0)
        unsafe _ = stave_el_set_number(handle, EL_PREP_TERM, 1)
        display.measure()
        display.forget()
        display.raw("\u{1B}[?2004h \u{1B}[J\r")
    }
}

// MARK: - libedit's buffer

extension LineEditor {
    static func scalars(_ characters: some Collection<wchar_t>) -> Scalars {
        characters.map { Unicode.Scalar(UInt32(bitPattern: $0)) ?? "\u{FFFD}" }
    }

    /// What libedit has now.
    var line: Line {
        // SAFETY: libedit's own line, which nothing changes meanwhile: rule 3.
        guard let info = unsafe el_wline(handle)?.pointee, let start = unsafe info.buffer else {
            return Line()
        }
        let count = unsafe max(0, info.lastchar - start)
        let text = unsafe Self.scalars(UnsafeBufferPointer(start: start, count: count))
        return Line(text: text, cursor: unsafe min(max(0, info.cursor - start), count))
    }

    func insert(_ text: Scalars) {
        guard !text.isEmpty else { return }
        giveRoom(for: text)
        let wide = text.map { wchar_t(bitPattern: $0.value) } + [0]
        // SAFETY: ends with 0.
        unsafe _ = el_winsertstr(handle, wide)
    }

    /// - Parameter count: code points; negative to the left.
    func moveCursor(by count: Int) {
        // 0 is not a move: libedit does not look where the cursor is then.
        if count != 0 { unsafe _ = el_cursor(handle, Int32(clamping: count)) }
    }

    /// Removes code points before the cursor.
    func deleteBack(_ count: Int) {
        if count > 0 { unsafe el_deletestr(handle, Int32(clamping: count)) }
    }

    func replace(with new: Line) {
        let now = line
        moveCursor(by: now.text.count - now.cursor)
        deleteBack(now.text.count)
        insert(new.text)
        moveCursor(by: new.cursor - new.text.count)
        wasReplaced = true
    }

    /// Rule 5. A character takes up to eight columns of libedit's pictures, a newline a row.
    ///
    /// - Parameter text: what is to be inserted.
    func giveRoom(for text: Scalars = []) {
        let columns = 250
        // SAFETY: the pointers are compared, not followed.
        let count = unsafe el_wline(handle).map { unsafe $0.pointee.lastchar - $0.pointee.buffer }
        let needed =
            Self.rows(of: last.text, columns) + Self.rows(of: text, columns)
            + max(0, (count ?? 0) - last.text.count) * 8 / columns + 2
        // libedit may insert by itself before the next key is read: a macro, or what was killed.
        guard room < 2 * needed else { return }
        room = min(max(100, 4 * needed), 9_999_999)
        unsafe stave_el_set_size(handle, Int32(columns), Int32(room))
        // Its cursor may stand where it was in the old pictures.
        unsafe _ = stave_el_refresh(handle)
    }

    private static func rows(of text: Scalars, _ columns: Int) -> Int {
        var rows = 0
        var cells = 0
        for scalar in text {
            switch scalar {
            case "\n": rows += 1
            case " "..."~": cells += 1
            default: cells += 8
            }
        }
        return rows + cells / (columns - 8) + 1
    }
}
