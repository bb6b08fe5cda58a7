import CFloor
import Foundation
import Histogram

// In a loop of gets, a processor begins the next one while the one before still waits for memory.
// These are gets of which it cannot: what one costs by itself, and between other work.
extension Session {
    func isolatedReads() {
        sequence(.read, Operations.shuffled(n, seed: 22).prefix(sample))
        dependentReads()
        timedReads()
        readsFromC()
    }

    /// Which key is next is known only when the value before has come.
    private func dependentReads() {
        let engine = engine!
        // 0, which the compiler cannot know.
        let none: UInt64 = assignment.round < 0 ? .max : 0
        var check = newCheck()
        let cost = Cost.measure {
            for index in 0..<operations.count {
                let key = operations.key(index + Int(truncatingIfNeeded: check.version & none))
                _ = engine.get(key, &check)
            }
        }
        require(check, "readrandom, dependent")
        report("readrandom, dependent", operations.count, cost)
    }

    /// Each call between two looks at the clock, which count.
    private func timedReads() {
        let engine = engine!
        var histogram = Histogram<UInt64>(
            highestTrackableValue: 100_000_000_000, numberOfSignificantValueDigits: .three)
        var check = newCheck()
        let cost = Cost.measure {
            for index in 0..<operations.count {
                let before = cfloor_wall_nanoseconds()
                _ = engine.get(operations.key(index), &check)
                histogram.record(cfloor_wall_nanoseconds() - before)
            }
        }
        require(check, "readrandom, timed")
        let values = Dictionary(
            uniqueKeysWithValues: [50.0, 99].map {
                ("p\($0)", Double(histogram.valueAtPercentile($0)))
            })
        report("readrandom, timed", operations.count, cost, values)
    }

    /// A loop in C that calls each get through a pointer to a function, which copies the value into
    /// the caller's buffer: what a program in another language sees.
    private func readsFromC() {
        let boundary = Boundary(engine: engine)
        var right = 0
        let cost = Cost.measure {
            right = cfloor_copy_all(
                { context, key, keyLength, buffer, capacity in
                    let key = UnsafeRawBufferPointer(start: key, count: keyLength)
                    let buffer = UnsafeMutableRawBufferPointer(start: buffer, count: capacity)
                    return Unmanaged<Boundary>.fromOpaque(context!)._withUnsafeGuaranteedRef {
                        $0.engine.copy(key, into: buffer) ?? -1
                    }
                }, Unmanaged.passUnretained(boundary).toOpaque(), operations.keys,
                assignment.keyLength, operations.count, assignment.valueLength)
        }
        withExtendedLifetime(boundary) {}
        require(
            right == operations.count,
            "readrandom, from C: \(right) values of \(operations.count)")
        report("readrandom, from C", operations.count, cost)
    }

    private func require(_ check: Check, _ workload: String) {
        require(
            check.wrong == 0 && check.found == operations.count, "\(workload): wrong answers")
    }
}

/// What C holds of an engine.
private final class Boundary {
    let engine: any Engine
    init(engine: any Engine) { self.engine = engine }
}
