import CFloor
import Foundation
import Histogram
import Synchronization

// Readers in several threads, and beside a writer.
extension Session {
    /// The same gets in one thread and in two at the same time.
    func readers() {
        sequence(.read, Operations.shuffled(n, seed: 20).prefix(sample))
        for threads in 1...2 {
            let work = (0..<threads).map { _ in Reader(engine.reader(), operations, newCheck()) }
            let cost = Cost.measure { runTogether(work.map { reader in { reader.run() } }) }
            for reader in work {
                require(
                    reader.check.found == operations.count && reader.check.wrong == 0,
                    "readrandom in \(threads) threads: wrong answers")
            }
            // CPU time is the readers' own; the thread that waits for them does nothing.
            let cpu = work.reduce(0) { $0 + $1.nanoseconds }
            report(
                "readrandom, \(threads) threads", operations.count * threads,
                Cost(thread: cpu, process: cost.process, wall: cost.wall))
        }
    }

    /// Gets beside a writer that overwrites some 30,000 keys a second: the latency that a reader
    /// sees.
    func readWhileWriting() {
        var random = SplitMix(state: 21)
        let alive = (0..<UInt32(n)).filter { model.versions[Int($0)] != 0 }
        sequence(.write, (0..<min(n, 200_000)).map { _ in alive[random.next(below: alive.count)] })
        let reads = Operations(capacity: operations.count, keyLength: assignment.keyLength)
        defer { reads.free() }
        for _ in 0..<operations.count {
            reads.append(.read, Int(alive[random.next(below: alive.count)]))
        }
        let isStopping = Atomic<Bool>(false)
        let writer = SlowWriter(engine, operations, value, model.firstVersion)
        let reader = Reader(engine.reader(), reads, newCheck())
        let cost = Cost.measure {
            runTogether([
                { writer.run { isStopping.load(ordering: .relaxed) } },
                {
                    reader.measureLatency(seconds: 3)
                    isStopping.store(true, ordering: .relaxed)
                },
            ])
        }
        require(
            reader.check.wrong == 0 && reader.check.found == reader.reads,
            "readwhilewriting: wrong answers")
        model.apply(operations, count: writer.count)
        var values = ["sets": Double(writer.count), "max": Double(reader.histogram.max)]
        for percent in [50, 99, 99.9] {
            values["p\(percent)"] = Double(reader.histogram.valueAtPercentile(percent))
        }
        report(
            "readwhilewriting", reader.reads,
            Cost(thread: reader.nanoseconds, process: cost.process, wall: cost.wall), values)
    }
}

/// Runs the bodies at the same time, each in a thread of its own, and waits for all.
private func runTogether(_ bodies: [@Sendable () -> Void]) {
    let ended = DispatchSemaphore(value: 0)
    for body in bodies {
        Thread.detachNewThread {
            body()
            ended.signal()
        }
    }
    for _ in bodies { ended.wait() }
}

/// Gets of one thread, through a reader of its own that it closes. Its results are read when it has
/// ended.
private final class Reader: @unchecked Sendable {
    private let engine: any Engine
    private let operations: Operations
    private(set) var check: Check
    private(set) var nanoseconds = 0.0
    private(set) var reads = 0
    private(set) var histogram = Histogram<UInt64>(
        highestTrackableValue: 100_000_000_000, numberOfSignificantValueDigits: .three)

    init(_ engine: any Engine, _ operations: Operations, _ check: Check) {
        self.engine = engine
        self.operations = operations
        self.check = check
    }

    func run() {
        let start = cfloor_thread_nanoseconds()
        var own = check
        for index in 0..<operations.count { _ = engine.get(operations.key(index), &own) }
        check = own
        nanoseconds = Double(cfloor_thread_nanoseconds() - start)
        engine.closeReader()
    }

    func measureLatency(seconds: Double) {
        let start = cfloor_thread_nanoseconds()
        var own = check
        var before = cfloor_wall_nanoseconds()
        let end = before + UInt64(seconds * 1e9)
        while before < end {
            before = cfloor_wall_nanoseconds()
            _ = engine.get(operations.key(reads % operations.count), &own)
            histogram.record(cfloor_wall_nanoseconds() - before)
            reads += 1
        }
        check = own
        nanoseconds = Double(cfloor_thread_nanoseconds() - start)
        engine.closeReader()
    }
}

/// Overwrites in bursts until it is told to stop or has done all.
private final class SlowWriter: @unchecked Sendable {
    private let engine: any Engine
    private let operations: Operations
    private var value: Value
    private let first: UInt64
    private(set) var count = 0

    init(_ engine: any Engine, _ operations: Operations, _ value: Value, _ first: UInt64) {
        self.engine = engine
        self.operations = operations
        self.value = value
        self.first = first
    }

    func run(until isStopping: () -> Bool) {
        while count < operations.count, !isStopping() {
            let key = operations.key(count)
            value.version = first + UInt64(count)
            engine.set(key, value.bytes(for: key))
            count += 1
            if count % 32 == 0 { usleep(1000) }
        }
    }
}
