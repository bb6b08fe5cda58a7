internal import StaveDisk

/// Prints a store at a glance.
struct StoreReport {
    let survey: StoreSurvey
    let isVerified: Bool
    let json: Bool
    let output: Output

    /// What is known before the segments are read.
    func printHead() {
        guard !json else { return printManifestJSON() }
        output.line("store \(Quoting.message(survey.path))")
        printManifest()
    }

    /// What comes behind the head.
    func print() {
        guard !json else { return printJSON() }
        output.line()
        printSegments()
        printFiles()
        printGoodUpTo()
        let findings = survey.allFindings
        findings.print(to: output)
        findings.printVerdict(to: output, json: false, isVerified: isVerified)
    }

    private func printManifest() {
        guard let manifest = survey.manifest else {
            output.line("MANIFEST cannot be read: segments are shown as they stand")
            return
        }
        output.line("id \(hex(manifest.storeID.high))\(hex(manifest.storeID.low))")
        output.line(
            "MANIFEST revision \(manifest.revision),"
                + " \(Units.count(manifest.segments.count, "segment")),"
                + " next sequence \(manifest.nextSequence), next segment \(manifest.nextSegment)")
    }

    private func printSegments() {
        guard !survey.segments.isEmpty else {
            output.line("no segments")
            return
        }
        var rows = [
            [
                "segment", "state", "size", "records", "live", "live size", "dead", "tombstones",
                "oldest", "newest", "hint",
            ]
        ]
        for segment in survey.segments {
            func counted(_ text: String) -> String { segment.isCounted ? text : "?" }
            rows.append([
                segment.number.map { FileName.segment($0).name.prefix(10) + "" } ?? segment.name,
                segment.state, Units.bytes(segment.fileSize), counted("\(segment.recordCount)"),
                counted("\(segment.liveCount)"), counted(Units.bytes(segment.liveBytes)),
                counted("\(segment.deadCount)"), counted("\(segment.tombstoneCount)"),
                segment.times.map { Printable.time($0.lowerBound) } ?? "-",
                segment.times.map { Printable.time($0.upperBound) } ?? "-",
                segment.hintState.word,
            ])
        }
        let total = Total(survey.segments)
        rows.append([
            "total", "", Units.bytes(total.size), "\(total.records)", "\(total.live)",
            Units.bytes(total.liveBytes), "\(total.dead)", "\(total.tombstones)",
        ])
        output.table(rows, right: [2, 3, 4, 5, 6, 7], optional: [8, 9, 5])
        for segment in survey.segments where !segment.isSealed && segment.image != nil {
            output.line(
                "\(segment.name): records up to offset \(segment.end), synced up to "
                    + (segment.mark.map(String.init) ?? "nowhere")
                    + (segment.reservedBytes > 0
                        ? ", \(Units.bytes(segment.reservedBytes)) reserved" : ""))
        }
    }

    private func printFiles() {
        if let checkpoint = survey.checkpoint {
            output.line(
                "\(FileName.checkpoint.name): \(Units.bytes(checkpoint.size)),"
                    + " \(Units.count(checkpoint.keyCount, "key")) of the"
                    + " writes below \(checkpoint.nextSequence)\(checkpoint.isUsed ? "" : ", stale")"
            )
        }
        if !survey.leftovers.isEmpty {
            output.line()
            output.line("leftovers (MANIFEST does not name them):")
            for (name, size) in survey.leftovers {
                output.line(
                    "  \(Printable.quoted(Array(name.utf8)))  \(Units.bytes(size)):"
                        + " \(survey.fate(ofLeftover: name))")
            }
        }
        if !survey.aside.isEmpty {
            output.line()
            output.line("set aside (segments that are no part of the store; nothing removes them):")
            for (name, size) in survey.aside {
                output.line("  \(Printable.quoted(Array(name.utf8)))  \(Units.bytes(size))")
            }
        }
        if !survey.foreign.isEmpty {
            let names = survey.foreign.prefix(10).map { Printable.quoted(Array($0.utf8)) }
            let more = survey.foreign.count > 10 ? ", ..." : ""
            output.line()
            output.line(
                "\(Units.count(survey.foreign.count, "file")) not of a store: "
                    + names.joined(separator: ", ") + more)
        }
    }

    private func printGoodUpTo() {
        for segment in survey.segments {
            guard let offset = segment.goodUpTo else { continue }
            output.line()
            output.line("\(segment.name) is good up to offset \(offset) of \(segment.fileSize)")
        }
    }

    private func printManifestJSON() {
        guard let manifest = survey.manifest else { return }
        output.json([
            ("type", .string("manifest")),
            ("store", .string(hex(manifest.storeID.high) + hex(manifest.storeID.low))),
            ("revision", .unsigned(manifest.revision)),
            ("nextSequence", .unsigned(manifest.nextSequence)),
            ("nextSegment", .unsigned(manifest.nextSegment)),
            ("completeSince", .unsigned(manifest.completeSince)),
            ("history", .string(hex(manifest.history.id))),
            ("segments", .number(manifest.segments.count)),
        ])
    }

    private func printJSON() {
        for segment in survey.segments { output.json(Self.members(of: segment)) }
        let total = Total(survey.segments)
        output.json([
            ("type", .string("total")), ("size", .number(total.size)),
            ("records", .number(total.records)), ("live", .number(total.live)),
            ("liveBytes", .number(total.liveBytes)), ("dead", .number(total.dead)),
            ("tombstones", .number(total.tombstones)),
        ])
        if let checkpoint = survey.checkpoint {
            output.json([
                ("type", .string("checkpoint")), ("file", .string(FileName.checkpoint.name)),
                ("size", .number(checkpoint.size)), ("keys", .number(checkpoint.keyCount)),
                ("nextSequence", .unsigned(checkpoint.nextSequence)),
                ("fits", .bool(checkpoint.isUsed)),
            ])
        }
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
        let findings = survey.allFindings
        findings.printJSON(to: output)
        findings.printVerdict(to: output, json: true, isVerified: isVerified)
    }

    /// What is known of a segment.
    static func members(of segment: SegmentSurvey) -> [(String, JSON)] {
        func counted(_ number: Int) -> JSON { segment.isCounted ? .number(number) : .null }
        return [
            ("type", .string("segment")), ("file", .string(segment.name)),
            ("number", segment.number.map(JSON.unsigned) ?? .null),
            ("identity", segment.identity.map { .string(hex($0)) } ?? .null),
            (
                "store",
                segment.header.map { .string(hex($0.storeID.high) + hex($0.storeID.low)) } ?? .null
            ),
            ("state", .string(segment.state)), ("size", .number(segment.fileSize)),
            ("recordsEnd", .number(segment.end)), ("reserved", .number(segment.reservedBytes)),
            ("synced", segment.mark.map(JSON.number) ?? .null),
            ("records", counted(segment.recordCount)), ("live", counted(segment.liveCount)),
            ("liveBytes", counted(segment.liveBytes)), ("dead", counted(segment.deadCount)),
            ("tombstones", counted(segment.tombstoneCount)),
            ("oldest", segment.times.map { .string(Printable.time($0.lowerBound)) } ?? .null),
            ("newest", segment.times.map { .string(Printable.time($0.upperBound)) } ?? .null),
            ("hint", .string(segment.hintState.word)),
            ("goodUpTo", segment.goodUpTo.map(JSON.number) ?? .null),
        ]
    }

    private struct Total {
        var (size, records, live, liveBytes, dead, tombstones) = (0, 0, 0, 0, 0, 0)

        init(_ segments: [SegmentSurvey]) {
            for segment in segments {
                size += segment.fileSize
                records += segment.recordCount
                live += segment.liveCount
                liveBytes += segment.liveBytes
                dead += segment.deadCount
                tombstones += segment.tombstoneCount
            }
        }
    }
}
