internal import Glibc

/// How far a survey of a directory is, on a terminal's stderr.
final class SurveyProgress {
    private var bar: ProgressBar?
    private var sizes: [Int] = []
    private var total = 1
    private var finished = 0
    private var shown = 0

    /// - Parameter sizes: bytes of the segments, in the order in which they are read.
    func begin(_ sizes: [Int]) {
        guard ProgressBar.isWanted else { return }
        self.sizes = sizes.reversed()
        total = max(1, sizes.reduce(0, +))
        let output = OutputWriter(descriptor: STDERR_FILENO, name: "stderr")
        bar = ProgressBar("reading", bytes: total, on: output)
    }

    /// - Parameter offset: of the segment that is being read.
    func advance(to offset: Int) {
        // Looking at the clock for each record would take longer than the record.
        guard bar != nil, finished + offset - shown >= 1 << 20 else { return }
        shown = finished + offset
        bar?.show(Double(shown) / Double(total))
    }

    func finishSegment() {
        finished += sizes.popLast() ?? 0
        advance(to: 0)
    }

    /// Leaves nothing on the screen.
    func end() {
        bar?.erase()
        bar = nil
    }
}
