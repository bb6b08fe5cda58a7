internal import CLinux
internal import Glibc

/// Shows what is longer than the screen through the user's pager.
///
/// While one runs, descriptor 1 is the pipe to it, so code that writes results needs to know
/// nothing. A caller that begins one must write its results first and call `finish` behind them.
@safe final class Pager {
    private let process: pid_t
    /// The terminal, to be descriptor 1 again.
    private let terminal: Int32

    /// Whether descriptor 1 is a terminal whose owner wants a pager.
    static var isWanted: Bool {
        isatty(STDOUT_FILENO) == 1 && !Environment.isDumbTerminal && isThere(command)
    }

    /// Where the program is not found, results would go nowhere. A line that is more than a
    /// program's name and words is the outer shell's to understand.
    private static func isThere(_ command: String?) -> Bool {
        guard let command else { return false }
        guard let name = command.split(separator: " ").first.map(String.init),
            command.utf8.allSatisfy({ !"'\"\\$`|&;<>()*?~=".utf8.contains($0) })
        else { return !command.allSatisfy { $0 == " " } }
        if name.contains("/") { return unsafe access(name, X_OK) == 0 }
        let folders = Environment.value("PATH") ?? "/usr/local/bin:/usr/bin:/bin"
        return folders.split(separator: ":").contains { unsafe access("\($0)/\(name)", X_OK) == 0 }
    }

    /// $PAGER, or less; nil where $PAGER is set to nothing or to cat, which are ways to say none.
    private static var command: String? {
        if let pager = PreferredPrograms.pager { return pager == "cat" ? nil : pager }
        // SAFETY: nothing in this process changes the environment.
        guard let value = unsafe getenv("PAGER") else { return "less" }
        let text = unsafe String(cString: value)
        return text.isEmpty || text == "cat" ? nil : text
    }

    /// Begins one where `text` would not fit on the screen; nil where it fits, or where that fails.
    ///
    /// - Parameter lend: called before it gets the terminal.
    static func start(for text: UnsafeRawBufferPointer, lending lend: () -> Void = {}) -> Pager? {
        guard isWanted else { return nil }
        let screen = ScreenSize.of(STDOUT_FILENO)
        // One row is left for the prompt.
        guard unsafe rows(of: text, columns: screen.columns) > screen.rows - 1 else { return nil }
        lend()
        return Pager()
    }

    private init?() {
        guard let command = Self.command else { return nil }
        let saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
        var ends: [Int32] = [-1, -1]
        // SAFETY: pipe fills in two descriptors.
        guard saved >= 0, unsafe pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { for end in ends { close(end) } }
        guard let process = Self.spawn(command, input: ends[0], output: saved) else {
            close(saved)
            return nil
        }
        dup2(ends[1], STDOUT_FILENO)
        self.process = process
        terminal = saved
    }

    /// Ends the pager's input and waits until the person has left it; not where a signal ends this
    /// process, which then takes the pager with it.
    func finish() {
        dup2(terminal, STDOUT_FILENO)
        close(terminal)
        var status: Int32 = 0
        // SAFETY: fills in the status.
        while unsafe waitpid(process, &status, WNOHANG) == 0 {
            if let signal = Signals.endingSignal, signal != SIGINT {
                kill(process, SIGTERM)
                return
            }
            usleep(10_000)
        }
    }

    /// `command` is a line for the shell, as for git and man: it may have arguments.
    static func spawn(_ command: String, input: Int32, output: Int32) -> pid_t? {
        var environment = inheritedEnvironment
        if Environment.value("LESS") == nil { environment.append("LESS=FRX") }
        var actions = unsafe posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        var signals = sigset_t()
        // SAFETY: initialised before they are used and destroyed once; the texts are freed behind
        // the call that reads them.
        unsafe posix_spawn_file_actions_init(&actions)
        unsafe posix_spawnattr_init(&attributes)
        unsafe sigemptyset(&signals)
        for signal in [SIGPIPE, SIGXFSZ, SIGINT, SIGTSTP] { unsafe sigaddset(&signals, signal) }
        unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))
        unsafe posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
        unsafe posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        let words: [String] = ["sh", "-c", command]
        let arguments = unsafe words.map { unsafe strdup($0) } + [nil]
        let variables = unsafe environment.map { unsafe strdup($0) } + [nil]
        defer {
            unsafe posix_spawn_file_actions_destroy(&actions)
            unsafe posix_spawnattr_destroy(&attributes)
            unsafe (arguments + variables).forEach { unsafe free($0) }
        }
        var id: pid_t = 0
        let code = unsafe posix_spawn(
            &id, "/bin/sh", &actions, &attributes, arguments, variables)
        return code == 0 ? id : nil
    }

    private static var inheritedEnvironment: [String] {
        var texts: [String] = []
        // SAFETY: the list ends with nil, and nothing in this process changes it.
        var next = unsafe stave_environment()
        while let text = unsafe next?.pointee {
            unsafe texts.append(String(cString: text))
            unsafe next = next.map { unsafe $0 + 1 }
        }
        return texts
    }

    /// How many rows of a screen the text takes, roughly: a character takes a column, and the
    /// control sequences of colors none.
    static func rows(of text: UnsafeRawBufferPointer, columns: Int) -> Int {
        var rows = 0
        var column = 0
        var isSequence = false
        unsafe text.forEach { byte in
            if isSequence {
                isSequence = byte != UInt8(ascii: "m")
            } else if byte == 0x1B {
                isSequence = true
            } else if byte == Byte.newline {
                rows += 1
                column = 0
            } else if byte & 0xC0 != 0x80 {
                if column == columns { (rows, column) = (rows + 1, 0) }
                column += 1
            }
        }
        return rows + (column > 0 ? 1 : 0)
    }
}

/// How much a terminal shows.
struct ScreenSize: Equatable {
    var columns: Int
    var rows: Int

    /// What the terminal says, else what $COLUMNS and $LINES say, else 80 and 24.
    static func of(_ descriptor: Int32) -> ScreenSize {
        var size = winsize()
        // SAFETY: the call fills in the struct.
        unsafe _ = ioctl(descriptor, UInt(TIOCGWINSZ), &size)
        func value(_ seen: UInt16, _ name: String, _ usual: Int) -> Int {
            if seen > 0 { return Int(seen) }
            return Environment.value(name).flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil }
                ?? usual
        }
        return ScreenSize(
            columns: value(size.ws_col, "COLUMNS", 80), rows: value(size.ws_row, "LINES", 24))
    }
}
