internal import StaveDisk

/// One file of a store, copied from anywhere. Where the files it belongs to lie beside it, they are
/// used: MANIFEST says whether a segment is sealed, a segment says whether its hint file is right.
struct FileInspection {
    private enum Kind { case segment, hint, manifest, checkpoint }
    private enum Contents {
        case segment(FileImage)
        case hint(FileImage)
        case manifest([UInt8])
        case checkpoint(FileImage)
    }

    let inspection: Inspection
    private let folder: String
    private let name: String
    private var output: Output { inspection.output }

    init(_ inspection: Inspection) {
        self.inspection = inspection
        let parts = inspection.path.split(separator: "/", omittingEmptySubsequences: false)
        name = String(parts.last ?? "")
        let above = parts.dropLast().joined(separator: "/")
        folder = parts.count == 1 ? "." : above.isEmpty ? "/" : above
    }

    func run() throws(InspectError) -> Severity {
        switch try read() {
        case .segment(let image): try inspectSegment(image)
        case .hint(let image): try inspectHint(image)
        case .manifest(let bytes): try inspectManifest(bytes)
        case .checkpoint(let image): try inspectCheckpoint(image)
        }
    }

    /// Refuses what only records have.
    private func requireNoRecords() throws(InspectError) {
        guard inspection.columns == nil, !inspection.hex, !inspection.stats else {
            throw .usage("--columns, --hex and --stats need a segment or a directory")
        }
    }

    private func read() throws(InspectError) -> Contents {
        do throws(FileError) {
            let file = try File.opening(inspection.path)
            switch try Self.kind(of: file, name: name) {
            case .segment:
                return .segment(try FileImage(mapping: file, limit: Format.maxFileLength))
            case .hint: return .hint(try FileImage(mapping: file))
            case .manifest: return .manifest(try file.contents(limit: Manifest.maxLength))
            case .checkpoint: return .checkpoint(try FileImage(mapping: file))
            case nil:
                throw FileError(
                    "inspect", inspection.path,
                    reason: "it is no segment, hint file, MANIFEST or checkpoint of a store")
            }
        } catch {
            throw .noInput(error.description)
        }
    }

    /// By what the file begins with; by its name where that is damaged.
    private static func kind(of file: borrowing File, name: String) throws(FileError) -> Kind? {
        let start = try FileImage(mapping: file, limit: 14).withBytes { $0.array(0..<14) }
        if start.starts(with: "STAVESEG".utf8) { return .segment }
        if start.starts(with: "STAVEHNT".utf8) { return .hint }
        if start.starts(with: "STAVEKEY".utf8) { return .checkpoint }
        if start.elementsEqual("stave manifest".utf8) { return .manifest }
        if name.hasSuffix(".segment") { return .segment }
        if name.hasSuffix(".hint") { return .hint }
        switch FileName(name) {
        case .manifest: return .manifest
        case .checkpoint: return .checkpoint
        default: return nil
        }
    }

    // MARK: A segment

    private func inspectSegment(_ image: FileImage) throws(InspectError) -> Severity {
        let survey = survey(name: name, image: image)
        survey.hint = hintBeside(survey)
        if inspection.hex { return try inspection.list([survey], Liveness([])) }
        let progress = SurveyProgress()
        survey.progress = { progress.show($0, survey.fileSize) }
        survey.scan(verifies: true)
        survey.progress = nil
        progress.end()
        let liveness = Liveness([survey])
        liveness.tally()
        if inspection.json {
            output.json(StoreReport.members(of: survey))
        } else {
            printTitle(survey)
        }
        return try inspection.list([survey], liveness)
    }

    /// The segment as MANIFEST beside it knows it, if there is one and it does.
    private func survey(name: String, image: FileImage) -> SegmentSurvey {
        let alone = SegmentSurvey(name: name, listed: nil, image: image)
        guard let directory = try? Directory(path: folder),
            let file = try? directory.open(FileName.manifestName, .read),
            let bytes = try? file.contents(limit: Manifest.maxLength),
            let manifest = try? Manifest(decoding: bytes),
            let listed = manifest.segments.first(where: {
                FileName.segment($0.number).name == name && $0.identity == alone.identity
            })
        else { return alone }
        return SegmentSurvey(name: name, listed: listed, image: image)
    }

    private func hintBeside(_ survey: SegmentSurvey) -> HintImage? {
        guard name.hasSuffix(".segment"), let identity = survey.identity,
            let directory = try? Directory(path: folder),
            let file = try? directory.open(String(name.dropLast(8) + ".hint"), .read),
            let image = try? FileImage(mapping: file)
        else { return nil }
        return try? image.hint(identity: identity, segmentLength: survey.listed?.extent?.length)
    }

    private func printTitle(_ survey: SegmentSurvey) {
        output.line(
            "\(Quoting.message(survey.name)), \(Units.bytes(survey.fileSize)), \(survey.state)")
        if let header = survey.header {
            output.line(
                "segment \(header.number), identity \(hex(header.identity)), store "
                    + hex(header.storeID.high) + hex(header.storeID.low))
        }
        output.line(
            "\(Units.count(survey.recordCount, "record")) up to offset \(survey.end),"
                + " synced up to \(survey.mark.map(String.init) ?? "nowhere")")
        let times = survey.times.map {
            "written \(Printable.time($0.lowerBound)) to \(Printable.time($0.upperBound)); "
        }
        output.line(
            (times ?? "") + "\(survey.liveCount) live, \(survey.deadCount) dead, "
                + Units.count(survey.tombstoneCount, "tombstone"))
        if let offset = survey.goodUpTo { output.line("good up to offset \(offset)") }
        output.line()
    }

    // MARK: A hint file

    private func inspectHint(_ image: FileImage) throws(InspectError) -> Severity {
        try requireNoRecords()
        var beside: SegmentSurvey?
        if name.hasSuffix(".hint"), let directory = try? Directory(path: folder) {
            let segmentName = String(name.dropLast(5) + ".segment")
            if let file = try? directory.open(segmentName, .read),
                let bytes = try? FileImage(mapping: file, limit: Format.maxFileLength)
            {
                beside = survey(name: segmentName, image: bytes)
            }
        }
        var listing = HintListing(
            name: name, image: image, segment: beside, filter: inspection.filter,
            limit: inspection.limit, json: inspection.json, output: output)
        listing.print()
        inspection.finish(listing.findings)
        return listing.findings.worst
    }

    // MARK: A keydir checkpoint

    private func inspectCheckpoint(_ image: FileImage) throws(InspectError) -> Severity {
        try requireNoRecords()
        var listing = CheckpointListing(
            name: name, image: image, json: inspection.json, output: output)
        listing.print()
        inspection.finish(listing.findings)
        return listing.findings.worst
    }

    // MARK: A MANIFEST

    private func inspectManifest(_ bytes: [UInt8]) throws(InspectError) -> Severity {
        try requireNoRecords()
        var findings = Findings()
        do throws(FormatError) {
            let manifest = try Manifest(decoding: bytes)
            show(manifest)
        } catch {
            findings.add(
                Finding(
                    .damage, name, min(error.offset, bytes.count)..<bytes.count, error.reason))
        }
        inspection.finish(findings)
        return findings.worst
    }

    private func show(_ manifest: Manifest) {
        let store = hex(manifest.storeID.high) + hex(manifest.storeID.low)
        if inspection.json {
            output.json([
                ("type", .string("manifest")), ("store", .string(store)),
                ("revision", .unsigned(manifest.revision)),
                ("nextSequence", .unsigned(manifest.nextSequence)),
                ("nextSegment", .unsigned(manifest.nextSegment)),
                ("completeSince", .unsigned(manifest.completeSince)),
                ("history", .string(hex(manifest.history.id))),
                ("segments", .number(manifest.segments.count)),
            ])
        } else {
            output.line("MANIFEST of store \(store), revision \(manifest.revision)")
            output.line(
                "next sequence \(manifest.nextSequence), next segment \(manifest.nextSegment)")
            output.line()
        }
        var rows = [["segment", "identity", "state", "length", "sequences"]]
        for segment in manifest.segments {
            let extent = segment.extent
            let sequences = extent.map { "\($0.sequences.lowerBound)-\($0.sequences.upperBound)" }
            if inspection.json {
                output.json([
                    ("type", .string("segment")), ("number", .unsigned(segment.number)),
                    ("identity", .string(hex(segment.identity))),
                    ("state", .string(segment.stateWord)),
                    ("length", extent.map { .number($0.length) } ?? .null),
                    (
                        "firstSequence",
                        extent.map { .unsigned($0.sequences.lowerBound) } ?? .null
                    ),
                    (
                        "lastSequence",
                        extent.map { .unsigned($0.sequences.upperBound) } ?? .null
                    ),
                ])
            }
            rows.append([
                FileName.segment(segment.number).name, hex(segment.identity), segment.stateWord,
                extent.map { "\($0.length)" } ?? "-", sequences ?? "-",
            ])
        }
        if !inspection.json { output.table(rows, right: [3]) }
    }
}
