internal import Stave

// Bars that show how far a long command is.
extension Session {
    /// A bar for what writes many replies: only where they go elsewhere, or are left out.
    func makeBar(_ label: String, total: Int?, unit: ProgressBar.Unit) -> ProgressBar? {
        guard ProgressBar.isWanted, !outputIsTerminal || settings.quiet else { return nil }
        return ProgressBar(label, total: total, unit: unit, on: errors)
    }

    /// A bar for what goes through all segments.
    func makeStoreBar(_ label: String) throws(StoreError) -> ProgressBar? {
        guard ProgressBar.isWanted else { return nil }
        let bytes = try store.statistics().segments.reduce(0) { $0 + $1.bytes }
        return ProgressBar(label, bytes: bytes, on: errors)
    }

    func endBar() {
        bar?.erase()
        bar = nil
    }
}
