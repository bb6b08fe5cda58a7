import Foundation

/// Results as tables.
struct Tables {
    let results: Results
    let engines: [EngineKind]

    init(_ results: Results, _ engines: [EngineKind]) {
        self.results = results
        self.engines = engines
    }

    /// Engines beside Stave and the floor.
    var peers: [EngineKind] { engines.filter { $0.name != "stave" && $0.name != "floor" } }

    static let workloads = [
        "fillseq", "fillrandom", "overwrite", "readrandom", "readrandom, dependent",
        "readrandom, from C", "readmissing", "readzipf", "multiget",
        "YCSB A", "YCSB B", "YCSB C", "YCSB D", "YCSB E", "YCSB F", "deleterandom",
        "scan", "range scan of 100", "scan, compacted", "range scan of 100, compacted",
        "overwrite under compaction", "readrandom, 1 threads", "readrandom, 2 threads",
    ]

    typealias Figure = (Measurement) -> Double?

    /// Engines that were measured at a size.
    func measured(_ size: Results.Size) -> [EngineKind] {
        engines.filter { results.hasEngine($0.name, size) }
    }

    func median(
        _ workload: String, _ engine: String, _ size: Results.Size, _ figure: Figure
    ) -> Double? {
        results.series(workload, engine, size, figure)?.median
    }

    /// The fastest of the peers, and what it took. After compaction, a peer that has none stands as
    /// it is.
    func fastestPeer(
        _ workload: String, _ size: Results.Size, _ figure: Figure
    ) -> (name: String, value: Double)? {
        let plain = workload.replacingOccurrences(of: ", compacted", with: "")
        return peers.compactMap { kind in
            let value =
                median(workload, kind.name, size, figure) ?? median(plain, kind.name, size, figure)
            return value.map { (kind.title, $0) }
        }.min { $0.1 < $1.1 }
    }

    /// Stave's figure divided by the fastest peer's.
    func ratioToPeer(_ workload: String, _ size: Results.Size, _ figure: Figure) -> Double? {
        guard let own = median(workload, "stave", size, figure),
            let peer = fastestPeer(workload, size, figure), peer.value > 0
        else { return nil }
        return own / peer.value
    }

    func ratioToFloor(_ workload: String, _ size: Results.Size, _ figure: Figure) -> Double? {
        guard let own = median(workload, "stave", size, figure),
            let floor = median(workload, "floor", size, figure), floor > 0
        else { return nil }
        return own / floor
    }

    /// A Markdown table: a row a workload, a column an engine, the fastest engine bold (the floor
    /// is none). Empty where nothing was measured.
    func table(
        _ workloads: [String], _ size: Results.Size, scale: Double = 1, digits: Int = 0,
        _ figure: Figure
    ) -> String {
        let kinds = measured(size)
        var lines = [
            "| | " + kinds.map(\.title).joined(separator: " | ") + " | / peer | / floor |",
            "|---|" + String(repeating: "--:|", count: kinds.count + 2),
        ]
        for workload in workloads {
            let values = kinds.map { median(workload, $0.name, size, figure) }
            guard values.contains(where: { $0 != nil }) else { continue }
            let least = zip(kinds, values).compactMap { $0.name == "floor" ? nil : $1 }.min()
            let cells = zip(kinds, values).map { kind, value in
                guard let value else { return "-" }
                let text = Tables.number(value * scale, digits)
                return value == least && kind.name != "floor" ? "**\(text)**" : text
            }
            let ratios = [
                ratioToPeer(workload, size, figure), ratioToFloor(workload, size, figure),
            ].map { $0.map { String(format: "%.2f", $0) } ?? "-" }
            lines.append("| \(workload) | " + (cells + ratios).joined(separator: " | ") + " |")
        }
        return lines.count > 2 ? lines.joined(separator: "\n") : ""
    }

    /// How far the rounds lie apart: (most - least) / median, for each engine the middle over
    /// workloads.
    func spread(_ size: Results.Size) -> String? {
        let parts = measured(size).compactMap { kind -> String? in
            let spreads = Tables.workloads.compactMap { workload -> Double? in
                guard let series = results.series(workload, kind.name, size, \.thread),
                    series.rounds.count > 1, series.median > 0
                else { return nil }
                return (series.most - series.least) / series.median
            }.sorted()
            guard !spreads.isEmpty else { return nil }
            return "\(kind.title) \(Int((spreads[spreads.count / 2] * 100).rounded())) %"
        }
        return parts.isEmpty ? nil : parts.joined(separator: ", ")
    }

    func rounds(_ size: Results.Size) -> ClosedRange<Int> {
        let counts = measured(size).map { kind in
            results.series("fillrandom", kind.name, size, \.thread)?.rounds.count ?? 0
        }
        return (counts.min() ?? 0)...(counts.max() ?? 0)
    }

    /// 12345 as 12,345.
    static func number(_ value: Double, _ digits: Int) -> String {
        let text = String(format: "%.\(digits)f", value)
        let parts = text.split(separator: ".")
        var whole = ""
        for (index, digit) in parts[0].reversed().enumerated() {
            if index > 0 && index % 3 == 0 && digit != "-" { whole = "," + whole }
            whole = String(digit) + whole
        }
        return parts.count > 1 ? whole + "." + parts[1] : whole
    }

    /// CPU time of the calling thread, for the terminal.
    func overview(_ plan: Plan) -> String {
        let size = Results.Size(
            keys: plan.keys, keyLength: plan.keyLength, valueLength: plan.valueLength)
        var lines = ["", "calling thread's CPU time, ns an operation, medians"]
        func row(_ cells: [String]) {
            let first = cells[0].padding(toLength: 30, withPad: " ", startingAt: 0)
            let rest = cells.dropFirst().map {
                String(repeating: " ", count: max(1, 12 - $0.count)) + $0
            }
            lines.append(first + rest.joined())
        }
        row([""] + plan.engines.map(\.name))
        for workload in Tables.workloads {
            let cells = plan.engines.map { kind in
                median(workload, kind.name, size, \.thread).map { String(format: "%.0f", $0) }
                    ?? "-"
            }
            if cells.contains(where: { $0 != "-" }) { row([workload] + cells) }
        }
        return lines.joined(separator: "\n")
    }
}
