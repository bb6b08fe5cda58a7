internal import Glibc
internal import Stave
internal import StaveDisk

extension CommandTable {
    static let whyCommand = Command(
        "why", "KEY [--json]", words: 1...1, .read, isPaged: true,
        "show every version of a key, and which compaction frees it",
        details: [
            "Segment, offset, sequence number and time of each; live or dead, and what superseded it.",
            "It reads the store's files, as stave why DIR KEY does.",
        ],
        options: [.init(name: "--json", help: "an object a line")],
        examples: ["why user:1", "why user:1 --json"]
    ) { session, invocation throws(CommandError) in try session.why(invocation) }
}

extension Session {
    func why(_ invocation: Invocation) throws(CommandError) {
        let word = invocation.words[1]
        guard word.canBeKey else {
            throw CommandError("a key has 1 to 65,535 bytes", at: word)
        }
        let columns = outputIsTerminal ? ScreenSize.of(STDOUT_FILENO).columns : nil
        let lines = Output(isKept: true, columns: columns)
        let worst: Severity
        do throws(InspectError) {
            worst = try KeyHistory.show(
                word.array, in: store.path,
                json: invocation.has("--json") || settings.format == .json, to: lines)
        } catch {
            throw CommandError(error.text, at: invocation.words[0])
        }
        output.write(lines.text)
        if worst == .damage {
            throw CommandError("damage may concern this key", at: word)
        }
    }
}
