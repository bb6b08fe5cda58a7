internal import Glibc
internal import StaveDisk
internal import Synchronization

/// A background thread of the store, started when there is first something to do.
@safe final class Worker: @unchecked Sendable {
    // @unchecked: all state is guarded by `monitor`.

    private enum State { case idle, running(pthread_t), stopped }

    private let monitor = Monitor()
    private var state = State.idle
    /// Lets a writer ask without the lock.
    let isStarted = Atomic<Bool>(false)
    private var isWanted = false
    private var task: (@Sendable () -> Void)?
    private let isPeriodic: Bool

    /// - Parameter isPeriodic: the task runs each second, too.
    init(isPeriodic: Bool = true) { self.isPeriodic = isPeriodic }

    /// Starts the thread, if there is none. `task` runs after each `wake`.
    ///
    /// - Returns: whether there is a thread now.
    @discardableResult
    func start(_ task: @escaping @Sendable () -> Void) -> Bool {
        monitor.withLock {
            isStarted.store(true, ordering: .relaxed)
            if case .running = state { return true }
            if case .stopped = state { return false }
            self.task = task
            var thread = pthread_t()
            let context = unsafe Unmanaged.passRetained(self)
            guard unsafe pthread_create(&thread, nil, workerMain, context.toOpaque()) == 0 else {
                unsafe context.release()
                return false
            }
            state = .running(thread)
            return true
        }
    }

    /// Runs the task soon.
    func wake() { monitor.change { isWanted = true } }

    /// Ends the thread and waits for it, unless called from the thread itself.
    func stop() {
        let before = monitor.change {
            defer { state = .stopped }
            return state
        }
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
        while let task = nextTask() { task() }
        monitor.withLock { task = nil }
    }

    /// Waits until the task is wanted, or a second is over; nil once the worker is stopped.
    private func nextTask() -> (@Sendable () -> Void)? {
        monitor.withLock {
            while true {
                if case .stopped = state { return nil }
                if isWanted { break }
                if !isPeriodic {
                    monitor.wait()
                } else if monitor.wait(until: Monitor.deadline(in: 1_000_000_000)) {
                    break
                }
            }
            if case .stopped = state { return nil }
            isWanted = false
            return task
        }
    }
}

private func workerMain(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context = unsafe context else { return nil }
    // SAFETY: `start` retained the worker for this thread.
    let worker = unsafe Unmanaged<Worker>.fromOpaque(context).takeRetainedValue()
    worker.run()
    return nil
}
