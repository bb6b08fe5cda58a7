/// What a thread of its own takes out of a source, a few elements ahead of who needs them.
@safe final class Ahead<Source: IteratorProtocol & SendableMetatype>: @unchecked Sendable {
    // @unchecked: all state is guarded by `monitor`, but for `source`, which is the thread's.

    private static var depth: Int { 2 }

    private let monitor = Monitor()
    private var ready: [Source.Element] = []
    /// Nothing more comes.
    private var isAtEnd = false
    /// Its state after the last element; not to be looked at before `next` has returned nil.
    private(set) var source: Source
    private let worker = Worker(isPeriodic: false)
    private var hasThread = false

    /// - Parameter hasThread: without one, and where none is to be had, elements are taken as they are
    ///   needed.
    init(_ source: consuming Source, hasThread: Bool) {
        self.source = source
        guard hasThread else { return }
        self.hasThread = worker.start { [unowned self] in run() }
        worker.wake()
    }

    /// Waits for the next element; nil at the end.
    func next() -> Source.Element? {
        if !hasThread { return source.next() }
        return monitor.withLock {
            while ready.isEmpty, !isAtEnd { monitor.wait() }
            if ready.isEmpty { return nil }
            defer { monitor.wakeAll() }
            return ready.removeFirst()
        }
    }

    /// Ends the thread, when it has the element that it is at. To be called before the last reference
    /// goes.
    func stop() {
        monitor.change { isAtEnd = true }
        worker.stop()
    }

    private func run() {
        while let element = source.next() {
            let goesOn = monitor.change {
                while ready.count == Self.depth, !isAtEnd { monitor.wait() }
                if !isAtEnd { ready.append(element) }
                return !isAtEnd
            }
            if !goesOn { return }
        }
        monitor.change { isAtEnd = true }
    }
}
