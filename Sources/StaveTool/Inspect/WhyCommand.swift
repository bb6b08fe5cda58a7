internal import ArgumentParser
internal import StaveDisk

/// `stave why DIR KEY`: every version of a key. Reads the files as the inspector does.
struct WhyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stave why",
        abstract: "Show every version of a key: where it lies, what superseded it, what frees it.",
        discussion: """
            Reads the files and never writes or locks; works beside a writer and on damage. A key in \
            double quotes may hold the escapes that the inspector prints. Exit status: 0 clean, \
            1 damage that may concern the key, 2 torn tail only, 64 usage, 66 no such store.
            """)

    @Argument(help: "The store's directory.")
    var directory: String
    @Argument(help: "The key.")
    var key: String
    @Flag(help: "Print a JSON object a line.")
    var json = false

    func validate() throws {
        guard let bytes = KeyPattern.unquoted(Array(key.utf8)[...]) else {
            throw ValidationError("an escape in the key is not understood")
        }
        guard (1...Format.maxKeyLength).contains(bytes.count) else {
            throw ValidationError("a key has 1 to 65,535 bytes")
        }
    }

    func run() throws {
        let output = Output()
        defer { output.flush() }
        let key = KeyPattern.unquoted(Array(key.utf8)[...]) ?? []
        let worst: Severity
        do throws(InspectError) {
            worst = try KeyHistory.show(key, in: directory, json: json, to: output)
        } catch {
            Output.complain(error.text)
            throw ExitCode(error.status)
        }
        if worst != .note { throw ExitCode(worst.exitStatus) }
    }
}

extension KeyHistory {
    /// Prints the history of `key` in the store at `path`; returns the worst that was found.
    static func show(
        _ key: [UInt8], in path: String, json: Bool, to output: Output
    ) throws(InspectError) -> Severity {
        let history: KeyHistory
        do throws(FileError) {
            history = KeyHistory(of: key, in: try StoreSurvey(ofStoreAt: path, to: "look into"))
        } catch {
            throw .noInput(error.description)
        }
        json ? history.printJSON(to: output) : history.print(to: output)
        return history.findings.worst
    }

    private func print(to output: Output) {
        let name = Printable.quoted(key, limit: 256)
        if versions.isEmpty {
            output.line("no version of \(name)")
            findings.print(to: output)
            return
        }
        output.line("\(name): \(Units.count(versions.count, "version")), newest first")
        var rows = [
            ["sequence", "segment", "offset", "length", "time", "kind", "checksum", "state"]
        ]
        for (index, version) in versions.enumerated() {
            rows.append([
                "\(version.sequence)", "\(version.segment.number ?? 0)", "\(version.offset)",
                "\(version.length)", version.time.map(Printable.time) ?? "-",
                version.kind == .value ? "value" : "tombstone", checkText(version),
                [stateText(index), freed(index)].compactMap { $0 }.joined(separator: "; "),
            ])
        }
        output.table(rows, right: [0, 1, 2, 3])
        findings.print(to: output)
    }

    private func checkText(_ version: Version) -> String {
        switch version.check {
        case .ok: "ok"
        case .badValue: "BAD value"
        case .cut: "BAD cut off"
        case .unreadable: "BAD record"
        }
    }

    private func stateText(_ index: Int) -> String {
        guard let successor = successor(index) else { return state(index) }
        return "\(state(index)), superseded by \(successor.place)"
    }

    private func printJSON(to output: Output) {
        for (index, version) in versions.enumerated() {
            var members: [(String, JSON)] = [
                ("type", .string("version")), ("file", .string(version.segment.name)),
                ("segment", version.segment.number.map(JSON.unsigned) ?? .null),
                ("offset", .number(version.offset)), ("length", .number(version.length)),
                ("sequence", .unsigned(version.sequence)),
                ("time", version.time.map { .string(Printable.time($0)) } ?? .null),
                ("kind", .string(version.kind == .value ? "value" : "tombstone")),
                ("valueLength", .number(version.valueLength)),
                ("checksum", .string(checkText(version))), ("state", .string(state(index))),
            ]
            if let successor = successor(index) {
                members.append(("supersededBy", .string(successor.place)))
                members.append(("supersededBySequence", .unsigned(successor.sequence)))
            }
            if let freed = freed(index) { members.append(("freed", .string(freed))) }
            output.json(members + self.members(index))
        }
        findings.printJSON(to: output)
        output.json([
            ("type", .string("why")), JSON.bytes("key", key),
            ("versions", .number(versions.count)),
            ("state", .string(versions.isEmpty ? "absent" : state(0))),
        ])
    }
}
