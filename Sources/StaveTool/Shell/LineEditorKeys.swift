internal import CEditline
internal import Glibc

/// What the keys do. A C function cannot capture, so each finds its editor through the handle.
extension LineEditor {
    private typealias KeyFunction = @convention(c) (OpaquePointer?, Int32) -> UInt8

    /// A key that no keyboard sends: `readCharacter` returns it to have the line drawn anew.
    private static let wakeKey: Int32 = 0x9F

    func addFunctions() {
        unsafe add("stave-complete") { handle, _ in unsafe LineEditor.of(handle).complete() }
        unsafe add("stave-space") { handle, _ in unsafe LineEditor.of(handle).insert(" ") }
        unsafe add("stave-end") { handle, _ in unsafe LineEditor.of(handle).endOrDelete() }
        unsafe add("stave-cancel") { handle, _ in unsafe LineEditor.of(handle).cancel() }
        unsafe add("stave-suspend") { handle, _ in unsafe LineEditor.of(handle).suspend() }
        unsafe add("stave-paste") { handle, _ in unsafe LineEditor.of(handle).paste() }
        unsafe add("stave-wake") { handle, _ in unsafe LineEditor.of(handle).redraw() }
    }

    private func add(_ name: String, _ function: KeyFunction) {
        // SAFETY: libedit copies the name.
        unsafe _ = stave_el_add_function(handle, name, function)
    }

    /// After ~/.editrc. In vi mode no key may begin with ESC, which would swallow the key behind it.
    func bindKeys(isVi: Bool) {
        let everywhere = [
            ("^C", "stave-cancel"), ("^Z", "stave-suspend"), ("^D", "stave-end"),
            ("\\237", "stave-wake"), ("^R", "em-inc-search-prev"),
        ]
        for (key, function) in everywhere {
            unsafe _ = stave_el_bind(handle, key, function)
            if isVi { unsafe _ = stave_el_bind_alternative(handle, key, function) }
        }
        unsafe _ = stave_el_bind(handle, "^I", "stave-complete")
        unsafe _ = stave_el_bind(handle, " ", "stave-space")
        guard !isVi else { return }
        let sequences = [
            ("\\e[200~", "stave-paste"), ("\\e[3~", "ed-delete-next-char"),
            ("\\e[H", "ed-move-to-beg"), ("\\e[F", "ed-move-to-end"),
            ("\\eOH", "ed-move-to-beg"), ("\\eOF", "ed-move-to-end"),
            ("\\e[1~", "ed-move-to-beg"), ("\\e[4~", "ed-move-to-end"),
            ("\\e[1;5C", "em-next-word"), ("\\e[1;5D", "ed-prev-word"),
        ]
        for (key, function) in sequences { unsafe _ = stave_el_bind(handle, key, function) }
    }

    /// One character for libedit: 1 with the character, 0 at the end of input, -1 on an error.
    /// A signal that ends the process counts as the end of input.
    func readCharacter(_ result: UnsafeMutablePointer<Int32>) -> Int32 {
        var bytes: [UInt8] = []
        while true {
            if Signals.endingSignal != nil { return 0 }
            // What was typed already goes first, so that no key's sequence is torn apart.
            if bytes.isEmpty, wakeGuard.isOpen,
                !Signals.waitToRead(STDIN_FILENO, blocking: false),
                Signals.takeResize() || !mailbox.isEmpty
            {
                // SAFETY: libedit's own variable.
                unsafe result.pointee = Self.wakeKey
                return 1
            }
            guard Signals.waitToRead(STDIN_FILENO) else { continue }
            var byte: UInt8 = 0
            // SAFETY: reads one byte.
            let count = unsafe read(STDIN_FILENO, &byte, 1)
            if count == 0 { return 0 }
            if count < 0 {
                if errno == EINTR || errno == EAGAIN { continue }
                return -1
            }
            // Bytes that cannot go on to a character are dropped; the next one may begin one.
            if byte & 0xC0 != 0x80 { bytes = [] }
            bytes.append(byte)
            let scalar = unsafe bytes.withUnsafeBytes { unsafe UTF8Scan.scalar($0, 0)?.0 }
            if let scalar {
                unsafe result.pointee = Int32(scalar.value)
                wakeGuard.didRead(scalar)
                return 1
            }
            if bytes.count >= 4 || byte & 0xC0 == 0x80 && bytes.count == 1 { bytes = [] }
        }
    }

    // MARK: What the keys do

    /// Returns a code of libedit: what it must draw.
    private func insert(_ text: String) -> UInt8 {
        unsafe el_insertstr(handle, text) == 0 ? UInt8(CC_REFRESH) : UInt8(CC_ERROR)
    }

    /// Ctrl-D: the end on an empty line, and otherwise deletes the character under the cursor.
    private func endOrDelete() -> UInt8 {
        // SAFETY: the line's pointers are compared, not followed.
        guard let line = unsafe el_line(handle)?.pointee else { return UInt8(CC_EOF) }
        if unsafe line.lastchar == line.buffer {
            unsafe stave_put("\r\n")
            return UInt8(CC_EOF)
        }
        guard unsafe line.cursor < line.lastchar else { return UInt8(CC_REFRESH_BEEP) }
        unsafe _ = el_cursor(handle, 1)
        unsafe el_deletestr(handle, 1)
        return UInt8(CC_REFRESH)
    }

    private func cancel() -> UInt8 {
        wasCancelled = true
        unsafe _ = stave_el_set_number(handle, EL_PREP_TERM, 1)
        unsafe stave_put("\u{1B}[J^C\r\n")
        return UInt8(CC_NEWLINE)
    }

    /// Stops the process with the terminal as the parent shell wants it, and draws the line again.
    private func suspend() -> UInt8 {
        unsafe stave_put("^Z\r\n")
        enablePaste(false)
        unsafe _ = stave_el_set_number(handle, EL_PREP_TERM, 0)
        kill(getpid(), SIGTSTP)
        unsafe _ = stave_el_set_number(handle, EL_PREP_TERM, 1)
        enablePaste(true)
        unsafe _ = stave_el_refresh(handle)
        return UInt8(CC_NORM)
    }

    /// Inserts what the terminal marks as pasted, as it is: its newlines run nothing until Enter.
    private func paste() -> UInt8 {
        var text = String.UnicodeScalarView()
        let ending = "\u{1B}[201~".unicodeScalars
        wakeGuard.isPasting = true
        defer { wakeGuard = WakeGuard() }
        while !text.reversed().starts(with: ending.reversed()) {
            var character: Int32 = 0
            // SAFETY: readCharacter sets one integer.
            guard unsafe readCharacter(&character) == 1 else { return UInt8(CC_EOF) }
            guard let scalar = Unicode.Scalar(UInt32(character)) else { continue }
            text.append(scalar)
        }
        text.removeLast(ending.count)
        let shown = text.map { $0 == "\r" ? "\n" : $0 }.filter { $0 == "\n" || $0.value >= 0x20 }
        var pasted = String.UnicodeScalarView(shown)
        while pasted.last == "\n" { pasted.removeLast() }
        return pasted.isEmpty ? UInt8(CC_REFRESH) : insert(String(pasted))
    }

    private func redraw() -> UInt8 {
        unsafe el_resize(handle)
        showsMessages = !mailbox.isEmpty
        return UInt8(CC_REDISPLAY)
    }

    // MARK: Completion

    private func complete() -> UInt8 {
        let before = textBeforeCursor()
        let result = completion(before)
        guard !result.candidates.isEmpty else { return UInt8(CC_REFRESH_BEEP) }
        let typed = String(decoding: before.utf8.dropFirst(result.wordStart), as: UTF8.self)
        if let replacement = result.replacement, replacement != typed {
            unsafe el_deletestr(handle, Int32(typed.unicodeScalars.count))
            return insert(replacement)
        }
        unsafe stave_put("\r\n\u{1B}[J" + Completion.list(result))
        // The prompt is drawn anew below the list.
        return UInt8(CC_REDISPLAY)
    }
}

/// Whether the editor may be woken now, by what was typed before; see rule 5 of `LineEditor`.
struct WakeGuard {
    private var last: Unicode.Scalar?
    private var isSearching = false
    var isPasting = false

    var isOpen: Bool {
        !isPasting && !isSearching && last != "\u{16}" && last != "\u{1B}"
    }

    /// Ctrl-R begins a search; any control character but Ctrl-R, Ctrl-S and those that delete ends it.
    mutating func didRead(_ scalar: Unicode.Scalar) {
        last = scalar
        if scalar == "\u{12}" { isSearching = true }
        if scalar.value < 0x20, ![0x08, 0x12, 0x13, 0x15, 0x17].contains(scalar.value) {
            isSearching = false
        }
    }
}
