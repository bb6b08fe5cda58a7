internal import CLinux

/// membarrier(2): one thread pays for a fence that all others execute.
package enum MemoryBarrier {
    /// Asks for it, once a process. False where the kernel does not offer it.
    package static func register() -> Bool { stave_membarrier_register() == 0 }

    /// Makes every running thread of the process execute a fence.
    ///
    /// - Parameter path: of the store that needs it.
    /// - Returns: false where the kernel could not: then nothing is known of the other threads.
    package static func run(for path: String) -> Bool {
        attempt(.fence, path) { stave_membarrier() } == 0
    }
}
