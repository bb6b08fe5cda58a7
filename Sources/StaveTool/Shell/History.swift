internal import CLinux
internal import Glibc
internal import StaveDisk

/// The lines entered at the prompt, kept in a file that several shells may share.
///
/// The file begins with `header`; then a line an entry, oldest first, with `\n` for a newline
/// inside an entry and `\\` for a backslash. Rules:
///
/// 1. A file that begins otherwise is another program's and is never written.
/// 2. The file is replaced as a whole by rename(2), with mode 0600 from its creation, so that it is
///    never half written and never readable by others. One that the user may not write to is left
///    alone, and it keeps its owner: root may run this with a user's HOME.
/// 3. Each save reads the file again and adds only this shell's new lines, under a lock on the
///    directory: two shells keep both their lines.
final class History {
    static let capacity = 1000
    static let header = "# stave history 1"
    /// Longer entries, such as a pasted value, are kept for this session only.
    private static let longestSaved = 64 << 10

    /// Oldest first.
    private(set) var lines: [String] = []
    /// Why the history is not kept, for the person to know; nil where all is well.
    private(set) var problem: String?
    private var unsaved: [String] = []
    private let path: String?

    /// $STAVE_HISTORY, or stave/history in $XDG_STATE_HOME or ~/.local/state. nil where none is
    /// set.
    static var defaultPath: String? {
        if let path = Environment.value("STAVE_HISTORY") { return path }
        if let state = Environment.value("XDG_STATE_HOME"), state.hasPrefix("/") {
            return state + "/stave/history"
        }
        return Environment.value("HOME").map { $0 + "/.local/state/stave/history" }
    }

    /// - Parameter path: nil keeps the history in memory only.
    init(path: String?) {
        self.path = path.map(Self.resolved)
        guard let path = self.path else { return }
        switch Self.read(path) {
        case .lines(let lines): self.lines = lines
        case .absent: break
        case .foreign: problem = "\(path) is not a history of stave; it is left alone"
        case .unreadable(let reason): problem = "history: \(reason)"
        }
    }

    /// Adds a line and saves it. Left out are empty lines, a repetition of the last one, and lines
    /// that begin with a space; false for those.
    func add(_ line: String) -> Bool {
        guard !line.isEmpty, !line.hasPrefix(" "), line != lines.last else { return false }
        lines.append(line)
        if lines.count > Self.capacity { lines.removeFirst() }
        if line.utf8.count <= Self.longestSaved { unsaved.append(line) }
        save()
        return true
    }

    /// Brings new lines to the file. Where another shell has the lock for longer than it takes to
    /// write, they wait for the next call; the last one of a session waits longer for it.
    func save(waiting: Bool = false) {
        guard problem == nil, let path, !unsaved.isEmpty else { return }
        let directory = Directory.parent(of: path)
        Self.makeDirectories(directory)
        let descriptor = unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            problem = SystemError("open", directory, errno).message
            return
        }
        defer { close(descriptor) }
        var patience = waiting ? 200 : 5
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard patience > 0 else { return }
            patience -= 1
            usleep(10_000)
        }
        var all: [String]
        switch Self.read(path) {
        case .lines(let lines): all = lines
        case .absent: all = []
        case .foreign, .unreadable: return
        }
        for line in unsaved where line != all.last { all.append(line) }
        if write(all.suffix(Self.capacity), to: path) { unsaved = [] }
    }

    // MARK: The file

    private enum Contents {
        case lines([String])
        case absent
        case foreign
        case unreadable(String)
    }

    private static func read(_ path: String) -> Contents {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            return errno == ENOENT
                ? .absent : .unreadable(SystemError("open", path, errno).message)
        }
        defer { close(descriptor) }
        var status = stat()
        // SAFETY: fstat fills in the struct.
        guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            status.st_size <= 256 << 20
        else { return .foreign }
        if status.st_size == 0 { return .lines([]) }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        var count = 0
        while count < bytes.count {
            // SAFETY: reads into the array's free end.
            let got = unsafe bytes.withUnsafeMutableBytes {
                unsafe Glibc.read(descriptor, $0.baseAddress! + count, $0.count - count)
            }
            guard got > 0 else { break }
            count += got
        }
        let rows = bytes[..<count].split(separator: Byte.newline)
        guard let first = rows.first, first.elementsEqual(header.utf8) else { return .foreign }
        return .lines(rows.dropFirst().map { unescaped($0) }.suffix(capacity))
    }

    private func write(_ lines: some Sequence<String>, to path: String) -> Bool {
        do throws(FileError) {
            _ = try NewContents(for: path, newMode: 0o600)
        } catch {
            problem = "history: \(error.description)"
            return false
        }
        let temporary = "\(path).\(getpid()).tmp"
        unsafe unlink(temporary)
        // SAFETY: the path is a C string during the call.
        let descriptor = unsafe stave_open(
            temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            problem = SystemError("make", temporary, errno).message
            return false
        }
        var old = stat()
        // SAFETY: fills in the struct.
        if unsafe stat(path, &old) == 0 { _ = fchown(descriptor, old.st_uid, old.st_gid) }
        let file = OutputWriter(descriptor: descriptor, name: temporary)
        file.write(line: Self.header)
        for line in lines { file.write(line: Self.escaped(line)) }
        file.flush()
        guard close(descriptor) == 0, file.failure == nil, unsafe rename(temporary, path) == 0
        else {
            unsafe unlink(temporary)
            return false
        }
        return true
    }

    private static func escaped(_ line: String) -> String {
        var text = ""
        for scalar in line.unicodeScalars {
            switch scalar {
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    private static func unescaped(_ row: ArraySlice<UInt8>) -> String {
        var bytes: [UInt8] = []
        var isEscape = false
        for byte in row {
            if isEscape {
                bytes.append(byte == UInt8(ascii: "n") ? Byte.newline : byte)
                isEscape = false
            } else if byte == Byte.backslash {
                isEscape = true
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: Paths

    /// The file behind a symbolic link, so that the link stays when the file is replaced.
    private static func resolved(_ path: String) -> String {
        // SAFETY: realpath's result is ours to free.
        guard let full = unsafe realpath(path, nil) else { return path }
        defer { unsafe free(full) }
        return unsafe String(cString: full)
    }

    /// Makes what is missing of the path, for the user alone as XDG asks.
    private static func makeDirectories(_ path: String) {
        guard unsafe mkdir(path, 0o700) != 0, errno == ENOENT, path != ".", path != "/" else {
            return
        }
        makeDirectories(Directory.parent(of: path))
        unsafe mkdir(path, 0o700)
    }
}
