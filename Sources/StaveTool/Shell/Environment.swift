internal import Glibc

/// What the process was started with.
enum Environment {
    static func value(_ name: String) -> String? {
        // SAFETY: nothing in this process changes the environment.
        guard let text = unsafe getenv(name) else { return nil }
        let value = unsafe String(cString: text)
        return value.isEmpty ? nil : value
    }

    static var isDumbTerminal: Bool { (value("TERM") ?? "dumb") == "dumb" }
    /// A terminal that says it shows ASCII only: a dumb one, or a locale of another encoding. One
    /// that says nothing, as in a container, most likely shows UTF-8.
    static var isPlainTerminal: Bool {
        if isDumbTerminal { return true }
        let locale = value("LC_ALL") ?? value("LC_CTYPE") ?? value("LANG")
        guard let name = locale?.lowercased() else { return false }
        return !name.contains("utf-8") && !name.contains("utf8")
    }

    static var allowsColor: Bool { value("NO_COLOR") == nil && !isDumbTerminal }

    /// What another process was started as; nil where that cannot be seen.
    static func commandLine(ofProcess id: Int) -> String? {
        let descriptor = unsafe open("/proc/\(id)/cmdline", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { Glibc.close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1024)
        // SAFETY: reads into the array.
        let count = unsafe read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return nil }
        let words = bytes[..<count].split(separator: 0)
        return words.map { Quoting.text(Array($0)) }.joined(separator: " ")
    }
}
