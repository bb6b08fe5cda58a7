internal import Glibc
internal import Stave

/// A store's statistics as people like to look at them, and as programs do.
struct StatsView {
    private let statistics: StoreStatistics
    private let hasColor: Bool
    private let isPaused: Bool
    /// A single command opens any store read-only, which says nothing about the store.
    private let saysReadOnly: Bool
    private static let barWidth = 32
    /// A store of thousands of segments shows its first and last ones.
    private static let shownSegments = 20

    /// - Parameter isPaused: whether this shell has paused compaction.
    init(
        _ statistics: StoreStatistics, hasColor: Bool, isPaused: Bool = false,
        saysReadOnly: Bool = true
    ) {
        self.saysReadOnly = saysReadOnly
        self.statistics = statistics
        self.isPaused = isPaused
        self.hasColor = hasColor
    }

    // MARK: For people

    var text: String {
        let s = statistics
        var rows: [(String, String)] = [
            ("store", s.path + (s.isReadOnly && saysReadOnly ? " (read-only)" : "")),
            ("keys", Units.count(s.count)),
            ("on disk", "\(Units.bytes(s.diskBytes)) in \(segmentCount)"),
            ("live", Units.bytes(s.liveBytes) + share(s.liveBytes)),
            ("dead", Units.bytes(s.deadBytes) + share(s.deadBytes)),
            ("tombstones", Units.bytes(s.tombstoneBytes) + share(s.tombstoneBytes)),
            ("keydir", Units.bytes(s.keydirBytes) + " of memory" + perKey),
        ]
        // A read-only store writes nothing, and what its writer promises is not known here.
        if !s.isReadOnly { rows.append(("durability", durability)) }
        if let space = s.spaceAmplification {
            rows.append(("space", "\(hundredths(space)) bytes on disk for a live byte"))
        }
        if let write = s.writeAmplification {
            rows.append(("writes", "\(hundredths(write)) bytes written for a byte set"))
        }
        if !s.isReadOnly { rows.append(("compaction", compaction)) }
        if s.compactionCount > 0 {
            rows.append(
                ("", "copied \(Units.bytes(s.copiedBytes)), freed \(Units.bytes(s.freedBytes))"))
        }
        if let failure = s.compactionFailure { rows.append(("", "failed: \(failure)")) }
        let width = rows.map(\.0.count).max()! + 2
        return rows.map { dim(Units.padded($0.0, width)) + $0.1 + "\n" }.joined() + segmentTable
    }

    private var segmentCount: String { Units.count(statistics.segments.count, "segment") }

    /// `3 so far, last 12 s ago; next after 1.2 MiB more dead`.
    private var compaction: String {
        let s = statistics
        var text =
            s.compactionCount == 0 ? "none so far" : "\(Units.count(s.compactionCount)) so far"
        if let last = s.lastCompaction {
            text += ", last \(Units.span(seconds: time(nil) - Int(last))) ago"
        }
        if isPaused { return text + "; paused" }
        switch s.deadBytesToCompaction {
        case nil: return text + "; not automatic"
        case 0: return text + "; next is due"
        case let bytes?: return text + "; next after \(Units.bytes(bytes)) more dead"
        }
    }

    private var durability: String {
        switch statistics.durability {
        case .always: "always (durable before the reply)"
        case .interval: "interval (durable within a second)"
        case .os: "os (durable when the kernel writes it)"
        }
    }

    private var perKey: String {
        let s = statistics
        // The table's least size says nothing about keys.
        return s.count >= 1000
            ? " (\(Units.decimal(Double(s.keydirBytes) / Double(s.count))) B a key)" : ""
    }

    private func share(_ part: Int) -> String {
        let all = statistics.liveBytes + statistics.deadBytes + statistics.tombstoneBytes
        guard all > 0 else { return "" }
        return " (\(Units.decimal(Double(part) * 100 / Double(all))) %)"
    }

    private func hundredths(_ value: Double) -> String {
        let number = Int((value * 100).rounded())
        return "\(number / 100).\(number % 100 / 10)\(number % 10)"
    }

    private var segmentTable: String {
        let segments = statistics.segments
        guard !segments.isEmpty else { return "" }
        var shown = segments.map(line)
        if shown.count > Self.shownSegments {
            let half = Self.shownSegments / 2
            let left = shown.count - Self.shownSegments
            shown = shown.prefix(half) + ["… \(Units.count(left)) more\n"] + shown.suffix(half)
        }
        return "\n" + dim(Units.padded("segment", 9) + Units.padded("size", 12, right: true))
            + "  " + legend + "\n" + shown.joined()
    }

    private var legend: String {
        colored("█", 32) + " live  " + colored("░", 31) + " dead  " + colored("▒", 33)
            + " tombstones"
    }

    private func line(_ segment: StoreStatistics.Segment) -> String {
        Units.padded("\(segment.number)", 9)
            + Units.padded(Units.bytes(segment.bytes), 12, right: true)
            + "  " + bar(segment) + (segment.isSealed ? "" : "  active") + "\n"
    }

    /// Each part gets its share of the width, and what is there at all at least one cell.
    private func bar(_ segment: StoreStatistics.Segment) -> String {
        let parts = [segment.liveBytes, segment.deadBytes, segment.tombstoneBytes]
        let all = parts.reduce(0, +)
        guard all > 0 else { return String(repeating: "·", count: Self.barWidth) }
        var cells = parts.map { part in
            part == 0 ? 0 : max(1, part * Self.barWidth / all)
        }
        let widest = cells.indices.max { cells[$0] < cells[$1] }!
        cells[widest] += Self.barWidth - cells.reduce(0, +)
        return zip(cells, [("█", 32), ("░", 31), ("▒", 33)]).map { count, style in
            count == 0 ? "" : colored(String(repeating: style.0, count: count), style.1)
        }.joined()
    }

    private func dim(_ text: String) -> String { colored(text, 2) }

    private func colored(_ text: String, _ code: Int) -> String {
        hasColor ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }

    // MARK: For programs

    /// One object on one line, with everything; sizes are bytes.
    var json: String {
        let s = statistics
        let members: [(String, String)] = [
            ("path", JSON.quoted(s.path)),
            ("readOnly", "\(s.isReadOnly)"),
            ("durability", s.isReadOnly ? "null" : JSON.quoted(s.durability.rawValue)),
            ("count", "\(s.count)"),
            ("diskBytes", "\(s.diskBytes)"),
            ("liveBytes", "\(s.liveBytes)"),
            ("deadBytes", "\(s.deadBytes)"),
            ("tombstoneBytes", "\(s.tombstoneBytes)"),
            ("keydirBytes", "\(s.keydirBytes)"),
            ("nextSequence", "\(s.nextSequence)"),
            ("durableSequence", "\(s.durableSequence)"),
            ("compactionCount", "\(s.compactionCount)"),
            ("copiedBytes", "\(s.copiedBytes)"),
            ("freedBytes", "\(s.freedBytes)"),
            ("lastCompaction", s.lastCompaction.map { "\($0)" } ?? "null"),
            ("deadBytesToCompaction", s.deadBytesToCompaction.map { "\($0)" } ?? "null"),
            ("compactionFailure", s.compactionFailure.map(JSON.quoted) ?? "null"),
            ("writtenBytes", "\(s.writtenBytes)"),
            ("spaceAmplification", s.spaceAmplification.map { "\($0)" } ?? "null"),
            ("writeAmplification", s.writeAmplification.map { "\($0)" } ?? "null"),
            ("segments", "[" + s.segments.map(json).joined(separator: ",") + "]"),
        ]
        return object(members)
    }

    private func json(_ segment: StoreStatistics.Segment) -> String {
        object([
            ("number", "\(segment.number)"),
            ("sealed", "\(segment.isSealed)"),
            ("bytes", "\(segment.bytes)"),
            ("liveBytes", "\(segment.liveBytes)"),
            ("deadBytes", "\(segment.deadBytes)"),
            ("tombstoneBytes", "\(segment.tombstoneBytes)"),
        ])
    }

    private func object(_ members: [(String, String)]) -> String {
        "{" + members.map { "\(JSON.quoted($0.0)):\($0.1)" }.joined(separator: ",") + "}"
    }
}
