internal import StaveDisk
internal import Synchronization

/// What a store is made of, all of it valid: `Store` comes into being from these by an initialiser
/// that cannot fail, so that nothing half-made is ever used or saved.
struct StoreParts {
    var path: String
    var options: StoreOptions
    let log: Log
    let index: Index
    var notices: [String]
}

/// Opening, step by step. Nothing is changed on disk except for a new store's first files: what a
/// crash left is settled by the first write.
///
/// 1. Find the directory, or make it where that was asked for.
/// 2. Take the lock, to write.
/// 3. Read MANIFEST. It alone says which segments there are.
/// 4. Read the segments, or what saves reading them (`Recovery`).
/// 5. Fill the keydir (`Replay`).
/// 6. To write: take over the segments that a process that died left unsealed.
struct Opening: ~Copyable {
    private let options: StoreOptions
    private let directory: Directory
    private var lock: StoreLock?
    private let manifest: Manifest
    private let recovered: RecoveredStore

    static func run(
        path: String, options: StoreOptions
    ) throws(StoreError) -> StoreParts {
        try options.validate()
        return try Opening(path: path, options: options).parts(path)
    }

    private var isWriter: Bool { options.access == .readWrite }

    // MARK: Steps 1 to 4

    private init(path: String, options: StoreOptions) throws(StoreError) {
        let isWriter = options.access == .readWrite
        let creates = isWriter && options.createsIfMissing
        let directory = try Self.openDirectory(path, creates: creates)
        if try ManifestFile.read(in: directory) == nil {
            // One that another process makes at this moment has it by now.
            if !directory.contains(FileName.manifestName) {
                try Self.requireCreatable(directory, creates: creates)
            }
        }
        let lock = isWriter ? try Self.takeLock(in: directory) : nil
        // Read again: before the lock was taken, another process may have changed it.
        let first: Manifest
        if let found = try ManifestFile.read(in: directory) {
            first = found
        } else {
            try Self.requireCreatable(directory, creates: creates)
            // A process that ended while it made the directory may have left its name to the kernel
            // only. Who may not read the parent cannot do anything about it.
            do throws(FileError) {
                try Directory.syncName(of: path)
            } catch {
                if !error.isPermission { throw StoreError(error) }
            }
            first = Manifest(storeID: .random())
            try ManifestFile.write(first, in: directory)
        }
        (manifest, recovered) = try Self.recover(in: directory, first, isWriter: isWriter)
        self.options = options
        self.directory = directory
        self.lock = lock
    }

    /// Reads the segments. A reader beside a writer may find that a compaction has just replaced
    /// some: then MANIFEST says something new, and it reads again.
    private static func recover(
        in directory: borrowing Directory, _ first: Manifest, isWriter: Bool
    ) throws(StoreError) -> (Manifest, RecoveredStore) {
        var manifest = first
        var attempts = 0
        while true {
            do throws(StoreError) {
                let recovered = try Recovery.run(
                    in: directory, manifest: manifest, isWriter: isWriter)
                return (manifest, recovered)
            } catch {
                attempts += 1
                guard !isWriter, attempts < 100, let now = try ManifestFile.read(in: directory),
                    now.revision != manifest.revision
                else { throw error }
                manifest = now
            }
        }
    }

    private static func openDirectory(
        _ path: String, creates: Bool
    ) throws(StoreError) -> Directory {
        do throws(FileError) {
            do throws(FileError) {
                return try Directory(path: path)
            } catch {
                guard error.isNoSuchFile, creates else { throw error }
                try Directory.create(path)
                return try Directory(path: path)
            }
        } catch {
            if error.isNoSuchFile { throw .noSuchDirectory(path: path) }
            if error.isNotADirectory { throw .notADirectory(path: path) }
            throw StoreError(error)
        }
    }

    private static func takeLock(
        in directory: borrowing Directory
    ) throws(StoreError) -> StoreLock {
        let lock = try withFileErrors { () throws(FileError) in
            try StoreLock.acquire(in: directory)
        }
        guard let lock else {
            throw .locked(path: directory.path, holder: StoreLock.holder(in: directory))
        }
        return lock
    }

    /// A directory without a MANIFEST may become a store only if there is nothing else in it.
    private static func requireCreatable(
        _ directory: borrowing Directory, creates: Bool
    ) throws(StoreError) {
        let names = try withFileErrors { () throws(FileError) in try directory.names() }
        for name in names {
            switch FileName(name) {
            case .lock, .temporary: continue
            case .segment, .hint, .checkpoint, .manifest:
                throw .notAStore(
                    path: directory.path,
                    reason: "it holds \(name), but MANIFEST is missing; put it back from a backup")
            case nil:
                throw .notAStore(
                    path: directory.path,
                    reason: "it holds other files (\(name)); name an empty directory")
            }
        }
        guard creates else {
            throw .notAStore(
                path: directory.path, reason: "it is empty")
        }
    }

    // MARK: Steps 5 and 6

    private consuming func parts(_ path: String) throws(StoreError) -> StoreParts {
        let (options, manifest, recovered) = (options, manifest, recovered)
        let log = Log(
            directory, lock: lock, ManifestFile(manifest),
            firstUnknownSequence: recovered.lastSequence &+ 1,
            readOnlyReason: Self.readOnlyReason(options, recovered), options: options)
        let keydir = try Self.keydir(recovered, log)
        let hashSeed = manifest.storeID.low
        try Replay(
            into: keydir, log, hashSeed: hashSeed, mergeBatch: options.mergeBatch
        ).run(recovered)
        try keydir.trim()
        log.begin(
            at: recovered.nextSequence,
            // What a killed process left in the page cache is not durable yet.
            durable: recovered.firstUnsynced ?? recovered.nextSequence,
            full: log.readOnlyReason == nil ? try Self.takeOver(recovered, log) : [],
            withoutHint: recovered.withoutHint)
        // Only now: an open that was refused has changed nothing.
        log.storeLock?.announce()
        if log.storeLock != nil { log.manifest.claim(in: log.directory) }
        let index = Index(
            keydir, of: log, hashSeed: hashSeed, uncertainties: recovered.uncertainties,
            replayedCount: recovered.replayedCount)
        return StoreParts(
            path: path, options: options, log: log, index: index, notices: recovered.notices)
    }

    private static func readOnlyReason(
        _ options: StoreOptions, _ recovered: RecoveredStore
    ) -> String? {
        if options.access == .readOnly { return "it was opened read-only" }
        return recovered.uncertainties.first.map {
            "\($0.file) is damaged at offset \($0.offset), and nothing tells which key was there"
        }
    }

    /// The keydir, with the checkpoint's keys where there is one, and each segment in its place of
    /// the table.
    private static func keydir(
        _ recovered: RecoveredStore, _ log: Log
    ) throws(StoreError) -> Keydir {
        let keydir: Keydir
        if let tables = recovered.checkpointTables {
            keydir = try Keydir(restoring: tables, for: log.directory.path)
            tables.restoreSegments(recovered.segments, log)
        } else {
            keydir = try Keydir(
                expectedCount: recovered.replayedCount, for: log.directory.path)
        }
        for segment in recovered.segments where segment.index < 0 {
            try log.table.add(segment, limit: min(segment.end, segment.fileSize))
        }
        return keydir
    }

    /// Makes the segments that are not sealed full ones: nothing is appended to them any more.
    /// MANIFEST says with the next commit where they end, all in one: a log that ended early ends
    /// there for good, before anything is appended behind it, and what was left out stays so. The
    /// background, a sync or the close seals them.
    private static func takeOver(
        _ recovered: RecoveredStore, _ log: Log
    ) throws(StoreError) -> [Appender] {
        let dropped = Set(recovered.dropped.map(\.number))
        log.manifest.amend { manifest in
            manifest.segments.removeAll { dropped.contains($0.number) }
            manifest.nextSequence = max(manifest.nextSequence, recovered.nextSequence)
            for unsealed in recovered.unsealed { manifest.end(unsealed.segment) }
        }
        var full: [Appender] = []
        for unsealed in recovered.unsealed {
            let segment = unsealed.segment
            if segment.isEmpty {
                segment.isSealed = true
                continue
            }
            let appender = try withFileErrors { () throws(FileError) in
                let file = try log.directory.open(
                    FileName.segment(segment.number).name, .readWrite)
                let output = SegmentFile(
                    takingOver: segment, file, size: unsealed.fileSize,
                    synced: unsealed.log.durableEnd, markTurn: unsealed.log.markTurn,
                    in: log.table)
                return Appender(output, capacity: segment.end, canReserve: false)
            }
            full.append(appender)
        }
        return full
    }
}
