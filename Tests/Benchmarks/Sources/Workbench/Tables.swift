import Foundation

/// Results as tables.
struct Tables {
    let results: Results
    let engines: [EngineKind]

    init(_ results: Results, _ engines: [EngineKind]) {
        self.results = results
        self.engines = engines
    }

    static let points = [
        "fillseq", "fillrandom", "overwrite", "readrandom", "readmissing", "readzipf", "multiget",
        "YCSB A", "YCSB B", "YCSB C", "YCSB D", "YCSB E", "YCSB F", "deleterandom",
        "scan", "range scan of 100", "scan, compacted", "range scan of 100, compacted",
        "overwrite under compaction", "readrandom, 1 threads", "readrandom, 2 threads",
    ]

    /// CPU time of the calling thread, for the terminal.
    func overview(_ plan: Plan) -> String {
        let size = Results.Size(
            keys: plan.keys, keyLength: plan.keyLength, valueLength: plan.valueLength)
        var lines = ["", "calling thread's CPU time, ns an operation, medians"]
        func row(_ cells: [String]) {
            let first = cells[0].padding(toLength: 30, withPad: " ", startingAt: 0)
            lines.append(
                first
                    + cells.dropFirst().map {
                        String(repeating: " ", count: max(1, 12 - $0.count)) + $0
                    }
                    .joined())
        }
        row([""] + plan.engines.map(\.name))
        for workload in Tables.points {
            let cells = plan.engines.map { kind in
                results.series(workload, kind.name, size, \.thread).map {
                    String(format: "%.0f", $0.median)
                } ?? "-"
            }
            if cells.contains(where: { $0 != "-" }) { row([workload] + cells) }
        }
        return lines.joined(separator: "\n")
    }
}
