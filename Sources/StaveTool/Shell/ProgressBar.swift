internal import Glibc

/// One line on a terminal that shows how far something is, how fast it goes and how long it will
/// take. Redrawn at most ten times a second, and erased at the end.
struct ProgressBar {
    /// What is counted.
    enum Unit {
        case bytes
        /// Things of this name.
        case count(String)

        func text(_ number: Int) -> String {
            switch self {
            case .bytes: Units.bytes(number)
            case .count(let noun): Units.count(number, noun)
            }
        }

        /// A thing's name is said once, and not in the rate.
        func rate(_ number: Int) -> String {
            switch self {
            case .bytes: Units.bytes(number) + "/s"
            case .count: Units.count(number) + "/s"
            }
        }
    }

    private static let longestBar = 30

    private let label: String
    private var total: Int?
    private let unit: Unit
    private let output: OutputWriter
    private let start = ContinuousClock.now
    private var lastDrawn: ContinuousClock.Instant?

    /// stderr is a terminal that can erase a line, and whose owner likes such things.
    static var isWanted: Bool { isatty(STDERR_FILENO) == 1 && Environment.allowsColor }

    /// - Parameter total: how much there is to do; nil where that is not known.
    init(_ label: String, total: Int?, unit: Unit = .bytes, on output: OutputWriter) {
        self.label = label
        self.total = total
        self.unit = unit
        self.output = output
    }

    /// - Parameter bytes: what the whole stands for; the rate is counted in them.
    init(_ label: String, bytes: Int, on output: OutputWriter) {
        self.init(label, total: bytes, on: output)
    }

    mutating func show(_ fraction: Double) { show(done: Int(fraction * Double(total ?? 0))) }

    /// - Parameter total: of what is done, where that was not known before.
    mutating func show(done: Int, of total: Int) {
        self.total = total
        show(done: done)
    }

    mutating func show(done: Int) {
        let now = ContinuousClock.now
        // What ends within a moment needs no bar.
        if now - (lastDrawn ?? start) < .milliseconds(100) { return }
        lastDrawn = now
        let line = Self.line(
            label, done: done, total: total, unit: unit, elapsed: now - start,
            columns: ScreenSize.of(STDERR_FILENO).columns, isPlain: Environment.isPlainTerminal)
        output.write("\r" + line + "\u{1B}[K")
        output.flush()
    }

    mutating func erase() {
        guard lastDrawn != nil else { return }
        lastDrawn = nil
        output.write("\r\u{1B}[K")
        output.flush()
    }

    /// The last column stays free, so that the terminal never wraps. Where it is narrow, first the
    /// bar goes, then what comes last.
    static func line(
        _ label: String, done: Int, total: Int?, unit: Unit = .bytes, elapsed: Duration,
        columns: Int, isPlain: Bool = false
    ) -> String {
        let room = max(0, columns - 1)
        let seconds = elapsed / .seconds(1)
        guard let total else {
            var parts = [label, unit.text(done)]
            if seconds > 0.2 { parts.append(unit.rate(Int(Double(done) / seconds))) }
            return String(fitting(parts, room))
        }
        let fraction = total > 0 ? min(max(Double(done) / Double(total), 0), 1) : 0
        let percent = Units.padded("\(Int(fraction * 100))", 3, right: true) + " %"
        var tail: [String] = [percent]
        // Before that, neither figure means anything.
        if fraction > 0.01, seconds > 0.2 {
            tail.append(unit.rate(Int(Double(total) * fraction / seconds)))
            let left = (seconds / fraction * (1 - fraction)).rounded(.up)
            tail.append(Units.span(seconds: Int(left)) + " left")
        }
        // The figures come and go; the bar keeps its place.
        let barRoom = room - label.count - 2 - percent.count - 2 - 26
        if barRoom >= 8 {
            let width = min(longestBar, barRoom - 2)
            let full = Int(fraction * Double(width))
            let marks = isPlain ? ("#", "-") : ("█", "░")
            tail.insert(
                String(repeating: marks.0, count: full)
                    + String(repeating: marks.1, count: width - full), at: 0)
        }
        return String(fitting([label] + tail, room))
    }

    private static func fitting(_ parts: [String], _ room: Int) -> Substring {
        var parts = parts
        while parts.count > 2, parts.joined(separator: "  ").count > room { parts.removeLast() }
        return parts.joined(separator: "  ").prefix(room)
    }
}
