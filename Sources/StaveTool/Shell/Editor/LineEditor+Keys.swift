internal import CEditline
internal import Glibc

/// What the keys do. A C function cannot capture, so each finds its editor through the handle.
extension LineEditor {
    private typealias KeyFunction = @convention(c) (OpaquePointer?, Int32) -> UInt8

    func addFunctions() {
        unsafe add("stave-complete") { handle, _ in unsafe LineEditor.of(handle).complete() }
        unsafe add("stave-eof") { handle, _ in unsafe LineEditor.of(handle).endOrDelete() }
        unsafe add("stave-cancel") { handle, _ in unsafe LineEditor.of(handle).cancel() }
        unsafe add("stave-suspend") { handle, _ in
            unsafe LineEditor.of(handle).run { $0.suspend(byKey: true) }
        }
        unsafe add("stave-paste") { handle, _ in
            unsafe LineEditor.of(handle).run { $0.insert($0.keys.pasted) }
        }
        unsafe add("stave-newline") { handle, _ in
            unsafe LineEditor.of(handle).run { $0.insert(["\n"]) }
        }
        // libedit's own stops before the last character in vi's mode, while text is typed, too.
        unsafe add("stave-end") { handle, _ in
            unsafe LineEditor.of(handle).run { $0.moveCursor(by: $0.last.text.count) }
        }
        unsafe add("stave-stay") { _, _ in UInt8(CC_NORM) }
        unsafe add("stave-up") { handle, _ in unsafe LineEditor.of(handle).walk(.older) }
        unsafe add("stave-down") { handle, _ in unsafe LineEditor.of(handle).walk(.newer) }
        unsafe add("stave-lastWord") { handle, _ in unsafe LineEditor.of(handle).insertLastWord() }
        unsafe add("stave-take") { handle, _ in
            unsafe LineEditor.of(handle).run { $0.insert($0.ghost) }
        }
        unsafe add("stave-takeWord") { handle, _ in unsafe LineEditor.of(handle).takeGhostWord() }
        unsafe add("stave-wordStart") { handle, _ in unsafe LineEditor.of(handle).goToWordStart() }
        unsafe add("stave-wordEnd") { handle, _ in
            unsafe LineEditor.of(handle).run { $0.moveCursor(by: $0.wordEnd - $0.line.cursor) }
        }
        unsafe add("stave-undo") { handle, _ in unsafe LineEditor.of(handle).takeBack() }
        unsafe add("stave-transpose") { handle, _ in unsafe LineEditor.of(handle).transpose() }
        unsafe add("stave-edit") { handle, _ in unsafe LineEditor.of(handle).editElsewhere() }
        unsafe add("stave-find-older") { handle, _ in
            unsafe LineEditor.of(handle).run { $0.find(.older) }
        }
        unsafe add("stave-find-newer") { handle, _ in
            unsafe LineEditor.of(handle).run { $0.find(.newer) }
        }
    }

    private func add(_ name: String, _ function: KeyFunction) {
        // SAFETY: libedit copies the name.
        unsafe _ = stave_el_add_function(handle, name, function)
    }

    /// After ~/.editrc, which may have reset the key map. None of these begins with ESC, which in
    /// vi's mode would swallow the key behind it; see `KeyReader`.
    func bindKeys() {
        var everywhere = [
            ("^C", "stave-cancel"), ("^Z", "stave-suspend"), ("^D", "stave-eof"),
        ]
        everywhere += [
            ("^R", "stave-find-older"), ("^S", "stave-find-newer"), ("^_", "stave-undo"),
            ("^X^E", "stave-edit"),
        ].filter { !boundKeys.contains(String($0.0.prefix(2))) }
        for key in KeyReader.Key.allCases {
            let function = key.function ?? "stave-\(key)"
            everywhere.append(("\\" + String(key.rawValue, radix: 8), function))
        }
        for (key, function) in everywhere {
            unsafe _ = stave_el_bind(handle, key, function)
            if keys.isVi { unsafe _ = stave_el_bind_alternative(handle, key, function) }
        }
        unsafe _ = stave_el_bind(handle, "^I", "stave-complete")
        if keys.isVi {
            // libedit's own runs the editor on a raw terminal.
            unsafe _ = stave_el_bind_alternative(handle, "v", "stave-edit")
            // Behind ESC libedit would take the next key for the rest of a sequence: ESC ESC i is
            // to be the same as ESC i.
            if keys.bound.isEmpty {
                unsafe _ = stave_el_bind_alternative(handle, "^[", "stave-stay")
            }
            // libedit would type it into the line.
            if !boundKeys.contains("^L") {
                unsafe _ = stave_el_bind(handle, "^L", "ed-clear-screen")
            }
        } else if !boundKeys.contains("^T") {
            unsafe _ = stave_el_bind(handle, "^T", "stave-transpose")
        }
    }

    /// Returns a code of libedit.
    private func run(_ body: (LineEditor) -> Void) -> UInt8 {
        body(self)
        return UInt8(CC_REFRESH)
    }

    /// Ctrl-D: the end on an empty line, or of an open quote with nothing behind its newline, and
    /// otherwise deletes the character under the cursor.
    private func endOrDelete() -> UInt8 {
        let now = line
        if now.text.isEmpty { return UInt8(CC_EOF) }
        guard now.cursor < now.text.count else {
            return now.text.last == "\n" && syntax.openQuote != nil ? cancel() : UInt8(CC_ERROR)
        }
        moveCursor(by: 1)
        deleteBack(1)
        return UInt8(CC_REFRESH)
    }

    private func cancel() -> UInt8 {
        wasCancelled = true
        last = line
        return UInt8(CC_NEWLINE)
    }

    /// Stops the process with the terminal as the parent shell wants it; the line is drawn again
    /// then.
    ///
    /// - Parameter byKey: as the terminal does it, the whole group is stopped then; else this
    ///   process.
    func suspend(byKey: Bool) {
        leaveLine(byKey ? "^Z" : "")
        Signals.stopProcess(withGroup: byKey)
        takeTerminal()
    }

    /// Another program gets the terminal, below what is typed so far.
    private func leaveLine(_ ending: String) {
        finish(ending)
        display.raw("\u{1B}[?2004l")
        giveTerminalBack()
    }

    /// libedit would exchange code points, and take a mark from its letter.
    private func transpose() -> UInt8 {
        var now = line
        var edges = [0] + TextCells.ends(now.text)
        if now.cursor < now.text.count, let next = edges.first(where: { $0 > now.cursor }) {
            edges = edges.filter { $0 <= now.cursor } + [next]
        }
        guard edges.count > 2 else { return UInt8(CC_ERROR) }
        let (start, middle, end) = (edges[edges.count - 3], edges[edges.count - 2], edges.last!)
        let text = now.text
        now.text = Scalars(
            text[..<start] + text[middle..<end] + text[start..<middle] + text[end...])
        now.cursor = end
        replace(with: now)
        return UInt8(CC_REFRESH)
    }

    /// Ctrl-W kills to the blank. libedit kills regions: so it gets the mark at the word's start,
    /// the cursor back, and its own command.
    var killWord: Scalars {
        [.wordStart, .setMark, .wordEnd, .killRegion].map { (key: KeyReader.Key) in key.scalar }
    }

    private func goToWordStart() -> UInt8 {
        let now = line
        wordEnd = now.cursor
        let blanks: Scalars = [" ", "\t", "\n"]
        var start = now.cursor
        while start > 0, blanks.contains(now.text[start - 1]) { start -= 1 }
        while start > 0, !blanks.contains(now.text[start - 1]) { start -= 1 }
        moveCursor(by: start - now.cursor)
        return UInt8(CC_REFRESH)
    }

    private func takeBack() -> UInt8 {
        guard let step = undo.takeBack() else { return UInt8(CC_ERROR) }
        replace(with: step)
        return UInt8(CC_REFRESH)
    }

    /// The dim text's next word, with the blanks before it.
    private func takeGhostWord() -> UInt8 {
        let word = ghost.drop { $0 == " " }
        let end = word.firstIndex { $0 == " " || $0 == "\n" } ?? ghost.endIndex
        insert(Scalars(ghost[..<end]))
        return UInt8(CC_REFRESH)
    }

    /// Ctrl-X Ctrl-E: the line in the person's own editor.
    private func editElsewhere() -> UInt8 {
        leaveLine("")
        let text = TextEditor.edit(line.text.string)
        takeTerminal()
        guard let text else { return UInt8(CC_REFRESH_BEEP) }
        replace(with: Line(text: text.scalars, cursor: text.unicodeScalars.count))
        return UInt8(CC_REFRESH)
    }

    private func complete() -> UInt8 {
        guard isCommand else { return UInt8(CC_ERROR) }
        let now = line
        let before = Scalars(now.text[..<now.cursor]).string
        let result = completion(before)
        let typed = String(decoding: before.utf8.dropFirst(result.wordStart), as: UTF8.self)
        if let replacement = result.replacement, replacement != typed {
            deleteBack(typed.unicodeScalars.count)
            insert(replacement.scalars)
            wasReplaced = true
        } else if result.candidates.isEmpty, result.note == nil {
            return UInt8(CC_ERROR)
        } else {
            list = result
        }
        return UInt8(CC_REFRESH)
    }
}
