internal import StaveDisk

/// The directory that a backup is made in.
///
/// Rules:
/// 1. MANIFEST is replaced when all that it names is there, durably. What an older one names is
///    removed after that, and nothing that either names is changed: so there is always the old
///    backup, whole, or the new one, whole; and before the first there is no store.
/// 2. BACKUP names the store, and the MANIFEST that was there and the one to come by their
///    checksums. A directory whose MANIFEST is neither was written to since: it is left alone.
/// 3. A segment has its name once it is whole, so that one with the right identity and length is
///    kept.
final class BackupTarget {
    private static let noteName = "BACKUP"

    private let directory: Directory
    private let path: String
    private var lock: StoreLock?
    /// What BACKUP says of the MANIFEST that is there.
    private var knownChecksum: UInt64?

    init(
        _ path: String, of storeID: StoreID, outside source: borrowing Directory
    ) throws(StoreError) {
        self.path = path
        do throws(FileError) {
            let parent = try Directory.opening(parentOf: path)
            if try parent.isInside(source) {
                throw FileError(
                    "back up into", path, reason: "it lies in the store's own directory")
            }
            try Directory.create(path)
            directory = try Directory(path: path)
            if try directory.isInside(source) {
                throw FileError("back up into", path, reason: "it is the store's own directory")
            }
            lock = try StoreLock.acquire(in: directory)
        } catch {
            throw StoreError(error)
        }
        if lock == nil { throw .locked(path: path, holder: StoreLock.holder(in: directory)) }
        try requireOwn(storeID)
    }

    deinit { lock?.release() }

    // MARK: Whose it is (2)

    private func requireOwn(_ storeID: StoreID) throws(StoreError) {
        let manifest = try ManifestFile.read(in: directory)
        let (names, note) = try withFileErrors { () throws(FileError) in
            (try directory.names().filter { $0 != FileName.lockName }, try readNote())
        }
        guard let note else {
            if names.isEmpty { return }
            throw .notABackup(
                path: path,
                reason: manifest == nil ? "it is not empty" : "a store is there that is no backup")
        }
        let lines = note.split(separator: "\n")
        guard lines.first == Self.firstLine(storeID) else {
            throw .notABackup(path: path, reason: "it holds the backup of another store")
        }
        guard let manifest else { return }
        let checksum = Self.checksum(of: manifest)
        guard lines.dropFirst().contains(Self.line(checksum)) else {
            throw .notABackup(
                path: path, reason: "the backup in it was written to; name another directory")
        }
        knownChecksum = checksum
    }

    private func readNote() throws(FileError) -> String? {
        guard directory.contains(Self.noteName) else { return nil }
        let file = try directory.open(Self.noteName, .read)
        return String(decoding: try file.contents(limit: 4096), as: UTF8.self)
    }

    private static func firstLine(_ id: StoreID) -> Substring {
        "stave backup of store \(hex(id.high))\(hex(id.low))"
    }

    private static func line(_ checksum: UInt64) -> Substring { "manifest \(hex(checksum))" }

    private static func checksum(of manifest: Manifest) -> UInt64 {
        unsafe Checksum.hash(manifest.encoded().span.bytes)
    }

    // MARK: Making it (1 and 3)

    /// Says which MANIFEST is to come.
    func begin(_ manifest: Manifest) throws(FileError) {
        let checksums = [knownChecksum, Self.checksum(of: manifest)].compactMap { $0 }
        let lines = [Self.firstLine(manifest.storeID)] + checksums.map(Self.line)
        let text = Array((lines.joined(separator: "\n") + "\n").utf8)
        try directory.replace(Self.noteName) { (file) throws(FileError) in
            unsafe try file.write(text.span.bytes, at: 0)
        }
        try directory.sync()
    }

    /// Links, copies or keeps one segment and its hint file.
    func take(
        _ part: BackupMoment.Part, _ log: Log, copying: Bool, _ report: inout BackupReport
    ) throws(FileError) {
        let segment = part.segment
        let (name, hint) = (
            FileName.segment(segment.number).name, FileName.hint(segment.number).name
        )
        report.byteCount += part.end
        let mayLink = part.isSealed && !copying
        if holds(part, name) {
            report.keptCount += 1
        } else if mayLink, try directory.link(name, of: log.directory), holds(part, name) {
            report.linkedCount += 1
        } else {
            try copy(part, name)
            report.copiedCount += 1
            report.copiedBytes += part.end
        }
        guard part.isSealed, !directory.contains(hint) else { return }
        if mayLink, try directory.link(hint, of: log.directory) { return }
        guard let image = log.hint(of: segment) else { return }
        try directory.replace(hint) { (file) throws(FileError) in
            unsafe try file.write(image.bytes.bytes, at: 0)
        }
    }

    /// Is the segment there, at least as long?
    private func holds(_ part: BackupMoment.Part, _ name: String) -> Bool {
        guard let file = try? directory.open(name, .read), let size = try? file.size(),
            size >= part.end, let bytes = try? file.contents(at: 0, count: SegmentHeader.byteCount),
            let header = unsafe try? SegmentHeader(decoding: bytes.span.bytes)
        else { return false }
        return header.identity == part.segment.identity
    }

    private func copy(_ part: BackupMoment.Part, _ name: String) throws(FileError) {
        let segment = part.segment
        // SAFETY: what lies below the end of a segment never changes, and it stays mapped.
        let bytes = unsafe segment.bytes(upTo: part.end).bytes
        try requireWhole(part, bytes)
        try directory.replace(name) { (file) throws(FileError) in
            var offset = 0
            while offset < bytes.byteCount {
                let end = min(offset + (1 << 20), bytes.byteCount)
                try file.write(bytes.extracting(offset..<end), at: offset)
                offset = end
            }
            // The store may be writing its own at this moment.
            guard part.listed.format > 1 else { return }
            let marks = SegmentHeader.encodedMarks(part.end, identity: segment.identity)
            unsafe try file.write(marks.span.bytes, at: SegmentHeader.markOffset)
        }
    }

    private func requireWhole(
        _ part: BackupMoment.Part, _ bytes: RawSpan
    ) throws(FileError) {
        let segment = part.segment
        var walk = SegmentWalk(
            identity: segment.identity, rule: .sealed, durableEnd: part.end, checksValues: true)
        while let item = walk.next(in: bytes) {
            if case .record(_, let header, value: .good) = item, !header.needsNewerVersion {
                continue
            }
            throw FileError(
                "back up", segment.path,
                reason: "it is damaged at offset \(item.range.lowerBound); see stave repair")
        }
    }

    /// The new backup takes the old one's place.
    ///
    /// - Returns: how many files it does not need were removed.
    func finish(_ manifest: Manifest) throws(FileError) -> Int {
        try directory.sync()
        let bytes = manifest.encoded()
        unsafe try directory.replace(.manifest, with: bytes.span.bytes)
        try directory.sync()
        let needed = Set(manifest.segments.map(\.number))
        var count = 0
        for name in try directory.names() {
            switch FileName(name) {
            case .segment(let number), .hint(let number):
                if needed.contains(number) { continue }
            case .temporary, .checkpoint: break
            case .manifest, .lock, nil: continue
            }
            try directory.remove(name)
            count += 1
        }
        return count
    }
}
