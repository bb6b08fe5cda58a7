internal import StaveDisk

/// One run of the inspector: finds out what the path is and prints what was asked for.
struct Inspection {
    let path: String
    let segment: UInt64?
    let filter: RecordFilter
    let limit: Int
    let hex: Bool
    let json: Bool
    let stats: Bool
    let verify: Bool
    let output: Output

    /// The worst that was found.
    func run() throws(InspectError) -> Severity {
        guard let survey = try surveyDirectory() else {
            guard segment == nil else { throw .usage("--segment needs a directory") }
            return try FileInspection(self).run()
        }
        return try report(survey)
    }

    /// Does the run show records rather than an overview?
    private var isListing: Bool { segment != nil || hex || limit < .max || filter.isSet }

    /// nil where the path is no directory.
    private func surveyDirectory() throws(InspectError) -> StoreSurvey? {
        do throws(FileError) {
            let directory = try Directory(path: path)
            let extent: StoreSurvey.Extent =
                verify
                ? .everything : !isListing ? .unsealed : segment.map { .segment($0) } ?? .everything
            let survey = try StoreSurvey(directory, verifying: extent)
            guard survey.isStore(directory) else {
                throw FileError(
                    "inspect", path, reason: "it is no store: neither MANIFEST nor segments")
            }
            return survey
        } catch {
            if error.isNotADirectory { return nil }
            throw .noInput(error.description)
        }
    }

    private func report(_ survey: StoreSurvey) throws(InspectError) -> Severity {
        guard isListing || stats else {
            let report = StoreReport(survey: survey, isVerified: verify, output: output)
            json ? report.printJSON() : report.print()
            return survey.allFindings.worst
        }
        var chosen = survey.segments
        if let segment {
            chosen = chosen.filter { $0.number == segment }
            guard !chosen.isEmpty else {
                throw .noInput("\(path) has no segment \(segment)")
            }
        }
        guard isListing else {
            printHistograms(Liveness(survey.segments))
            return survey.allFindings.worst
        }
        return try list(chosen, Liveness(survey.segments), all: survey.allFindings)
    }

    /// Prints the records of `segments`; the verdict is theirs alone where one was asked for.
    func list(
        _ segments: [SegmentSurvey], _ liveness: Liveness, all: Findings? = nil
    ) throws(InspectError) -> Severity {
        if hex { return try showHex(segments) }
        var findings = Findings()
        if stats {
            printHistograms(segments)
        } else {
            var remaining = limit
            for segment in segments {
                var listing = RecordListing(
                    segment: segment, liveness: liveness, filter: filter, remaining: remaining,
                    json: json, showsSegment: segments.count > 1, output: output)
                listing.print(title: segment === segments.first)
                remaining = listing.remaining
            }
        }
        for segment in segments { findings.add(segment.findings) }
        if self.segment == nil, let all { findings = all }
        finish(findings)
        return findings.worst
    }

    private func showHex(_ segments: [SegmentSurvey]) throws(InspectError) -> Severity {
        guard segments.count == 1, let segment = segments.first else {
            throw .usage("--hex needs --segment N, as there are \(segments.count) segments")
        }
        let offset = filter.from ?? 0
        guard
            HexView(segment: segment, values: filter.values, output: output)
                .print(at: offset)
        else {
            throw .usage("\(segment.name) ends before offset \(offset)")
        }
        return segment.findings.worst
    }

    func finish(_ findings: Findings) {
        if json {
            findings.printJSON(to: output)
        } else {
            findings.print(to: output)
        }
        findings.printVerdict(to: output, json: json, isVerified: verify)
    }

    /// Sizes of the live keys and values of a whole store.
    private func printHistograms(_ liveness: Liveness) {
        var keys = SizeHistogram("live keys")
        var values = SizeHistogram("live values")
        liveness.forEachLive { entry in
            unsafe keys.add(entry.key.count)
            values.add(entry.valueLength)
        }
        show(keys, values)
    }

    /// Sizes of the keys and values of all records.
    private func printHistograms(_ segments: [SegmentSurvey]) {
        var keys = SizeHistogram("keys")
        var values = SizeHistogram("values")
        for segment in segments {
            segment.walk(checksValues: false) { item, _ in
                guard case .record(let offset, let header, _) = item,
                    filter.includes(offset: offset)
                else { return true }
                keys.add(header.keyLength)
                if header.kind == .value { values.add(header.valueLength) }
                return true
            }
        }
        show(keys, values)
    }

    private func show(_ keys: SizeHistogram, _ values: SizeHistogram) {
        for histogram in [keys, values] {
            json ? histogram.printJSON(to: output) : histogram.print(to: output)
        }
    }
}
