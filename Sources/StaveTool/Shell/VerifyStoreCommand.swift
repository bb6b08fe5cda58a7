internal import Stave

extension CommandTable {
    static let verifyCommand = Command(
        "verify", "[--json]", .read, "check every byte, and the index against the files",
        details: [
            "Reads every record and hint file, and compares the keydir with a replay of all records.",
            "Reads and writes go on meanwhile. Ctrl-C stops it. Damage is an error.",
        ],
        options: [.init(name: "--json", help: "an object a line: what is wrong, then a summary")],
        examples: ["verify", "verify --json"]
    ) { session, invocation throws(CommandError) in try session.verify(invocation) }
}

extension Session {
    func verify(_ invocation: Invocation) throws(CommandError) {
        let report: VerificationReport
        do throws(StoreError) {
            report = try verifyWithProgress()
        } catch {
            throw CommandError(error, at: invocation.words[0])
        }
        let isJSON = invocation.has("--json") || settings.format == .json
        if isJSON { replyJSON(report) } else { replyText(report) }
        guard !report.isClean else { return }
        let count = Units.count(report.problemCount, "problem")
        throw CommandError("verify found \(count)", at: invocation.words[0])
    }

    private func verifyWithProgress() throws(StoreError) -> VerificationReport {
        flush()
        var bar = try makeStoreBar("verifying")
        defer { bar?.erase() }
        return try store.verify { [self] fraction in
            bar?.show(fraction)
            return !isInterrupted()
        }
    }

    private func replyText(_ report: VerificationReport) {
        for problem in report.problems.prefix(50) {
            let place = problem.offset.map { " at offset \($0)" } ?? ""
            reply("damage: \(problem.file)\(place): \(problem.text)")
        }
        if report.problemCount > 50 { reply("... \(report.problemCount - 50) more") }
        let word = report.isClean ? "clean" : "damage"
        reply(
            "\(word): \(Units.count(report.segmentCount, "segment")),"
                + " \(Units.count(report.recordCount, "record")),"
                + " \(Units.count(report.keyCount, "key")), \(Units.bytes(report.checkedBytes))"
                + " checked" + (report.comparedCounters ? "" : "; counters were not compared"))
    }

    private func replyJSON(_ report: VerificationReport) {
        for problem in report.problems {
            let members: [(String, JSON)] = [
                ("type", .string("problem")), ("file", .string(problem.file)),
                ("offset", problem.offset.map(JSON.number) ?? .null),
                ("length", .number(problem.length)), ("text", .string(problem.text)),
            ]
            reply(.object(members))
        }
        let members: [(String, JSON)] = [
            ("type", .string("verified")), ("clean", .bool(report.isClean)),
            ("segments", .number(report.segmentCount)), ("records", .number(report.recordCount)),
            ("keys", .number(report.keyCount)), ("hints", .number(report.hintCount)),
            ("checkedBytes", .number(report.checkedBytes)),
            ("comparedCounters", .bool(report.comparedCounters)),
            ("problems", .number(report.problemCount)),
        ]
        reply(.object(members))
    }
}
