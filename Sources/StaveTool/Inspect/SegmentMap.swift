internal import StaveDisk

/// Segments as rows of cells, in the order of the file: see `SegmentSpace.shares`. The largest file
/// is as long as the row; damage shows wherever there is any.
struct SegmentMap {
    /// A store of thousands of segments shows its first and last ones.
    static let shownSegments = 200

    let segments: [SegmentSpace]
    let screen: Screen

    /// Columns left of the map: number, state and size.
    private let labels: (number: Int, state: Int, size: Int)

    init(_ segments: [SegmentSpace], on screen: Screen) {
        self.segments = segments
        self.screen = screen
        labels = Self.labels(segments.map(\.survey), screen)
    }

    /// How many cells the largest segment of `surveys` has there.
    static func cells(_ surveys: [SegmentSurvey], on screen: Screen) -> Int {
        let labels = labels(surveys, screen)
        let state = labels.state > 0 ? labels.state + 2 : 0
        return max(8, screen.width - labels.number - 2 - state - labels.size - 2)
    }

    private static func labels(
        _ surveys: [SegmentSurvey], _ screen: Screen
    ) -> (number: Int, state: Int, size: Int) {
        let number = surveys.map { label($0).count }.max() ?? 1
        let size = surveys.map { Units.bytes($0.fileSize).count }.max() ?? 1
        // Where there is little room, the cells matter more than the state.
        let state = screen.width < 60 ? 0 : surveys.map(\.state.count).max() ?? 0
        return (number, state, size)
    }

    private static func label(_ survey: SegmentSurvey) -> String {
        survey.number.map { "\($0)" } ?? "?"
    }

    func print(to output: Output) {
        guard !segments.isEmpty else { return }
        for line in legend { output.line(line) }
        for space in segments.prefix(Self.shownSegments / 2) { output.line(row(space)) }
        let rest = segments.dropFirst(Self.shownSegments / 2)
        let left = rest.count - Self.shownSegments / 2
        if left > 0 { output.line("... \(Units.count(left)) more segments") }
        for space in rest.suffix(Self.shownSegments / 2) { output.line(row(space)) }
    }

    private func row(_ space: SegmentSpace) -> String {
        let survey = space.survey
        var row = Units.padded(Self.label(survey), labels.number, right: true) + "  "
        if labels.state > 0 { row += Units.padded(survey.state, labels.state) + "  " }
        row += Units.padded(Units.bytes(survey.fileSize), labels.size, right: true) + "  "
        // Cells that look the same are colored together.
        var cell = 0
        while cell < space.cellCount {
            let share = space.share(of: cell)
            var end = cell + 1
            while end < space.cellCount, space.share(of: end) == share { end += 1 }
            row += drawn(share, end - cell)
            cell = end
        }
        return row
    }

    private func drawn(_ share: SegmentSpace.Share?, _ count: Int) -> String {
        let (plain, block, color) = Self.style(share)
        let text = String(repeating: screen.isPlain ? plain : block, count: count)
        return color.map { screen.colored(text, $0) } ?? text
    }

    private static func style(
        _ share: SegmentSpace.Share?
    ) -> (plain: String, block: String, color: String?) {
        switch share {
        case .live: ("#", "█", Palette.live)
        case .dead: (".", "░", Palette.dead)
        case .tombstones: ("t", "▒", Palette.tombstones)
        case .reserved: ("_", "·", Palette.reserved)
        case .damaged: ("!", "!", Palette.damage)
        case nil: (" ", " ", nil)
        }
    }

    /// As many lines as it needs.
    private var legend: [String] {
        let names: [(SegmentSpace.Share, String)] = [
            (.live, "live"), (.dead, "dead"), (.tombstones, "tombstones"),
            (.reserved, "reserved"), (.damaged, "damage"),
        ]
        var lines: [String] = []
        var used = screen.width
        for (share, name) in names {
            let width = name.count + 4
            if used + width > screen.width + 2 {
                lines.append("")
                used = 0
            }
            lines[lines.count - 1] += (used > 0 ? "  " : "") + drawn(share, 1) + " " + name
            used += width
        }
        return lines
    }
}
