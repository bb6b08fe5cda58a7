internal import Glibc
internal import Synchronization

/// A switch that one thread sets and others see.
package final class Flag: Sendable {
    private let state = Atomic<Bool>(false)

    package init() {}

    package var isSet: Bool { state.load(ordering: .acquiring) }

    package func set() { state.store(true, ordering: .releasing) }
}

/// What a test waited for did not come.
package struct NeverCame: Error {
    package let what: String

    package init(what: String) { self.what = what }
}

/// Waits until `condition` holds. The limit only ends a test that would hang: no machine is so
/// slow.
package func wait(for what: String, until condition: () throws -> Bool) throws {
    for _ in 0..<120_000 {
        if try condition() { return }
        usleep(1000)
    }
    throw NeverCame(what: what)
}
