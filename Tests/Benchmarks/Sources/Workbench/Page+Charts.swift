// The charts of the page.
extension Page {
    private func chart(
        _ title: String, _ unit: String, _ size: Results.Size,
        _ rows: [(name: String, figure: (String) -> Double?)]
    ) -> Chart {
        let measured = Set(tables.measured(size).map(\.name))
        let kinds = tables.engines.enumerated().filter { measured.contains($0.element.name) }
        let filled = rows.map { row in
            let dots = kinds.compactMap { number, kind in
                row.figure(kind.name).map { Chart.Dot(engine: number, value: $0) }
            }
            return (name: row.name, dots: dots)
        }.filter { !$0.dots.isEmpty }
        return Chart(
            title: title, unit: unit,
            engines: kinds.map { (number: $0.offset, name: $0.element.title) }, rows: filled)
    }

    func pointChart(_ size: Results.Size) -> Chart {
        let workloads = Tables.workloads.filter {
            !$0.contains("threads") && !$0.hasPrefix("compact") && !$0.contains("under")
        }
        return chart(
            "CPU time an operation: " + name(size),
            "ns of CPU of the calling thread an operation, logarithmic; left is faster", size,
            workloads.map { workload in
                (workload, { tables.median(workload, $0, size, \.thread) })
            })
    }

    func openChart(_ size: Results.Size) -> Chart {
        chart(
            "Opening: " + name(size), "ms on the wall until the first answer, logarithmic", size,
            ["open after a clean close", "open after kill -9"].map { workload in
                (workload, { tables.median(workload, $0, size, \.wall).map { $0 / 1e6 } })
            })
    }

    func spaceChart(_ size: Results.Size) -> Chart {
        chart(
            "Space: " + name(size), "bytes a key, logarithmic; left is smaller", size,
            ["disk after fillrandom", "memory after reads"].map { workload in
                (
                    workload,
                    {
                        tables.median(workload, $0, size) { $0.values?["bytes"] }.map {
                            $0 / Double(size.keys)
                        }
                    }
                )
            })
    }
}
