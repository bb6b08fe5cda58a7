internal import StaveDisk

/// Prints where a store's bytes are.
struct SpaceReport {
    static let shownPrefixes = 20

    let space: SpaceSurvey
    /// Prefixes that are shown at most.
    let limit: Int
    let screen: Screen
    let output: Output

    private var findings: Findings { space.store.allFindings }

    // MARK: For people

    /// Behind the store's name, which stands there since before it was read.
    func print() {
        output.line()
        SegmentMap(space.segments, on: screen).print(to: output)
        output.line()
        printKinds()
        output.line()
        printPrefixes()
        findings.print(to: output)
        findings.printVerdict(to: output, json: false, isVerified: false)
    }

    private func printKinds() {
        let total = space.totalBytes
        var rows = [["kind", "bytes", "share", ""]]
        for (name, bytes) in space.kinds where bytes != 0 {
            rows.append([name, "\(bytes)", Self.percent(bytes, of: total), Units.bytes(bytes)])
        }
        rows.append(["all files", "\(total)", Self.percent(total, of: total), Units.bytes(total)])
        output.table(rows, right: [1, 2, 3])
        let headers = space.liveKeys * RecordHeader.byteCount
        output.line(
            "live: \(Units.count(space.liveKeys, "key")); bytes of keys \(space.liveKeyBytes),"
                + " values \(space.liveValueBytes), record headers \(headers),"
                + " padding \(space.livePaddingBytes)")
    }

    private func printPrefixes() {
        let (shown, rest, restCount) = space.prefixes.largest(limit)
        var rows = [["prefix", "keys", "live", "dead", "tombstones", "bytes", "share"]]
        let total = space.prefixes.total
        func row(_ name: String, _ usage: PrefixTable.Usage) -> [String] {
            [
                name, "\(usage.keys)", "\(usage.liveBytes)", "\(usage.deadBytes)",
                "\(usage.tombstoneBytes)", "\(usage.bytes)",
                Self.percent(usage.bytes, of: total.bytes),
            ]
        }
        for usage in shown { rows.append(row(Self.name(of: usage), usage)) }
        if restCount > 0 { rows.append(row("(\(Units.count(restCount)) more)", rest)) }
        rows.append(row("(all)", total))
        output.table(rows, right: [1, 2, 3, 4, 5, 6], optional: [4, 3, 2])
    }

    static func name(of usage: PrefixTable.Usage) -> String {
        usage.prefix.map { Printable.quoted($0, limit: 40) } ?? "(no delimiter)"
    }

    static func percent(_ part: Int, of whole: Int) -> String {
        guard whole > 0 else { return "-" }
        return Units.decimal(Double(part) * 100 / Double(whole)) + " %"
    }

    // MARK: For programs

    func printJSON() {
        for segment in space.segments {
            var members: [(String, JSON)] = [
                ("type", .string("segmentSpace")), ("file", .string(segment.survey.name)),
                ("state", .string(segment.survey.state)),
                ("size", .number(segment.survey.fileSize)),
            ]
            for kind in SegmentSpace.Kind.allCases {
                members.append((kind.memberName, .number(segment.bytes(kind))))
            }
            let map = (0..<segment.cellCount).map { cell in
                segment.share(of: cell).map { "\($0)" } ?? "header"
            }
            members.append(("map", .array(map.map(JSON.string))))
            output.json(members)
        }
        for (name, bytes) in space.kinds {
            output.json([
                ("type", .string("kind")), ("kind", .string(name)), ("bytes", .number(bytes)),
            ])
        }
        output.json([
            ("type", .string("live")), ("keys", .number(space.liveKeys)),
            ("keyBytes", .number(space.liveKeyBytes)),
            ("valueBytes", .number(space.liveValueBytes)),
            ("headerBytes", .number(space.liveKeys * RecordHeader.byteCount)),
            ("paddingBytes", .number(space.livePaddingBytes)),
        ])
        let (shown, rest, restCount) = space.prefixes.largest(limit)
        for usage in shown {
            let name = usage.prefix.map { JSON.bytes("prefix", $0) } ?? ("prefix", .null)
            output.json([("type", .string("prefix")), name] + Self.members(usage))
        }
        if restCount > 0 {
            output.json(
                [("type", .string("rest")), ("prefixes", .number(restCount))] + Self.members(rest))
        }
        output.json(
            [("type", .string("all"))] + Self.members(space.prefixes.total)
                + [("allFiles", .number(space.totalBytes))])
        findings.printJSON(to: output)
        findings.printVerdict(to: output, json: true, isVerified: false)
    }

    private static func members(_ usage: PrefixTable.Usage) -> [(String, JSON)] {
        [
            ("keys", .number(usage.keys)), ("liveBytes", .number(usage.liveBytes)),
            ("deadBytes", .number(usage.deadBytes)),
            ("tombstoneBytes", .number(usage.tombstoneBytes)), ("bytes", .number(usage.bytes)),
        ]
    }
}
