public import Logging
internal import Metrics
public import Stave

/// Tells the process's metrics and logs how a store is doing.
///
///     let monitor = StoreMonitor(store, logger: logger)
///     try await withThrowingTaskGroup { group in
///         group.addTask { try await monitor.run() }
///         ...
///     }
///
/// It runs beside the store and slows no call: figures are read once an interval, and events are
/// logged as they come. Metrics, each with the dimension `store`:
///
/// | gauge | unit |
/// |---|---|
/// | stave_keys, stave_segments | number |
/// | stave_disk_bytes, stave_live_bytes, stave_dead_bytes, stave_index_bytes | bytes |
/// | stave_written_bytes, stave_copied_bytes, stave_freed_bytes | bytes since it was opened |
/// | stave_space_amplification, stave_write_amplification | ratio |
/// | stave_unsynced_writes | writes that a power cut may take |
/// | stave_is_writable | 1, or 0 where no writes are taken |
///
/// | counter | |
/// |---|---|
/// | stave_compactions, stave_compaction_failures, stave_rebuilt_hints, stave_thread_failures | |
public struct StoreMonitor: Sendable {
    private let store: Store
    private let logger: Logger
    private let interval: Duration
    private let dimensions: [(String, String)]

    /// - Parameters:
    ///   - name: the value of the dimension `store`; the path if nothing else is said.
    ///   - interval: how often figures are read; each time takes microseconds a segment.
    public init(
        _ store: Store, name: String? = nil, logger: Logger, interval: Duration = .seconds(10)
    ) {
        self.store = store
        self.interval = interval
        var logger = logger
        logger[metadataKey: "store"] = "\(name ?? store.path)"
        self.logger = logger
        dimensions = [("store", name ?? store.path)]
    }

    /// Runs until the store is closed or the task is cancelled.
    public func run() async throws {
        let events = store.events
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await event in events { tell(event) } }
            group.addTask {
                while store.state != .closed {
                    record()
                    do { try await Task.sleep(for: interval) } catch { return }
                }
            }
            // The events end with the store; then the other task has nothing to wait for.
            await group.next()
            group.cancelAll()
        }
    }

    /// Sets the gauges to what they are now.
    public func record() {
        set("is_writable", store.state == .writable ? 1 : 0)
        guard let now = try? store.statistics() else { return }
        set("keys", Double(now.count))
        set("segments", Double(now.segments.count))
        set("disk_bytes", Double(now.diskBytes))
        set("live_bytes", Double(now.liveBytes))
        set("dead_bytes", Double(now.deadBytes))
        set("index_bytes", Double(now.keydirBytes))
        set("written_bytes", Double(now.writtenBytes))
        set("copied_bytes", Double(now.copiedBytes))
        set("freed_bytes", Double(now.freedBytes))
        set("space_amplification", now.spaceAmplification ?? 0)
        set("write_amplification", now.writeAmplification ?? 0)
        let unsynced = now.nextSequence > now.durableSequence
        set("unsynced_writes", unsynced ? Double(now.nextSequence - now.durableSequence) : 0)
    }

    private func set(_ name: String, _ value: Double) {
        Gauge(label: "stave_" + name, dimensions: dimensions).record(value)
    }

    /// Logs an event, and counts it.
    public func tell(_ event: StoreEvent) {
        switch event {
        case .compacted(let report):
            count("compactions")
            logger.debug(
                "compacted",
                metadata: [
                    "freed_bytes": "\(report.freedBytes)", "copied_bytes": "\(report.copiedBytes)",
                ])
        case .compactionFailed(let error):
            count("compaction_failures")
            logger.warning("compaction failed", metadata: ["reason": "\(error)"])
        case .hintRebuilt(let file, let reason):
            count("rebuilt_hints")
            logger.warning(
                "hint file made again", metadata: ["file": "\(file)", "reason": "\(reason)"])
        case .setAside(let file):
            logger.error("a segment of another moment was set aside", metadata: ["file": "\(file)"])
        case .threadFailed(let work, let error):
            count("thread_failures")
            logger.error("no thread", metadata: ["reason": "\(work.message(of: error))"])
        case .writingEnded(let error):
            set("is_writable", 0)
            logger.critical("no more writes are taken", metadata: ["reason": "\(error)"])
        }
    }

    private func count(_ name: String) {
        Counter(label: "stave_" + name, dimensions: dimensions).increment()
    }
}
