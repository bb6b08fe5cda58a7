import Foundation

/// The goals, row by row, as the results of one size have them.
struct Goals {
    let tables: Tables
    let size: Results.Size

    /// One row: what was asked, what came out.
    struct Row {
        var what: String
        var goal: String
        var measured: String
        var isMet: Bool
    }

    func rows() -> [Row] {
        points(
            "calling thread", limit: 0.5, "at most half of the fastest peer's", \.thread)
            + points(
                "whole process", limit: 2.0 / 3, "at most 2/3 of the fastest peer's", \.process)
            + floor() + batches() + scans() + memory() + opening() + threads()
    }

    private func ratio(_ value: Double) -> String { String(format: "%.2f", value) }

    private func points(
        _ whose: String, limit: Double, _ goal: String, _ figure: Tables.Figure
    ) -> [Row] {
        [
            "fillrandom", "overwrite", "readrandom", "readmissing", "readzipf", "YCSB A", "YCSB B",
            "deleterandom",
        ].compactMap { workload in
            guard let value = tables.ratioToPeer(workload, size, figure),
                let peer = tables.fastestPeer(workload, size, figure)
            else { return nil }
            return Row(
                what: "\(workload), \(whose)", goal: goal,
                measured: "\(ratio(value)) (\(peer.name))",
                isMet: value <= limit)
        }
    }

    private func floor() -> [Row] {
        ["fillrandom", "readrandom"].compactMap { workload in
            tables.ratioToFloor(workload, size, \.thread).map {
                Row(
                    what: "\(workload) against the floor", goal: "within 1.2x", measured: ratio($0),
                    isMet: $0 <= 1.2)
            }
        }
    }

    private func batches() -> [Row] {
        guard let own = tables.median("multiget", "stave", size, \.thread),
            let peer = tables.fastestPeer("readrandom", size, \.thread)
        else { return [] }
        let value = own / peer.value
        return [
            Row(
                what: "multiget of 16, a key", goal: "at most 1/4 of the fastest peer's single get",
                measured: "\(ratio(value)) (\(peer.name))", isMet: value <= 0.25)
        ]
    }

    private func scans() -> [Row] {
        ["scan", "range scan of 100"].flatMap { workload in
            var rows: [Row] = []
            if let value = tables.ratioToPeer(workload + ", compacted", size, \.thread),
                let peer = tables.fastestPeer(workload, size, \.thread)
            {
                rows.append(
                    Row(
                        what: "\(workload), compacted", goal: "no slower than the fastest peer",
                        measured: "\(ratio(value)) (\(peer.name))", isMet: value <= 1))
            }
            if let own = tables.median(workload, "stave", size, \.thread),
                let other = tables.median(workload, "lmdb", size, \.thread)
            {
                rows.append(
                    Row(
                        what: "\(workload), not compacted", goal: "within 1.5x of LMDB",
                        measured: ratio(own / other), isMet: own / other <= 1.5))
            }
            return rows
        }
    }

    private func memory() -> [Row] {
        var rows = [("index after reads", "memory of the index a key")]
        // The goal is for ten million keys and more; 6 MB of it are the process's own.
        if size.keys >= 10_000_000 {
            rows.append(("memory after reads", "all anonymous memory a key"))
        }
        return rows.compactMap { workload, what in
            tables.median(workload, "stave", size) { $0.values?["bytes"] }.map { bytes in
                let each = bytes / Double(size.keys)
                return Row(
                    what: what, goal: "at most 12 bytes", measured: String(format: "%.1f", each),
                    isMet: each <= 12)
            }
        }
    }

    private func opening() -> [Row] {
        var rows: [Row] = []
        if let wall = tables.median("open after a clean close", "stave", size, \.wall) {
            rows.append(
                Row(
                    what: "open after a clean close", goal: "under 10 ms",
                    measured: String(format: "%.1f ms", wall / 1e6), isMet: wall < 10e6))
        }
        if let wall = tables.median("open after kill -9", "stave", size, \.wall),
            let cpu = tables.median("open after kill -9", "stave", size, \.process)
        {
            let keys = Double(size.keys)
            rows.append(
                Row(
                    what: "open after kill -9", goal: "at most 60 ns a key",
                    measured: String(format: "%.0f ns, %.0f of CPU", wall / keys, cpu / keys),
                    isMet: wall / keys <= 60))
        }
        if let one = tables.median("fillsync", "stave", size, \.wall),
            let shared = tables.median("fillsync, 16 together", "stave", size, \.wall)
        {
            rows.append(
                Row(
                    what: "16 durable sets that share an fdatasync",
                    goal: "at least 8 times one by one",
                    measured: String(format: "%.1f times", one / shared), isMet: one / shared >= 8))
        }
        return rows
    }

    private func threads() -> [Row] {
        guard let one = tables.median("readrandom, 1 threads", "stave", size, \.thread),
            let two = tables.median("readrandom, 2 threads", "stave", size, \.thread)
        else { return [] }
        // By CPU time: on the wall two threads have only as many processors as others leave them.
        let gain = 2 * one / two
        return [
            Row(
                what: "2 reader threads", goal: "at least 1.9 times one",
                measured: String(format: "%.2f times", gain), isMet: gain >= 1.9)
        ]
    }
}
