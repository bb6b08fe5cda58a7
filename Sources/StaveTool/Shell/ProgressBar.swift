internal import Glibc

/// One line on a terminal that shows how far something is, how fast it goes and how long it will take.
/// Redrawn at most ten times a second, and erased at the end.
struct ProgressBar {
    private static let longestBar = 30

    private let label: String
    private var bytes: Int
    private let output: OutputWriter
    private let start = ContinuousClock.now
    private var lastDrawn: ContinuousClock.Instant?

    /// stderr is a terminal that can erase a line, and whose owner likes such things.
    static var isWanted: Bool { isatty(STDERR_FILENO) == 1 && Environment.allowsColor }

    /// - Parameter bytes: what the whole stands for; the rate is counted in them.
    init(_ label: String, bytes: Int, on output: OutputWriter) {
        self.label = label
        self.bytes = bytes
        self.output = output
    }

    /// - Parameter bytes: what the whole stands for, where that was not known before.
    mutating func show(_ fraction: Double, bytes: Int? = nil) {
        if let bytes { self.bytes = bytes }
        let now = ContinuousClock.now
        if let lastDrawn, now - lastDrawn < .milliseconds(100) { return }
        lastDrawn = now
        let line = Self.line(
            label, fraction: fraction, bytes: self.bytes, elapsed: now - start,
            columns: Self.terminalColumns())
        output.write("\r" + line + "\u{1B}[K")
        output.flush()
    }

    mutating func erase() {
        guard lastDrawn != nil else { return }
        lastDrawn = nil
        output.write("\r\u{1B}[K")
        output.flush()
    }

    /// The last column stays free, so that the terminal never wraps. Where it is narrow, first the bar
    /// goes, then what comes last.
    static func line(
        _ label: String, fraction: Double, bytes: Int, elapsed: Duration, columns: Int
    ) -> String {
        let fraction = min(max(fraction, 0), 1)
        let percent = Units.padded("\(Int(fraction * 100))", 3, right: true) + " %"
        var tail: [String] = [percent]
        let seconds = elapsed / .seconds(1)
        // Before that, neither figure means anything.
        if fraction > 0.01, seconds > 0.2 {
            tail.append(Units.bytes(Int(Double(bytes) * fraction / seconds)) + "/s")
            let left = (seconds / fraction * (1 - fraction)).rounded(.up)
            tail.append(Units.span(seconds: Int(left)) + " left")
        }
        let room = max(0, columns - 1)
        func text() -> String { ([label] + tail).joined(separator: "  ") }
        // The figures come and go; the bar keeps its place.
        let barRoom = room - label.count - 2 - percent.count - 2 - 26
        if barRoom >= 8 {
            let width = min(longestBar, barRoom - 2)
            let full = Int(fraction * Double(width))
            let bar =
                String(repeating: "█", count: full) + String(repeating: "░", count: width - full)
            tail.insert(bar, at: 0)
        }
        while tail.count > 1, text().count > room { tail.removeLast() }
        return String(text().prefix(room))
    }

    private static func terminalColumns() -> Int {
        var size = winsize()
        // SAFETY: the call fills in the struct.
        unsafe _ = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size)
        if size.ws_col > 0 { return Int(size.ws_col) }
        return Environment.value("COLUMNS").flatMap { Int($0) } ?? 80
    }
}
