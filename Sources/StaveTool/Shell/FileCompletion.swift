internal import Glibc

/// Names of files that a word may become, behind `<` and `>`.
enum FileCompletion {
    private static let limit = 200

    /// Paths that begin with `typed`, sorted, directories with a slash behind them. Names that
    /// begin with a dot are offered once the dot is typed.
    ///
    /// - Returns: the first paths, and how many more there are.
    static func paths(for typed: String) -> (paths: [String], restCount: Int) {
        let slash = typed.lastIndex(of: "/")
        let folder = slash.map { String(typed[...$0]) } ?? ""
        let beginning = slash.map { String(typed[typed.index(after: $0)...]) } ?? typed
        let names = entries(of: folder.isEmpty ? "." : folder).filter {
            $0.hasPrefix(beginning) && ($0.first != "." || beginning.first == ".")
        }.sorted()
        let shown = names.prefix(limit).map { name in
            let path = folder + name
            return isDirectory(path) ? path + "/" : path
        }
        return (shown, names.count - shown.count)
    }

    /// Without names that are not UTF-8, which no command takes.
    private static func entries(of folder: String) -> [String] {
        // SAFETY: the stream is closed once; an entry is read before the next call.
        guard let stream = unsafe opendir(folder) else { return [] }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(validating: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let name, name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    private static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        // SAFETY: fills in the struct.
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}
