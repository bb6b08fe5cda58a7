import CFloor
import Foundation
import Histogram
import Stave
import Synchronization

/// Latency of single gets beside a writer that overwrites at a steady rate, without and with compaction
/// in the background; then what a writer at full speed does to the directory.
@MainActor
func measureLatency(_ path: String) throws {
    print("")
    row(["get beside a writer, ns", "p50", "p99", "p99.9", "max", "copied"])
    for (name, isCompacting) in [("without compaction", false), ("with compaction", true)] {
        let store = try openForOverwriting(path, isCompacting: isCompacting)
        let writer = Overwriter(store)
        writer.start()
        let histogram = timeGets(store, seconds: 5)
        writer.stop()
        let copied = try store.statistics().copiedBytes >> 20
        row(
            [name] + [50, 99, 99.9].map { "\(histogram.valueAtPercentile($0))" }
                + ["\(histogram.max)", "\(copied) MiB"])
        try store.close()
        try FileManager.default.removeItem(atPath: path)
    }
    try measureBound(path)
}

@MainActor
private func openForOverwriting(_ path: String, isCompacting: Bool) throws -> Store {
    var options = StoreOptions()
    options.createsIfMissing = true
    options.durability = .os
    options.segmentSize = 16 << 20
    options.compaction.isAutomatic = isCompacting
    // Little is dead before it starts, so that it runs nearly all the time.
    options.compaction.startAmplification = 1.1
    let store = try Store(path: path, options: options)
    let value = [UInt8](repeating: 118, count: valueLength)
    Keys(count: n / 4, length: keyLength, seed: 20).forEach {
        try! store.set(value.span.bytes, forKey: $0)
    }
    return store
}

/// Overwrites in bursts, some 30,000 keys a second, on a thread of its own.
private final class Overwriter: Sendable {
    private let store: Store
    private let isStopping = Atomic<Bool>(false)
    private let isDone = DispatchSemaphore(value: 0)
    private let keys: Keys

    @MainActor
    init(_ store: Store) {
        self.store = store
        keys = Keys(count: n / 4, length: keyLength, seed: 21)
    }

    func start() { Thread.detachNewThread { self.run() } }

    func stop() {
        isStopping.store(true, ordering: .relaxed)
        isDone.wait()
    }

    private func run() {
        let value = [UInt8](repeating: 119, count: 100)
        var count = 0
        while !isStopping.load(ordering: .relaxed) {
            keys.forEach { key in
                if isStopping.load(ordering: .relaxed) { return }
                try! store.set(value.span.bytes, forKey: key)
                count += 1
                if count % 32 == 0 { usleep(1000) }
            }
        }
        isDone.signal()
    }
}

@MainActor
private func timeGets(_ store: Store, seconds: Double) -> Histogram<UInt64> {
    var histogram = Histogram<UInt64>(
        highestTrackableValue: 10_000_000_000, numberOfSignificantValueDigits: .three)
    let keys = Keys(count: n / 4, length: keyLength, seed: 22)
    let end = cfloor_wall_nanoseconds() + UInt64(seconds * 1e9)
    var before = cfloor_wall_nanoseconds()
    while before < end {
        keys.forEach { key in
            if before >= end { return }
            before = cfloor_wall_nanoseconds()
            _ = try! store.withValue(forKey: key) { $0.byteCount }
            histogram.record(cfloor_wall_nanoseconds() - before)
        }
    }
    return histogram
}

/// Overwrites everything at full speed: the largest size the directory had, against the live bytes.
@MainActor
private func measureBound(_ path: String) throws {
    var options = StoreOptions()
    options.createsIfMissing = true
    options.durability = .os
    options.segmentSize = 16 << 20
    let store = try Store(path: path, options: options)
    let value = [UInt8](repeating: 118, count: 1000)
    let keys = Keys(count: n / 8, length: keyLength, seed: 30)
    keys.forEach { try! store.set(value.span.bytes, forKey: $0) }
    var (largest, count) = (0.0, 0)
    let seconds = try time {
        for round in 0..<8 {
            Keys(count: n / 8, length: keyLength, seed: 31 + UInt64(round)).forEach { key in
                try! store.set(value.span.bytes, forKey: key)
                count += 1
                guard count % 4096 == 0, let now = try? store.statistics() else { return }
                largest = max(largest, Double(now.diskBytes) / Double(max(now.liveBytes, 1)))
            }
        }
    }
    let end = try store.statistics()
    print("")
    print(
        "overwritten 8 times at full speed, values of 1000 bytes: directory at most",
        String(format: "%.2f", largest), "x live (a segment is",
        String(format: "%.2f)", Double(16 << 20) / Double(end.liveBytes)))
    print(
        "write amplification \(String(format: "%.2f", end.writeAmplification ?? 0)),",
        "\(end.compactionCount) compactions,",
        String(format: "%.0f MB/s", Double(end.writtenBytes) / 1e6 / seconds))
    try store.close()
}

private func time(_ body: () throws -> Void) rethrows -> Double {
    let start = cfloor_wall_nanoseconds()
    try body()
    return Double(cfloor_wall_nanoseconds() - start) / 1e9
}
