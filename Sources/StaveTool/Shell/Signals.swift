internal import Glibc
internal import Synchronization

/// Signals become a number to look at and a byte in a pipe to wait for; a handler does nothing
/// else, so that no code ever runs in one that could not.
enum Signals {
    private static let interruption = Atomic<Bool>(false)
    private static let ending = Atomic<Int32>(0)
    private static let resizing = Atomic<Bool>(false)
    private static let stopping = Atomic<Bool>(false)
    private static let continuing = Atomic<Bool>(false)
    private static let pipeEnd = Atomic<Int32>(-1)
    private static let waitEnd = Atomic<Int32>(-1)

    /// Ctrl-C since the last `clearInterruption`, or a signal that ends the process.
    static var isInterrupted: Bool {
        interruption.load(ordering: .relaxed) || ending.load(ordering: .relaxed) != 0
    }
    /// SIGTERM or SIGHUP; also SIGINT where no person is at the prompt.
    static var endingSignal: Int32? {
        let signal = ending.load(ordering: .relaxed)
        return signal == 0 ? nil : signal
    }

    static func clearInterruption() { interruption.store(false, ordering: .relaxed) }

    /// - Parameter interactive: Ctrl-C stops a command, and a resize wakes the editor; otherwise
    ///   Ctrl-C ends the process after the command in hand.
    static func install(interactive: Bool) {
        var ends: [Int32] = [-1, -1]
        // SAFETY: pipe fills in two descriptors.
        if unsafe pipe(&ends) == 0 {
            for end in ends {
                _ = fcntl(end, F_SETFD, FD_CLOEXEC)
                _ = fcntl(end, F_SETFL, O_NONBLOCK)
            }
            waitEnd.store(ends[0], ordering: .relaxed)
            pipeEnd.store(ends[1], ordering: .relaxed)
        }
        ignore(SIGPIPE)
        for signal in [SIGTERM, SIGHUP] where !isIgnored(signal) {
            handle(signal) { Signals.end(by: $0) }
        }
        if interactive {
            handle(SIGINT) { _ in
                Signals.interruption.store(true, ordering: .relaxed)
                Signals.wake()
            }
            handle(SIGWINCH) { _ in
                Signals.resizing.store(true, ordering: .relaxed)
                Signals.wake()
            }
        } else if !isIgnored(SIGINT) {
            handle(SIGINT) { Signals.end(by: $0) }
        }
    }

    /// Waits until `descriptor` can be read or a signal came; true for the former.
    ///
    /// - Parameter milliseconds: how long at most; -1 for any time.
    static func waitToRead(_ descriptor: Int32, milliseconds: Int32 = -1) -> Bool {
        let events = Int16(POLLIN)
        var waits = [
            pollfd(fd: descriptor, events: events, revents: 0),
            pollfd(fd: waitEnd.load(ordering: .relaxed), events: events, revents: 0),
        ]
        // SAFETY: two entries are in the array.
        let ready = unsafe poll(&waits, 2, milliseconds)
        if waits[1].revents != 0 {
            var drained = [UInt8](repeating: 0, count: 64)
            // SAFETY: reads into the array.
            unsafe _ = read(waits[1].fd, &drained, drained.count)
        }
        return ready > 0 && waits[0].revents != 0
    }

    /// Whether input is there already. Leaves the byte that wakes a wait alone.
    static func hasInput(_ descriptor: Int32) -> Bool {
        var look = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        // SAFETY: one entry.
        return unsafe poll(&look, 1, 0) > 0
    }

    // MARK: While a line is edited

    /// A line is edited: what would stop the process first puts the terminal in order.
    static func beginEditing() {
        if !isIgnored(SIGTSTP) {
            handle(SIGTSTP) { _ in
                Signals.stopping.store(true, ordering: .relaxed)
                Signals.wake()
            }
        }
        handle(SIGCONT) { _ in
            Signals.continuing.store(true, ordering: .relaxed)
            Signals.wake()
        }
    }

    static func endEditing() {
        // SAFETY: the default actions take no pointer of ours.
        if !isIgnored(SIGTSTP) { _ = Glibc.signal(SIGTSTP, SIG_DFL) }
        _ = Glibc.signal(SIGCONT, SIG_DFL)
        _ = takeContinuation()
        if takeStop() { kill(getpid(), SIGTSTP) }
    }

    static func takeResize() -> Bool { resizing.exchange(false, ordering: .relaxed) }
    static func takeStop() -> Bool { stopping.exchange(false, ordering: .relaxed) }
    static func takeContinuation() -> Bool { continuing.exchange(false, ordering: .relaxed) }

    /// Stops this process, or all of its group, until it is continued.
    static func stopProcess(withGroup: Bool) {
        guard !isIgnored(SIGTSTP) else { return }
        _ = Glibc.signal(SIGTSTP, SIG_DFL)
        kill(withGroup ? 0 : getpid(), SIGTSTP)
        beginEditing()
        _ = takeContinuation()
    }

    /// Waits until `descriptor` can be written; false where a signal that ends
    /// the process came first.
    ///
    /// The byte that woke this wait stays in the pipe, for `waitToRead`.
    static func waitToWrite(_ descriptor: Int32) -> Bool {
        var waits = [
            pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0),
            pollfd(fd: waitEnd.load(ordering: .relaxed), events: Int16(POLLIN), revents: 0),
        ]
        while true {
            let isEnding = endingSignal != nil
            // Another signal's byte would end every wait at once: look again every so often
            // instead.
            let hasWoken = waits[1].revents != 0
            waits[0].revents = 0
            let timeout: Int32 = isEnding ? 0 : hasWoken ? 100 : -1
            // SAFETY: two entries are in the array.
            unsafe _ = poll(&waits, hasWoken ? 1 : 2, timeout)
            if waits[0].revents != 0 { return true }
            if isEnding { return false }
        }
    }

    /// Ends the process the way `signal` would have, so that the parent sees why.
    static func raiseDefault(_ signal: Int32) -> Never {
        // SAFETY: the default action takes no pointer of ours.
        _ = Glibc.signal(signal, SIG_DFL)
        var set = sigset_t()
        unsafe sigemptyset(&set)
        unsafe sigaddset(&set, signal)
        unsafe sigprocmask(SIG_UNBLOCK, &set, nil)
        raise(signal)
        exit(128 + signal)
    }

    private static func end(by signal: Int32) {
        ending.store(signal, ordering: .relaxed)
        wake()
    }

    /// Ends `waitToRead`. Any thread may call it, and any signal handler.
    static func wake() {
        let saved = errno
        var byte: UInt8 = 1
        // SAFETY: write(2) may be called in a signal handler; errno is put back.
        unsafe _ = write(pipeEnd.load(ordering: .relaxed), &byte, 1)
        errno = saved
    }

    /// Without SA_RESTART: a wait ends when a signal comes.
    private static func handle(_ signal: Int32, _ handler: @convention(c) (Int32) -> Void) {
        var action = sigaction()
        // SAFETY: the handler touches atomics and calls write(2) only.
        unsafe action.__sigaction_handler.sa_handler = handler
        unsafe _ = sigaction(signal, &action, nil)
    }

    private static func ignore(_ signal: Int32) {
        // SAFETY: SIG_IGN is no pointer to code.
        _ = Glibc.signal(signal, SIG_IGN)
    }

    /// As nohup and background jobs set it: then it stays ignored.
    private static func isIgnored(_ signal: Int32) -> Bool {
        var action = sigaction()
        // SAFETY: only reads what is set now, and compares it as a number.
        unsafe _ = sigaction(signal, nil, &action)
        return unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
    }
}
