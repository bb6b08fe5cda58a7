import Foundation

/// What a run measures.
struct Plan {
    var engines: [EngineKind]
    var keys = 1_000_000
    var keyLength = 16
    var valueLength = 100
    var rounds = 3
    var stages = Stage.allCases
    /// Where the engines' files lie while they are measured.
    var directory: String
    /// The file of results, which is added to.
    var results: String
}

/// Starts a child process for each stage, engine and round, the engines in turn, and keeps what
/// they measure. What the results already hold is not measured again.
struct Runner {
    let plan: Plan
    private let output: FileHandle
    private var done: Set<String>
    private(set) var failures = 0

    init(_ plan: Plan) throws {
        self.plan = plan
        let manager = FileManager.default
        if !manager.fileExists(atPath: plan.results) {
            _ = manager.createFile(atPath: plan.results, contents: nil)
        }
        let known = try Results(files: [plan.results])
        done = Set(known.measurements.filter { $0.workload.hasPrefix("done ") }.map(Runner.name))
        output = try FileHandle(forWritingTo: URL(fileURLWithPath: plan.results))
        try output.seekToEnd()
    }

    private static func name(_ line: Measurement) -> String {
        "\(line.engine) \(line.keys) \(line.keyLength) \(line.valueLength) \(line.round) \(line.workload)"
    }

    mutating func run() throws {
        write(
            try JSONEncoder().encode(
                Machine.current(directory: plan.directory, engines: plan.engines)))
        for round in 0..<plan.rounds {
            for chain in Stage.chains where plan.stages.contains(chain.last!) {
                for kind in plan.engines where chain.first!.isPossible(kind.features) {
                    let possible = chain.filter { $0.isPossible(kind.features) }
                    // Killing a store is worth nothing without opening it.
                    if possible != [.kill] { try run(possible, kind, round) }
                }
            }
        }
    }

    private mutating func run(_ chain: [Stage], _ kind: EngineKind, _ round: Int) throws {
        var mark = Measurement(
            engine: kind.name, keys: plan.keys, keyLength: plan.keyLength,
            valueLength: plan.valueLength, round: round,
            workload: Measurement.done(chain.last!.rawValue), operations: 0, thread: 0, process: 0,
            wall: 0)
        guard !done.contains(Runner.name(mark)) else { return }
        let directory = plan.directory + "/" + kind.name
        let manager = FileManager.default
        try? manager.removeItem(atPath: directory)
        try manager.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer {
            try? manager.removeItem(atPath: directory)
            try? manager.removeItem(atPath: directory + ".versions")
        }
        let start = Date()
        var lines = Data()
        for stage in chain {
            let assignment = Assignment(
                engine: kind.name, stage: stage, keys: plan.keys, keyLength: plan.keyLength,
                valueLength: plan.valueLength, round: round, directory: directory)
            let (isRight, measured) = try runChild(assignment)
            guard isRight else {
                failures += 1
                say("FAILED: \(kind.name), \(stage.rawValue), round \(round + 1)")
                return
            }
            lines += measured
        }
        // All or nothing: a run that is continued measures an interrupted chain from its beginning.
        mark.wall = Date().timeIntervalSince(start) * 1e9
        lines += try JSONEncoder().encode(mark) + Data([10])
        try output.write(contentsOf: lines)
        say(
            "round \(round + 1) of \(plan.rounds), \(plan.keys) x \(plan.valueLength) B,",
            "\(chain.last!.rawValue), \(kind.name): \(Int(mark.wall / 1e9)) s")
    }

    /// Whether the child ended as it should, and the lines that it wrote.
    private func runChild(_ assignment: Assignment) throws -> (Bool, Data) {
        let child = Process()
        child.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        let json = try JSONEncoder().encode(assignment)
        child.arguments = ["child", String(decoding: json, as: UTF8.self)]
        let pipe = Pipe()
        child.standardOutput = pipe
        try child.run()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        child.waitUntilExit()
        let isKilled = child.terminationReason == .uncaughtSignal
        let isRight =
            assignment.stage == .kill
            ? isKilled && child.terminationStatus == SIGKILL
            : !isKilled && child.terminationStatus == 0
        return (isRight, data)
    }

    private func write(_ line: Data) {
        try! output.write(contentsOf: line + Data([10]))
    }
}

extension Machine {
    static func current(directory: String, engines: [EngineKind]) -> Machine {
        func field(_ file: String, _ name: String) -> String {
            let text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
            let line = text.split(separator: "\n").first { $0.hasPrefix(name) } ?? ""
            return line.dropFirst(name.count).trimmingCharacters(
                in: CharacterSet(charactersIn: "\t :\""))
        }
        let kib = Int(field("/proc/meminfo", "MemTotal").split(separator: " ").first ?? "0") ?? 0
        let kernel =
            (try? String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8)) ?? ""
        var versions: [String: String] = [:]
        for kind in engines {
            guard let package = kind.package else { continue }
            versions[package] = output(["dpkg-query", "-W", "-f", "${Version}", package])
        }
        return Machine(
            machine: "Linux", processor: field("/proc/cpuinfo", "model name"),
            processors: ProcessInfo.processInfo.processorCount, memoryBytes: kib << 10,
            kernel: kernel.trimmingCharacters(in: .whitespacesAndNewlines),
            fileSystem: output(["findmnt", "-n", "-o", "FSTYPE", "-T", directory]),
            system: field("/etc/os-release", "PRETTY_NAME="), versions: versions,
            date: ISO8601DateFormatter().string(from: Date()))
    }

    private static func output(_ command: [String]) -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        let pipe = Pipe()
        process.standardOutput = pipe
        guard (try? process.run()) != nil else { return "unknown" }
        let data = (try? pipe.fileHandleForReading.readToEnd()) ?? nil
        process.waitUntilExit()
        return String(decoding: data ?? Data(), as: UTF8.self)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
