internal import Glibc
internal import Stave

/// A store's statistics as people like to look at them.
struct StatsView {
    let statistics: StoreStatistics
    var hasColor = false
    /// Whether this shell has paused compaction.
    var isPaused = false
    /// A single command opens any store read-only, which says nothing about the store.
    var saysReadOnly = true
    /// Bars of ASCII, for a terminal that says it knows nothing else.
    var isPlain = false
    var columns = 80
    private static let widestBar = 40
    private static let narrowestBar = 8
    /// A store of thousands of segments shows its first and last ones.
    private static let shownSegments = 20

    var text: String {
        let width = rows.map(\.0.count).max()! + 2
        return rows.map { label, text in
            let padded = Units.padded(label, width)
            let lines = Units.wrapped(text, behind: padded, columns: columns)
            return dim(padded) + lines.dropFirst(width) + "\n"
        }.joined() + segmentTable
    }

    private var rows: [(String, String)] {
        let s = statistics
        var rows: [(String, String)] = [
            ("store", s.path + (s.isReadOnly && saysReadOnly ? " (read-only)" : "")),
            ("keys", Units.count(s.count)),
            (
                "on disk",
                "\(Units.bytes(s.diskBytes)) in \(Units.count(s.segments.count, "segment"))"
            ),
            ("live", Units.bytes(s.liveBytes) + share(s.liveBytes, of: recordBytes)),
            ("dead", Units.bytes(s.deadBytes) + share(s.deadBytes, of: recordBytes)),
            (
                "tombstones",
                Units.bytes(s.tombstoneBytes) + share(s.tombstoneBytes, of: recordBytes)
            ),
            (
                "resident",
                Units.bytes(s.residentBytes) + share(s.residentBytes, of: segmentBytes)
                    + " of the segments in memory"
            ),
            ("keydir", Units.bytes(s.keydirBytes) + " of memory" + perKey),
        ]
        // A read-only store writes nothing, and what its writer promises is not known here.
        if !s.isReadOnly { rows.append(("durability", durability)) }
        if let failure = s.threadFailure { rows.append(("threads", failure)) }
        if let space = s.spaceAmplification {
            rows.append(("space", "\(times(space)) the live bytes are on disk"))
        }
        if let write = s.writeAmplification {
            rows.append(("writes", "\(times(write)) the bytes that were set were written"))
        }
        if !s.isReadOnly { rows.append(("compaction", compaction)) }
        if s.compactionCount > 0 {
            rows.append(
                ("", "copied \(Units.bytes(s.copiedBytes)), freed \(Units.bytes(s.freedBytes))"))
        }
        if let failure = s.compactionFailure { rows.append(("", "failed: \(failure)")) }
        return rows
    }

    private var recordBytes: Int {
        statistics.liveBytes + statistics.deadBytes + statistics.tombstoneBytes
    }
    private var segmentBytes: Int { statistics.segments.reduce(0) { $0 + $1.bytes } }

    /// `3 so far, last 12 s ago; next after 1.2 MiB more dead`.
    private var compaction: String {
        let s = statistics
        var text =
            s.compactionCount == 0 ? "none so far" : "\(Units.count(s.compactionCount)) so far"
        if let last = s.lastCompaction {
            // The clock may have been set back meanwhile.
            text += ", last \(Units.span(seconds: max(0, time(nil) - Int(last)))) ago"
        }
        if isPaused { return text + "; paused" }
        switch s.deadBytesToCompaction {
        case nil: return text + "; not automatic"
        case 0 where s.compactionAwaitsSegment: return text + "; next when a segment is full"
        case 0: return text + "; next is due"
        case let bytes?: return text + "; next after \(Units.bytes(bytes)) more dead"
        }
    }

    private var durability: String {
        let promise =
            switch statistics.durability {
            case .always: "always (durable before the reply)"
            case .interval: "interval (durable within a second)"
            case .os: "os (durable when the kernel writes it)"
            }
        let pending = statistics.pendingWrites
        return promise
            + (pending == 0 ? "; all is durable" : "; \(Units.count(pending, "write")) pending")
    }

    private var perKey: String {
        let s = statistics
        // The table's least size says nothing about keys.
        return s.count >= 100_000
            ? " (\(Units.decimal(Double(s.keydirBytes) / Double(s.count))) B a key)" : ""
    }

    private func share(_ part: Int, of all: Int) -> String {
        all > 0 ? " (\(Units.decimal(Double(part) * 100 / Double(all))) %)" : ""
    }

    /// `1.35 times`; where next to nothing is stored, it is the headers of files that are counted.
    private func times(_ value: Double) -> String {
        if value >= 100 { return "\(Units.count(Int(min(value, 1e15)))) times" }
        let number = Int((value * 100).rounded())
        return "\(number / 100).\(number % 100 / 10)\(number % 10) times"
    }
}

// MARK: - A bar per segment

extension StatsView {
    private struct Part {
        let name: String
        let mark: String
        let plainMark: String
        let color: String
    }

    private static let parts = [
        Part(name: "live", mark: "█", plainMark: "#", color: Palette.live),
        Part(name: "dead", mark: "░", plainMark: ".", color: Palette.dead),
        Part(name: "tombstones", mark: "▒", plainMark: "t", color: Palette.tombstones),
    ]

    private var segmentTable: String {
        let segments = statistics.segments
        guard !segments.isEmpty else { return "" }
        let isNarrow = columns < 60
        let cells = segments.map { segment in
            let all = segment.liveBytes + segment.deadBytes + segment.tombstoneBytes
            let live = all > 0 ? "\(segment.liveBytes * 100 / all) %" : ""
            let mark = isNarrow && !segment.isSealed ? "*" : ""
            return ["\(segment.number)" + mark, Units.bytes(segment.bytes), live]
        }
        let titles = ["segment", "size", "live"]
        let widths = titles.indices.map { index in
            max(titles[index].count, cells.map { $0[index].count }.max()!)
        }
        let room =
            columns - 1 - widths.reduce(0, +) - 2 * widths.count
            - (isNarrow ? 0 : "  active".count)
        let barWidth = room < Self.narrowestBar ? 0 : min(Self.widestBar, room)
        func row(_ cells: [String], _ rest: String) -> String {
            let aligned = cells.indices.map {
                Units.padded(cells[$0], widths[$0], right: $0 > 0)
            }
            return aligned.joined(separator: "  ") + rest + "\n"
        }
        var shown = zip(segments, cells).map { segment, cells in
            row(
                cells,
                (barWidth > 0 ? "  " + bar(segment, barWidth) : "")
                    + (segment.isSealed || isNarrow ? "" : "  active"))
        }
        if shown.count > Self.shownSegments {
            let half = Self.shownSegments / 2
            let left = shown.count - Self.shownSegments
            let more = "\(isPlain ? "..." : "…") \(Units.count(left)) more\n"
            shown = shown.prefix(half) + [more] + shown.suffix(half)
        }
        let heading = dim(row(titles, "").trimmingNewline)
        // The key to the bars goes where they are.
        let legend = Self.parts.map { colored(mark($0), $0.color) + " " + $0.name }
            .joined(separator: "  ")
        return "\n" + heading + (barWidth >= 28 ? "  " + legend : "") + "\n" + shown.joined()
            + (barWidth > 0 && barWidth < 28 ? "\n" + legend + "\n" : "")
            + (isNarrow ? "* active\n" : "")
    }

    /// Each part gets its share of the width, and what is there at all at least one cell.
    private func bar(_ segment: StoreStatistics.Segment, _ width: Int) -> String {
        let bytes = [segment.liveBytes, segment.deadBytes, segment.tombstoneBytes]
        let all = bytes.reduce(0, +)
        guard all > 0 else { return String(repeating: isPlain ? "." : "·", count: width) }
        var cells = bytes.map { part in part == 0 ? 0 : max(1, part * width / all) }
        let widest = cells.indices.max { cells[$0] < cells[$1] }!
        cells[widest] += width - cells.reduce(0, +)
        return zip(cells, Self.parts).map { count, part in
            count == 0 ? "" : colored(String(repeating: mark(part), count: count), part.color)
        }.joined()
    }

    private func mark(_ part: Part) -> String { isPlain ? part.plainMark : part.mark }

    private func dim(_ text: String) -> String { colored(text, Palette.label) }

    private func colored(_ text: String, _ code: String) -> String {
        Palette.colored(text, code, hasColor)
    }
}

extension String {
    fileprivate var trimmingNewline: String { hasSuffix("\n") ? String(dropLast()) : self }
}
