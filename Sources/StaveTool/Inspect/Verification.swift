internal import StaveDisk

/// Every check of `stave verify`, and what came of each.
struct Verification {
    enum Check: String, CaseIterable {
        /// Headers, keys, values and padding of all records, and the segments' own headers.
        case records
        /// Hint files have the very bytes that their segments' records make.
        case hints
        /// Replaying the entries that opening loads gives each key one newest record.
        case replay
        /// The keydir's checkpoint names just those records.
        case keydir
        /// MANIFEST is whole, its files are there, and what it says of them is so.
        case files
    }

    let survey: StoreSurvey
    let account: ByteAccount
    private(set) var findings: Findings
    private(set) var keyCount = 0
    private(set) var tombstoneCount = 0
    private var failed: Set<Check> = []

    /// - Parameters:
    ///   - opened: called before the segments are read.
    ///   - progress: called now and then with how many bytes are read, and of how many.
    init(
        of path: String, opened: () -> Void = {},
        progress: @escaping (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws(InspectError) {
        do throws(FileError) {
            let directory = try Directory(path: path)
            survey = try StoreSurvey(
                directory, .everything, opened: { if $0.isStore($1) { opened() } },
                progress: progress)
            guard survey.isStore(directory) else {
                throw FileError(
                    "verify", path, reason: "it is no store: neither MANIFEST nor segments")
            }
            account = try ByteAccount(survey, directory)
            survey.readCheckpoint(directory)
            findings = survey.allFindings
        } catch {
            if error.isNotADirectory {
                throw .noInput(
                    "\(path) is not a directory; stave inspect --verify looks at one file")
            }
            throw .noInput(error.description)
        }
        let replay = Replay(survey)
        (keyCount, tombstoneCount) = (replay.keyCount, replay.tombstoneCount)
        for finding in replay.checkpointFindings + replay.contradictions { findings.add(finding) }
        if !replay.contradictions.isEmpty { failed.insert(.replay) }
        if account.unknownBytes != 0 {
            findings.add(
                Finding(
                    .damage, path, nil, "\(account.unknownBytes) bytes are not accounted for"))
            failed.insert(.files)
        }
        for finding in findings.list where finding.severity != .note {
            failed.insert(Self.check(of: finding))
        }
        // Whatever the reason, these were not proved.
        if unreadCount > 0 { failed.formUnion([.records, .replay]) }
    }

    /// Segments of which no record could be read.
    private var unreadCount: Int {
        survey.segments.count { $0.image == nil || $0.identity == nil }
    }

    private static func check(of finding: Finding) -> Check {
        if finding.file.hasSuffix(".hint") { return .hints }
        if finding.file == FileName.checkpoint.name { return .keydir }
        // Of a segment: a finding about the file as a whole is about its being there.
        return finding.range == nil || finding.file == FileName.manifestName ? .files : .records
    }

    // MARK: Printing

    private var recordCount: Int { survey.segments.reduce(0) { $0 + $1.recordCount } }

    private var hintCount: Int {
        survey.segments.count { if case .good = $0.hintState { true } else { false } }
    }

    func passed(_ check: Check) -> Bool { !failed.contains(check) }

    private func text(_ check: Check) -> String {
        switch check {
        case .records:
            "\(Units.count(recordCount, "record")) in"
                + " \(Units.count(survey.segments.count - unreadCount, "segment")):"
                + " headers, keys, values, padding"
                + (unreadCount > 0 ? "; \(unreadCount) not readable" : "")
        case .hints: "\(Units.count(hintCount, "hint file")): the bytes that the records make"
        case .replay:
            "\(Units.count(keyCount, "key")), \(Units.count(tombstoneCount, "tombstone")):"
                + " one newest record each"
        case .keydir:
            survey.checkpoint.map {
                "\(Units.count($0.keyCount, "key")) in the checkpoint: those of the replay"
            }
                ?? "no checkpoint: opening reads the entries"
        case .files:
            "\(Units.count(account.fileCount, "file")), \(Units.count(account.fileBytes)) bytes:"
                + " MANIFEST accounts for them"
        }
    }

    /// Behind the store's name.
    func print(to output: Output) {
        for check in Check.allCases {
            let word = passed(check) ? "ok" : "BAD"
            output.line(Units.padded(check.rawValue, 9) + Units.padded(word, 5) + text(check))
        }
        output.line()
        let bytes = account.rows.map { "\($0.name) \(Units.count($0.bytes))" }.joined(
            separator: ", ")
        output.line(Units.wrapped(bytes, behind: "bytes    ", columns: 80))
        for (name, size) in survey.leftovers {
            output.line(
                "leftover \(Printable.quoted(Array(name.utf8))), \(Units.bytes(size)):"
                    + " \(survey.fate(ofLeftover: name))")
        }
        for (name, size) in survey.aside {
            output.line(
                "set aside \(Printable.quoted(Array(name.utf8))), \(Units.bytes(size)):"
                    + " a segment that is no part of the store")
        }
        for name in survey.foreign.prefix(10) {
            output.line("foreign \(Printable.quoted(Array(name.utf8))): not of a store")
        }
        findings.print(to: output)
        findings.printVerdict(to: output, json: false, isVerified: true)
    }

    func printJSON(to output: Output) {
        for check in Check.allCases {
            output.json([
                ("type", .string("check")), ("check", .string(check.rawValue)),
                ("ok", .bool(passed(check))),
            ])
        }
        output.json([
            ("type", .string("verified")), ("segments", .number(survey.segments.count)),
            ("records", .number(recordCount)), ("keys", .number(keyCount)),
            ("tombstones", .number(tombstoneCount)), ("hints", .number(hintCount)),
            ("files", .number(account.fileCount)), ("size", .number(account.fileBytes)),
            ("bytes", .object(account.rows.map { ($0.name, .number($0.bytes)) })),
        ])
        for (name, size) in survey.leftovers {
            output.json([
                ("type", .string("leftover")), ("file", .string(name)), ("size", .number(size)),
            ])
        }
        for (name, size) in survey.aside {
            output.json([
                ("type", .string("aside")), ("file", .string(name)), ("size", .number(size)),
            ])
        }
        for name in survey.foreign {
            output.json([("type", .string("foreign")), ("file", .string(name))])
        }
        findings.printJSON(to: output)
        findings.printVerdict(to: output, json: true, isVerified: true)
    }
}

/// What each byte of a directory is. The rows add up to the sizes of its files.
struct ByteAccount {
    private(set) var rows: [(name: String, bytes: Int)] = []
    private(set) var fileCount = 0
    /// Bytes of all files, as their sizes say.
    private(set) var fileBytes = 0
    /// Bytes of which nothing was said.
    var unknownBytes: Int { fileBytes - rows.reduce(0) { $0 + $1.bytes } }

    init(_ survey: StoreSurvey, _ directory: borrowing Directory) throws(FileError) {
        var bytes: [String: Int] = [:]
        let surveyed = Dictionary(
            survey.segments.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        for name in try directory.names() {
            // A segment that grows counts as it was when it was read.
            let read = surveyed[name]?.image?.fileSize
            guard let size = read ?? directory.size(of: name) else { continue }
            fileCount += 1
            fileBytes += size
            switch FileName(name) {
            case .manifest: bytes["manifest", default: 0] += size
            case .hint where !survey.leftovers.contains { $0.name == name }:
                bytes["hints", default: 0] += size
            case .lock: bytes["lock", default: 0] += size
            case .checkpoint: bytes["checkpoint", default: 0] += size
            case nil:
                bytes[StoreSurvey.isAside(name) ? "aside" : "foreign", default: 0] += size
            case .segment, .hint, .temporary:
                guard let segment = surveyed[name] else {
                    bytes["leftovers", default: 0] += size
                    continue
                }
                if segment.image == nil { bytes["damaged", default: 0] += size }
                for (what, count) in segment.account { bytes[what, default: 0] += count }
            }
        }
        let order = [
            "headers", "records", "reserved", "damaged", "torn", "behind", "hints", "checkpoint",
            "manifest", "lock", "leftovers", "aside", "foreign",
        ]
        rows = order.compactMap { name in bytes[name].map { (name, $0) } }.filter { $0.1 > 0 }
    }
}

extension SegmentSurvey {
    /// The file's bytes by what they are; every stretch was walked.
    fileprivate var account: [(String, Int)] {
        let header = min(fileSize, SegmentHeader.byteCount)
        guard let image, identity != nil else {
            return [("headers", header), ("damaged", fileSize - header)]
        }
        let behind = image.fileSize - max(recordLimit, header)
        return [
            ("headers", header), ("records", recordBytes), ("reserved", reservedBytes),
            ("damaged", damage.reduce(0) { $0 + $1.count }), ("torn", tornBytes),
            ("behind", max(0, behind)),
        ]
    }
}
