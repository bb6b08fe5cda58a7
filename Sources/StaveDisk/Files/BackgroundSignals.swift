package import Glibc

/// What a thread that works in the background blocks.
package enum BackgroundSignals {
    /// Signals are the program's business, on its own threads; but for those that a thread causes itself:
    /// blocked, they would end the process without asking its handler.
    package static func toBlock() -> sigset_t {
        var signals = sigset_t()
        // SAFETY: fills in the set and changes it.
        unsafe sigfillset(&signals)
        for own in [SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGTRAP] { unsafe sigdelset(&signals, own) }
        return signals
    }
}
