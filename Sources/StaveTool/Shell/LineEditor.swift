internal import CEditline
internal import CLinux
internal import Glibc

/// A line of input at a terminal, edited with libedit.
///
/// Belongs to the one thread that made it: libedit has static state. Rules, each of them a trap that
/// was met:
///
/// 1. Ctrl-C, Ctrl-Z and Ctrl-\ reach us as bytes (`-isig`). As signals they end el_gets in ways that
///    look like the end of input, inside Ctrl-R for instance.
/// 2. The terminal is made raw before el_gets prints the prompt; keys that are sent between the two
///    would meet a cooked terminal and be lost.
/// 3. Strings from libedit lie in one shared buffer and are copied before the next call.
/// 4. ~/.editrc may reset the key map, so our keys are bound again after it was read.
/// 5. What wakes the editor is a character of its own, so it is held back wherever that would count as
///    typed: behind Ctrl-V, in vi's searches; see `KeyReader`.
/// 6. Prompts must stay allocated, are never NULL, and end with a character outside of escapes.
/// 7. libedit's buffers of the screen must hold the whole line; see `EditorRoom`.
@safe final class LineEditor {
    enum Reading {
        case line(String)
        /// Ctrl-C.
        case cancelled
        /// Ctrl-D on an empty line, the terminal went away, or a signal that ends the process.
        case end
    }

    /// What may stand for the word before the cursor; see `Completion`.
    var completion: (String) -> Completion.Result = { _ in .init() }
    /// A short text for the right edge, given the line so far.
    var hint: (String) -> String = { _ in "" }

    let handle: OpaquePointer
    let keys = KeyReader(descriptor: STDIN_FILENO)
    /// Messages that appear above the prompt while a line is edited.
    let mailbox: Mailbox
    /// The line is about to be drawn anew, on cleared rows: the messages go first.
    var showsMessages = false
    let isDumb = Environment.isDumbTerminal
    var wasCancelled = false
    /// Rows that libedit can draw; 0 where the line has not been drawn yet.
    var room = 0
    /// What Ctrl-R has found so far; nil outside of a search.
    var search: HistorySearch?
    /// What was searched for last.
    var lastPattern = ""
    /// What a search goes through, oldest first.
    private(set) var remembered: [String] = []
    private let hasColor: Bool
    /// The terminal: stdout, or, where that leads elsewhere, the one that is typed at.
    private let terminal: UnsafeMutablePointer<FILE>
    private let lines: OpaquePointer
    private let nothing = CText("")
    private var prompt = CText("")
    private(set) var promptText = ""
    private var showsHint = false
    private var isPasteEnabled = false

    /// nil where there is no terminal to write to, or libedit does not start.
    init?(history: History, mailbox: Mailbox, hasColor: Bool) {
        self.mailbox = mailbox
        self.hasColor = hasColor
        guard TextCells.usesUTF8(), let terminal = unsafe Self.openTerminal(),
            let handle = unsafe stave_el_open("stave", terminal), let lines = unsafe history_init()
        else { return nil }
        unsafe self.terminal = terminal
        unsafe self.handle = handle
        unsafe self.lines = lines
        // SAFETY: the editor outlives its handle; see deinit.
        unsafe _ = stave_el_set_data(handle, Unmanaged.passUnretained(self).toOpaque())
        unsafe _ = stave_el_set_prompt(handle) { unsafe LineEditor.of($0).currentPrompt() }
        unsafe _ = stave_el_set_editor(handle, "emacs")
        unsafe _ = stave_el_set_number(handle, EL_SIGNAL, 0)
        unsafe _ = stave_history_set_size(lines, Int32(History.capacity))
        unsafe _ = stave_el_set_history(handle, lines)
        unsafe _ = stave_el_take_signal_keys(handle)
        unsafe _ = stave_el_set_reader(handle) { handle, result in
            unsafe LineEditor.of(handle).readCharacter(result!)
        }
        for line in history.lines { remember(line) }
        addFunctions()
        unsafe _ = el_source(handle, nil)
        keys.isVi = unsafe stave_el_is_vi(handle) != 0
        keys.bound = EditorSettings.boundSequences
        bindKeys()
    }

    deinit {
        // SAFETY: nothing calls into libedit any more.
        unsafe history_end(lines)
        unsafe el_end(handle)
    }

    private static func openTerminal() -> UnsafeMutablePointer<FILE>? {
        if isatty(STDOUT_FILENO) == 1 { return unsafe stave_stdout() }
        // SAFETY: the paths are C strings during the calls; the stream owns the descriptor.
        var descriptor = unsafe stave_open("/dev/tty", O_RDWR | O_CLOEXEC, 0)
        if descriptor < 0, let name = unsafe ttyname(STDIN_FILENO) {
            descriptor = unsafe stave_open(name, O_RDWR | O_CLOEXEC | O_NOCTTY, 0)
        }
        return descriptor < 0 ? nil : unsafe fdopen(descriptor, "w")
    }

    /// Puts a line where the arrow keys and Ctrl-R find it.
    func remember(_ line: String) {
        guard !line.isEmpty, !line.hasPrefix(" ") else { return }
        unsafe _ = stave_history_enter(lines, line)
        remembered.append(line)
        if remembered.count > History.capacity { remembered.removeFirst() }
    }

    func readLine(prompt text: String) -> Reading {
        prompt = CText(text)
        promptText = Self.unstyled(text)
        wasCancelled = false
        showsMessages = false
        showsHint = false
        room = 0
        search = nil
        keys.reset()
        Signals.beginEditing()
        defer { Signals.endEditing() }
        // SAFETY: rule 2; the result is copied at once, rule 3.
        unsafe _ = stave_el_set_number(handle, EL_PREP_TERM, 1)
        enablePaste(true)
        defer { enablePaste(false) }
        var count: Int32 = 0
        let line = unsafe el_gets(handle, &count)
        if wasCancelled { return .cancelled }
        guard let line = unsafe line, count > 0, Signals.endingSignal == nil else {
            unsafe _ = stave_el_set_number(handle, EL_PREP_TERM, 0)
            return .end
        }
        let bytes = unsafe UnsafeRawBufferPointer(start: line, count: Int(count))
        let text = unsafe String(decoding: bytes, as: UTF8.self)
        return .line(text.hasSuffix("\n") ? String(text.dropLast()) : text)
    }

    static func of(_ handle: OpaquePointer?) -> LineEditor {
        // SAFETY: init stored the editor there, and it outlives the handle.
        unsafe Unmanaged<LineEditor>.fromOpaque(stave_el_data(handle)!).takeUnretainedValue()
    }

    /// What was typed, up to the cursor or in full.
    func textBeforeCursor(wholeLine: Bool = false) -> String {
        // SAFETY: copied at once, rule 3.
        guard let info = unsafe el_line(handle) else { return "" }
        let start = unsafe info.pointee.buffer!
        let end = unsafe wholeLine ? info.pointee.lastchar! : info.pointee.cursor!
        return unsafe String(
            decoding: UnsafeRawBufferPointer(start: start, count: end - start), as: UTF8.self)
    }
}

// MARK: - What stands on the screen

extension LineEditor {
    /// For a prompt: text between escapes that libedit does not count as columns.
    static func styled(_ text: String, _ code: String) -> String {
        text.isEmpty ? "" : "\u{1}\u{1B}[\(code)m\u{1}\(text)\u{1}\u{1B}[0m\u{1}"
    }

    private static func unstyled(_ text: String) -> String {
        text.split(separator: "\u{1}", omittingEmptySubsequences: false).enumerated()
            .filter { $0.offset % 2 == 0 }.map { String($0.element) }.joined()
    }

    var screen: ScreenSize { .of(unsafe fileno(terminal)) }

    /// To the terminal, through the stream that libedit writes to, so that the two keep their order.
    func put(_ text: String) { unsafe stave_put(terminal, text) }

    /// Asks the terminal to mark pasted text; see `KeyReader`.
    func enablePaste(_ isOn: Bool) {
        guard !isDumb, isOn != isPasteEnabled else { return }
        isPasteEnabled = isOn
        put(isOn ? "\u{1B}[?2004h" : "\u{1B}[?2004l")
    }

    /// Nothing before the line has room: libedit asks before its first character is read.
    private func currentPrompt() -> UnsafeMutablePointer<CChar> {
        guard room > 0 else { return unsafe nothing.pointer }
        if showsMessages {
            showsMessages = false
            put((isDumb ? "" : "\u{1B}[J") + mailbox.take().map { $0 + "\r\n" }.joined())
        }
        return unsafe prompt.pointer
    }

    /// Shows the hint, while a key is waited for. libedit could draw it, as a right prompt, but
    /// with styles in a text that comes and goes it looks for styles that it has forgotten, and
    /// aborts.
    func drawHint() {
        guard !isDumb, search == nil else { return }
        let line = textBeforeCursor(wholeLine: true)
        let text = hint(line)
        let columns = screen.columns
        let end = TextCells.position(behind: promptText + line, columns: columns)
        let start = columns - 1 - TextCells.width(of: text)
        guard !text.isEmpty, end.row == 0, start > end.column else { return }
        showsHint = true
        putAside(hasColor ? "\u{1B}[2m\(text)\u{1B}[0m" : text, at: start)
    }

    /// Nothing of it is there when libedit draws, or the line is finished: what stays on the screen
    /// reads like a transcript.
    func eraseHint() {
        guard showsHint else { return }
        showsHint = false
        let line = promptText + textBeforeCursor(wholeLine: true)
        putAside("\u{1B}[K", at: TextCells.position(behind: line, columns: screen.columns).column)
    }

    /// In the row of the cursor, which stays where it is.
    private func putAside(_ text: String, at column: Int) {
        let cursor = TextCells.position(
            behind: promptText + textBeforeCursor(), columns: screen.columns)
        let distance = column - cursor.column
        put("\u{1B}7" + (distance > 0 ? "\u{1B}[\(distance)C" : "") + text + "\u{1B}8")
    }

    /// Puts the cursor behind the line, wherever in it it stands.
    func moveToEnd() {
        let columns = screen.columns
        let cursor = TextCells.position(behind: promptText + textBeforeCursor(), columns: columns)
        let end = TextCells.position(
            behind: promptText + textBeforeCursor(wholeLine: true), columns: columns)
        guard !isDumb, cursor != end else { return }
        let down = end.row - cursor.row
        put(
            (down > 0 ? "\u{1B}[\(down)B" : "") + "\r"
                + (end.column > 0 ? "\u{1B}[\(end.column)C" : ""))
    }

    /// Clears the rows of prompt and line and puts the cursor on their first, after the width changed.
    /// Terminals wrap anew what stands there, and the cursor stays with its character.
    func eraseRows() {
        guard !isDumb else { return put("\r\n") }
        let rows = TextCells.position(
            behind: promptText + textBeforeCursor(), columns: screen.columns
        ).row
        put("\r" + (rows > 0 ? "\u{1B}[\(rows)A" : "") + "\u{1B}[J")
    }
}

/// Text as it stands on a terminal, the way libedit shows it.
enum TextCells {
    /// Where the cursor stands behind `text`, which begins in the first column.
    static func position(behind text: String, columns: Int) -> (row: Int, column: Int) {
        var (row, column) = (0, 0)
        for scalar in text.unicodeScalars {
            if scalar == "\n" {
                (row, column) = (row + 1, 0)
                continue
            }
            let width = scalar == "\t" ? 8 - column % 8 : self.width(of: scalar)
            if column + width > columns { (row, column) = (row + 1, 0) }
            column += width
            if column == columns { (row, column) = (row + 1, 0) }
        }
        return (row, column)
    }

    /// Takes a locale in which widths are known; false where there is none.
    static func usesUTF8() -> Bool { stave_use_utf8() == 1 }

    static func width(of text: String) -> Int {
        text.unicodeScalars.reduce(0) { $0 + width(of: $1) }
    }

    /// A control character is shown as ^ and a letter.
    private static func width(of scalar: Unicode.Scalar) -> Int {
        if scalar.value < 0x20 || scalar.value == 0x7F { return 2 }
        let width = Int(stave_width(scalar.value))
        // What cannot be printed is shown as \U+ and its number.
        return width >= 0 ? width : scalar.value > 0xFFFF ? 8 : 7
    }
}

/// A C string that libedit may hold on to for as long as this lives.
@safe final class CText {
    let pointer: UnsafeMutablePointer<CChar>

    // SAFETY: strdup's memory is ours until deinit.
    init(_ text: String) { unsafe pointer = strdup(text) }

    deinit { unsafe free(pointer) }
}
