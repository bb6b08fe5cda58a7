internal import Glibc

/// A lock with a condition: whoever waits inside lets others in, until one of them has changed something.
@safe final class Monitor: @unchecked Sendable {
    // @unchecked: lock and condition are made for being shared, and live at fixed addresses.
    private let lock = Lock()
    private let changed: UnsafeMutablePointer<pthread_cond_t>

    init() {
        unsafe changed = .allocate(capacity: 1)
        unsafe pthread_cond_init(changed, nil)
    }

    deinit {
        unsafe pthread_cond_destroy(changed)
        unsafe changed.deallocate()
    }

    func withLock<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try lock.withLock(body)
    }

    /// Runs `body` inside, and wakes all who wait.
    func change<Result>(_ body: () -> Result) -> Result {
        withLock {
            defer { wakeAll() }
            return body()
        }
    }

    /// Only inside: whoever waits goes on when this thread is out.
    func wakeAll() { unsafe pthread_cond_broadcast(changed) }

    /// Only inside: returns after a change, and now and then without one.
    func wait() { unsafe pthread_cond_wait(changed, lock.mutex) }

    /// The same, up to a moment. Returns whether it has come.
    func wait(until deadline: timespec) -> Bool {
        var deadline = deadline
        return unsafe pthread_cond_timedwait(changed, lock.mutex, &deadline) == ETIMEDOUT
    }

    /// The moment that so many nanoseconds are away.
    static func deadline(in nanoseconds: Int) -> timespec {
        var deadline = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &deadline)
        let total = deadline.tv_nsec + nanoseconds
        deadline.tv_sec += total / 1_000_000_000
        deadline.tv_nsec = total % 1_000_000_000
        return deadline
    }
}
