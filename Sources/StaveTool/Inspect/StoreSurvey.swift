internal import StaveDisk

/// A store's directory as the inspector found it: MANIFEST, every segment, and what else lies
/// there.
final class StoreSurvey {
    let path: String
    var manifest: Manifest?
    /// Bytes of MANIFEST.
    var manifestSize = 0
    var segments: [SegmentSurvey] = []
    /// Segments that were found under another name than their own.
    private(set) var moved: [(name: String, number: UInt64)] = []
    /// Files named like a store's that MANIFEST does not name, with their sizes.
    var leftovers: [(name: String, size: Int)] = []
    /// Segments that were set aside, with their sizes: no part of the store.
    private(set) var aside: [(name: String, size: Int)] = []
    /// Files that are none of a store's.
    var foreign: [String] = []
    var findings = Findings()
    /// The keydir's checkpoint where its head can be read; see `readCheckpoint`.
    private(set) var checkpoint: CheckpointCheck?

    /// How much is read. Unsealed segments always are, and sealed ones that have no good hint file.
    enum Depth {
        /// What is needed to tell live from dead.
        case entries
        /// Times and counts, too.
        case overview
        /// Every byte.
        case everything
    }
    private let depth: Depth
    private var progress: ((_ done: Int, _ total: Int) -> Void)?
    private var doneBytes = 0
    private var totalBytes = 0

    /// All findings, the segments' too.
    var allFindings: Findings {
        var all = findings
        for segment in segments { all.add(segment.findings) }
        return all
    }

    /// The store at `path`, read as for an overview.
    ///
    /// - Parameter operation: what is to be done, for the error where there is no store.
    convenience init(ofStoreAt path: String, to operation: String) throws(FileError) {
        let directory = try Directory(path: path)
        try self.init(directory, .overview)
        guard isStore(directory) else {
            throw FileError(operation, path, reason: "it is no store")
        }
    }

    /// Is there anything of a store in the directory?
    func isStore(_ directory: borrowing Directory) -> Bool {
        directory.contains(FileName.manifestName) || !segments.isEmpty || !leftovers.isEmpty
    }

    /// Looks at the store in `directory`. A writer may replace MANIFEST and remove files meanwhile:
    /// where a file is gone and MANIFEST is another one than before, all of it is read again.
    ///
    /// - Parameters:
    ///   - finder: finds segments that do not lie under their names; without it each name is
    ///     believed.
    ///   - chosen: the one segment that is read to `depth`; of the others only their entries are.
    ///     nil: all.
    ///   - opened: called when it is known which segments there are, before they are read.
    ///   - progress: called now and then with how many bytes are read, and of how many.
    init(
        _ directory: borrowing Directory, _ depth: Depth, of chosen: UInt64? = nil,
        finder: SegmentFinder? = nil,
        opened: (StoreSurvey, borrowing Directory) -> Void = { _, _ in },
        progress: ((_ done: Int, _ total: Int) -> Void)? = nil
    ) throws(FileError) {
        path = directory.path
        self.depth = depth
        self.progress = progress
        var attempt = 0
        while true {
            attempt += 1
            findings = Findings()
            manifest = readManifest(directory)
            let missing = openSegments(directory, finder)
            if missing.isEmpty || attempt == 20 || !changed(directory) {
                for name in missing {
                    findings.add(
                        Finding(.damage, name, nil, "missing, but MANIFEST names it"))
                }
                break
            }
        }
        opened(self, directory)
        totalBytes = segments.reduce(0) { $0 + $1.recordLimit }
        for segment in segments {
            let isChosen = chosen == nil || segment.number == chosen
            examine(segment, isChosen ? depth : .entries, in: directory)
            doneBytes += segment.recordLimit
        }
        self.progress = nil
        noteDropped()
        try list(directory)
        if depth != .entries { Liveness(segments).tally() }
    }

    private func readManifest(_ directory: borrowing Directory) -> Manifest? {
        let name = FileName.manifestName
        do throws(FileError) {
            let file = try directory.open(name, .read)
            manifestSize = try file.size()
            let bytes = try file.contents(limit: Manifest.maxLength)
            do throws(FormatError) {
                return try Manifest(decoding: bytes)
            } catch {
                findings.add(
                    Finding(
                        error.isNewerVersion ? .unreadable : .damage, name,
                        error.offset..<max(error.offset, bytes.count), error.reason))
            }
        } catch {
            let text = error.isNoSuchFile ? "missing" : error.reason
            findings.add(Finding(error.isPermission ? .unreadable : .damage, name, nil, text))
        }
        return nil
    }

    private func changed(_ directory: borrowing Directory) -> Bool {
        guard let file = try? directory.open(FileName.manifestName, .read),
            let bytes = try? file.contents(limit: Manifest.maxLength),
            let now = try? Manifest(decoding: bytes)
        else { return false }
        return now != manifest
    }

    /// Opens every segment that MANIFEST names; without a MANIFEST, every one that is there or has
    /// a hint file there.
    ///
    /// - Returns: the names of those that are missing.
    private func openSegments(
        _ directory: borrowing Directory, _ finder: SegmentFinder?
    ) -> [String] {
        segments = []
        moved = []
        var missing: [String] = []
        let listed: [(UInt64, Manifest.Segment?)]
        if let manifest {
            listed = manifest.segments.map { ($0.number, $0) }
        } else {
            let names = (try? directory.names()) ?? []
            let numbers = names.compactMap { name -> UInt64? in
                switch FileName(name) {
                case .segment(let number), .hint(let number): number
                default: nil
                }
            }
            listed = Set(numbers).sorted().map { ($0, nil) }
        }
        for (number, entry) in listed {
            let own = FileName.segment(number).name
            let name = entry.flatMap { finder?.name(of: $0, in: directory) } ?? own
            if name != own { moved.append((name, number)) }
            do throws(FileError) {
                segments.append(
                    SegmentSurvey(
                        name: name, listed: entry,
                        image: try Self.image(name, entry, in: directory)))
            } catch {
                segments.append(SegmentSurvey(name: name, listed: entry, image: nil))
                segments[segments.count - 1].isMissing = error.isNoSuchFile
                if error.isNoSuchFile, entry != nil {
                    missing.append(name)
                } else if error.isNoSuchFile {
                    findings.add(Finding(.damage, name, nil, "missing; its hint file is here"))
                } else {
                    findings.add(
                        Finding(error.isPermission ? .unreadable : .damage, name, nil, error.reason)
                    )
                }
            }
        }
        return missing
    }

    private static func image(
        _ name: String, _ entry: Manifest.Segment?, in directory: borrowing Directory
    ) throws(FileError) -> FileImage {
        let file = try directory.open(name, .read)
        if case .sealed(let extent)? = entry?.state {
            return try FileImage(mapping: file, limit: extent.length)
        }
        let size = try file.size()
        guard size <= Format.maxFileLength else {
            throw FileError(
                "read", file.path, reason: "\(size) bytes are more than \(Format.maxFileLength)")
        }
        return try FileImage(following: file)
    }

    /// Counts a segment's records: from its hint file where that is good, else by scanning.
    private func examine(
        _ survey: SegmentSurvey, _ depth: Depth, in directory: borrowing Directory
    ) {
        guard let number = survey.number else { return }
        if let progress, totalBytes > 0 {
            survey.progress = { [doneBytes, totalBytes] offset in
                progress(doneBytes + offset, totalBytes)
            }
        }
        defer { survey.progress = nil }
        if survey.isSealed || survey.listed == nil {
            survey.hint = readHint(number, of: survey, in: directory)
            if let hint = survey.hint, survey.isNameless { survey.take(identity: hint.identity) }
        }
        if survey.image == nil || survey.identity == nil {
            // The hint still says which keys are concerned.
            survey.index = survey.hint
            survey.recordCount = survey.hint?.recordCount ?? 0
        } else if survey.isSealed, let hint = survey.hint, depth == .entries || depth == .overview {
            survey.trust(hint)
            if depth == .overview { survey.noteTimes() }
        } else {
            survey.scan(verifies: depth == .everything)
        }
        survey.reportBadHint()
        if let storeID = manifest?.storeID, let header = survey.header, header.storeID != storeID {
            survey.add(.damage, 32..<48, "segment belongs to another store")
        }
    }

    /// The log is a prefix of the writes: where it ends early, open leaves out later segments of
    /// it.
    private func noteDropped() {
        let logs = segments.filter { !$0.isSealed && $0.listed != nil }
        guard let ended = logs.firstIndex(where: \.endsEarly) else { return }
        for segment in logs[(ended + 1)...] {
            segment.isDropped = true
            segment.add(
                .torn, SegmentHeader.byteCount..<segment.end,
                "follows a log that ended early in \(logs[ended].name): open leaves it out")
        }
    }

    private func readHint(
        _ number: UInt64, of survey: SegmentSurvey, in directory: borrowing Directory
    ) -> HintImage? {
        let name = FileName.hint(number).name
        do throws(FileError) {
            let file = try directory.open(name, .read)
            let image = try FileImage(mapping: file)
            do throws(FormatError) {
                let hint = try image.hint(
                    identity: survey.listed?.identity
                        ?? (survey.isNameless ? nil : survey.identity),
                    segmentLength: survey.listed?.extent?.length)
                survey.hintState = .good
                return hint
            } catch {
                survey.hintState = .bad(error.reason)
                survey.badHint = (image, error)
            }
        } catch {
            let isExpected = survey.isSealed
            survey.hintState =
                !error.isNoSuchFile ? .bad(error.reason) : isExpected ? .missing : .none
            if !error.isNoSuchFile {
                findings.add(
                    Finding(error.isPermission ? .unreadable : .damage, name, nil, error.reason))
            }
        }
        return nil
    }

    /// Reads the head of the keydir's checkpoint, if there is one.
    func readCheckpoint(_ directory: borrowing Directory) {
        checkpoint = CheckpointCheck(self, in: directory, findings: &findings)
    }

    /// Its contents decide nothing, but another kind of file in its place keeps writers out.
    private func checkLock(_ directory: borrowing Directory) {
        do throws(FileError) {
            _ = try directory.open(FileName.lockName, .read)
        } catch {
            if error.isPermission || error.isNoSuchFile { return }
            findings.add(Finding(.damage, FileName.lockName, nil, error.reason))
        }
    }

    /// A segment's name with ".aside" behind it, and a number where there are several.
    static func isAside(_ name: String) -> Bool {
        guard let suffix = name.firstRange(of: ".aside"),
            case .segment = FileName(String(name[..<suffix.lowerBound]))
        else { return false }
        return name[suffix.upperBound...].allSatisfy { $0.isASCII && $0.isNumber }
    }

    private func list(_ directory: borrowing Directory) throws(FileError) {
        let listed = Set(segments.compactMap { $0.listed?.number ?? $0.number })
        for name in try directory.names() {
            let isLeftover: Bool
            switch FileName(name) {
            case nil:
                if Self.isAside(name) {
                    aside.append((name, directory.size(of: name) ?? 0))
                } else {
                    foreign.append(name)
                }
                continue
            case .manifest, .checkpoint: isLeftover = false
            case .lock:
                isLeftover = false
                checkLock(directory)
            case .segment(let number), .hint(let number): isLeftover = !listed.contains(number)
            case .temporary: isLeftover = true
            }
            if isLeftover { leftovers.append((name, directory.size(of: name) ?? 0)) }
        }
    }
}
