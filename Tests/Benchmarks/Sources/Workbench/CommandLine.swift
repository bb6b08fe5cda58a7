import Foundation

/// The command line of a benchmark program.
///
///     run [--keys N] [--key-length B] [--value B] [--rounds R] [--engines A,B] [--stages A,B]
///         [--directory DIR] [--results FILE]      without a file, only a table is printed
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
        let own = directory + "/stave-bench-\(getpid())"
        var plan = Plan(
            engines: engines, directory: own + "/stores",
            results: options.take("--results") ?? own + "/results.jsonl")
        if let keys = try options.takeNumber("--keys", from: 200) { plan.keys = keys }
        if let length = try options.takeNumber("--key-length", from: 16) { plan.keyLength = length }
        if let length = try options.takeNumber("--value", from: Value.minLength) {
            plan.valueLength = length
        }
        if let rounds = try options.takeNumber("--rounds", from: 1) { plan.rounds = rounds }
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
        try FileManager.default.createDirectory(
            atPath: plan.directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: own) }
        var runner = try Runner(plan)
        try runner.run()
        say(Tables(try Results(files: [plan.results]), engines).overview(plan))
        if runner.failures > 0 { throw UsageError(text: "\(runner.failures) stages failed") }
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

/// What a person must hear of before the program ends.
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

    mutating func takeNumber(_ name: String, from least: Int) throws -> Int? {
        guard let word = take(name) else { return nil }
        guard let number = Int(word), number >= least else {
            throw UsageError(text: "\(name) is a number from \(least) on, not \(word)")
        }
        return number
    }

    func end() throws {
        guard rest.isEmpty else { throw UsageError(text: "what is \(rest[0])?") }
    }
}

/// Prints a line at once, also into a pipe.
func say(_ words: String...) {
    FileHandle.standardOutput.write(Data((words.joined(separator: " ") + "\n").utf8))
}
