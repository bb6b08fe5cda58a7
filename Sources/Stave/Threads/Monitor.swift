internal import Glibc
internal import StaveDisk

/// A lock with a condition: a thread that waits inside lets others in, until one of them has
/// changed something.
@safe final class Monitor: @unchecked Sendable {
    // @unchecked: lock and condition are made for being shared, and live at fixed addresses.
    private let lock = Lock(.monitor)
    private let changed: UnsafeMutablePointer<pthread_cond_t>

    init() {
        unsafe changed = .allocate(capacity: 1)
        // Deadlines are the monotonic clock's: a change of the other one must hold no thread up.
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(changed, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
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

    /// Only inside: threads that wait go on when this thread is out.
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
        let deadline = Clock.monotonicNanoseconds() + nanoseconds
        return timespec(
            tv_sec: deadline / 1_000_000_000, tv_nsec: deadline % 1_000_000_000)
    }
}
