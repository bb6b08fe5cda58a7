internal import Glibc
internal import StaveDisk

/// What a backup came to.
public struct BackupReport: Equatable, Sendable {
    /// Segments of the backup that are a second name of the store's file.
    public var linkedCount = 0
    /// Segments that were copied.
    public var copiedCount = 0
    /// Segments that were there already.
    public var keptCount = 0
    /// Bytes of all segments.
    public var byteCount = 0
    /// Bytes that were copied.
    public var copiedBytes = 0
    /// Files of an older backup in the same place that were removed.
    public var removedCount = 0
    /// Keys with a value.
    public var keyCount = 0
    /// The backup has all writes with lower numbers, and no other.
    public var nextSequence: UInt64 = 0

    /// All segments of the backup.
    public var segmentCount: Int { linkedCount + copiedCount + keptCount }
}

// A backup is a store of its own: the segments of one moment and a MANIFEST that names them. A
// segment is written by one process and by appending alone, so that its identity and length tell
// its bytes; a sealed one never changes. So a second name of its file is a copy of it.

extension Store {
    /// Makes a backup of the store as it is now, while it is used.
    ///
    /// Sealed segments get a second name in the new directory (a hard link), which costs no space
    /// and no time; across file systems, for another owner and where `copying` asks for it they are
    /// copied. What is not sealed is copied up to where it ends now. MANIFEST comes last: a backup
    /// that was not finished is no store, and one that is made again in the same place is the old
    /// one until then. Where a segment is there already, it stays, so that only what is new takes
    /// time.
    ///
    /// Works on a store that is open read-only, too, beside its writer in another process.
    ///
    /// What is copied is checked, record by record. What is linked is the same file: `verify` on
    /// the backup reads it all.
    ///
    /// - Parameters:
    ///   - path: a directory that is missing, empty, or holds an older backup of this store to
    ///     which nothing was written since. Its parent must exist.
    ///   - copying: link nothing, so that damage to one file is not damage to both.
    ///   - progress: called with the bytes that are done and the bytes of all.
    /// - Throws: `StoreError`; an older backup in the same place stays whole.
    /// - Complexity: O(segments + bytes copied).
    public func backup(
        to path: String, copying: Bool = false,
        progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws(StoreError) -> BackupReport {
        try requireOpen()
        if let uncertainty = index.uncertainties.first { throw uncertainty.error }
        var moment = try moment()
        // What is written to the copy is no write of this store.
        moment.manifest.beginHistory(
            .random(in: .min ... .max), at: moment.manifest.nextSequence)
        let target = try BackupTarget(path, of: moment.manifest.storeID, outside: log.directory)
        var report = BackupReport()
        report.keyCount = moment.keyCount
        report.nextSequence = moment.manifest.nextSequence
        let total = moment.segments.reduce(0) { $0 + $1.end }
        try withFileErrors { () throws(FileError) in
            try target.begin(moment.manifest)
            for segment in moment.segments {
                try requireOpenForBackup()
                try target.take(segment, log, copying: copying, &report)
                progress(report.byteCount, total)
            }
            report.removedCount = try target.finish(moment.manifest)
        }
        return report
    }

    private func requireOpenForBackup() throws(FileError) {
        if isClosing { throw FileError("back up", path, reason: "it was closed meanwhile") }
    }

    /// The segments as they are between two writes, and the MANIFEST that names them.
    private func moment() throws(StoreError) -> BackupMoment {
        // Between a compaction's commit and its end, MANIFEST names segments that are not visible
        // yet: some milliseconds.
        for _ in 0..<10_000 {
            let found = index.withLock {
                BackupMoment(
                    log.visibleSegments, log.manifest.current, nextSequence: log.nextSequence,
                    keyCount: index.count)
            }
            if let found { return found }
            usleep(1000)
        }
        throw .notABackup(path: path, reason: "a compaction does not come to its end")
    }
}

/// A store between two writes.
struct BackupMoment {
    struct Part {
        var segment: Segment
        /// In MANIFEST of the backup.
        var listed: Manifest.Segment
        /// The file is complete: its name may be linked.
        var isSealed: Bool

        var end: Int { listed.extent!.length }
    }

    var segments: [Part] = []
    var manifest: Manifest
    var keyCount: Int

    /// nil where MANIFEST names others than `visible`.
    init?(_ visible: [Segment], _ manifest: Manifest, nextSequence: UInt64, keyCount: Int) {
        self.manifest = manifest
        self.keyCount = keyCount
        for segment in visible where segment.end > SegmentHeader.byteCount {
            guard
                var listed = manifest.segments.first(where: {
                    $0.number == segment.number && $0.identity == segment.identity
                })
            else { return nil }
            let isSealed = listed.isSealed
            listed.state = .sealed(segment.manifestExtent)
            segments.append(Part(segment: segment, listed: listed, isSealed: isSealed))
        }
        self.manifest.segments = segments.map(\.listed).sorted { $0.number < $1.number }
        self.manifest.nextSequence = max(manifest.nextSequence, nextSequence)
    }
}
