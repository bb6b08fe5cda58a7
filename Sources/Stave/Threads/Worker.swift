internal import StaveDisk
internal import Synchronization

/// A background thread of the store, started when there is first something to do.
@safe final class Worker: @unchecked Sendable {
    // @unchecked: all state is guarded by `monitor`.

    private enum State { case idle, running(WorkThread), stopped }

    /// What came of an attempt to start it.
    enum Start: Sendable {
        case running
        case stopped
        /// There is no thread now; the next attempt may have one.
        ///
        /// - Parameter isNews: the attempt before did not fail.
        case failed(FileError, isNews: Bool)
    }

    private let monitor = Monitor()
    private var state = State.idle
    /// Lets a writer ask without the lock. No attempt is needed any more.
    let isStarted = Atomic<Bool>(false)
    private var lastFailure: FileError?
    private var isWanted = false
    private var task: (@Sendable () -> Void)?
    private let isPeriodic: Bool

    /// - Parameter isPeriodic: the task runs each second, too.
    init(isPeriodic: Bool = true) { self.isPeriodic = isPeriodic }

    /// Why the last attempt to start it failed; nil where it did not.
    var failure: FileError? { monitor.withLock { lastFailure } }

    /// Starts the thread, if there is none. `task` runs after each `wake`.
    ///
    /// - Parameter path: of the store that it works for.
    @discardableResult
    func start(for path: String, _ task: @escaping @Sendable () -> Void) -> Start {
        monitor.withLock {
            switch state {
            case .running: return .running
            case .stopped:
                isStarted.store(true, ordering: .relaxed)
                return .stopped
            case .idle: break
            }
            self.task = task
            do throws(FileError) {
                state = .running(try WorkThread.start(for: path) { [self] in run() })
            } catch {
                self.task = nil
                defer { lastFailure = error }
                return .failed(error, isNews: lastFailure == nil)
            }
            lastFailure = nil
            isStarted.store(true, ordering: .relaxed)
            return .running
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
        if case .running(let thread) = before { thread.join() }
    }

    private func run() {
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
