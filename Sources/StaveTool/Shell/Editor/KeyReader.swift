internal import Glibc

/// What a terminal sends, as characters and keys.
///
/// A key that sends more than one character, such as Home, is recognised here and not by libedit:
/// then it is one key in every mode, emacs or vi; what no key of ours sends inserts nothing; and
/// pasted text, which terminals mark, is told from typed text wherever it comes. Rules:
///
/// 1. A key is handed on as one character of U+0080 to U+009F, which no keyboard sends.
/// 2. Behind Ctrl-V everything is handed on as it comes.
/// 3. A sequence that the person has bound in ~/.editrc is handed on as it is.
/// 4. What is no character, or must not get into a line, is never dropped in silence.
final class KeyReader {
    /// Keys, and what libedit is to do on each; nil for those that `LineEditor` binds itself.
    enum Key: UInt32, CaseIterable {
        case up = 0x80
        case down, left, right, home, end, delete, wordLeft, wordRight, deleteWord, lastWord, paste
        // Sent by no terminal: what the editor makes of other keys.
        case take, takeWord, newline, wordStart, setMark, wordEnd, killRegion

        var function: String? {
            switch self {
            case .left: "ed-prev-char"
            case .right: "ed-next-char"
            case .home: "ed-move-to-beg"
            case .delete: "ed-delete-next-char"
            case .wordLeft: "ed-prev-word"
            case .wordRight: "em-next-word"
            case .deleteWord: "em-delete-next-word"
            case .setMark: "em-set-mark"
            case .killRegion: "em-kill-region"
            default: nil
            }
        }

        var scalar: Unicode.Scalar { Unicode.Scalar(rawValue)! }
    }

    enum Input: Equatable {
        /// - Parameter isQuoted: Ctrl-V was in front of it.
        case character(Unicode.Scalar, isQuoted: Bool = false)
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
    /// In vi's mode, ESC and a letter are two keys.
    private static let emacsKeys: [String: Key] = ["f": .wordRight, ".": .lastWord]

    private let descriptor: Int32
    /// In vi's mode ESC is a key of its own, which is not waited behind for long.
    var isVi = false
    /// Sequences that are not ours; see rule 3.
    var bound: Set<String> = []
    /// In Ctrl-R's search, where ESC is a key of its own, too; the editor says so.
    var isSearching = false
    /// What `Key.paste` stands for.
    private(set) var pasted: Scalars = []
    /// Called before each wait for a key of which nothing is there yet.
    var idle: () -> Void = {}
    /// Called with what is dropped because it is no character that a line may hold.
    var dropped: (Dropped) -> Void = { _ in }
    /// How many answers to `ESC [ 6 n` are still to come; each looks like F3 with a modifier.
    var awaitedPlaces = 0
    /// Called with the column that the terminal says, from 1 on.
    var place: (Int) -> Void = { _ in }
    private var queue: Scalars = []
    private var isQuoted = false

    struct Dropped: Equatable {
        /// The bytes that came.
        var bytes: [UInt8]
        /// It was in a paste, all of which is dropped then.
        var isPaste = false

        /// As the grammar of words spells it.
        var spelled: String {
            bytes.map { "\\x" + [$0 >> 4, $0 & 15].map { String($0, radix: 16) }.joined() }.joined()
        }
        var isControl: Bool { bytes.count == 1 && (bytes[0] < 0x20 || bytes[0] == 0x7F) }
    }

    init(descriptor: Int32) { self.descriptor = descriptor }

    /// To be called where a new line begins.
    func reset() {
        isQuoted = false
        isSearching = false
    }

    var hasInput: Bool { !queue.isEmpty || Signals.hasInput(descriptor) }

    /// `scalars` are the next keys.
    func putBack(_ scalars: Unicode.Scalar...) { queue.insert(contentsOf: scalars, at: 0) }

    func next() -> Input {
        while queue.isEmpty {
            if Signals.endingSignal != nil { return .end }
            switch readScalar() {
            case .scalar(Self.escape): readSequence()
            case .scalar(let scalar): queue.append(scalar)
            case .nothing: continue
            case .end: return .end
            case .failed: return .failed
            }
        }
        let scalar = queue.removeFirst()
        let wasQuoted = isQuoted
        isQuoted = !wasQuoted && scalar == "\u{16}"
        return .character(scalar, isQuoted: wasQuoted)
    }

    // MARK: Sequences

    /// Behind ESC: queues the key that the bytes are, or the bytes.
    private func readSequence() {
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
        if takePlace(sequence) { return }
        let key = Self.keys[sequence] ?? (isVi || isSearching ? nil : Self.emacsKeys[sequence])
        if key == .paste { return queuePaste() }
        if let key, !isQuoted, !bound.contains(sequence) {
            queue.append(key.scalar)
        } else if isQuoted || sequence.count < 2 || bound.contains(sequence) {
            queue += [Self.escape] + sequence.unicodeScalars
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

    /// Where the cursor is: `[ROW;COLUMNR`, while such an answer is to come.
    private func takePlace(_ sequence: String) -> Bool {
        guard awaitedPlaces > 0, sequence.hasPrefix("["), sequence.hasSuffix("R") else {
            return false
        }
        let numbers = sequence.dropFirst().dropLast().split(separator: ";").compactMap { Int($0) }
        guard numbers.count == 2 else { return false }
        awaitedPlaces -= 1
        place(numbers[1])
        return true
    }

    /// Reads to the end of what is pasted. A paste that holds what a line must not is dropped.
    private func queuePaste() {
        var text: Scalars = []
        var refused: Dropped?
        let ending = "\u{1B}[201~".scalars
        let tell = dropped
        dropped = { if refused == nil { refused = Dropped(bytes: $0.bytes, isPaste: true) } }
        defer { dropped = tell }
        reading: while !text.suffix(ending.count).elementsEqual(ending) {
            switch readScalar() {
            case .scalar(let scalar): text.append(scalar)
            case .nothing: if Signals.endingSignal != nil { return }
            case .end, .failed: return
            }
        }
        text.removeLast(ending.count)
        let blanks: Scalars = ["\n", "\r", "\t"]
        let control = text.first { ($0.value < 0x20 && !blanks.contains($0)) || $0.value == 0x7F }
        if let refused = refused
            ?? control.map({
                Dropped(bytes: [UInt8($0.value)], isPaste: true)
            })
        {
            return tell(refused)
        }
        queuePaste(text)
    }

    /// Terminals send Return for a newline. In a search, the first line is what is searched for.
    private func queuePaste(_ text: Scalars) {
        var lines: Scalars = []
        for scalar in text where !(scalar == "\n" && lines.last == "\r") { lines.append(scalar) }
        lines = lines.map { $0 == "\r" ? "\n" : $0 }
        while lines.last == "\n" { lines.removeLast() }
        if isSearching {
            queue += lines.prefix { $0 != "\n" && $0 != "\t" }
            return
        }
        if isQuoted, let first = lines.first, first != "\n" { queue.append(lines.removeFirst()) }
        pasted = lines
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
            if bytes.isEmpty, milliseconds < 0, !Signals.hasInput(descriptor) { idle() }
            guard Signals.waitToRead(descriptor, milliseconds: milliseconds) else {
                if Signals.endingSignal != nil || (bytes.isEmpty && milliseconds >= 0) {
                    return .nothing
                }
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
            if byte & 0xC0 != 0x80, !bytes.isEmpty {
                dropped(Dropped(bytes: bytes))
                bytes = []
            }
            bytes.append(byte)
            let scalar = unsafe bytes.withUnsafeBytes { unsafe UTF8Scan.scalar($0, 0)?.0 }
            if let scalar, !(0x80...0x9F).contains(scalar.value) { return .scalar(scalar) }
            if scalar != nil || bytes.count >= 4 || !(0xC2..<0xF5).contains(bytes[0]) {
                dropped(Dropped(bytes: bytes))
                return .nothing
            }
        }
    }
}

/// The person's own settings of libedit.
enum EditorSettings {
    /// The sequences behind ESC that ~/.editrc binds.
    static var boundSequences: Set<String> { sequences(in: text) }

    /// The control keys that it binds, as `^X`, alone or in front of others.
    static var boundKeys: Set<String> {
        var found: Set<String> = []
        for line in text.split(separator: "\n") where line.contains("bind") {
            for word in line.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "\"" })
            where word.hasPrefix("^") { found.insert(word.prefix(2).uppercased()) }
        }
        return found
    }

    /// What is in ~/.editrc, or $EDITRC.
    private static var text: String {
        let path = Environment.value("EDITRC") ?? Environment.value("HOME").map { $0 + "/.editrc" }
        guard let path else { return "" }
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        // SAFETY: reads into the array.
        let count = unsafe read(descriptor, &bytes, bytes.count)
        return String(decoding: bytes[..<max(0, count)], as: UTF8.self)
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
