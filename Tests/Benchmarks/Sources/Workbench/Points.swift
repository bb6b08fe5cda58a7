import Foundation

// The workloads on one store, one after the other.
extension Session {
    func points() throws {
        let before = Memory.anonymousBytes()
        open()
        fillRandom()
        run("fillrandom")
        // The floor reserves the whole run's space at once.
        if kind.features.contains(.reopens) {
            reportBytes("disk after fillrandom", Space.allocated(assignment.directory))
        }
        sequence(.write, Operations.shuffled(n, seed: 2))
        run("overwrite")
        reads()
        reportBytes("memory after reads", Memory.anonymousBytes() - before)
        if let bytes = engine.indexBytes() { reportBytes("index after reads", bytes) }
        scans("")
        if kind.features.contains(.compacts) {
            report("compact", n, Cost.measure { engine.compact() })
            scans(", compacted")
        }
        if kind.features.contains(.threads) { readers() }
        cloudServing()
        sequence(.delete, Operations.shuffled(n, seed: 8).prefix(n / 2))
        run("deleterandom")
        verify()
        if kind.features.contains(.threads) { readWhileWriting() }
        if kind.features.contains(.compacts) { churn() }
        verify()
        report("close", 1, Cost.measure { close() })
        if kind.features.contains(.reopens) { try model.write(to: versionsPath) }
    }

    private func reportBytes(_ name: String, _ bytes: Int) {
        report(name, n, Cost(thread: 0, process: 0, wall: 0), ["bytes": Double(bytes)])
    }

    private func reads() {
        sequence(.read, Operations.shuffled(n, seed: 3).prefix(sample))
        run("readrandom")
        sequence(.read, Operations.shuffled(sample, seed: 4).map { $0 + UInt32(n) })
        run("readmissing")
        let zipf = Zipf(count: n)
        mixture(sample, seed: 5, [(.read, 100)]) { random, _ in zipf.scrambled(&random) }
        run("readzipf")
        isolatedReads()
        guard kind.features.contains(.multiget) else { return }
        sequence(.read, Operations.shuffled(n, seed: 6).prefix(sample / 16 * 16))
        var check = newCheck()
        let cost = Cost.measure {
            for index in stride(from: 0, to: operations.count, by: 16) {
                engine.getMany(operations.keys(index..<index + 16), count: 16, &check)
            }
        }
        require(check.found == operations.count && check.wrong == 0, "multiget: wrong answers")
        report("multiget", operations.count, cost)
    }

    private func scans(_ suffix: String) {
        let expected = model.expectedScan(keyLength: assignment.keyLength)
        var check = newCheck()
        let cost = Cost.measure { engine.scan(&check) }
        require(
            check.wrong == 0 && check.found == expected.count && check.keySum == expected.sum,
            "scan: \(check.found) entries of \(expected.count)")
        report("scan" + suffix, check.found, cost)
        guard kind.features.contains(.ordered), n > 200 else { return }
        let sorted = sortedNumbers()
        var random = SplitMix(state: 7)
        let starts = (0..<max(10, sample / 500)).map { _ in random.next(below: n - 100) }
        var sum: UInt64 = 0
        for start in starts {
            sequence(.read, sorted[start..<start + 100])
            for index in 0..<100 { sum &+= Check.fold(operations.key(index)) }
        }
        sequence(.scan, starts.map { sorted[$0] })
        check = newCheck()
        let range = Cost.measure {
            for index in 0..<operations.count {
                engine.scan(from: operations.key(index), count: 100, &check)
            }
        }
        require(
            check.wrong == 0 && check.found == starts.count * 100 && check.keySum == sum,
            "range scan: \(check.found) entries of \(starts.count * 100)")
        report("range scan of 100" + suffix, starts.count, range)
    }

    /// YCSB's six mixtures (Cooper et al., Benchmarking cloud serving systems with YCSB, 2010).
    private func cloudServing() {
        let count = sample / 2
        let zipf = Zipf(count: n)
        func popular(_ random: inout SplitMix, _: Operation) -> Int { zipf.scrambled(&random) }
        mixture(count, seed: 10, [(.read, 50), (.write, 50)], choose: popular)
        run("YCSB A")
        mixture(count, seed: 11, [(.read, 95), (.write, 5)], choose: popular)
        run("YCSB B")
        mixture(count, seed: 12, [(.read, 100)], choose: popular)
        run("YCSB C")
        mixture(count, seed: 13, [(.read, 50), (.readModifyWrite, 50)], choose: popular)
        run("YCSB F")
        var end = n
        mixture(count, seed: 14, [(.read, 95), (.write, 5)]) { random, kind in
            guard kind == .write else { return end - 1 - zipf.next(&random) }
            end += 1
            return end - 1
        }
        run("YCSB D")
        guard kind.features.contains(.ordered) else { return }
        mixture(max(20, count / 100), seed: 15, [(.scan, 95), (.write, 5)]) { random, kind in
            guard kind == .write else { return zipf.scrambled(&random) }
            end += 1
            return end - 1
        }
        run("YCSB E")
    }

    /// Everything overwritten twice at full speed, with compaction in the background: what that
    /// costs, and how large the directory grows.
    private func churn() {
        let alive = (0..<UInt32(n)).filter { model.versions[Int($0)] != 0 }
        let part = max(1, min(n, 4_000_000) / 8)
        var random = SplitMix(state: 16)
        var total = Cost(thread: 0, process: 0, wall: 0)
        var largest = 0
        for _ in 0..<16 {
            sequence(.write, (0..<part).map { _ in alive[random.next(below: alive.count)] })
            var (check, scans) = (newCheck(), newCheck())
            let cost = Cost.measure { _ = perform(&check, &scans) }
            model.apply(operations)
            total = Cost(
                thread: total.thread + cost.thread, process: total.process + cost.process,
                wall: total.wall + cost.wall)
            largest = max(largest, Space.allocated(assignment.directory))
        }
        total.settle()
        let live = model.versions.count { $0 != 0 }
        report(
            "overwrite under compaction", part * 16, total,
            [
                "largestBytes": Double(largest),
                "liveBytes": Double(live * (assignment.keyLength + assignment.valueLength)),
            ])
    }
}
