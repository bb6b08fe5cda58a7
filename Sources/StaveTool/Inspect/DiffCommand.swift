internal import ArgumentParser
internal import StaveDisk

/// `stave diff DIR1 DIR2`: in which keys two stores differ. Reads the files as the inspector does.
struct DiffCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stave diff",
        abstract: "Show the keys in which two stores differ; never writes, never locks.",
        discussion: """
            < is a key that only the first store has, > one that only the second has, and ! one whose \
            values differ. Sequence numbers and times do not matter. Exit status: 0 the same, \
            1 different, 2 an error: damage, or no such store; 64 usage.
            """)

    @Argument(help: "A store's directory.")
    var first: String
    @Argument(help: "Another store's directory.")
    var second: String
    @Option(help: "How much of values is shown: full, preview or none.")
    var values: RecordFilter.Values = .preview
    @Flag(help: "Print a JSON object a line.")
    var json = false

    func run() throws {
        let output = Output(isPaged: true)
        defer { output.finish() }
        let stores: (StoreSurvey, StoreSurvey)
        do throws(FileError) {
            stores = (
                try StoreSurvey(ofStoreAt: first, to: "compare"),
                try StoreSurvey(ofStoreAt: second, to: "compare")
            )
        } catch {
            Output.complain(error.description)
            throw ExitCode(2)
        }
        var isUncertain = false
        for (path, store) in [(first, stores.0), (second, stores.1)] {
            for finding in store.allFindings.list where finding.severity > .torn {
                Output.complain("\(path)/\(finding.file): \(finding.place) \(finding.text)")
                // A hint file that is not used changes no answer.
                if !finding.file.hasSuffix(".hint") { isUncertain = true }
            }
        }
        var diff = StoreDiff()
        diff.run(stores.0, stores.1) { show($0, output) }
        if diff.damageCount > 0 { isUncertain = true }
        if json {
            output.json([
                ("type", .string("diff")), ("same", .number(diff.sameCount)),
                ("different", .number(diff.differenceCount)),
                ("damaged", .number(diff.damageCount)), ("certain", .bool(!isUncertain)),
            ])
        }
        if !json { printSummary(diff, output) }
        if isUncertain { throw ExitCode(2) }
        if diff.differenceCount > 0 { throw ExitCode(1) }
    }

    private func printSummary(_ diff: StoreDiff, _ output: Output) {
        func count(_ number: Int, _ text: String) -> String? {
            number > 0 ? "\(Units.count(number)) \(text)" : nil
        }
        let parts = [
            count(diff.onlyInFirst, "only in \(Quoting.message(first))"),
            count(diff.onlyInSecond, "only in \(Quoting.message(second))"),
            count(diff.otherValues, "with other values"),
            count(diff.damageCount, "damaged"),
        ].compactMap { $0 }
        let same = Units.count(diff.sameCount, "key")
        guard !parts.isEmpty else { return output.line("the same: \(same)") }
        output.line()
        output.line("\(parts.joined(separator: ", ")); \(same) the same")
    }

    private func show(_ difference: StoreDiff.Difference, _ output: Output) {
        switch difference {
        case .onlyInFirst(let place): show("<", "onlyInFirst", [("first", place)], output)
        case .onlyInSecond(let place): show(">", "onlyInSecond", [("second", place)], output)
        case .value(let a, let b):
            show("!", "value", [("first", a), ("second", b)], output)
        case .damaged(let isInFirst, let place):
            show("?", "damaged", [(isInFirst ? "first" : "second", place)], output)
            let path = isInFirst ? first : second
            Output.complain(
                "\(path)/\(place.segment.name): offset \(place.entry.offset) does not check out")
        }
    }

    private func show(
        _ sign: String, _ what: String, _ places: [(name: String, place: StoreDiff.Place)],
        _ output: Output
    ) {
        guard let entry = places.first?.place.entry else { return }
        let key = unsafe Array(entry.key)
        guard json else {
            let values = places.enumerated().map { index, place in
                text(place.place, beside: places.count > 1 ? places[1 - index].place : nil)
            }.joined(separator: " -> ")
            return output.line("\(sign) \(Printable.quoted(key, limit: 256)) \(values)")
        }
        let members: [(String, JSON)] = places.map { name, place in
            var members: [(String, JSON)] = [
                ("file", .string(place.segment.name)), ("offset", .number(place.entry.offset)),
                ("sequence", .unsigned(place.entry.sequence)),
                ("valueLength", .number(place.entry.valueLength)),
            ]
            switch values {
            case .full: members.append(JSON.bytes("value", place.bytes(0..<(1 << 30))))
            case .preview: members.append(JSON.bytes("value", place.preview))
            case .none: break
            }
            return (name, .object(members))
        }
        output.json(
            [("type", .string("difference")), ("kind", .string(what)), JSON.bytes("key", key)]
                + members)
    }

    /// The value as far as it is shown: of a long one the part in which it differs from the other.
    private func text(_ place: StoreDiff.Place, beside other: StoreDiff.Place?) -> String {
        let length = place.entry.valueLength
        switch values {
        case .none: return "(\(length) bytes)"
        case .full: return Printable.quoted(place.bytes(0..<length))
        case .preview: break
        }
        // The beginning, where that shows it.
        let difference = other.flatMap(place.firstDifference) ?? 0
        let start = difference < 40 ? 0 : difference - 10
        let isWhole = start == 0 && length <= 60
        let shown = isWhole ? 0..<length : start..<min(start + 40, length)
        let text =
            (start > 0 ? "..." : "") + Printable.quoted(place.bytes(shown))
            + (shown.upperBound < length ? "..." : "")
        if shown.count >= length { return text }
        return text + " (\(length) bytes" + (start > 0 ? ", from byte \(start))" : ")")
    }
}
