import Foundation

/// docs/benchmarks.md with its charts, made of results.
struct Page {
    let results: Results
    let tables: Tables
    /// Sizes that several engines were measured at, the main one first.
    private let sizes: [Results.Size]

    init(_ results: Results, _ engines: [EngineKind]) throws {
        self.results = results
        tables = Tables(results, engines)
        // A trial with few keys is not worth a page.
        sizes = results.sizes.filter { $0.keys * $0.valueLength >= 10_000_000 }
        guard !sizes.isEmpty else {
            throw UsageError(text: "these results hold no run of a size to tell of")
        }
    }

    func write(to docs: String) throws {
        let folder = docs + "/benchmarks"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        var charts: [String] = []
        func add(_ name: String, _ chart: Chart) throws {
            guard !chart.rows.isEmpty else { return }
            try chart.svg().write(
                toFile: "\(folder)/\(name).svg", atomically: true, encoding: .utf8)
            charts.append("![\(chart.title)](benchmarks/\(name).svg)")
        }
        for size in sizes where size.valueLength == 100 {
            try add("points-\(size.keys)", pointChart(size))
        }
        if let size = sizes.first(where: { $0.valueLength == 100 && $0.keys == mainKeys }) {
            try add("opening", openChart(size))
            try add("space", spaceChart(size))
        }
        let parts = [introduction(), "## Charts"] + charts + body() + [settings(), again()]
        let text = Page.withoutEmpty(parts).joined(separator: "\n\n")
        try (text + "\n").write(toFile: docs + "/benchmarks.md", atomically: true, encoding: .utf8)
    }

    /// Without tables of nothing, and the lines that announce them.
    private static func withoutEmpty(_ parts: [String]) -> [String] {
        zip(parts, parts.dropFirst() + [" "]).filter { part, next in
            !part.isEmpty && !(next.isEmpty && part.hasSuffix(":"))
        }.map(\.0)
    }

    /// Keys of the size that most engines were measured at.
    private var mainKeys: Int {
        sizes.filter { $0.valueLength == 100 }.max {
            tables.measured($0).count < tables.measured($1).count
        }?.keys ?? 0
    }

    func name(_ size: Results.Size) -> String {
        "\(Tables.number(Double(size.keys), 0)) keys of \(size.keyLength) bytes, "
            + "values of \(Tables.number(Double(size.valueLength), 0)) bytes"
    }

    // MARK: Text

    private func introduction() -> String {
        let machine = results.machines.last
        let memory = Double(machine?.memoryBytes ?? 0) / Double(1 << 30)
        return """
            # Benchmarks

            Stave beside other embedded stores, and beside *the floor*: a bare hash-index log in C, which is \
            what this design costs at least. This page is made by `make bench-peers` from the results of a \
            run; nothing on it is written by hand.

            Machine: \(machine?.processors ?? 0) processors (\(machine?.processor ?? "?")), a virtual one that \
            is shared with other work, \(String(format: "%.0f", memory)) GiB of memory, \
            \(machine?.system ?? "?"), Linux \(machine?.kernel ?? "?"), \(machine?.fileSystem ?? "?"), \
            \(machine?.date.prefix(10) ?? "?").

            How it is measured:

            * Every engine keeps the same promise: a write that returned survives `kill -9`; none waits for \
            the disk (except for fillsync). Compression is off. Other settings are what each manual advises; they \
            are below.
            * Because the machine is shared, figures are **nanoseconds of CPU time an operation**, of the \
            calling thread where nothing else is said; compare ratios. Page cache warm.
            * Medians of interleaved rounds: in a round every engine has its turn, each in a process of its \
            own with an empty directory.
            * After each workload the engine's background may end what it caused, before the next one begins; \
            that time counts for the whole process (db_bench calls this waitforcompaction). Only "under \
            compaction" is measured beside it.
            * Every answer is checked: each value that is read must be its key's, each scan must see exactly \
            the keys that are there, and after deleting, reopening and `kill -9` every key is asked for and \
            its whole value compared with what was set last. A wrong answer fails the run.
            * Keys are 16 hexadecimal digits in no order. readzipf and YCSB use Zipf's law with 0.99, scrambled. \
            multiget is per key, of 16 keys; range scan and YCSB E are per call; scan is per entry. \
            In "dependent", each key is known only when the value before has come; "from C" is a loop in C that \
            has each value copied into its buffer. \
            "compacted" is after the engine's own call for compaction; engines without one stand there as \
            they are. A deletion says whether the key was there, except for LevelDB's and RocksDB's, which do not look.
            * **Bold** is the fastest engine (the floor is not one); "/ peer" is Stave's figure divided by \
            the fastest peer's, "/ floor" by the floor's: below 1 is faster.
            """
    }

    private func body() -> [String] {
        var parts: [String] = []
        for size in sizes {
            let rounds = tables.rounds(size)
            parts.append("## \(name(size))")
            let count =
                rounds.lowerBound == rounds.upperBound
                ? "\(rounds.upperBound)" : "\(rounds.lowerBound) to \(rounds.upperBound)"
            var text = "Rounds: \(count)."
            if let spread = tables.spread(size) {
                text +=
                    " Spread between rounds, (most - least) / median, in the middle of the workloads: \(spread)."
            }
            parts.append(text)
            parts.append("CPU time of the calling thread, ns an operation:")
            parts.append(tables.table(Tables.workloads, size, \.thread))
            parts.append(
                "CPU time of the whole process, ns an operation (work in the background included):")
            parts.append(
                tables.table(
                    [
                        "fillseq", "fillrandom", "overwrite", "readrandom", "readzipf", "YCSB A",
                        "YCSB B",
                        "YCSB F", "deleterandom", "compact", "overwrite under compaction",
                    ], size, \.process))
            parts += space(size) + waiting(size) + goals(size) + losses(size)
        }
        return parts
    }

    private func space(_ size: Results.Size) -> [String] {
        let keys = Double(size.keys)
        return [
            "Space, bytes a key: files after fillrandom; anonymous memory of the process after the reads "
                + "(an engine's own cache included, the kernel's not), and after opening:",
            tables.table(
                ["disk after fillrandom", "memory after reads", "index after reads"], size,
                scale: 1 / keys, digits: 1
            ) {
                $0.values?["bytes"]
            },
            tables.table(
                ["open after a clean close", "open after kill -9"], size, scale: 1 / keys, digits: 1
            ) { $0.values?["anonymousBytes"] },
        ]
    }

    private func waiting(_ size: Results.Size) -> [String] {
        let openings = [
            "open after a clean close", "open after kill -9", "open after kill -9, no hints",
            "close",
        ]
        var parts = [
            "Opening, until the first key is answered, and closing. Milliseconds on the wall:",
            tables.table(openings, size, scale: 1e-6, digits: 2, \.wall),
            "and of CPU, of the whole process:",
            tables.table(openings, size, scale: 1e-6, digits: 2, \.process),
            "Durable sets, microseconds on the wall a set:",
            tables.table(
                ["fillsync", "fillsync, 16 together"], size, scale: 1e-3, digits: 0, \.wall),
        ]
        let kinds = tables.measured(size)
        parts += latencies(
            "readrandom, timed", ["p50", "p99"], kinds, size,
            "Single gets, each between two looks at the clock, nanoseconds on the wall:")
        parts += latencies(
            "readwhilewriting", ["p50", "p99", "p99.9", "max"], kinds, size,
            "Get beside a writer that sets some 30,000 keys a second (readwhilewriting), nanoseconds "
                + "on the wall:")
        let bounds = kinds.compactMap { kind -> String? in
            tables.median("overwrite under compaction", kind.name, size) { measurement in
                guard let most = measurement.values?["largestBytes"],
                    let live = measurement.values?["liveBytes"]
                else { return nil }
                return most / live
            }.map { "\(kind.title) \(String(format: "%.2f", $0))" }
        }
        if !bounds.isEmpty {
            parts.append(
                "Largest directory during \"overwrite under compaction\" (half of the keys, each overwritten "
                    + "four times at full speed), as a multiple of the bytes of the live keys and values: "
                    + bounds.joined(separator: ", ") + ".")
        }
        return parts
    }

    /// A workload's percentiles, a row each; nothing where it was not measured.
    private func latencies(
        _ workload: String, _ names: [String], _ kinds: [EngineKind], _ size: Results.Size,
        _ title: String
    ) -> [String] {
        var lines = [
            "| | " + kinds.map(\.title).joined(separator: " | ") + " |",
            "|---|" + String(repeating: "--:|", count: kinds.count),
        ]
        for name in names {
            let values = kinds.map { kind in
                tables.median(workload, kind.name, size) { measurement in
                    measurement.values?[name] ?? measurement.values?[name + ".0"]
                }
            }
            guard values.contains(where: { $0 != nil }) else { continue }
            let cells = values.map { $0.map { Tables.number($0, 0) } ?? "-" }
            lines.append("| \(name) | " + cells.joined(separator: " | ") + " |")
        }
        return lines.count > 2 ? [title, lines.joined(separator: "\n")] : []
    }

    private func goals(_ size: Results.Size) -> [String] {
        let rows = Goals(tables: tables, size: size).rows()
        guard size.valueLength == 100, !rows.isEmpty else { return [] }
        let met = rows.filter(\.isMet).count
        let lines = rows.map {
            "| \($0.what) | \($0.goal) | \($0.measured) | \($0.isMet ? "met" : "**not met**") |"
        }
        return [
            "### Goals: \(met) of \(rows.count) met",
            (["| what | goal | measured | |", "|---|---|---|---|"] + lines).joined(separator: "\n"),
        ]
    }

    private func losses(_ size: Results.Size) -> [String] {
        let lines = Tables.workloads.compactMap { workload -> String? in
            guard let ratio = tables.ratioToPeer(workload, size, \.thread), ratio > 1,
                let peer = tables.fastestPeer(workload, size, \.thread)
            else { return nil }
            return "* \(workload): \(String(format: "%.2f", ratio)) times \(peer.name)"
        }
        let waits = [
            "open after a clean close", "open after kill -9", "fillsync", "fillsync, 16 together",
        ]
        .compactMap { workload -> String? in
            guard let ratio = tables.ratioToPeer(workload, size, \.wall), ratio > 1,
                let peer = tables.fastestPeer(workload, size, \.wall)
            else { return nil }
            return "* \(workload) (wall): \(String(format: "%.2f", ratio)) times \(peer.name)"
        }
        let all = lines + waits
        return ["### Where Stave loses", all.isEmpty ? "Nowhere." : all.joined(separator: "\n")]
    }

    private func settings() -> String {
        let versions = results.machines.last?.versions ?? [:]
        let lines = tables.engines.map { kind -> String in
            let version = kind.package.flatMap { versions[$0] }.map { " \($0)" } ?? ""
            return "* **\(kind.title)**\(version). \(kind.settings)"
        }
        return "## Settings\n\n" + lines.joined(separator: "\n")
    }

    private func again() -> String {
        """
        ## Running it again

            make bench-peers                # installs the peers, measures, makes this page
            make bench-peers-large          # ten times the keys, for the engines that come near
            make bench-docs                 # only makes this page, from the results in bench-results
            make bench N=100000 ROUNDS=1    # Stave and the floor alone, in a minute; no page
            make budget                     # instructions an operation, by callgrind

        On two processors that do nothing else, a round of `bench-peers` takes about a quarter of an hour, most \
        of it SQLite's, RocksDB's and LMDB's, and `bench-peers-large` three quarters; on busy ones three times \
        as long. `PEER_ENGINES=stave,floor,tkrzw,kyoto,lmdb-wm` leaves the slow ones out: two minutes a round. N, \
        ROUNDS, RESULTS, PEER_ENGINES and LARGE_ENGINES may be given. What the results hold already is not \
        measured again: an interrupted run goes on where it stopped, and `ROUNDS=1` first and `ROUNDS=3` later is \
        the same as `ROUNDS=3`. `rm -r bench-results` starts from nothing. While no run is going, one engine is measured anew by taking \
        its lines out: `sed -i '/"engine":"stave"/d' bench-results/*.jsonl`. Results of several machines or \
        times may lie there as files of their own; the page takes them all together.
        """
    }
}
