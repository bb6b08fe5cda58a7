internal import CEditline
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
///    typed: behind Ctrl-V and ESC, in a search, in a paste; see `WakeGuard`.
/// 6. Prompts must stay allocated, are never NULL, and end with a character outside of escapes.
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
    /// Messages that appear above the prompt while a line is edited.
    let mailbox: Mailbox
    var wakeGuard = WakeGuard()
    /// The line is about to be drawn anew, on cleared rows: the messages go first.
    var showsMessages = false
    private let hasColor: Bool
    private let lines: OpaquePointer
    private var prompt = CText("")
    private var rightPrompt = CText("")
    var wasCancelled = false
    private var canPaste = false
    private var isPasteEnabled = false
    private let isDumb = Environment.isDumbTerminal

    init?(history: History, mailbox: Mailbox, hasColor: Bool) {
        self.mailbox = mailbox
        self.hasColor = hasColor
        guard stave_use_utf8() == 1, let handle = unsafe stave_el_open("stave"),
            let lines = unsafe history_init()
        else { return nil }
        unsafe self.handle = handle
        unsafe self.lines = lines
        // SAFETY: the editor outlives its handle; see deinit.
        unsafe _ = stave_el_set_data(handle, Unmanaged.passUnretained(self).toOpaque())
        unsafe _ = stave_el_set_prompt(handle) { unsafe LineEditor.of($0).currentPrompt() }
        if !isDumb {
            unsafe _ = stave_el_set_right_prompt(handle) { unsafe LineEditor.of($0).currentHint() }
        }
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
        let isVi = unsafe stave_el_is_vi(handle) != 0
        bindKeys(isVi: isVi)
        canPaste = !isDumb && !isVi
    }

    deinit {
        // SAFETY: nothing calls into libedit any more.
        unsafe history_end(lines)
        unsafe el_end(handle)
    }

    /// Puts a line where the arrow keys and Ctrl-R find it.
    func remember(_ line: String) {
        guard !line.isEmpty, !line.hasPrefix(" ") else { return }
        unsafe _ = stave_history_enter(lines, line)
    }

    func readLine(prompt text: String) -> Reading {
        prompt = CText(text)
        wasCancelled = false
        wakeGuard = WakeGuard()
        showsMessages = false
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

    /// For a prompt: text between escapes that libedit does not count as columns.
    static func styled(_ text: String, _ code: String) -> String {
        text.isEmpty ? "" : "\u{1}\u{1B}[\(code)m\u{1}\(text)\u{1}\u{1B}[0m\u{1}"
    }

    static func of(_ handle: OpaquePointer?) -> LineEditor {
        // SAFETY: init stored the editor there, and it outlives the handle.
        unsafe Unmanaged<LineEditor>.fromOpaque(stave_el_data(handle)!).takeUnretainedValue()
    }

    private func currentPrompt() -> UnsafeMutablePointer<CChar> {
        if showsMessages {
            showsMessages = false
            let lines = mailbox.take().map { $0 + "\r\n" }.joined()
            unsafe stave_put((isDumb ? "" : "\u{1B}[J") + lines)
        }
        return unsafe prompt.pointer
    }

    private func currentHint() -> UnsafeMutablePointer<CChar> {
        let text = hint(textBeforeCursor(wholeLine: true))
        rightPrompt = CText(
            text.isEmpty ? "" : (hasColor ? Self.styled(text, "2") : text) + " ")
        return unsafe rightPrompt.pointer
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

    /// Marks pasted text, so that its newlines do not run commands; see `paste`.
    func enablePaste(_ isOn: Bool) {
        guard canPaste, isOn != isPasteEnabled else { return }
        isPasteEnabled = isOn
        unsafe stave_put(isOn ? "\u{1B}[?2004h" : "\u{1B}[?2004l")
    }
}

/// A C string that libedit may hold on to for as long as this lives.
@safe final class CText {
    let pointer: UnsafeMutablePointer<CChar>

    // SAFETY: strdup's memory is ours until deinit.
    init(_ text: String) { unsafe pointer = strdup(text) }

    deinit { unsafe free(pointer) }
}
