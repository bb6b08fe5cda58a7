internal import Glibc

/// A thread that works in the background, and leaves the process's signals to others.
package struct WorkThread: Sendable {
    private let thread: pthread_t

    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Runs `body` beside the caller, who calls `join` or `detach` once.
    ///
    /// - Parameter path: of what it works for.
    package static func start(
        for path: String, _ body: @escaping @Sendable () -> Void
    ) throws(FileError) -> WorkThread {
        var signals = blockedSignals()
        var before = sigset_t()
        var thread = pthread_t()
        // SAFETY: the sets are filled in; the thread takes over the reference to the body.
        unsafe pthread_sigmask(SIG_SETMASK, &signals, &before)
        defer { unsafe _ = pthread_sigmask(SIG_SETMASK, &before, nil) }
        let context = unsafe Unmanaged.passRetained(Body(body))
        do throws(FileError) {
            try retrying(.startThread, path) { () -> Int32 in
                let code = unsafe pthread_create(&thread, nil, threadMain, context.toOpaque())
                if code != 0 { errno = code }
                return code == 0 ? 0 : -1
            }
        } catch {
            unsafe context.release()
            throw error
        }
        return WorkThread(thread: thread)
    }

    /// Signals are the program's business, on its own threads; except for those that a thread
    /// causes itself: blocked, they would end the process without asking its handler.
    private static func blockedSignals() -> sigset_t {
        var signals = sigset_t()
        // SAFETY: fills in the set and changes it.
        unsafe sigfillset(&signals)
        for own in [SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGTRAP] { unsafe sigdelset(&signals, own) }
        return signals
    }

    private static let threadMain:
        @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = {
            // SAFETY: `start` passed a retained body.
            unsafe Unmanaged<Body>.fromOpaque($0!).takeRetainedValue().run()
            return nil
        }

    /// Waits for its end, unless the thread itself calls.
    package func join() {
        if pthread_equal(thread, pthread_self()) != 0 {
            detach()
        } else {
            pthread_join(thread, nil)
        }
    }

    /// It is not waited for.
    package func detach() { pthread_detach(thread) }
}
