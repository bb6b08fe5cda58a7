internal import StaveDisk

/// Sealed segments that lack a hint file, for the background to write: closing leaves the one that
/// it seals without.
final class HintBacklog: @unchecked Sendable {
    // @unchecked: `segments` is guarded by `lock`.
    private let lock = Lock(.hintBacklog)
    private var segments: [Segment] = []

    func add(_ segments: [Segment]) { lock.withLock { self.segments += segments } }

    func takeNext() -> Segment? { lock.withLock { segments.popLast() } }
}
