internal import StaveDisk

/// How much a finding matters, in rising order; also the exit status.
enum Severity: Int, Comparable {
    /// Worth knowing; nothing is wrong with the store.
    case note
    /// Left by a crash: the log ends here. Nothing that was known to be durable is lost.
    case torn
    /// It cannot be told here: no permission, or a newer version of stave wrote it.
    case unreadable
    /// Bytes that were once whole no longer check out.
    case damage

    static func < (a: Severity, b: Severity) -> Bool { a.rawValue < b.rawValue }

    var word: String {
        switch self {
        case .note: "note"
        case .torn: "torn tail"
        case .unreadable: "unreadable"
        case .damage: "damage"
        }
    }

    /// 0 clean, 1 damage, 2 torn tail only, 66 not readable.
    var exitStatus: Int32 {
        switch self {
        case .note: 0
        case .damage: 1
        case .torn: 2
        case .unreadable: 66
        }
    }
}

/// One thing the inspector noticed.
struct Finding {
    var severity: Severity
    var file: String
    /// Where in the file, and how many bytes; nil where it concerns the file as a whole.
    var range: Range<Int>?
    var text: String

    init(_ severity: Severity, _ file: String, _ range: Range<Int>? = nil, _ text: String) {
        self.severity = severity
        self.file = file
        self.range = range
        self.text = text
    }

    /// A damaged header of a segment, or damaged marks: what costs no record by itself.
    var isOfHeader: Bool {
        guard severity == .damage, let range else { return false }
        return !range.isEmpty && range.upperBound <= SegmentHeader.byteCount
    }

    var place: String {
        guard let range else { return "" }
        return range.isEmpty
            ? "offset \(range.lowerBound)" : "offset \(range.lowerBound), \(range.count) bytes"
    }
}

/// Findings in the order in which they were made. A file full of damage makes millions; the first
/// ones are kept and the rest counted.
struct Findings {
    static let kept = 1000
    private(set) var list: [Finding] = []
    private(set) var count = 0
    private(set) var worst = Severity.note

    /// Is no further one kept?
    var isFull: Bool { list.count >= Self.kept }

    mutating func add(_ finding: Finding) {
        count += 1
        worst = max(worst, finding.severity)
        if list.count < Self.kept { list.append(finding) }
    }

    mutating func add(_ other: Findings) {
        for finding in other.list { add(finding) }
        count += other.count - other.list.count
        worst = max(worst, other.worst)
    }

    /// Those that concern one of these files.
    func about(_ files: Set<String>) -> Findings {
        var some = Findings()
        for finding in list where files.contains(finding.file) { some.add(finding) }
        return some
    }

    func print(to output: Output, limit: Int = 50) {
        guard count > 0 else { return }
        output.line()
        var rows = [["finding", "file", "where", "what"]]
        for finding in list.prefix(limit) {
            rows.append([finding.severity.word, finding.file, finding.place, finding.text])
        }
        output.table(rows)
        if count > limit { output.line("... \(count - limit) more findings") }
    }

    func printJSON(to output: Output) {
        for finding in list {
            var members: [(String, JSON)] = [
                ("type", .string("finding")), ("severity", .string(finding.severity.word)),
                ("file", .string(finding.file)),
            ]
            if let range = finding.range {
                members.append(("offset", .number(range.lowerBound)))
                members.append(("length", .number(range.count)))
            }
            output.json(members + [("text", .string(finding.text))])
        }
    }

    /// The last line of every report.
    func printVerdict(to output: Output, json: Bool, isVerified: Bool) {
        let words =
            switch worst {
            case .note:
                isVerified
                    ? "clean: every byte is accounted for"
                    : "clean as far as it was read (--verify reads every byte)"
            case .torn: "torn tail"
            case .unreadable: "unreadable"
            case .damage: "damage"
            }
        if json {
            output.json([
                ("type", .string("verdict")),
                ("verdict", .string(worst == .note ? "clean" : words)),
                ("verified", .bool(isVerified)), ("findings", .number(count)),
            ])
        } else {
            output.line()
            output.line("verdict: \(words)")
        }
    }
}
