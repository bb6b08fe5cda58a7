import Glibc
import TestSupport
import Testing

@testable import Stave

struct WorkerTests {
    /// Blocked, a signal that a thread brings upon itself ends the process without asking its
    /// handler, which would have said what was wrong.
    @Test("A background thread leaves to others all signals but those that it causes itself")
    func signals() throws {
        let worker = Worker(isPeriodic: false)
        let isDone = Flag()
        let blocked = SharedNumbers()
        worker.start(for: "") {
            var mask = sigset_t()
            unsafe pthread_sigmask(SIG_SETMASK, nil, &mask)
            blocked.set((1..<32).filter { unsafe sigismember(&mask, $0) == 1 })
            isDone.set()
        }
        worker.wake()
        try wait(for: "the thread's task") { isDone.isSet }
        worker.stop()
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP] {
            #expect(blocked.numbers.contains(signal))
        }
        for signal in [SIGBUS, SIGSEGV, SIGILL, SIGFPE] {
            #expect(!blocked.numbers.contains(signal))
        }
    }

    /// It is set by hand, by NTP, in a leap second, and a wait that ends by it may take hours or no
    /// time.
    @Test("A wait up to a moment does not look at the clock on the wall")
    func monotonicWait() {
        func now() -> Int {
            var now = timespec()
            unsafe clock_gettime(CLOCK_MONOTONIC, &now)
            return now.tv_sec * 1_000_000_000 + now.tv_nsec
        }
        let start = now()
        let deadline = Monitor.deadline(in: 20_000_000)
        let end = deadline.tv_sec * 1_000_000_000 + deadline.tv_nsec
        #expect(end >= start + 20_000_000 && end <= now() + 20_000_000)
        let monitor = Monitor()
        // A wait may end early, without a reason; a thousand times in a row none does.
        let isOver = monitor.withLock {
            (0..<1000).contains { _ in monitor.wait(until: deadline) }
        }
        #expect(isOver)
        #expect(now() >= end)
    }
}

private final class SharedNumbers: @unchecked Sendable {
    // @unchecked: set before a flag that its reader waits for.
    private(set) var numbers: [Int32] = []

    func set(_ numbers: [Int32]) { self.numbers = numbers }
}
