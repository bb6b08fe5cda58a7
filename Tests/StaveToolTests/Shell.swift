import Glibc
import TestSupport
import Testing

/// A key, or text, as a person types it.
struct Key: ExpressibleByStringLiteral {
    let bytes: String

    init(stringLiteral text: String) { bytes = text }
    init(_ text: String) { bytes = text }

    static let enter = Key("\r")
    static let tab = Key("\t")
    static let escape = Key("\u{1B}")
    static let backspace = Key("\u{7F}")
    static let up = Key("\u{1B}[A")
    static let down = Key("\u{1B}[B")
    static let right = Key("\u{1B}[C")
    static let left = Key("\u{1B}[D")
    static let home = Key("\u{1B}[H")
    static let end = Key("\u{1B}[F")
    static let delete = Key("\u{1B}[3~")
    static let wordLeft = Key("\u{1B}[1;5D")
    static let wordRight = Key("\u{1B}[1;5C")
    static func control(_ letter: Character) -> Key {
        Key(String(UnicodeScalar(letter.asciiValue! & 0x1F)))
    }
    /// As a terminal marks it.
    static func paste(_ text: String) -> Key { Key("\u{1B}[200~\(text)\u{1B}[201~") }
}

/// A shell at a terminal, and the words in which tests speak of it. All of them wait until the
/// screen shows what is said; nothing depends on how long something takes.
final class Shell {
    let terminal: Terminal
    private let prompt: String
    private let columns: Int

    init(
        _ arguments: [String], environment: [String: String], prompt: String = "store> ",
        columns: UInt16 = 80, rows: UInt16 = 24, isAwaited: Bool = true
    ) throws {
        terminal = try Terminal(
            arguments, environment: environment, columns: columns, rows: rows)
        self.prompt = prompt
        self.columns = Int(columns)
        if isAwaited { try shows(prompt) }
    }

    func type(_ keys: Key...) { for key in keys { terminal.type(key.bytes) } }

    /// Types a command and waits for exactly these lines and the next prompt below it. It is seen
    /// in its line before Enter is pressed: a screen on which the same was entered before is no
    /// answer.
    func enter(_ command: String, _ replies: String..., at prompt: String? = nil) throws {
        let next = prompt ?? self.prompt
        let line = next + command
        try empty(at: next)
        type(Key(command))
        // What is longer than a row is not looked for.
        if line.utf8.count < columns { try shows(line) }
        type(.enter)
        try terminal.wait(for: "\([line] + replies) and a prompt") { screen in
            guard screen.beforeCursor == next, screen.cursorLine + " " == next else { return false }
            return screen.lines.dropLast().suffix(replies.count + 1).elementsEqual([line] + replies)
        }
    }

    /// The row of the cursor reads so up to the cursor.
    func shows(_ text: String) throws {
        try terminal.wait(for: "\(text.debugDescription) before the cursor") {
            $0.beforeCursor == text
        }
    }

    /// The typed line reads so up to the cursor.
    func line(_ text: String) throws { try shows(prompt + text) }

    /// The rows above the cursor's end with these, and the cursor's begins with the prompt: before
    /// it is there, the terminal would take some keys for itself.
    func above(_ rows: String..., at prompt: String? = nil) throws {
        let prompt = prompt ?? self.prompt
        try terminal.wait(for: "\(rows) above the prompt") {
            $0.beforeCursor.hasPrefix(prompt)
                && $0.lines.dropLast().suffix(rows.count).elementsEqual(rows)
        }
    }

    /// Somewhere on the screen stands this.
    func anywhere(_ text: String) throws {
        try terminal.wait(for: text.debugDescription) {
            $0.allLines.contains { $0.contains(text) }
        }
    }

    func screen(_ what: String, _ condition: (Screen) -> Bool) throws {
        try terminal.wait(for: what, until: condition)
    }

    /// A fresh prompt, nothing typed.
    func empty(at prompt: String? = nil) throws {
        let prompt = prompt ?? self.prompt
        try screen("an empty prompt") {
            $0.beforeCursor == prompt && $0.cursorLine + " " == prompt
        }
    }

    /// Ctrl-D leaves with status 0, and nothing that a terminal would not understand was sent.
    func leave() throws {
        // Between two prompts the terminal takes Ctrl-D for itself.
        try empty()
        type(.control("d"))
        #expect(terminal.waitForExit() == 0)
        #expect(terminal.screen.unknown == [])
    }
}

extension Scratch {
    func shell(
        _ options: [String] = [], _ environment: [String: String] = [:],
        prompt: String = "store> ", columns: UInt16 = 80, rows: UInt16 = 24,
        isAwaited: Bool = true
    ) throws -> Shell {
        try Shell(
            [stave] + options + [store], environment: self.environment(environment),
            prompt: prompt, columns: columns, rows: rows, isAwaited: isAwaited)
    }

    /// A job-control shell, to start stave from.
    func jobShell() throws -> Shell {
        try Shell(
            ["/bin/bash", "--norc", "--noprofile", "-i"],
            environment: environment(["PS1": "$ ", "INPUTRC": "/dev/null"]), prompt: "$ ")
    }

    func write(_ text: String, to name: String) throws {
        let descriptor = unsafe open(path + "/" + name, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        // SAFETY: writes from the array.
        #expect(unsafe Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
    }
}
