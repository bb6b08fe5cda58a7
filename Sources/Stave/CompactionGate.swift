internal import Glibc

/// What others may say to a running compaction: wait, go on, stop. It listens between two steps.
@safe final class CompactionGate: @unchecked Sendable {
    // @unchecked: all state is guarded by `mutex`.

    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let changed: UnsafeMutablePointer<pthread_cond_t>
    private var isPaused = false
    /// Counts the calls of `cancel`: a compaction that began at an earlier count stops.
    private var cancellations = 0
    private var isClosed = false

    init() {
        unsafe mutex = .allocate(capacity: 1)
        unsafe pthread_mutex_init(mutex, nil)
        unsafe changed = .allocate(capacity: 1)
        unsafe pthread_cond_init(changed, nil)
    }

    deinit {
        unsafe pthread_cond_destroy(changed)
        unsafe changed.deallocate()
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    private func withLock<Result>(_ body: () -> Result) -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return body()
    }

    private func change(_ body: () -> Void) {
        withLock {
            body()
            unsafe pthread_cond_broadcast(changed)
        }
    }

    func pause() { change { isPaused = true } }
    func resume() { change { isPaused = false } }
    func cancel() { change { cancellations += 1 } }
    /// No compaction begins or goes on any more.
    func close() { change { isClosed = true } }
    /// Wakes whoever waits for space.
    func signal() { change {} }

    var isHeld: Bool { withLock { isPaused || isClosed } }

    /// What a compaction that begins now gives to `pass`.
    var ticket: Int { withLock { cancellations } }

    /// Waits while paused. Throws `cancelled` if the compaction with this ticket is to stop.
    ///
    /// - Parameter nanoseconds: to wait for in any case, so that a limit on the rate holds.
    func pass(_ ticket: Int, waiting nanoseconds: Int = 0) throws(StoreError) {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        if nanoseconds > 0 {
            var deadline = Self.deadline(in: nanoseconds)
            // Other changes than these wake it too.
            while cancellations == ticket, !isClosed, !wait(until: &deadline) {}
        }
        while isPaused, cancellations == ticket, !isClosed {
            unsafe pthread_cond_wait(changed, mutex)
        }
        if cancellations != ticket || isClosed { throw .cancelled }
    }

    /// Returns when something has changed, or after some milliseconds.
    func waitForChange() {
        withLock {
            var deadline = Self.deadline(in: 5_000_000)
            _ = wait(until: &deadline)
        }
    }

    private static func deadline(in nanoseconds: Int) -> timespec {
        var deadline = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &deadline)
        let total = deadline.tv_nsec + nanoseconds
        deadline.tv_sec += total / 1_000_000_000
        deadline.tv_nsec = total % 1_000_000_000
        return deadline
    }

    /// Returns whether the deadline has come.
    private func wait(until deadline: inout timespec) -> Bool {
        unsafe pthread_cond_timedwait(changed, mutex, &deadline) != 0
    }
}
