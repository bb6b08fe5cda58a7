/// Reads a source on a thread of its own, a few elements ahead of who needs them.
@safe final class ReadAhead<Source: IteratorProtocol & SendableMetatype>: @unchecked Sendable
where Source.Element: Sendable {
    // @unchecked: `monitor` guards `ready` and `isAtEnd`. `source` is the thread's until it has
    // ended, and `hasThread` does not change once it began.

    private static var depth: Int { 2 }

    private let monitor = Monitor()
    private var ready: [Source.Element] = []
    /// Nothing more comes.
    private var isAtEnd = false
    private var source: Source
    private let worker = Worker(isPeriodic: false)
    private var hasThread = false

    /// Runs `body`, which takes elements with `next`; then the thread has ended.
    ///
    /// - Parameters:
    ///   - hasThread: without one, and where none can be had, elements are taken as they are
    ///     needed.
    ///   - path: of the store whose source it is.
    /// - Returns: the source, as far as it was read.
    static func reading<Failure: Error>(
        _ source: sending Source, hasThread: Bool, for path: String,
        _ body: (ReadAhead) throws(Failure) -> Void
    ) throws(Failure) -> Source {
        let ahead = ReadAhead(source)
        if hasThread { ahead.start(for: path) }
        do throws(Failure) {
            try body(ahead)
        } catch {
            ahead.stop()
            throw error
        }
        ahead.stop()
        return ahead.source
    }

    private init(_ source: sending Source) { self.source = source }

    private func start(for path: String) {
        // It is held until `stop` has joined the thread.
        let start = worker.start(for: path) { [unowned self] in run() }
        guard case .running = start else { return }
        hasThread = true
        worker.wake()
    }

    private func stop() {
        monitor.change { isAtEnd = true }
        worker.stop()
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
