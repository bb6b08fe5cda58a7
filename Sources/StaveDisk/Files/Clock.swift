internal import Glibc

package enum Clock {
    /// Seconds since 1970, as 32 bits without sign: good until 2106.
    package static func seconds() -> UInt32 {
        UInt32(clamping: time(nil))
    }
}
