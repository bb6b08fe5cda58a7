internal import ArgumentParser
internal import Stave
internal import StaveDisk

/// `stave repair DIR NEWDIR`: a clean store from whatever can be read of a damaged one.
struct RepairCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stave repair",
        abstract: "Write what can be read of a store into a new directory; DIR is only read.",
        discussion: """
            Lists every key that was lost, and every key that rolled back to an older version. Whole \
            records that a crash left behind a torn write were never known to be durable: they are \
            listed and left out, or taken with --keep-unsynced. Close the store first. Exit status: 0 nothing was lost, 1 something was, or may have been, \
            64 usage, 66 no such store, 73 NEWDIR cannot be written.
            """)

    @Argument(help: "The damaged store's directory.")
    var directory: String
    @Argument(help: "The new store's directory: missing, or empty.")
    var newDirectory: String
    @Flag(help: "Take also whole records that were never known to be durable.")
    var keepUnsynced = false
    @Flag(help: "Print a JSON object a line.")
    var json = false

    func run() throws {
        let output = Output()
        defer { output.flush() }
        let errors = OutputWriter(descriptor: 2, name: "stderr")
        var bar = ProgressBar.isWanted ? ProgressBar("reading", total: nil, on: errors) : nil
        var repair: Repair
        do throws(InspectError) {
            let survey = try survey()
            repair = Repair(of: survey, keepsUnsynced: keepUnsynced) { bar?.show(done: $0, of: $1) }
        } catch {
            bar?.erase()
            Output.complain(error.text)
            throw ExitCode(error.status)
        }
        bar?.erase()
        try requireOutside()
        var isBegun = false
        do throws(StoreError) {
            let builder = try StoreBuilder(path: newDirectory)
            isBegun = true
            try repair.write(to: builder)
        } catch {
            let rest = isBegun ? "; what is in \(newDirectory) is no store, remove it" : ""
            Output.complain(error.description + rest)
            throw ExitCode(73)
        }
        let verdict = try? Verification(of: newDirectory).findings.worst
        let report = RepairReport(
            repair: repair, from: directory, to: newDirectory, isVerified: verdict == .note,
            output: output)
        json ? report.printJSON() : report.print()
        if verdict != .note { throw ExitCode(73) }
        if !repair.isLossless { throw ExitCode(1) }
    }

    /// What is written must not lie in DIR, which stays as it is.
    private func requireOutside() throws {
        do throws(FileError) {
            let above = try Directory.opening(parentOf: newDirectory)
            guard try above.isInside(Directory(path: directory)) else { return }
            throw FileError("repair into", newDirectory, reason: "it would lie in \(directory)")
        } catch {
            Output.complain(error.description)
            throw ExitCode(73)
        }
    }

    private func survey() throws(InspectError) -> StoreSurvey {
        do throws(FileError) {
            let source = try Directory(path: directory)
            let survey = try StoreSurvey(source, .overview, finder: SegmentFinder(source))
            guard !survey.segments.isEmpty || survey.manifest != nil else {
                throw FileError("repair", directory, reason: "it is no store, or has no segments")
            }
            for segment in survey.segments where segment.findings.worst == .unreadable {
                throw FileError(
                    "repair", segment.name,
                    reason: segment.findings.list.first { $0.severity == .unreadable }?.text ?? "")
            }
            if survey.findings.worst == .unreadable, let finding = survey.findings.list.first {
                throw FileError("repair", finding.file, reason: finding.text)
            }
            return survey
        } catch {
            throw .noInput(error.description)
        }
    }
}

/// Says what a repair came to.
struct RepairReport {
    let repair: Repair
    let from: String
    let to: String
    let isVerified: Bool
    let output: Output

    func print() {
        output.line("read \(Units.count(repair.readRecords, "whole record")) of \(from)")
        for note in repair.notes {
            let place = note.place.isEmpty ? "" : " " + note.place
            output.line("note: \(note.file)\(place): \(note.text)")
        }
        for loss in repair.losses {
            let record = loss.record
            let key = Printable.quoted(record.key, limit: 256)
            let place = "sequence \(record.sequence), \(loss.file) offset \(record.offset)"
            if let successor = loss.successor {
                let what = successor.kind == .value ? "" : "the deletion of "
                output.line(
                    "rolled back: \(key) from \(place) (\(record.reason)) to \(what)sequence"
                        + " \(successor.entrySequence), \(successor.file) offset \(successor.offset)"
                )
            } else {
                output.line("lost: \(key), \(place): \(record.reason)")
            }
        }
        for (file, bytes) in repair.unknown {
            output.line(
                "unknown: \(file) offset \(bytes.range.lowerBound), \(bytes.range.count) bytes:"
                    + " \(bytes.reason); " + Self.bounds(bytes))
        }
        for (file, records) in repair.unsynced { printUnsynced(file, records) }
        if repair.uncertainKeys > 0 {
            output.line(
                "\(Units.count(repair.uncertainKeys, "key")) of the new store may be older than what"
                    + " is unknown")
        }
        output.line(
            "wrote \(Units.count(repair.writtenKeys, "key")), \(Units.bytes(repair.writtenBytes))"
                + " in \(Units.count(repair.segmentCount, "segment")) to \(to)")
        output.line()
        output.line("verdict: \(verdict)")
    }

    private func printUnsynced(_ file: String, _ records: UnsyncedRecords) {
        let named = records.keys.map { Printable.quoted($0, limit: 64) }.joined(separator: ", ")
        let more = records.count - records.keys.count
        let place = "unsynced: \(file) offset \(records.first)"
        let what = "\(Units.count(records.count, "whole record")) behind the end of the log"
        let fate = repair.keepsUnsynced ? "taken" : "left out (--keep-unsynced takes them)"
        let rest = more > 0 ? ", \(Units.count(more)) more" : ""
        output.line(
            "\(place), \(what), never acknowledged as durable, \(fate): \(named)\(rest)")
    }

    private var verdict: String {
        guard isVerified else { return "the new store does not check out; do not use it" }
        if repair.isLossless { return "nothing was lost; the new store is clean" }
        if repair.losses.isEmpty, repair.unknown.isEmpty {
            return "of what is there nothing was lost; which segments there were is not known;"
                + " the new store is clean"
        }
        let rolled = repair.losses.count { $0.successor != nil }
        return
            "\(Units.count(repair.losses.count - rolled)) lost, \(Units.count(rolled)) rolled back,"
            + " \(Units.count(repair.unknown.count)) unknown; the new store is clean"
    }

    private static func bounds(_ bytes: SalvagedSegment.UnknownBytes) -> String {
        if let sequences = bytes.sequences {
            if sequences.count == 1 { return "sequence number \(sequences.lowerBound)" }
            return "sequence numbers \(sequences.lowerBound) to \(sequences.upperBound)"
        }
        if let keys = bytes.keys {
            return "keys between \(Printable.quoted(keys.after, limit: 64)) and"
                + " \(Printable.quoted(keys.before, limit: 64))"
        }
        return "nothing tells which keys were here"
    }

    func printJSON() {
        for note in repair.notes {
            var members: [(String, JSON)] = [
                ("type", .string("note")), ("severity", .string(note.severity.word)),
                ("file", .string(note.file)),
            ]
            if let range = note.range {
                members += [
                    ("offset", .number(range.lowerBound)), ("length", .number(range.count)),
                ]
            }
            output.json(members + [("text", .string(note.text))])
        }
        for loss in repair.losses { output.json(members(of: loss)) }
        for (file, bytes) in repair.unknown {
            var members: [(String, JSON)] = [
                ("type", .string("unknown")), ("file", .string(file)),
                ("offset", .number(bytes.range.lowerBound)), ("length", .number(bytes.range.count)),
                ("firstSequence", bytes.sequences.map { .unsigned($0.lowerBound) } ?? .null),
                ("lastSequence", bytes.sequences.map { .unsigned($0.upperBound) } ?? .null),
            ]
            if let keys = bytes.keys {
                members += [
                    JSON.bytes("afterKey", keys.after), JSON.bytes("beforeKey", keys.before),
                ]
            }
            output.json(members + [("text", .string(bytes.reason))])
        }
        for (file, records) in repair.unsynced {
            output.json([
                ("type", .string("unsynced")), ("file", .string(file)),
                ("offset", .number(records.first)), ("records", .number(records.count)),
                ("taken", .bool(repair.keepsUnsynced)),
                ("keys", .array(records.keys.map { .object([JSON.bytes("key", $0)]) })),
            ])
        }
        let rolled = repair.losses.count { $0.successor != nil }
        output.json([
            ("type", .string("repaired")), ("from", .string(from)), ("to", .string(to)),
            ("readRecords", .number(repair.readRecords)),
            ("writtenKeys", .number(repair.writtenKeys)),
            ("writtenBytes", .number(repair.writtenBytes)),
            ("lost", .number(repair.losses.count - rolled)), ("rolledBack", .number(rolled)),
            ("unknown", .number(repair.unknown.count)),
            ("unsynced", .number(repair.unsynced.reduce(0) { $0 + $1.records.count })),
            ("uncertainKeys", .number(repair.uncertainKeys)), ("verified", .bool(isVerified)),
        ])
    }

    private func members(of loss: Repair.Loss) -> [(String, JSON)] {
        let record = loss.record
        var members: [(String, JSON)] = [
            ("type", .string(loss.successor == nil ? "lost" : "rolledBack")),
            JSON.bytes("key", record.key), ("sequence", .unsigned(record.sequence)),
            ("file", .string(loss.file)), ("offset", .number(record.offset)),
            ("length", .number(record.length)), ("text", .string(record.reason)),
        ]
        if let successor = loss.successor {
            members += [
                ("toSequence", .unsigned(successor.entrySequence)),
                ("toFile", .string(successor.file)), ("toOffset", .number(successor.offset)),
                ("toKind", .string(successor.kind == .value ? "value" : "tombstone")),
            ]
        }
        return members
    }
}
