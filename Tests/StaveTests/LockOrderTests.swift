import Testing
import TestSupport

@testable import Stave

@Suite("LockOrderTests")
struct LockOrderTests {
    @Test("A lock that stands above one that is held, or is of the same rank, is a violation")
    func violations() {
        for held in LockRank.allCases {
            let bits: UInt64 = 1 << UInt64(held.rawValue)
            for taken in LockRank.allCases {
                let violation = LockOrder.violation(taking: taken, holding: bits)
                #expect((violation == nil) == (taken.rawValue > held.rawValue))
            }
        }
        #expect(
            LockOrder.violation(taking: .writing, holding: 1 << UInt64(LockRank.manifest.rawValue))
                == "lock order: writing is taken while manifest is held; see LockRank")
        #expect(LockOrder.violation(taking: .compaction, holding: 0) == nil)
    }

    @Test("Trying a lock needs no order; what is taken after it does")
    func tried() {
        let (outer, inner, innermost) = (Lock(.compaction), Lock(.writing), Lock(.manifest))
        inner.withLock {
            #expect(outer.tryLock())
            innermost.withLock {}
            outer.unlock()
        }
    }

    #if DEBUG
        @Test("Taking two locks in the wrong order ends a debug build with a message")
        func trap() async throws {
            let result = try await #require(
                processExitsWith: .failure, observing: [\.standardErrorContent]
            ) {
                Lock(.manifest).withLock { Lock(.writing).withLock {} }
            }
            let text = String(decoding: result.standardErrorContent, as: UTF8.self)
            #expect(text.contains("lock order: writing is taken while manifest is held"))
        }

        @Test("A store's locks are checked")
        func store() async throws {
            await #expect(processExitsWith: .failure) {
                let folder = try TemporaryFolder()
                let store = try Store(path: folder.path("store"), options: .small())
                store.log.lock.lock()
                _ = try store.compactor.plan()
            }
            await #expect(processExitsWith: .success) {
                let folder = try TemporaryFolder()
                let store = try Store(path: folder.path("store"), options: .small())
                store.compactor.lock.withLock { store.log.lock.withLock {} }
            }
        }
    #endif
}
