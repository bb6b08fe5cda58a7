internal import Glibc

/// The two clocks. Neither call can fail.
package enum Clock {
    /// Seconds since 1970, as 32 bits without sign: good until 2106. The clock on the wall, which
    /// any administrator may set: for records and reports, never to measure how long something
    /// takes.
    package static func seconds() -> UInt32 {
        UInt32(clamping: time(nil))
    }

    /// Nanoseconds since some moment before the process began; this clock cannot be set.
    package static func monotonicNanoseconds() -> Int {
        var now = timespec()
        // SAFETY: fills in the struct.
        unsafe clock_gettime(CLOCK_MONOTONIC, &now)
        return now.tv_sec * 1_000_000_000 + now.tv_nsec
    }
}
