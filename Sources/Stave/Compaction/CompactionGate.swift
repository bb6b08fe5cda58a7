/// What others may say to a running compaction: wait, go on, stop. It listens between two steps.
@safe final class CompactionGate: @unchecked Sendable {
    // @unchecked: all state is guarded by `monitor`.

    private let monitor = Monitor()
    private var isPaused = false
    /// Counts the calls of `cancel`: a compaction that began at an earlier count stops.
    private var cancellations = 0
    private var isClosed = false

    func pause() { monitor.change { isPaused = true } }
    func resume() { monitor.change { isPaused = false } }
    func cancel() { monitor.change { cancellations += 1 } }
    /// No compaction begins or goes on any more.
    func close() { monitor.change { isClosed = true } }
    /// Wakes writers that wait for space.
    func signal() { monitor.change {} }

    var isHeld: Bool { monitor.withLock { isPaused || isClosed } }

    /// What a compaction that begins now gives to `pass`.
    var ticket: Int { monitor.withLock { cancellations } }

    /// Waits while paused. Throws `cancelled` if the compaction with this ticket is to stop.
    ///
    /// - Parameter nanoseconds: to wait for in any case, so that a limit on the rate holds.
    func pass(_ ticket: Int, waiting nanoseconds: Int = 0) throws(StoreError) {
        try monitor.withLock { () throws(StoreError) in
            if nanoseconds > 0 {
                let deadline = Monitor.deadline(in: nanoseconds)
                // Other changes than these wake it too.
                while cancellations == ticket, !isClosed, !monitor.wait(until: deadline) {}
            }
            while isPaused, cancellations == ticket, !isClosed { monitor.wait() }
            if cancellations != ticket || isClosed { throw .cancelled }
        }
    }

    /// Returns when something has changed, or after some milliseconds.
    func waitForChange() {
        monitor.withLock { _ = monitor.wait(until: Monitor.deadline(in: 5_000_000)) }
    }
}
