internal import Glibc
internal import Stave
internal import StaveDisk

/// A store that was made because its directory was missing, by a person at a terminal who named it
/// and nothing else: it may have been a slip of the finger.
struct NewStore {
    let path: String

    /// nil where there is something at `path` already.
    init?(at path: String) {
        // SAFETY: the text lives through the call.
        guard unsafe access(path, F_OK) != 0, errno == ENOENT else { return nil }
        self.path = path
    }

    /// Removes the store where nothing was ever written to it. The store is closed.
    ///
    /// Under the lock, so that no other process writes to it meanwhile. What is no file of a new
    /// store stays, and its directory with it. Where a kill comes between, what is left holds no
    /// record.
    func removeIfUnused() {
        guard let directory = try? Directory(path: path),
            let lock = try? StoreLock.acquire(in: directory)
        else { return }
        // The lock is held to the end of this.
        defer { withExtendedLifetime(lock) {} }
        guard let names = try? directory.names(), names.allSatisfy({ isUnused($0, directory) })
        else { return }
        // LOCK last.
        for name in names where name != FileName.lockName { try? directory.remove(name) }
        try? directory.remove(FileName.lockName)
        _ = unsafe rmdir(path)
    }

    /// A segment without a record, or one of the other two files.
    private func isUnused(_ name: String, _ directory: borrowing Directory) -> Bool {
        switch FileName(name) {
        case .manifest, .lock: true
        case .segment(1): directory.size(of: name) ?? .max <= SegmentHeader.byteCount
        default: false
        }
    }
}

extension StaveCommand {
    /// What stands above the first prompt: which store this is, and where to go on.
    func greet(_ session: Session, _ new: NewStore?) {
        guard session.settings.greets, isatty(STDOUT_FILENO) == 1 else { return }
        if new != nil {
            return session.note(
                "new store \(directory) (Ctrl-D leaves; an empty one is removed again)")
        }
        let store = session.store
        let size = store.count == 0 ? "" : ", \(Units.bytes(Self.sizeOnDisk(of: store.path)))"
        session.note(
            "\(Prompt.name(ofPath: store.path)): \(Units.count(store.count, "key"))\(size)."
                + " help lists the commands, Tab completes.")
    }

    /// Bytes of all files, as their sizes say: what `stats` knows besides takes longer.
    private static func sizeOnDisk(of path: String) -> Int {
        guard let directory = try? Directory(path: path), let names = try? directory.names() else {
            return 0
        }
        return names.reduce(0) { $0 + (FileName($1) == nil ? 0 : directory.size(of: $1) ?? 0) }
    }
}
