internal import StaveDisk

/// Follows a store from another process than its writer's: reads what is durable in its files,
/// without its lock and without an index. Changes nothing.
///
///     let follower = try StoreFollower(path: "data", since: position)
///     while true {
///         if var cursor = try follower.next() {
///             while let change = try cursor.next() { ... }
///             position = cursor.end
///         }
///         sleep(1)
///     }
///
/// Rules:
/// 1. A sealed segment counts whole. Of one that is not, what its synced mark, or MANIFEST, says to
///    be durable: it ends between two batches.
/// 2. Where the end of a segment is not durable, those behind it that are not sealed do not count
///    yet: what is told is a prefix of the writes. (Sealed ones hold older writes, whatever their
///    numbers: a compaction makes them.)
/// 3. MANIFEST is read before the marks: whatever a compaction dropped, it says so, and what was
///    written before that is durable by then.
///
/// A look costs little where nothing is new. For use by one thread at a time.
public final class StoreFollower {
    /// Where the next cursor begins.
    public private(set) var position: ChangePosition

    private let directory: Directory
    /// Segments that are open, by identity.
    private var segments: [UInt64: Segment] = [:]
    /// What was there at the last look.
    private var seen: (revision: UInt64, ends: [Int])?

    /// - Parameter path: the store's directory.
    /// - Throws: where there is no store.
    public init(path: String, since position: ChangePosition = .start) throws(StoreError) {
        self.position = position
        do throws(FileError) {
            directory = try Directory(path: path)
        } catch {
            if error.isNoSuchFile { throw .noSuchDirectory(path: path) }
            if error.isNotADirectory { throw .notADirectory(path: path) }
            throw StoreError(error)
        }
        _ = try manifest()
    }

    /// What became durable since the last cursor's end, or since the position that was given; nil
    /// where nothing did.
    ///
    /// - Throws: as `Store.changeCursor(since:)`.
    public func next() throws(StoreError) -> ChangeCursor? {
        let (moment, ends) = try moment()
        let now = (revision: moment.manifest.revision, ends: ends)
        if let seen, seen == now { return nil }
        let cursor = try ChangeCursor(moment, since: position)
        seen = now
        let isNews = cursor.end.sequence > position.sequence
        position = cursor.end
        return isNews ? cursor : nil
    }

    /// Passes over all that is durable now: the next cursor tells what comes after.
    public func skipToNow() throws(StoreError) {
        position = ChangePosition(sequence: max(1, try manifest().nextSequence) - 1)
        position = try cursor().end
    }

    /// The same, also where there is nothing.
    func cursor() throws(StoreError) -> ChangeCursor {
        try ChangeCursor(try moment().moment, since: position)
    }

    private func manifest() throws(StoreError) -> Manifest {
        guard let manifest = try ManifestFile.read(in: directory) else {
            throw .notAStore(path: directory.path, reason: "MANIFEST is missing")
        }
        return manifest
    }

    // MARK: What is durable now

    /// The segments with changes, and where those end that may grow.
    private func moment() throws(StoreError) -> (moment: ChangeMoment, ends: [Int]) {
        var manifest = try manifest()
        var attempts = 0
        while true {
            do throws(StoreError) {
                return try moment(of: manifest)
            } catch {
                // A compaction has just replaced some segments: then MANIFEST says something new.
                attempts += 1
                let now = try self.manifest()
                guard attempts < 100, now.revision != manifest.revision else { throw error }
                manifest = now
            }
        }
    }

    private func moment(
        of manifest: Manifest
    ) throws(StoreError) -> (moment: ChangeMoment, ends: [Int]) {
        let recovery = Recovery(path: directory.path, manifest: manifest, isWriter: false)
        var (parts, ends, used) = ([ChangeMoment.Part](), [Int](), [UInt64: Segment]())
        var isCut = false
        for entry in manifest.segments {
            let (segment, end): (Segment, Int)
            if entry.isSealed, let extent = entry.extent {
                guard extent.sequences.upperBound > position.sequence else { continue }
                (segment, end) = (try open(entry, recovery, atLeast: extent.length), extent.length)
            } else if isCut {
                continue
            } else {
                (segment, end) = try openGrowing(entry, recovery)
                ends.append(end)
                isCut = end < entry.extent?.length ?? .max
            }
            used[entry.identity] = segment
            let runs = end > SegmentHeader.byteCount ? segment.sortedRuns(upTo: end) : []
            parts.append(ChangeMoment.Part(segment: segment, end: end, runs: runs))
        }
        segments = used
        let written = parts.lazy.flatMap(\.runs).compactMap { $0.image.sequences?.upperBound }.max()
        let highest = max(max(1, manifest.nextSequence) - 1, written ?? 0)
        return (ChangeMoment(manifest: manifest, parts: parts, highest: highest), ends)
    }

    /// A segment that is not sealed, and where its durable records end (1).
    private func openGrowing(
        _ entry: Manifest.Segment, _ recovery: borrowing Recovery
    ) throws(StoreError) -> (Segment, Int) {
        var segment = try open(entry, recovery, atLeast: SegmentHeader.byteCount)
        // SAFETY: the bytes of the file are mapped.
        let mark = unsafe SegmentHeader.mark(
            in: segment.bytes(upTo: SegmentHeader.byteCount).bytes, identity: entry.identity,
            version: entry.format)
        let end = min(max(mark.length ?? 0, entry.durableLength), entry.extent?.length ?? .max)
        if end > segment.fileSize { segment = try open(entry, recovery, atLeast: end) }
        return (segment, end)
    }

    /// The segment, mapped up to `count` bytes at least where its file has them; what was sorted of
    /// it stays.
    private func open(
        _ entry: Manifest.Segment, _ recovery: borrowing Recovery, atLeast count: Int
    ) throws(StoreError) -> Segment {
        let known = segments[entry.identity]
        if let known, known.fileSize >= count { return known }
        let opened = try recovery.open(entry, in: directory)
        let segment = opened.segment
        if let damage = opened.damage, damage.isNewerVersion {
            throw StoreError(damage, file: segment.path)
        }
        if let extent = entry.extent { segment.end = extent.length }
        if let known {
            let runs = known.runsLock.withLock { known.runs }
            segment.runsLock.withLock { segment.runs = runs }
        } else if segment.mayHaveHint, let hint = try? HintFile.read(of: segment, in: directory) {
            segment.remember(hint)
        }
        return segment
    }
}
