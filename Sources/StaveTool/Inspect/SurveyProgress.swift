internal import Glibc

/// How far a survey of a store's files is, on a terminal's stderr.
final class SurveyProgress {
    private var bar: ProgressBar?

    init() {
        guard ProgressBar.isWanted else { return }
        let output = OutputWriter(descriptor: STDERR_FILENO, name: "stderr")
        bar = ProgressBar("reading", total: nil, on: output)
    }

    /// So many bytes of `total` are read.
    func show(_ done: Int, _ total: Int) { bar?.show(done: done, of: total) }

    /// Leaves nothing on the screen.
    func end() {
        bar?.erase()
        bar = nil
    }
}
