internal import Glibc

/// Which process it is: numbers are given again, and each PID namespace (a container) counts for
/// itself.
struct ProcessIdentity: Equatable {
    let id: Int32
    /// When it began, in clock ticks since the machine did (proc(5), field 22 of stat).
    private let start: UInt64
    /// As /proc/self/ns/pid says: "pid:[4026531836]".
    private let namespace: String

    /// Of a process that this one sees; nil where there is none, or /proc tells nothing.
    init?(of id: Int32) {
        guard let namespace = Self.ownNamespace, let start = Self.start(of: id) else { return nil }
        self.id = id
        self.start = start
        self.namespace = namespace
    }

    /// What `text` says; nil where it is something else.
    init?(_ text: String) {
        let words = text.split { $0 == " " || $0 == "\n" }
        guard words.count == 5, words[1] == "started", words[3] == "in",
            let id = Int32(words[0]), id > 0, let start = UInt64(words[2])
        else { return nil }
        self.id = id
        self.start = start
        namespace = String(words[4])
    }

    /// It begins with the number, which is all that versions before look at (and no more than 64
    /// bytes).
    var text: String { "\(id) started \(start) in \(namespace)" }

    private static var ownNamespace: String? {
        let path = "/proc/self/ns/pid"
        var bytes = [CChar](repeating: 0, count: 32)
        let count = attempt(.examine, path) {
            // SAFETY: readlink writes no more bytes than the array has.
            unsafe readlink(path, &bytes, bytes.count)
        }
        return count > 0 && count < bytes.count
            ? String(decoding: bytes[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
    }

    private static func start(of id: Int32) -> UInt64? {
        guard let file = try? File.opening("/proc/\(id)/stat"),
            let bytes = try? file.contents(at: 0, count: 1024),
            // The name before it may hold anything.
            let end = bytes.lastIndex(of: UInt8(ascii: ")"))
        else { return nil }
        let fields = bytes[(end + 1)...].split(separator: UInt8(ascii: " "))
        return fields.count > 19 ? UInt64(String(decoding: fields[19], as: UTF8.self)) : nil
    }
}
