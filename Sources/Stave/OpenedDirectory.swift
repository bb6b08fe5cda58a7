internal import StaveDisk

/// The first half of opening: find the directory, take the lock, read MANIFEST and the segments.
/// Nothing is changed on disk but for a new store's first files.
final class OpenedDirectory {
    var directory: Directory?
    var lock: StoreLock?
    private(set) var manifest: Manifest
    private(set) var recovered: RecoveredStore

    init(path: String, options: StoreOptions) throws(StoreError) {
        let isWriter = options.access == .readWrite
        let creates = isWriter && options.createsIfMissing
        let directory = try Self.openDirectory(path, creates: creates)
        if try ManifestFile.read(in: directory) == nil {
            try Self.requireCreatable(directory, creates: creates)
        }
        if isWriter {
            do throws(FileError) {
                lock = try StoreLock.acquire(in: directory)
            } catch {
                throw StoreError(error)
            }
            guard lock != nil else {
                throw .locked(path: path, holder: StoreLock.holder(in: directory))
            }
        }
        // Read again: before the lock was taken, another process may have changed it.
        if let found = try ManifestFile.read(in: directory) {
            manifest = found
        } else {
            try Self.requireCreatable(directory, creates: creates)
            // A process that ended while it made the directory may have left its name to the kernel
            // only. Who may not read the parent cannot do anything about it.
            do throws(FileError) {
                try Directory.syncName(of: path)
            } catch {
                if !error.isPermission { throw StoreError(error) }
            }
            manifest = Manifest(storeID: .random())
            try ManifestFile.write(manifest, in: directory)
        }
        (manifest, recovered) = try Self.recover(in: directory, manifest, isWriter: isWriter)
        // Only now: an open that was refused has changed nothing.
        lock?.announce()
        self.directory = consume directory
    }

    /// Reads the segments. A reader beside a writer may find that a compaction has just replaced some:
    /// then MANIFEST says something new, and it reads again.
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

    /// A directory without a MANIFEST may become a store only if there is nothing else in it.
    private static func requireCreatable(
        _ directory: borrowing Directory, creates: Bool
    ) throws(StoreError) {
        let names: [String]
        do throws(FileError) { names = try directory.names() } catch { throw StoreError(error) }
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
                path: directory.path, reason: "it is empty (--create makes a new store in it)")
        }
    }
}

// MARK: - The second half: the keydir, and settling what a crash left

extension Store {
    /// Fills keydir and segment table from what recovery found.
    func fillKeydir(_ recovered: RecoveredStore) throws(StoreError) {
        if let saved = recovered.saved { restoreSegments(recovered, saved) }
        for segment in recovered.segments where segment.slot < 0 {
            try table.add(segment, limit: min(segment.end, segment.fileSize))
        }
        try Replay(into: self).run(recovered)
        try keydir.trim()
    }

    /// Brings the disk to what recovery decided: cuts the torn tail, commits segments that end early,
    /// seals full ones, writes missing hints and removes leftovers.
    func settle(_ recovered: RecoveredStore) throws(StoreError) {
        try removeLeftovers()
        let ended = recovered.full.filter { !$0.isSealed }
        if !recovered.dropped.isEmpty || !ended.isEmpty || recovered.skipsSequences {
            try commitRecoveredSegments(ended, recovered)
        }
        // After the older segments: none is durable further than the ones before it.
        if let active = recovered.active { try adopt(active) }
        for segment in recovered.withoutHint + ended { try? writeHint(of: segment) }
    }

    /// Takes the active segment up where the log ends.
    private func adopt(_ active: RecoveredStore.Active) throws(StoreError) {
        let segment = active.segment
        do throws(FileError) {
            let file = try directory.open(FileName.segment(segment.number).name, .readWrite)
            var size = active.fileSize
            if active.log.hasTornTail && active.log.cutRecords == 0 {
                // Nothing whole is behind it. The cut is made durable before anything is appended.
                if try file.truncateUnlessShared(to: segment.end) {
                    size = segment.end
                } else {
                    // A reader has it mapped: its pages stay.
                    try file.zero(segment.end..<size)
                }
                try file.sync()
            }
            let appender = Appender(
                segment: segment, file: file, reserved: size, capacity: active.capacity,
                table: table,
                synced: active.log.mark, isInherited: active.log.mark != active.fileSize)
            table.setLimit(size, of: segment)
            if active.log.cutRecords > 0 {
                // Whole records that were never synced lie behind the tear: the segment ends here, and
                // its file keeps them for whoever wants to look.
                segment.keepsCutBytes = true
                writer.full.append(appender)
            } else {
                writer.appender = appender
            }
        } catch {
            throw StoreError(error)
        }
        if segment.keepsCutBytes { try sealFull() }
    }

    private func commitRecoveredSegments(
        _ ended: [Segment], _ recovered: RecoveredStore
    ) throws(StoreError) {
        do throws(FileError) {
            for segment in ended {
                let file = try directory.open(FileName.segment(segment.number).name, .readWrite)
                try writeAgain(segment, to: file)
                try file.syncData()
                if !segment.keepsCutBytes {
                    _ = try file.truncateUnlessShared(to: segment.end)
                    try file.sync()
                }
            }
        } catch {
            throw StoreError(error)
        }
        let dropped = Set(recovered.dropped.map(\.number))
        let isCommitted = try manifest.commitIfRoom(in: directory) { manifest in
            manifest.segments.removeAll { dropped.contains($0.number) }
            for segment in ended {
                manifest.setSeal(segment.seal(isDurable: true), of: segment.number)
            }
            manifest.nextSequence = max(manifest.nextSequence, recovered.nextSequence)
        }
        for segment in ended { segment.isSealed = true }
        guard isCommitted else { return }
        for number in dropped { try? directory.remove(FileName.segment(number).name) }
    }

    /// As `Appender` does with what another process left: before a sync can mean anything, records that
    /// were never synced are written again.
    private func writeAgain(
        _ segment: Segment, to file: borrowing File
    ) throws(FileError) {
        // SAFETY: the file has these bytes, and they are mapped.
        let bytes = unsafe segment.bytes(upTo: segment.end)
        let mark = unsafe SegmentHeader.mark(in: bytes.bytes, identity: segment.identity) ?? 0
        let start = min(max(mark, SegmentHeader.byteCount), bytes.count)
        unsafe try file.write(bytes.bytes.extracting(start..<bytes.count), at: start)
    }

    /// Removes files of the store that MANIFEST does not name: what a crash left half done.
    private func removeLeftovers() throws(StoreError) {
        do throws(FileError) {
            let leftovers = try leftovers()
            if leftovers.isEmpty { return }
            // A power cut must not bring back a MANIFEST that names them.
            try manifest.makeDurable(in: directory)
            for name in leftovers { try directory.remove(name) }
        } catch {
            // Not being able to remove is no reason not to open.
            notices.append(error.description)
        }
    }

    private func leftovers() throws(FileError) -> [String] {
        let named = Set(manifest.current.segments.map(\.number))
        return try directory.names().filter { name in
            switch FileName(name) {
            case .segment(let number), .hint(let number): !named.contains(number)
            case .temporary: true
            default: false
            }
        }
    }
}
