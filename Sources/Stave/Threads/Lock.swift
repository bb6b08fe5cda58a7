internal import Glibc

/// A mutual-exclusion lock over pthread_mutex_t. `Synchronization.Mutex` would do, but the thread
/// sanitizer does not understand it and reports races that are none.
///
/// `LockRank` says in which order a thread may take the engine's locks; debug builds check it.
@safe final class Lock: @unchecked Sendable {
    // @unchecked: the mutex is made for being shared, and lives at a fixed address.
    /// For a condition that belongs to it.
    let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let rank: LockRank

    init(_ rank: LockRank) {
        self.rank = rank
        unsafe mutex = .allocate(capacity: 1)
        unsafe pthread_mutex_init(mutex, nil)
    }

    deinit {
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    @inline(__always)
    func lock() {
        #if DEBUG
            LockOrder.check(rank)
        #endif
        unsafe pthread_mutex_lock(mutex)
        #if DEBUG
            LockOrder.took(rank)
        #endif
    }

    /// Takes the lock if no thread has it.
    func tryLock() -> Bool {
        guard unsafe pthread_mutex_trylock(mutex) == 0 else { return false }
        #if DEBUG
            LockOrder.took(rank)
        #endif
        return true
    }

    @inline(__always)
    func unlock() {
        #if DEBUG
            LockOrder.gave(rank)
        #endif
        unsafe pthread_mutex_unlock(mutex)
    }

    @inline(__always)
    func withLock<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        lock()
        defer { unlock() }
        return try body()
    }
}

/// State that a lock guards, in memory of its own. As a stored property of a class each access to
/// it would be checked for exclusivity at run time, which costs about 90 instructions and proves
/// what the lock already ensures.
@safe struct GuardedState<State>: ~Copyable {
    /// Valid while this value lives.
    let memory: UnsafeMutablePointer<State>

    init(_ state: State) {
        unsafe memory = .allocate(capacity: 1)
        unsafe memory.initialize(to: state)
    }

    deinit {
        unsafe memory.deinitialize(count: 1)
        unsafe memory.deallocate()
    }

    var value: State {
        // SAFETY: the memory lives as long as this value; its users hold the lock.
        // Addresses, not `_read` and `_modify`: without optimisation, Swift 6.3 reads a large
        // value's field out of such a coroutine's frame after it has freed the frame (the address
        // sanitizer shows it).
        @inline(__always) unsafeAddress { unsafe UnsafePointer(memory) }
        @inline(__always) nonmutating unsafeMutableAddress { unsafe memory }
    }
}
