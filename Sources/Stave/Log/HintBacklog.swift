internal import StaveDisk

/// Sealed segments that lack a hint file, for the background to write: closing leaves the one that it seals
/// without.
final class HintBacklog: @unchecked Sendable {
    // @unchecked: `segments` is guarded by `lock`.
    private let lock = Lock()
    private var segments: [Segment]

    init(_ segments: [Segment]) { self.segments = segments }

    func takeNext() -> Segment? { lock.withLock { segments.popLast() } }
}

extension Store {
    /// Writes the hints that were missing when the store was opened, while no compaction replaces their
    /// segments.
    func writeMissingHints() {
        guard compactionLock.tryLock() else { return }
        defer { compactionLock.unlock() }
        while !isClosing, let segment = withoutHint.takeNext() {
            let isThere = withWriterLock {
                table.visibleSegments.contains { $0 === segment && $0.isSealed }
            }
            if isThere, segment.mayHaveHint { try? log.writeHint(of: segment) }
        }
    }
}
