import Logging
import MetricsTestKit
import Metrics
import StaveObservability
import Synchronization
import TestSupport
import Testing

@testable import Stave

@Suite("A store's metrics and logs", .serialized)
struct StoreMonitorTests {
    private static let metrics: TestMetrics = {
        let metrics = TestMetrics()
        MetricsSystem.bootstrap(metrics)
        return metrics
    }()

    private struct Lines: LogHandler {
        let lines: Box
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        final class Box: Sendable { let all = Mutex<[String]>([]) }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            lines.all.withLock { $0.append("\(event.level): \(event.message)") }
        }
    }

    @Test("Gauges say what statistics say; events are counted and logged; it ends with the store")
    func monitor() async throws {
        let folder = try TemporaryFolder(isInMemory: true)
        let store = try await Store.open(folder.path("s"), .init(createsIfMissing: true))
        for number in 0..<1000 { try store.set("value", forKey: "key \(number % 10)") }
        let box = Lines.Box()
        let logger = Logger(label: "test") { _ in Lines(lines: box) }
        _ = Self.metrics
        let monitor = StoreMonitor(store, name: "people", logger: logger)
        monitor.record()
        let statistics = try store.statistics()
        func gauge(_ name: String) throws -> Double? {
            try Self.metrics.expectRecorder("stave_" + name, [("store", "people")]).lastValue
        }
        #expect(try gauge("keys") == 10)
        #expect(try gauge("dead_bytes") == Double(statistics.deadBytes))
        #expect(try gauge("disk_bytes") == Double(statistics.diskBytes))
        #expect(try gauge("is_writable") == 1)

        monitor.tell(.compacted(CompactionReport()))
        monitor.tell(.compactionFailed(.cancelled))
        monitor.tell(.setAside(file: "x"))
        monitor.tell(.threadFailed(.syncing, .closed))
        monitor.tell(.hintRebuilt(file: "x", reason: "y"))
        monitor.tell(.writingEnded(.closed))
        #expect(try gauge("is_writable") == 0)
        let counter = try Self.metrics.expectCounter("stave_compactions", [("store", "people")])
        #expect(counter.totalValue == 1)
        #expect(
            box.all.withLock { $0.map { $0.prefix { $0 != ":" } } } == [
                "debug", "warning", "error", "error", "warning", "critical",
            ])

        let running = Task { try await monitor.run() }
        try await store.compact()
        try await store.close()
        try await running.value
    }
}
