internal import Glibc

/// A mutual-exclusion lock over pthread_mutex_t. `Synchronization.Mutex` would do, but the thread
/// sanitizer does not understand it and reports races that are none.
///
/// Order in which a thread may take the store's locks, outermost first: compaction, seal, sync, writer,
/// manifest. Each lock's comment says what it guards.
@safe final class Lock: @unchecked Sendable {
    // @unchecked: the mutex is made for being shared, and lives at a fixed address.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>

    init() {
        unsafe mutex = .allocate(capacity: 1)
        unsafe pthread_mutex_init(mutex, nil)
    }

    deinit {
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    @inline(__always)
    func lock() { unsafe pthread_mutex_lock(mutex) }

    @inline(__always)
    func unlock() { unsafe pthread_mutex_unlock(mutex) }

    @inline(__always)
    func withLock<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        lock()
        defer { unlock() }
        return try body()
    }
}
