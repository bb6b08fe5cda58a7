internal import CLinux
internal import CEditline
internal import Glibc

/// Between two keys.
extension LineEditor {
    /// One character for libedit: 1 with the character, 0 at the end of input, -1 on an error.
    /// A signal that ends the process counts as the end of input.
    func readKey(_ result: UnsafeMutablePointer<Int32>) -> Int32 {
        settle()
        giveRoom()
        takeSink()
        takeNews()
        switch keys.next() {
        case .character(let key, let isQuoted):
            let scalar = isQuoted ? key : meaning(of: key)
            list = nil
            // SAFETY: libedit's own variable.
            unsafe result.pointee = Int32(scalar.value)
            return 1
        case .end: return 0
        case .failed: return -1
        }
    }

    /// Keys that go to the end of the line, or beyond, take the dim text that stands there; Enter
    /// in an open quote begins a new row.
    private func meaning(of key: Unicode.Scalar) -> Unicode.Scalar {
        typealias Key = KeyReader.Key
        let isOffered = !ghost.isEmpty && last.cursor == last.text.count
        switch key {
        case Key.right.scalar, Key.end.scalar, "\u{6}", "\u{5}":
            return isOffered ? Key.take.scalar : key
        case Key.wordRight.scalar: return isOffered ? Key.takeWord.scalar : key
        case "\u{17}" where killsToBlank && !isQuestion(last.text):
            killWord.dropFirst().reversed().forEach { keys.putBack($0) }
            return killWord[0]
        case "\r", "\n":
            let isOpen = isCommand && syntax.openQuote != nil && !isQuestion(last.text)
            return isOpen ? Key.newline.scalar : key
        default: return key
        }
    }

    /// libedit's own questions stand in its buffer: vi's / and ? and commands in place of the line,
    /// the search of emacs behind it.
    func isQuestion(_ text: Scalars) -> Bool {
        guard let newline = text.lastIndex(of: "\n") else { return false }
        let rest = text[(newline + 1)...]
        let viKeys: Scalars = ["/", "?", ":"]
        if keys.isVi, newline == 0, let first = rest.first, viKeys.contains(first) { return true }
        return ["bck:", "bck?", "fwd:", "fwd?"].contains { rest.starts(with: $0.unicodeScalars) }
    }

    // MARK: Whole characters

    /// libedit moves and deletes by code point. After each of its commands this goes on to the edge
    /// of the grapheme cluster, in the direction that the command had.
    private func settle() {
        mendCursor()
        var now = line
        defer { wasReplaced = false }
        guard now != last else { return }
        if !wasReplaced, !isQuestion(now.text), !isQuestion(last.text) {
            if now.text == last.text {
                snap(&now, forward: now.cursor > last.cursor, pastEnd: !keys.isVi)
            } else if now.text.count < last.text.count {
                deleteRest(&now)
            }
        }
        if !isQuestion(now.text) {
            if now.text != settled.text { undo.note(settled, now) }
            settled = now
        }
        if now.text != last.text {
            history.didChange(to: now)
            syntax = LineSyntax(now.text)
            // Only what stands on the screen can be taken.
            ghost = []
            if now.text.isEmpty { broken = nil }
        }
        last = now
    }

    /// Rule 7.
    private func mendCursor() {
        // SAFETY: the pointers are compared, not followed.
        guard let info = unsafe el_wline(handle)?.pointee else { return }
        let distance = unsafe info.buffer - info.cursor
        if distance > 0 { moveCursor(by: distance) }
    }

    /// Where text was only removed: removes the rest of the clusters that were cut.
    private func deleteRest(_ now: inout Line) {
        let old = last.text
        let (start, end) = (now.cursor, now.cursor + old.count - now.text.count)
        guard end <= old.count, old[..<start] == now.text[..<start],
            old[end...] == now.text[start...]
        else { return }
        var (from, to) = (0, old.count)
        for edge in TextCells.ends(old) {
            if edge <= start { from = edge }
            if edge >= end {
                to = edge
                break
            }
        }
        guard to > end || from < start else { return }
        moveCursor(by: to - end)
        deleteBack(to - end + start - from)
        now = line
    }

    /// - Parameter pastEnd: the cursor may stand behind the last cluster: always but after a
    ///   motion in vi's mode.
    private func snap(_ now: inout Line, forward: Bool, pastEnd: Bool) {
        // Between two of these is always an edge.
        if now.cursor == now.text.count || now.text[now.cursor].value < 0x300 { return }
        var from = 0
        for edge in TextCells.ends(now.text) {
            if from >= now.cursor { return }
            if edge > now.cursor {
                let target = forward && (pastEnd || edge < now.text.count) ? edge : from
                moveCursor(by: target - now.cursor)
                now.cursor = target
                return
            }
            from = edge
        }
    }

    // MARK: What happens meanwhile

    /// Before each wait for a key: shows what is new.
    func idle() {
        takeNews()
        if search == nil, !isQuestion(last.text) {
            snap(&last, forward: true, pastEnd: true)
        }
        draw()
    }

    /// A beep and a cleared screen, whatever key has them, are single bytes in the sink.
    private func takeSink() {
        // SAFETY: libedit writes there only while it is called.
        if unsafe sink.pointee.clears > 0 { display.clear() }
        if unsafe sink.pointee.beeps > 0 { display.beep() }
        unsafe sink.pointee = stave_sink()
    }

    /// Signals and messages; libedit is not told of any.
    private func takeNews() {
        if Signals.takeStop() { suspend(byKey: false) }
        if Signals.takeContinuation() {
            // The terminal may have any mode, and the cursor may stand anywhere.
            display.raw("\r\n")
            takeTerminal()
        }
        takeSize()
        let messages = mailbox.take()
        if !messages.isEmpty { display.interrupt(messages.map { $0 + "\r\n" }.joined()) }
    }

    func takeSize() {
        if Signals.takeResize() { display.resize() }
    }

    static func name(of dropped: KeyReader.Dropped) -> String {
        let bytes = dropped.bytes.count == 1 ? "the byte" : "the bytes"
        return "\(dropped.isControl ? "the control character" : bytes) \(dropped.spelled)"
    }

    /// Nothing is dropped from a line in silence: a paste is refused at once, a line at Enter.
    func tell(of dropped: KeyReader.Dropped) {
        display.beep()
        guard dropped.isPaste else {
            broken = broken ?? dropped
            return
        }
        display.interrupt(
            "nothing was pasted: \(Self.name(of: dropped)) is in it; write \(dropped.spelled) in"
                + " double quotes, or read the value from a file: set KEY < FILE\r\n")
    }
}
