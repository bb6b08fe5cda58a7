internal import Glibc

/// What a terminal sends, as characters and keys.
///
/// A key that sends more than one character, such as Home, is recognised here and not by libedit: then it
/// is one key in every mode, emacs or vi; what no key of ours sends inserts nothing; and pasted text,
/// which terminals mark, is told from typed text wherever it comes. Rules:
///
/// 1. A key is handed on as one character of U+0080 to U+009F, which no keyboard sends.
/// 2. Behind Ctrl-V everything is handed on as it comes.
/// 3. A sequence that the person has bound in ~/.editrc is handed on as it is.
final class KeyReader {
    /// Keys, and what libedit is to do on each; nil for those that `LineEditor` binds itself.
    enum Key: UInt32, CaseIterable {
        case up = 0x80, down, left, right, home, end, delete, wordLeft, wordRight, deleteWord
        case paste = 0x9E
        /// Sent by nobody: a search has taken a key, and its line is to be shown.
        case search = 0x9C
        /// Sent by nobody: something is to be shown.
        case wake = 0x9F

        var function: String? {
            switch self {
            case .up: "ed-prev-history"
            case .down: "ed-next-history"
            case .left: "ed-prev-char"
            case .right: "ed-next-char"
            case .home: "ed-move-to-beg"
            case .end: "ed-move-to-end"
            case .delete: "ed-delete-next-char"
            case .wordLeft: "ed-prev-word"
            case .wordRight: "em-next-word"
            case .deleteWord: "em-delete-next-word"
            case .paste, .search, .wake: nil
            }
        }

        var scalar: Unicode.Scalar { Unicode.Scalar(rawValue)! }
    }

    enum Input: Equatable {
        case character(Unicode.Scalar)
        case end
        case failed
    }

    private static let escape: Unicode.Scalar = "\u{1B}"
    /// Sequences behind ESC, as xterm, rxvt, the Linux console and tmux send them.
    private static let keys: [String: Key] = [
        "[A": .up, "OA": .up, "[B": .down, "OB": .down, "[C": .right, "OC": .right,
        "[D": .left, "OD": .left, "[H": .home, "OH": .home, "[1~": .home, "[7~": .home,
        "[F": .end, "OF": .end, "[4~": .end, "[8~": .end, "[3~": .delete,
        "[1;5C": .wordRight, "[1;3C": .wordRight, "[5C": .wordRight, "Oc": .wordRight,
        "[1;5D": .wordLeft, "[1;3D": .wordLeft, "[5D": .wordLeft, "Od": .wordLeft,
        "[3;5~": .deleteWord, "[200~": .paste,
    ]

    private let descriptor: Int32
    /// In vi's mode ESC is a key of its own, which is not waited behind for long.
    var isVi = false
    /// Sequences that are not ours; see rule 3.
    var bound: Set<String> = []
    /// What `Key.paste` stands for.
    private(set) var pasted = String.UnicodeScalarView()
    private var queue: [Unicode.Scalar] = []
    private var last: Unicode.Scalar?
    /// In Ctrl-R's search, which takes all keys; the editor says so.
    var isSearching = false

    init(descriptor: Int32) { self.descriptor = descriptor }

    /// To be called where a new line begins.
    func reset() {
        last = nil
        isSearching = false
    }

    var isEmpty: Bool { queue.isEmpty }

    /// The key that `next` returned last is the next one again.
    func putBack(_ scalar: Unicode.Scalar) {
        queue.insert(scalar, at: 0)
        last = nil
    }

    /// Whether `Key.wake` would be taken for what it is: not behind Ctrl-V, or behind a letter that
    /// may be one of vi's commands that read another.
    var canWake: Bool {
        guard queue.isEmpty, last != "\u{16}" else { return false }
        guard isVi, let last else { return true }
        return !"rfFtT/?:".unicodeScalars.contains(last)
    }

    /// - Parameter hasNews: whether the editor is to be woken.
    func next(hasNews: () -> Bool) -> Input {
        while queue.isEmpty {
            if Signals.endingSignal != nil { return .end }
            // What was typed already goes first.
            if canWake, !Signals.waitToRead(descriptor, milliseconds: 0), hasNews() {
                return .character(Key.wake.scalar)
            }
            switch readScalar() {
            case .scalar(Self.escape): readSequence()
            case .scalar(let scalar): queue.append(scalar)
            case .nothing: continue
            case .end: return .end
            case .failed: return .failed
            }
        }
        let scalar = queue.removeFirst()
        last = last == "\u{16}" ? nil : scalar
        return .character(scalar)
    }

    // MARK: Sequences

    /// Behind ESC: queues the key that the bytes are, or the bytes.
    private func readSequence() {
        let isQuoted = last == "\u{16}"
        var sequence = ""
        while !Self.isWhole(sequence), sequence.count < 32 {
            // Behind ESC alone nothing is to be done before the next key, but in vi's mode and a
            // search.
            let endsAlone = isVi || isQuoted || isSearching
            let patience: Int32 = !sequence.isEmpty ? 1000 : endsAlone ? 100 : -1
            guard case .scalar(let scalar) = readScalar(milliseconds: patience) else { break }
            sequence.unicodeScalars.append(scalar)
        }
        if sequence == "\u{1B}" {
            // The first was ESC alone.
            queue.append(Self.escape)
            return readSequence()
        }
        let key = Self.keys[sequence]
        if key == .paste { return queuePaste(isQuoted: isQuoted) }
        let isSequence = sequence.count > 1
        if isQuoted || !isSequence || bound.contains(sequence) {
            queue += [Self.escape] + sequence.unicodeScalars
        } else if let key {
            queue.append(key.scalar)
        }
    }

    /// ECMA-48, 5.4: ESC [, parameters, a final character; ESC O and one more for some keys. The
    /// Linux console's F1 to F5 have a second [.
    private static func isWhole(_ sequence: String) -> Bool {
        guard let first = sequence.first else { return false }
        guard first == "[" || first == "O" else { return true }
        guard sequence.count > 1, let final = sequence.unicodeScalars.last else { return false }
        if sequence == "[[" { return false }
        return first == "O" || (0x40...0x7E).contains(final.value)
    }

    /// Reads to the end of what is pasted. In a search, its first line is what is searched for.
    private func queuePaste(isQuoted: Bool) {
        var text = String.UnicodeScalarView()
        let ending = Array("\u{1B}[201~".unicodeScalars)
        reading: while !text.suffix(ending.count).elementsEqual(ending) {
            switch readScalar() {
            case .scalar(let scalar): text.append(scalar)
            case .nothing: if Signals.endingSignal != nil { return }
            case .end, .failed: return
            }
        }
        text.removeLast(ending.count)
        // Terminals send Return for a newline.
        var lines: [Unicode.Scalar] = []
        for scalar in text {
            switch scalar {
            case "\n" where lines.last == "\r": continue
            case "\n", "\r", "\t": lines.append(scalar)
            default: if scalar.value >= 0x20, scalar.value != 0x7F { lines.append(scalar) }
            }
        }
        lines = lines.map { $0 == "\r" ? "\n" : $0 }
        while lines.last == "\n" { lines.removeLast() }
        if isSearching {
            queue += lines.prefix { $0 != "\n" && $0 != "\t" }
            return
        }
        if isQuoted, let first = lines.first, first != "\n" { queue.append(lines.removeFirst()) }
        pasted = String.UnicodeScalarView(lines)
        queue.append(Key.paste.scalar)
    }

    // MARK: Characters

    private enum Reading {
        case scalar(Unicode.Scalar)
        /// A signal came, the time is over, or the bytes were no character.
        case nothing
        case end
        case failed
    }

    /// One character of UTF-8; what stands for our own keys is no character.
    private func readScalar(milliseconds: Int32 = -1) -> Reading {
        var bytes: [UInt8] = []
        while true {
            guard Signals.waitToRead(descriptor, milliseconds: milliseconds) else {
                if bytes.isEmpty || Signals.endingSignal != nil { return .nothing }
                continue
            }
            var byte: UInt8 = 0
            // SAFETY: reads one byte.
            let count = unsafe read(descriptor, &byte, 1)
            if count == 0 { return .end }
            if count < 0 {
                if errno == EINTR || errno == EAGAIN { continue }
                return .failed
            }
            // Bytes that cannot go on to a character are dropped; the next one may begin one.
            if byte & 0xC0 != 0x80 { bytes = [] }
            bytes.append(byte)
            let scalar = unsafe bytes.withUnsafeBytes { unsafe UTF8Scan.scalar($0, 0)?.0 }
            if let scalar {
                return (0x80...0x9F).contains(scalar.value) ? .nothing : .scalar(scalar)
            }
            if bytes.count >= 4 || byte & 0xC0 == 0x80 && bytes.count == 1 { return .nothing }
        }
    }
}

/// The person's own settings of libedit.
enum EditorSettings {
    /// The sequences behind ESC that ~/.editrc, or $EDITRC, binds.
    static var boundSequences: Set<String> {
        let path = Environment.value("EDITRC") ?? Environment.value("HOME").map { $0 + "/.editrc" }
        guard let path else { return [] }
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        // SAFETY: reads into the array.
        let count = unsafe read(descriptor, &bytes, bytes.count)
        return sequences(in: String(decoding: bytes[..<max(0, count)], as: UTF8.self))
    }

    /// In libedit's words ESC is written `\e`, `^[` or `\033`.
    static func sequences(in text: String) -> Set<String> {
        var found: Set<String> = []
        for line in text.split(separator: "\n") where line.contains("bind") {
            for word in line.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "\"" }) {
                for escape in ["\\e", "^[", "\\033"] where word.hasPrefix(escape) {
                    found.insert(String(word.dropFirst(escape.count)))
                }
            }
        }
        return found
    }
}
