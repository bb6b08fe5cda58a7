internal import Glibc
internal import Stave

// Opening the store, and what to say where that fails.
extension StaveCommand {
    func open(createsIfMissing: Bool, readOnly: Bool) -> Store? {
        var options = StoreOptions()
        options.access = readOnly ? .readOnly : .readWrite
        options.createsIfMissing = createsIfMissing
        options.durability = durability
        if let segmentSize { options.segmentSize = segmentSize.bytes }
        do throws(StoreError) {
            return try Store(path: directory, options: options)
        } catch {
            let errors = OutputWriter(descriptor: STDERR_FILENO, name: "stderr")
            if createsIfMissing, case .noSuchDirectory = error {
                errors.write(
                    message: "stave: the directory that \(directory) is to be made in is missing;"
                        + " make it first: \(missingParent)")
            } else {
                errors.write(message: "stave: \(error.description)")
            }
            if case .locked(_, let holder) = error {
                if let holder, let command = Environment.commandLine(ofProcess: holder) {
                    errors.write(message: "  it is held by: \(command)")
                }
                let path = Quoting.shellWord(
                    directory.hasPrefix("-") ? "./" + directory : directory)
                errors.write(message: "  to read: stave --read-only \(path)")
            }
            errors.flush()
            return nil
        }
    }

    private var missingParent: String {
        var path = directory
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return String(path[..<slash])
    }

    static func complain(_ line: String) {
        let errors = OutputWriter(descriptor: STDERR_FILENO, name: "stderr")
        errors.write(message: line)
        errors.flush()
    }
}
