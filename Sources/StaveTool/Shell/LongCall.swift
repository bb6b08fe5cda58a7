internal import Glibc
internal import Stave
internal import StaveDisk
internal import Synchronization

/// A call of the store that nothing can end, such as a sync, on a thread of its own, so that the one
/// that talks to the person hears a signal meanwhile.
final class LongCall<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, StoreError>?>(nil)

    /// Begins the call.
    init(_ body: @escaping @Sendable () throws(StoreError) -> Value) {
        Thread.run { [self] in
            let outcome: Result<Value, StoreError>
            do throws(StoreError) {
                outcome = .success(try body())
            } catch {
                outcome = .failure(error)
            }
            result.withLock { $0 = outcome }
            Signals.wake()
        }
    }

    /// What came of it; nil where `isGivenUp`, asked every so often, says so before the call has ended.
    func wait(until isGivenUp: () -> Bool) throws(StoreError) -> Value? {
        while true {
            if let outcome = result.withLock({ $0 }) { return try outcome.get() }
            if isGivenUp() { return nil }
            _ = Signals.waitToRead(-1, milliseconds: 50)
        }
    }
}

/// A thread that takes no signals: their handlers run on the one that talks to the person.
private enum Thread {
    private final class Task: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Runs `body` beside the caller; before it returns where no thread can be made.
    static func run(_ body: @escaping @Sendable () -> Void) {
        var signals = BackgroundSignals.toBlock()
        var before = sigset_t()
        var thread = pthread_t()
        // SAFETY: the sets are filled in; the thread takes over the reference to the task.
        unsafe pthread_sigmask(SIG_SETMASK, &signals, &before)
        defer { unsafe _ = pthread_sigmask(SIG_SETMASK, &before, nil) }
        let task = unsafe Unmanaged.passRetained(Task(body))
        let code = unsafe pthread_create(&thread, nil, threadMain, task.toOpaque())
        if code == 0 {
            pthread_detach(thread)
        } else {
            unsafe task.release()
            body()
        }
    }

    static let threadMain: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = {
        // SAFETY: `run` passed a retained task.
        unsafe Unmanaged<Task>.fromOpaque($0!).takeRetainedValue().body()
        return nil
    }
}
