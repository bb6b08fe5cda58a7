/// Tells of events: to the handler of the options, and to each stream that was asked for.
final class EventHub: @unchecked Sendable {
    // @unchecked: `streams` is guarded by `lock`.
    private let handler: (@Sendable (StoreEvent) -> Void)?
    private let lock = Lock(.events)
    /// nil once the store is closed.
    private var streams: [Int: AsyncStream<StoreEvent>.Continuation]? = [:]
    private var next = 0

    /// Events that a stream keeps for a reader who is slow; older ones are dropped then.
    static let buffered = 256

    init(_ handler: (@Sendable (StoreEvent) -> Void)?) { self.handler = handler }

    /// The handler runs on this thread.
    func tell(_ event: StoreEvent) {
        LockOrder.forgettingHeld { handler?(event) }
        for stream in lock.withLock({ streams.map { Array($0.values) } ?? [] }) {
            stream.yield(event)
        }
    }

    /// A stream of the events from now on.
    func stream() -> AsyncStream<StoreEvent> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: StoreEvent.self, bufferingPolicy: .bufferingNewest(Self.buffered))
        let number = lock.withLock { () -> Int? in
            guard streams != nil else { return nil }
            next += 1
            streams?[next] = continuation
            return next
        }
        guard let number else {
            continuation.finish()
            return stream
        }
        continuation.onTermination = { [weak self] _ in self?.remove(number) }
        return stream
    }

    private func remove(_ number: Int) {
        _ = lock.withLock { streams?.removeValue(forKey: number) }
    }

    /// Ends all streams.
    func close() {
        let ended = lock.withLock {
            defer { streams = nil }
            return streams.map { Array($0.values) } ?? []
        }
        for stream in ended { stream.finish() }
    }
}

extension Store {
    /// What happens in the store from now on without being asked for: a stream for each call, which
    /// ends when the store is closed. A reader that is slow misses the oldest of more than 256.
    public var events: AsyncStream<StoreEvent> { log.events.stream() }
}
