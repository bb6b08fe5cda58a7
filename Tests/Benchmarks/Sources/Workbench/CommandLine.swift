import Foundation

/// The command line of a benchmark program.
///
///     run [--keys N] [--key-length B] [--value B] [--rounds R] [--engines A,B] [--stages A,B]
///         [--directory DIR] [--results FILE]
///     report [--docs DIR] FILE...
///     child JSON      (what `run` starts)
public struct Program {
    private let engines: [EngineKind]

    /// `peers` are measured beside Stave and the floor.
    public init(peers: [EngineKind] = []) { engines = [.stave, .floor] + peers }

    public func main(_ arguments: [String] = Array(CommandLine.arguments.dropFirst())) {
        do {
            switch arguments.first {
            case "child": try work(arguments[1])
            case "report": try report(Array(arguments.dropFirst()))
            case "run": try run(Array(arguments.dropFirst()))
            default: fail("run, report or child?")
            }
        } catch {
            fail("\(error)")
        }
    }

    private func work(_ json: String) throws {
        let assignment = try JSONDecoder().decode(Assignment.self, from: Data(json.utf8))
        try Session(assignment, engines.first { $0.name == assignment.engine }!).work()
    }

    private func run(_ arguments: [String]) throws {
        var options = Options(arguments)
        let directory =
            options.take("--directory") ?? FileManager.default.temporaryDirectory.path
        var plan = Plan(
            engines: engines, directory: directory + "/stave-bench-\(getpid())",
            results: options.take("--results") ?? "benchmarks.jsonl")
        if let keys = options.take("--keys") { plan.keys = Int(keys)! }
        if let length = options.take("--key-length") { plan.keyLength = max(16, Int(length)!) }
        if let length = options.take("--value") { plan.valueLength = max(24, Int(length)!) }
        if let rounds = options.take("--rounds") { plan.rounds = Int(rounds)! }
        if let names = options.take("--engines")?.split(separator: ",") {
            plan.engines = try names.map { name in
                guard let kind = engines.first(where: { $0.name == name }) else {
                    throw UsageError(text: "no engine \(name)")
                }
                return kind
            }
        }
        if let names = options.take("--stages")?.split(separator: ",") {
            plan.stages = try names.map { name in
                guard let stage = Stage(rawValue: String(name)) else {
                    throw UsageError(text: "no stage \(name)")
                }
                return stage
            }
        }
        try options.end()
        var runner = try Runner(plan)
        try runner.run()
        try? FileManager.default.removeItem(atPath: plan.directory)
        let results = try Results(files: [plan.results])
        say(Tables(results, engines).overview(plan))
        if runner.failures > 0 { fail("\(runner.failures) stages failed") }
    }

    private func report(_ arguments: [String]) throws {
        var options = Options(arguments)
        let docs = options.take("--docs") ?? "docs"
        let results = try Results(files: options.rest)
        try Page(results, engines).write(to: docs)
    }

    private func fail(_ message: String) -> Never {
        FileHandle.standardError.write(Data((message + "\n").utf8))
        exit(1)
    }
}

struct UsageError: Error, CustomStringConvertible {
    var text: String
    var description: String { text }
}

/// `--name value` pairs and what is left.
private struct Options {
    private(set) var rest: [String]

    init(_ arguments: [String]) { rest = arguments }

    mutating func take(_ name: String) -> String? {
        guard let index = rest.firstIndex(of: name), index + 1 < rest.count else { return nil }
        defer { rest.removeSubrange(index...index + 1) }
        return rest[index + 1]
    }

    func end() throws {
        guard rest.isEmpty else { throw UsageError(text: "what is \(rest[0])?") }
    }
}

/// Prints a line at once, also into a pipe.
func say(_ words: String...) {
    FileHandle.standardOutput.write(Data((words.joined(separator: " ") + "\n").utf8))
}
