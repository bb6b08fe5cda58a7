internal import CEditline
internal import Glibc

/// What the keys do. A C function cannot capture, so each finds its editor through the handle.
extension LineEditor {
    private typealias KeyFunction = @convention(c) (OpaquePointer?, Int32) -> UInt8

    func addFunctions() {
        unsafe add("stave-complete") { handle, _ in unsafe LineEditor.of(handle).complete() }
        unsafe add("stave-end") { handle, _ in unsafe LineEditor.of(handle).endOrDelete() }
        unsafe add("stave-cancel") { handle, _ in unsafe LineEditor.of(handle).cancel() }
        unsafe add("stave-suspend") { handle, _ in
            unsafe LineEditor.of(handle).suspend(byKey: true)
        }
        unsafe add("stave-paste") { handle, _ in unsafe LineEditor.of(handle).paste() }
        unsafe add("stave-wake") { handle, _ in unsafe LineEditor.of(handle).showNews() }
        unsafe add("stave-line-end") { handle, _ in unsafe LineEditor.of(handle).moveToLineEnd() }
        unsafe add("stave-find-older") { handle, _ in
            unsafe LineEditor.of(handle).beginSearch(.older)
        }
        unsafe add("stave-find-newer") { handle, _ in
            unsafe LineEditor.of(handle).beginSearch(.newer)
        }
        unsafe add("stave-search") { handle, _ in unsafe LineEditor.of(handle).showSearch() }
    }

    private func add(_ name: String, _ function: KeyFunction) {
        // SAFETY: libedit copies the name.
        unsafe _ = stave_el_add_function(handle, name, function)
    }

    /// After ~/.editrc, which may have reset the key map. None of these begins with ESC, which in vi's
    /// mode would swallow the key behind it; see `KeyReader`.
    func bindKeys() {
        var everywhere = [
            ("^C", "stave-cancel"), ("^Z", "stave-suspend"), ("^D", "stave-end"),
            ("^R", "stave-find-older"), ("^S", "stave-find-newer"),
        ]
        for key in KeyReader.Key.allCases {
            let function = key.function ?? "stave-\(key)"
            everywhere.append(("\\" + String(key.rawValue, radix: 8), function))
        }
        for (key, function) in everywhere {
            unsafe _ = stave_el_bind(handle, key, function)
            if keys.isVi { unsafe _ = stave_el_bind_alternative(handle, key, function) }
        }
        unsafe _ = stave_el_bind(handle, "^I", "stave-complete")
        // In vi's insert mode libedit's own stops before the last character.
        let end = "\\" + String(KeyReader.Key.end.rawValue, radix: 8)
        unsafe _ = stave_el_bind(handle, end, "stave-line-end")
    }

    /// One character for libedit: 1 with the character, 0 at the end of input, -1 on an error.
    /// A signal that ends the process counts as the end of input.
    func readCharacter(_ result: UnsafeMutablePointer<Int32>) -> Int32 {
        mendCursor()
        makeRoom()
        if keys.isEmpty, !Signals.waitToRead(STDIN_FILENO, milliseconds: 0) { drawHint() }
        let input = keys.next(hasNews: { Signals.hasEditorNews || !mailbox.isEmpty })
        eraseHint()
        switch input {
        case .character(let key):
            let scalar = search == nil ? key : searchKey(key)
            // SAFETY: libedit's own variable.
            unsafe result.pointee = Int32(scalar.value)
            return 1
        case .end: return 0
        case .failed: return -1
        }
    }

    // MARK: What the keys do

    /// Returns a code of libedit: what it must draw.
    private func insert(_ text: String) -> UInt8 {
        makeRoom(for: text)
        return unsafe el_insertstr(handle, text) == 0 ? UInt8(CC_REFRESH) : UInt8(CC_ERROR)
    }

    private func moveToLineEnd() -> UInt8 {
        unsafe _ = el_cursor(handle, Int32(clamping: lineLength))
        return UInt8(CC_CURSOR)
    }

    /// Ctrl-D: the end on an empty line, and otherwise deletes the character under the cursor.
    private func endOrDelete() -> UInt8 {
        // SAFETY: the line's pointers are compared, not followed.
        guard let line = unsafe el_line(handle)?.pointee else { return UInt8(CC_EOF) }
        if unsafe line.lastchar == line.buffer {
            put("\r\n")
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
        moveToEnd()
        put((isDumb ? "" : "\u{1B}[J") + "^C\r\n")
        return UInt8(CC_NEWLINE)
    }

    /// Stops the process with the terminal as the parent shell wants it, and draws the line again.
    ///
    /// - Parameter byKey: as the terminal does it, the whole group is stopped then; else this process.
    private func suspend(byKey: Bool) -> UInt8 {
        put((byKey ? "^Z" : "") + "\r\n")
        enablePaste(false)
        unsafe _ = stave_el_set_number(handle, EL_PREP_TERM, 0)
        Signals.stopProcess(withGroup: byKey)
        return resume()
    }

    /// The terminal may have any mode now, and the cursor may stand anywhere.
    private func resume() -> UInt8 {
        unsafe _ = stave_el_set_number(handle, EL_PREP_TERM, 0)
        unsafe _ = stave_el_set_number(handle, EL_PREP_TERM, 1)
        enablePaste(false)
        enablePaste(true)
        takeSize()
        return UInt8(CC_NORM)
    }

    /// Inserts what was pasted, as it is: its newlines run nothing until Enter.
    private func paste() -> UInt8 {
        keys.pasted.isEmpty ? UInt8(CC_REFRESH) : insert(String(keys.pasted))
    }

    private func showNews() -> UInt8 {
        if Signals.takeStop() { return suspend(byKey: false) }
        if Signals.takeContinuation() {
            put("\r\n")
            return resume()
        }
        showsMessages = !mailbox.isEmpty
        if Signals.takeResize() {
            eraseRows()
            takeSize()
            return UInt8(CC_NORM)
        }
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
        put("\r\n" + (isDumb ? "" : "\u{1B}[J") + Completion.list(result, on: screen))
        // The prompt is drawn anew below the list.
        unsafe _ = stave_el_refresh(handle)
        return UInt8(CC_NORM)
    }
}
