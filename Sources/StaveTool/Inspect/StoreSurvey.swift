internal import Glibc
internal import StaveDisk

/// A store's directory as the inspector found it: MANIFEST, every segment, and what else lies
/// there.
final class StoreSurvey {
    let path: String
    var manifest: Manifest?
    var segments: [SegmentSurvey] = []
    /// Files named like a store's that MANIFEST does not name, with their sizes.
    var leftovers: [(name: String, size: Int)] = []
    /// Files that are none of a store's.
    var foreign: [String] = []
    var findings = Findings()

    /// Which segments are read whole, values and all. The unsealed one is always scanned.
    enum Extent {
        case unsealed
        case segment(UInt64)
        case everything
    }
    private let extent: Extent
    private var progress: ((_ done: Int, _ total: Int) -> Void)?
    private var doneBytes = 0
    private var totalBytes = 0

    /// All findings, the segments' too.
    var allFindings: Findings {
        var all = findings
        for segment in segments { all.add(segment.findings) }
        return all
    }

    /// Is there anything of a store in the directory?
    func isStore(_ directory: borrowing Directory) -> Bool {
        directory.contains(FileName.manifestName) || !segments.isEmpty || !leftovers.isEmpty
    }

    /// Looks at the store in `directory`. A writer may replace MANIFEST and remove files meanwhile:
    /// where a file is gone and MANIFEST is another one than before, all of it is read again.
    ///
    /// - Parameter progress: called now and then with how many bytes are read, and of how many.
    init(
        _ directory: borrowing Directory, verifying extent: Extent,
        progress: ((_ done: Int, _ total: Int) -> Void)? = nil
    ) throws(FileError) {
        path = directory.path
        self.extent = extent
        self.progress = progress
        var attempt = 0
        while true {
            attempt += 1
            findings = Findings()
            manifest = readManifest(directory)
            let missing = openSegments(directory)
            if missing.isEmpty || attempt == 20 || !changed(directory) {
                for name in missing {
                    findings.add(
                        Finding(.damage, name, nil, "missing, but MANIFEST names it"))
                }
                break
            }
        }
        totalBytes = segments.reduce(0) { $0 + $1.recordLimit }
        for index in segments.indices {
            examine(segments[index], in: directory)
            segments[index] = lookAgain(segments[index], in: directory)
            doneBytes += segments[index].recordLimit
        }
        self.progress = nil
        noteDropped()
        try list(directory)
        Liveness(segments).tally()
    }

    private func readManifest(_ directory: borrowing Directory) -> Manifest? {
        let name = FileName.manifestName
        do throws(FileError) {
            let file = try directory.open(name, .read)
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

    /// Opens every segment that MANIFEST names; without a MANIFEST, every one that is there.
    ///
    /// - Returns: the names of those that are missing.
    private func openSegments(_ directory: borrowing Directory) -> [String] {
        segments = []
        var missing: [String] = []
        let listed: [(UInt64, Manifest.Segment?)]
        if let manifest {
            listed = manifest.segments.map { ($0.number, $0) }
        } else {
            let names = (try? directory.names()) ?? []
            listed = names.compactMap {
                if case .segment(let number) = FileName($0) { (number, nil) } else { nil }
            }
        }
        for (number, entry) in listed {
            let name = FileName.segment(number).name
            do throws(FileError) {
                segments.append(
                    SegmentSurvey(
                        name: name, listed: entry,
                        image: try Self.image(name, entry, in: directory)))
            } catch {
                segments.append(SegmentSurvey(name: name, listed: entry, image: nil))
                if error.isNoSuchFile {
                    missing.append(name)
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
        if let seal = entry?.seal, seal.isDurable {
            return try FileImage(mapping: file, limit: seal.length)
        }
        return try FileImage(copying: file)
    }

    /// Counts a segment's records: from its hint file where that is good, else by scanning.
    private func examine(_ survey: SegmentSurvey, in directory: borrowing Directory) {
        guard let number = survey.number else { return }
        if let progress, totalBytes > 0 {
            survey.progress = { [doneBytes, totalBytes] offset in
                progress(doneBytes + offset, totalBytes)
            }
        }
        defer { survey.progress = nil }
        let verifies =
            switch extent {
            case .unsealed: false
            case .segment(let wanted): wanted == number
            case .everything: true
            }
        var hint: HintImage?
        if survey.isSealed, let seal = survey.listed?.seal {
            hint = readHint(number, seal, of: survey, in: directory)
        }
        if survey.image == nil || survey.identity == nil {
            // The hint still says which keys are concerned.
            survey.index = hint
        } else if let hint, !verifies {
            survey.trust(hint)
        } else {
            survey.scan(verifies: verifies, hint: hint)
        }
        survey.reportBadHint()
        if let storeID = manifest?.storeID, let header = survey.header, header.storeID != storeID {
            survey.add(.damage, 32..<48, "segment belongs to another store")
        }
    }

    /// A tail that looks torn may be a record that a running writer has not finished. It is one if
    /// the log has grown a moment later.
    private func lookAgain(
        _ survey: SegmentSurvey, in directory: borrowing Directory
    ) -> SegmentSurvey {
        var survey = survey
        var attempt = 0
        while survey.findings.worst == .torn, !survey.isSealed, attempt < 20 {
            attempt += 1
            usleep(1000)
            guard let image = try? Self.image(survey.name, survey.listed, in: directory) else {
                break
            }
            let next = SegmentSurvey(name: survey.name, listed: survey.listed, image: image)
            examine(next, in: directory)
            if next.end == survey.end, next.findings.worst == .torn { break }
            survey = next
        }
        return survey
    }

    /// The log is a prefix of the writes: where it ends early, open leaves out later segments of
    /// it.
    private func noteDropped() {
        let logs = segments.filter { !$0.isSealed && $0.listed != nil }
        guard let ended = logs.firstIndex(where: { $0.findings.worst == .torn }) else { return }
        for segment in logs[(ended + 1)...] {
            segment.isDropped = true
            segment.add(
                .torn, SegmentHeader.byteCount..<segment.end,
                "follows a log that ended early in \(logs[ended].name): open leaves it out")
        }
    }

    private func readHint(
        _ number: UInt64, _ seal: Manifest.Seal, of survey: SegmentSurvey,
        in directory: borrowing Directory
    ) -> HintImage? {
        let name = FileName.hint(number).name
        do throws(FileError) {
            let file = try directory.open(name, .read)
            let image = try FileImage(mapping: file)
            do throws(FormatError) {
                let hint = try image.hint(
                    identity: survey.listed?.identity, segmentLength: seal.length)
                survey.hintState = .good
                return hint
            } catch {
                survey.hintState = .bad(error.reason)
                survey.badHint = (image, error)
            }
        } catch {
            survey.hintState = error.isNoSuchFile ? .missing : .bad(error.reason)
            if !error.isNoSuchFile { findings.add(Finding(.damage, name, nil, error.reason)) }
        }
        return nil
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

    private func list(_ directory: borrowing Directory) throws(FileError) {
        let listed = Set(segments.compactMap { $0.listed?.number ?? $0.number })
        for name in try directory.names() {
            let isLeftover: Bool
            switch FileName(name) {
            case nil:
                foreign.append(name)
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
