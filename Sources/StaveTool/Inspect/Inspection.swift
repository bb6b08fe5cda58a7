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
    /// Columns of record listings; nil for those that there are by themselves.
    var columns: [Column]?
    var tail = false
    var space = false
    /// Ends the prefix of a key.
    var delimiter: [UInt8] = [UInt8(ascii: ":")]
    /// Where a page is to be written.
    var html: String?
    var screen = Screen.current

    /// The worst that was found.
    func run() throws(InspectError) -> Severity {
        guard let directory = try openDirectory() else {
            for (name, isSet) in [
                ("--segment", segment != nil), ("--tail", tail), ("--space", space),
                ("--html", html != nil),
            ] where isSet { throw .usage("\(name) needs a directory") }
            return try FileInspection(self).run()
        }
        if tail {
            var tail = try Tail(directory, self)
            try tail.run()
            return .note
        }
        if let html { try PageFile.check(html, outside: path) }
        let progress = SurveyProgress()
        defer { progress.end() }
        let survey = try survey(directory, progress)
        if space || html != nil { return try report(survey, directory, progress) }
        progress.end()
        return try report(survey)
    }

    /// Does the run show records rather than an overview?
    private var isListing: Bool {
        segment != nil || hex || columns != nil || limit < .max || filter.isSet
    }

    /// nil where the path is no directory.
    private func openDirectory() throws(InspectError) -> Directory? {
        do throws(FileError) {
            return try Directory(path: path)
        } catch {
            if error.isNotADirectory { return nil }
            throw .noInput(error.description)
        }
    }

    private func survey(
        _ directory: borrowing Directory, _ progress: SurveyProgress
    ) throws(InspectError) -> StoreSurvey {
        do throws(FileError) {
            let depth: StoreSurvey.Depth =
                verify ? .everything : isListing || space || stats ? .entries : .overview
            let survey = try StoreSurvey(
                directory, depth, of: segment,
                opened: { if $0.isStore($1) { printHead($0) } },
                progress: { progress.show($0, $1) })
            guard survey.isStore(directory) else {
                throw FileError(
                    "inspect", path, reason: "it is no store: neither MANIFEST nor segments")
            }
            survey.readCheckpoint(directory)
            if verify, segment == nil {
                let replay = Replay(survey)
                for finding in replay.checkpointFindings + replay.contradictions {
                    survey.findings.add(finding)
                }
            } else {
                for finding in survey.checkpoint?.findings ?? [] { survey.findings.add(finding) }
            }
            return survey
        } catch {
            throw .noInput(error.description)
        }
    }

    /// What comes first is on the screen before a large store is read.
    private func printHead(_ survey: StoreSurvey) {
        if space {
            if !json { output.line("store \(Quoting.message(survey.path))") }
        } else if !isListing, !stats, html == nil {
            StoreReport(survey: survey, isVerified: verify, json: json, output: output)
                .printHead()
        }
        output.flushEarly()
    }

    /// Where the bytes are, on the terminal or as a page.
    private func report(
        _ survey: StoreSurvey, _ directory: borrowing Directory, _ progress: SurveyProgress
    ) throws(InspectError) -> Severity {
        let cells = html == nil ? SegmentMap.cells(survey.segments, on: screen) : Page.cells
        let space = SpaceSurvey(
            survey, in: directory, delimiter: delimiter, cells: cells
        ) {
            progress.show($0, $1)
        }
        progress.end()
        if let html {
            let page = Page(
                space, limit: limit == .max ? Page.shownPrefixes : limit, isVerified: verify)
            try PageFile.write(page.text, to: html)
        } else {
            let report = SpaceReport(
                space: space, limit: limit == .max ? SpaceReport.shownPrefixes : limit,
                screen: screen,
                output: output)
            json ? report.printJSON() : report.print()
        }
        return survey.allFindings.worst
    }

    private func report(_ survey: StoreSurvey) throws(InspectError) -> Severity {
        guard isListing || stats else {
            StoreReport(survey: survey, isVerified: verify, json: json, output: output).print()
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
        return try list(chosen, Liveness(survey.segments), store: survey)
    }

    /// Prints the records of `segments`; the verdict is theirs alone where one was asked for.
    func list(
        _ segments: [SegmentSurvey], _ liveness: Liveness, store: StoreSurvey? = nil
    ) throws(InspectError) -> Severity {
        if hex { return try showHex(segments) }
        var findings = Findings()
        if stats {
            printHistograms(segments)
        } else {
            var remaining = limit
            for segment in segments {
                var listing = RecordListing(
                    segment: segment, liveness: liveness, filter: filter, columns: columns,
                    remaining: remaining, json: json, showsSegment: segments.count > 1,
                    output: output)
                listing.print(title: segment === segments.first)
                remaining = listing.remaining
            }
        }
        for segment in segments { findings.add(segment.findings) }
        if let store, let segment {
            let files = [FileName.segment(segment).name, FileName.hint(segment).name]
            findings.add(store.findings.about(Set(files)))
        } else if let store {
            findings = store.allFindings
        }
        finish(findings)
        return findings.worst
    }

    private func showHex(_ segments: [SegmentSurvey]) throws(InspectError) -> Severity {
        guard segments.count == 1, let segment = segments.first else {
            throw .usage("--hex needs --segment N, as there are \(segments.count) segments")
        }
        let offset = filter.from ?? 0
        var view = HexView(segment: segment, values: filter.values, json: json, output: output)
        guard view.print(at: offset) else {
            throw .usage("\(segment.name) ends before offset \(offset)")
        }
        return max(segment.findings.worst, view.isDamaged ? .damage : .note)
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
