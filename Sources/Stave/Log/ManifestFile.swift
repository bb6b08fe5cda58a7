internal import StaveDisk
internal import Synchronization

/// The MANIFEST of an open store: the one place where its set of segments changes.
final class ManifestFile: @unchecked Sendable {
    // @unchecked: all state is guarded by `lock`.

    /// Guards `manifest` and the order of its versions on disk.
    private let lock = Lock(.manifest)
    private var manifest: Manifest
    /// The version on disk; another one than `manifest` until a commit writes what was amended.
    private var written: Manifest
    /// Set when MANIFEST was renamed and its name could not be made durable: it is not known then
    /// which version a power cut leaves, so nothing is committed, and nothing that either names is
    /// removed.
    private var failure: StoreError?
    /// May writes be taken? Not once `failure` is set: MANIFEST on disk may end the active segment
    /// already, and what is appended behind that end would be lost.
    private let isCertain = Atomic<Bool>(true)

    /// Has the name of the version that was read or written been made durable by this process? One
    /// that ended between a rename and its sync may have left it to the kernel only.
    private let isDurable = Atomic<Bool>(false)
    /// Of the file that `written` stands in; nil where that is not known.
    private var stamp: Directory.Stamp?

    init(_ manifest: Manifest) {
        self.manifest = manifest
        written = manifest
    }

    var current: Manifest { lock.withLock { manifest } }

    /// What a reader finds, or the next process.
    var onDisk: Manifest { lock.withLock { written } }

    /// Throws where it is not known which version a power cut leaves. Before anything is appended.
    @inline(__always)
    func requireCertain() throws(StoreError) {
        if !isCertain.load(ordering: .acquiring) { try throwFailure() }
    }

    @inline(never)
    private func throwFailure() throws(StoreError) {
        if let failure = lock.withLock({ failure }) { throw failure }
    }

    /// Under the lock.
    private func fail(_ error: StoreError) -> StoreError {
        failure = error
        isCertain.store(false, ordering: .releasing)
        return error
    }

    /// A segment number that was never used; nil where all were, as only a made-up file can say.
    func takeSegmentNumber() -> UInt64? {
        lock.withLock {
            // The next one is written to MANIFEST, too, and must be one that can be read there.
            guard manifest.nextSegment < FileName.largestNumber else { return nil }
            defer { manifest.nextSegment += 1 }
            return manifest.nextSegment
        }
    }

    /// Replaces MANIFEST with a changed version, durably. Where this throws, the old version
    /// stands, on disk and here; but after `StoreError.syncFailed` either may stand on disk.
    func commit(
        in directory: borrowing Directory, _ change: (inout Manifest) -> Void
    ) throws(StoreError) {
        lock.lock()
        defer { lock.unlock() }
        if let failure { throw failure }
        do throws(FileError) {
            try requireStamp(in: directory)
        } catch {
            throw .directoryLost(path: error.path, reason: error.reason)
        }
        var changed = manifest
        change(&changed)
        // Only whether it is another one counts; a made-up file may hold the largest.
        changed.revision &+= 1
        changed.segments.sort { $0.number < $1.number }
        let highest = changed.segments.compactMap { $0.extent?.sequences.upperBound }.max() ?? 0
        changed.nextSequence = max(changed.nextSequence, highest == .max ? .max : highest + 1)
        do throws(StoreError) {
            try Self.write(changed, in: directory)
        } catch {
            if case .syncFailed = error { throw fail(error) }
            throw error
        }
        manifest = changed
        written = changed
        stamp = try? directory.stamp(of: FileName.manifestName)
        isDurable.store(true, ordering: .releasing)
    }

    /// From now on MANIFEST has to be what it is now: this process alone changes it.
    func claim(in directory: borrowing Directory) {
        lock.withLock { stamp = try? directory.stamp(of: FileName.manifestName) }
    }

    /// Throws where MANIFEST is not any more what was read or written last: a backup was put back
    /// over a store in use, say. Says nothing while it is being written.
    func requirePlace(in directory: borrowing Directory) throws(FileError) {
        guard lock.tryLock() else { return }
        defer { lock.unlock() }
        // After a rename whose sync failed it may be the new version: `requireCertain` tells of
        // that.
        if failure == nil { try requireStamp(in: directory) }
    }

    /// Under the lock.
    private func requireStamp(in directory: borrowing Directory) throws(FileError) {
        guard let known = stamp else { return }
        do throws(FileError) {
            let found = try directory.stamp(of: FileName.manifestName)
            if found == known { return }
            // Touched, or replaced by its like: nothing is lost.
            if let now = try? Self.read(in: directory), now == written {
                stamp = found
                return
            }
        } catch {
            // What cannot be seen is not held against it.
            return
        }
        throw FileError(
            "use", directory.path(of: FileName.manifestName),
            reason: "it was removed or replaced while the store was in use")
    }

    /// Makes sure that the version in hand is the one that a power cut leaves. Before anything
    /// counts as durable or is removed on its word.
    func makeDurable(in directory: borrowing Directory) throws(FileError) {
        if isDurable.load(ordering: .acquiring) { return }
        try directory.sync()
        isDurable.store(true, ordering: .releasing)
    }

    /// A change that the next commit writes. Only for what the next open would find out again.
    func amend(_ change: (inout Manifest) -> Void) { lock.withLock { change(&manifest) } }

    /// Writes what was amended about segments and no commit has written yet.
    func commitAmended(in directory: borrowing Directory) throws(StoreError) {
        if lock.withLock({ manifest.segments == written.segments }) { return }
        try commit(in: directory) { _ in }
    }

    /// What is wrong with MANIFEST on disk; nil where it is what was last written. A reader cannot
    /// tell what a writer beside it has committed since, only that the same revision says the same.
    func problem(in directory: borrowing Directory, isWriter: Bool) -> String? {
        lock.lock()
        defer { lock.unlock() }
        do throws(StoreError) {
            guard let found = try Self.read(in: directory) else { return "missing" }
            if found == written || (!isWriter && found.revision != written.revision) { return nil }
            return "it is revision \(found.revision), and not what was committed last"
        } catch {
            return error.description
        }
    }

    /// Writes a MANIFEST and makes it durable.
    static func write(_ manifest: Manifest, in directory: borrowing Directory) throws(StoreError) {
        let bytes = manifest.encoded()
        try withFileErrors { () throws(FileError) in
            unsafe try directory.replace(.manifest, with: bytes.span.bytes)
        }
        do throws(FileError) {
            try directory.sync()
        } catch {
            // Renamed, but whether a power cut takes the name back is not known.
            throw .syncFailed(file: error.path, reason: error.reason)
        }
    }

    /// Reads MANIFEST. Returns nil where there is none.
    static func read(in directory: borrowing Directory) throws(StoreError) -> Manifest? {
        let bytes: [UInt8]
        do throws(FileError) {
            let file = try directory.open(FileName.manifestName, .read)
            bytes = try file.contents(limit: Manifest.maxLength)
        } catch {
            if error.isNoSuchFile { return nil }
            throw StoreError(error)
        }
        do throws(FormatError) {
            return try Manifest(decoding: bytes)
        } catch {
            throw StoreError(error, file: directory.path(of: FileName.manifestName))
        }
    }
}
