internal import StaveDisk

/// A store's files as all its parts share them: the directory, MANIFEST, the segments, and the sorted
/// entries of each. It knows neither the keydir nor the writer.
final class Log: @unchecked Sendable {
    // @unchecked: constants, and objects that guard themselves.

    let directory: Directory
    let manifest: ManifestFile
    let table = SegmentTable()
    /// Why nothing may be written; nil where it may.
    let readOnlyReason: String?
    private let onEvent: (@Sendable (StoreEvent) -> Void)?
    /// The next write's number as recovery found it: no record of this store has it, or a higher one.
    private let firstNewSequence: UInt64
    /// Guards `hasLeftovers`.
    private let leftoversLock = Lock()
    private var mayHaveLeftovers = true

    init(
        _ directory: consuming Directory, _ manifest: ManifestFile, firstNewSequence: UInt64,
        readOnlyReason: String?, onEvent: (@Sendable (StoreEvent) -> Void)?
    ) {
        self.directory = directory
        self.manifest = manifest
        self.firstNewSequence = firstNewSequence
        self.readOnlyReason = readOnlyReason
        self.onEvent = onEvent
    }

    // MARK: Sorted entries

    /// The segment's entries sorted by key, up to `end`.
    func sortedEntries(of segment: Segment, upTo end: Int) -> SortedEntries {
        _ = hint(of: segment)
        return segment.sortedEntries(upTo: end)
    }

    /// The same in a few runs, which costs less for a segment that has grown.
    func sortedRuns(of segment: Segment, upTo end: Int) -> [SortedEntries] {
        _ = hint(of: segment)
        return segment.sortedRuns(upTo: end)
    }

    /// The segment's hint, if it has one: read now where that was not needed before. One that does not
    /// check out is made again from the segment, unless that is damaged too.
    func hint(of segment: Segment) -> HintImage? {
        if let hint = segment.hint { return hint }
        guard segment.mayHaveHint else { return nil }
        do throws(HintFile.Problem) {
            if let hint = try HintFile.read(of: segment, in: directory) { segment.remember(hint) }
        } catch {
            guard segment.sortedEntries(upTo: segment.end).unreadable.isEmpty else { return nil }
            if readOnlyReason == nil { try? writeHint(of: segment) }
            onEvent?(.hintRebuilt(file: error.file, reason: error.reason))
        }
        return segment.hint
    }

    /// Writes a sealed segment's hint file and reads through it from now on.
    func writeHint(of segment: Segment) throws(FileError) {
        let hint: HintImage
        if segment.hasRuns {
            // A scan sorted most of the entries already.
            let entries = segment.sortedEntries(upTo: segment.end)
            // A hint would hide what it cannot name; without one, the next open finds the damage.
            guard entries.unreadable.isEmpty else { return }
            hint = try entries.image.write(ofSegment: segment.number, in: directory)
        } else {
            let (records, unreadable) = segment.readRecords(SegmentHeader.byteCount..<segment.end)
            guard unreadable.isEmpty else { return }
            // SAFETY: the segment stays mapped, and the records lie below its end.
            hint = unsafe try records.writeHint(
                ofSegment: segment.number, segment.bytes(upTo: segment.end),
                identity: segment.identity, segmentLength: segment.end, in: directory)
        }
        segment.remember(hint)
    }

    // MARK: Damaged records

    /// Is the record at `location` damaged, and does its segment's hint say that it is the key's?
    @inline(never)
    func isDamagedRecord(of key: RawSpan, at location: Location) -> Bool {
        if table.record(at: location).headerChecksOut() { return false }
        return hintNames(key, at: location) == true
    }

    /// Does the hint of the segment at `location` say that `key` lies there? nil without a hint, or
    /// where the hint was made before the segment reached there.
    func hintNames(_ key: RawSpan, at location: Location) -> Bool? {
        guard let segment = table.segments[location.slot], let hint = hint(of: segment),
            location.offset < hint.segmentLength
        else { return nil }
        return unsafe key.withUnsafeBytes { key in
            guard let entry = unsafe hint.entry(for: key) else { return false }
            return entry.offset == location.offset
        }
    }

    /// Takes a record that is superseded out of its segment's live bytes.
    @inline(__always)
    func forget(_ location: Location) {
        guard let header = table.record(at: location).header else { return }
        table.withSegment(location.slot) { segment in
            // The header is not checked here; a damaged one may make the figure wrong, not negative.
            segment.liveBytes = max(0, segment.liveBytes - header.recordLength)
        }
    }

    // MARK: Leftovers

    /// Before the first file is made: removes what a crash left half done, and sets aside what MANIFEST
    /// does not name but holds writes that it knows nothing of.
    func clearLeftovers() throws(StoreError) {
        try leftoversLock.withLock { () throws(StoreError) in
            guard mayHaveLeftovers else { return }
            do throws(FileError) {
                let leftovers = try leftovers()
                // A power cut must not bring back a MANIFEST that names them.
                if !leftovers.isEmpty { try manifest.makeDurable(in: directory) }
                // One that cannot be cleared away is no part of the store, and nothing uses its name.
                for name in leftovers { try? clear(name) }
            } catch {
                throw StoreError(error)
            }
            mayHaveLeftovers = false
        }
    }

    private func leftovers() throws(FileError) -> [String] {
        let named = Set(manifest.onDisk.segments.map(\.number))
        return try directory.names().filter { name in
            switch FileName(name) {
            case .segment(let number), .hint(let number): !named.contains(number)
            case .temporary: true
            default: false
            }
        }
    }

    private func clear(_ name: String) throws(FileError) {
        guard case .segment = FileName(name), directory.isRegularFile(name),
            try holdsUnknownWrites(name)
        else { return try directory.remove(name) }
        var aside = name + Self.asideSuffix
        var attempt = 1
        while directory.contains(aside) {
            attempt += 1
            aside = name + Self.asideSuffix + String(attempt)
        }
        try directory.rename(name, to: aside)
        onEvent?(.setAside(file: directory.path(of: aside)))
    }

    /// Ends the name of a file that was set aside: no name of a store's, so that nobody removes it.
    static let asideSuffix = ".aside"

    /// Is this segment of another moment, or of another store? What a crash leaves is a new file without
    /// records, or a compaction's output, whose records are all copies of known ones.
    private func holdsUnknownWrites(_ name: String) throws(FileError) -> Bool {
        let file = try directory.open(name, .read)
        let size = try file.size()
        guard size > SegmentHeader.byteCount, size <= Format.maxFileLength + 4096 else {
            return size > SegmentHeader.byteCount
        }
        let mapping = try Mapping(file, count: size, isWritable: false)
        // SAFETY: the file has `size` bytes, and only its writer, which we are, would cut it.
        let bytes = unsafe mapping.bytes.bytes
        guard let header = try? SegmentHeader(decoding: bytes),
            header.storeID == manifest.current.storeID
        else { return bytes.lastNonZero(from: 0) != nil }
        var walk = SegmentWalk(identity: header.identity, rule: .unmarked)
        while let item = walk.next(in: bytes) {
            if case .record(_, let header, _) = item, header.sequence >= firstNewSequence {
                return true
            }
        }
        return false
    }
}
