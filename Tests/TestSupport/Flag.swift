internal import Synchronization

/// A switch that one thread sets and others see.
package final class Flag: Sendable {
    private let state = Atomic<Bool>(false)

    package init() {}

    package var isSet: Bool { state.load(ordering: .acquiring) }

    package func set() { state.store(true, ordering: .releasing) }
}
