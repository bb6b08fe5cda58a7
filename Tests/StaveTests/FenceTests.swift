#if STAVE_FAULTS
    import Glibc
    import StaveDisk
    import Synchronization
    import TestSupport
    import Testing

    @testable import Stave

    struct FenceTests {
        /// Without its fence the reclaimer may not see that a reader is inside, and free what it
        /// holds.
        @Test("What readers may hold stays where membarrier(2) fails, and goes with the next one")
        func failedFence() {
            var limbo = Limbo()
            let isReleased = Flag()
            let path = "/stave-fence-test"
            limbo.retire { isReleased.set() }
            FaultPlan(Fault(.fence, 1, .error(ENOMEM), isLasting: true)).run(at: path) {
                limbo.collect(for: path)
                #expect(!isReleased.isSet)
            }
            // Readers of other tests come and go.
            for _ in 0..<20_000 where !isReleased.isSet {
                limbo.collect(for: path)
                usleep(1000)
            }
            #expect(isReleased.isSet)
        }

        @Test("Memory that cannot be had is an error of the store that asks for it")
        func memory() throws {
            let folder = try TemporaryFolder(isInMemory: true)
            let path = folder.path("store")
            let plan = FaultPlan(Fault(.allocate, 1, .error(ENOMEM)))
            let error = plan.run(at: path) {
                storeError { try Store(path: path, options: .small()) }
            }
            guard case .system(_, path, ENOMEM, _)? = error else {
                Issue.record("\(error?.description ?? "no error")")
                return
            }
            try Store(path: path, options: .small()).close()
        }
    }
#endif
