internal import Glibc
internal import StaveDisk
internal import Synchronization

/// A background thread of the store, started when there is first something to do.
@safe final class Worker: @unchecked Sendable {
    // @unchecked: all state is guarded by `mutex`.

    private enum State { case idle, running(pthread_t), stopped }

    /// Guards `state`, `isWanted` and `task`; `condition` tells of their changes.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var state = State.idle
    /// Lets a writer ask without the lock.
    let isStarted = Atomic<Bool>(false)
    private var isWanted = false
    private var task: (@Sendable () -> Void)?
    private let isPeriodic: Bool

    /// - Parameter isPeriodic: the task runs each second, too.
    init(isPeriodic: Bool = true) {
        self.isPeriodic = isPeriodic
        unsafe mutex = .allocate(capacity: 1)
        unsafe pthread_mutex_init(mutex, nil)
        unsafe condition = .allocate(capacity: 1)
        unsafe pthread_cond_init(condition, nil)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe condition.deallocate()
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    /// Starts the thread, once. `task` runs after each `wake`.
    func start(_ task: @escaping @Sendable () -> Void) {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        isStarted.store(true, ordering: .relaxed)
        guard case .idle = state else { return }
        self.task = task
        var thread = pthread_t()
        let context = unsafe Unmanaged.passRetained(self)
        if unsafe pthread_create(&thread, nil, workerMain, context.toOpaque()) == 0 {
            state = .running(thread)
        } else {
            unsafe context.release()
        }
    }

    /// Runs the task soon.
    func wake() {
        unsafe pthread_mutex_lock(mutex)
        isWanted = true
        unsafe pthread_cond_signal(condition)
        unsafe pthread_mutex_unlock(mutex)
    }

    /// Ends the thread and waits for it, unless called from the thread itself.
    func stop() {
        unsafe pthread_mutex_lock(mutex)
        let before = state
        state = .stopped
        unsafe pthread_cond_signal(condition)
        unsafe pthread_mutex_unlock(mutex)
        guard case .running(let thread) = before else { return }
        if pthread_equal(thread, pthread_self()) != 0 {
            pthread_detach(thread)
        } else {
            pthread_join(thread, nil)
        }
    }

    fileprivate func run() {
        var signals = BackgroundSignals.toBlock()
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
        unsafe pthread_mutex_lock(mutex)
        while true {
            if case .stopped = state { break }
            if !isWanted { wait() }
            if case .stopped = state { break }
            if !isPeriodic && !isWanted { continue }
            isWanted = false
            let task = self.task
            unsafe pthread_mutex_unlock(mutex)
            task?()
            unsafe pthread_mutex_lock(mutex)
        }
        task = nil
        unsafe pthread_mutex_unlock(mutex)
    }

    private func wait() {
        guard isPeriodic else {
            unsafe pthread_cond_wait(condition, mutex)
            return
        }
        var deadline = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &deadline)
        deadline.tv_sec += 1
        unsafe pthread_cond_timedwait(condition, mutex, &deadline)
    }
}

private func workerMain(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context = unsafe context else { return nil }
    // SAFETY: `start` retained the worker for this thread.
    let worker = unsafe Unmanaged<Worker>.fromOpaque(context).takeRetainedValue()
    worker.run()
    return nil
}
