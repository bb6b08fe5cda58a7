internal import Glibc
internal import Stave
internal import StaveDisk

// `set KEY < FILE` and `get KEY > FILE`.
extension Session {
    func contents(of file: Word) throws(CommandError) -> [UInt8] {
        let path = try Self.path(file)
        do throws(FileError) {
            return try File.opening(path).contents(limit: 1 << 30)
        } catch {
            throw CommandError("cannot \(error.operation) \(error.path): \(error.reason)", at: file)
        }
    }

    /// An absent key leaves the file alone.
    func get(_ key: Word, intoFile file: Word) throws(CommandError) {
        let target = try Target(Self.path(file), outside: store.path, file)
        let failure: SystemError??
        do throws(StoreError) {
            // SAFETY: the word and the value are used inside the calls only.
            guard unsafe try store.contains(key: key.bytes.bytes) else {
                return unsafe reportMissing(key.bytes)
            }
            if target.exists, !isConfirmed("overwrite \(file.shown)?") { return }
            failure = unsafe try store.withValue(forKey: key.bytes.bytes) { value in
                unsafe value.withUnsafeBytes { unsafe target.write($0) }
            }
        } catch {
            throw CommandError(error, at: key, key: key)
        }
        switch failure {
        case .none: unsafe reportMissing(key.bytes)
        case .some(.some(let failure)): throw CommandError(failure.message, at: file)
        case .some(.none): break
        }
    }

    /// A path is text without NUL: other bytes would name another file.
    static func path(_ file: Word) throws(CommandError) -> String {
        guard unsafe UTF8Scan.isValid(file.bytes) && !file.bytes.contains(0) else {
            throw CommandError("a file's name must be UTF-8 without NUL", at: file)
        }
        return file.string
    }
}

extension Session {
    /// The path of a file to write that does not lie in the store's directory.
    static func path(outside store: String, _ file: Word) throws(CommandError) -> String {
        try Target(path(file), outside: store, file).path
    }
}

/// Where a value goes: a file that is replaced, see `NewContents`, or a pipe or device that is
/// written to as it is.
struct Target {
    let path: String
    let exists: Bool
    /// nil for what is no regular file.
    private let contents: NewContents?

    var isRegular: Bool { contents != nil }

    /// - Parameter store: the directory whose files are not to be touched.
    init(_ path: String, outside store: String?, _ file: Word) throws(CommandError) {
        var status = stat()
        // SAFETY: fills in the struct.
        exists = unsafe stat(path, &status) == 0
        let isRegular =
            !exists || (status.st_mode & S_IFMT == S_IFREG && !path.hasPrefix("/dev/"))
        // A link stays one: what it leads to is replaced.
        self.path = exists && isRegular ? Self.resolved(path) ?? path : path
        let name = self.path.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
        let parent = String(self.path.dropLast(name.count))
        if let folder = Self.resolved(parent.isEmpty ? "." : parent),
            let store = store.flatMap(Self.resolved), (folder + "/").hasPrefix(store + "/")
        {
            throw CommandError("\(file.shown) lies in the store's own directory", at: file)
        }
        do throws(FileError) {
            contents = isRegular ? try NewContents(for: self.path, newMode: 0o666) : nil
        } catch {
            throw CommandError(error.description, at: file)
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer) -> SystemError? {
        guard let contents else { return unsafe fill(path, O_WRONLY | O_CLOEXEC, bytes) }
        do throws(FileError) {
            // SAFETY: the bytes are the caller's, for the call.
            unsafe try contents.write(bytes.bytes)
            return nil
        } catch {
            return SystemError(message: error.description)
        }
    }

    private func fill(_ name: String, _ flags: Int32, _ bytes: UnsafeRawBufferPointer)
        -> SystemError?
    {
        let descriptor = unsafe open(name, flags, 0o666)
        guard descriptor >= 0 else { return SystemError("open", path, errno) }
        let file = OutputWriter(descriptor: descriptor, name: path)
        // SAFETY: the bytes are only read.
        unsafe file.write(bytes)
        file.flush()
        let closed = close(descriptor)
        return file.failure ?? (closed == 0 ? nil : SystemError("write to", path, errno))
    }

    /// The path without links; nil where nothing is there.
    private static func resolved(_ path: String) -> String? {
        guard let full = unsafe realpath(path, nil) else { return nil }
        // SAFETY: realpath's result is ours to free.
        defer { unsafe free(full) }
        return unsafe String(cString: full)
    }
}
