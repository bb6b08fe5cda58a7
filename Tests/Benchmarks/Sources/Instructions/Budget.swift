import Foundation

/// The budget: a line for each operation with the instructions that it may take.
struct Budget {
    private let file: String
    private var limits: [(name: String, count: Int)] = []
    /// What a count may be above its line: a compiler's or a library's next version differs by
    /// that.
    private static let slack = 1.05
    /// Counts are the difference of two runs, so that what happens once cancels out.
    private static let sizes = (20_000, 120_000)

    init(file: String) throws {
        self.file = file
        let text = try String(contentsOfFile: file, encoding: .utf8)
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let words = line.split(separator: " ")
            guard words.count == 2, let count = Int(words[1]) else {
                throw Failure("\(file): \(line)")
            }
            limits.append((String(words[0]), count))
        }
    }

    /// Counts and prints; whether everything is within its budget. An operation without a line is
    /// not.
    func check() throws -> Bool {
        let few = try count(Budget.sizes.0)
        let many = try count(Budget.sizes.1)
        var isRight = true
        print("instructions an operation, budget, ratio")
        for name in Work.names {
            let calls =
                Double(Budget.sizes.1 - Budget.sizes.0) / (Budget.halves.contains(name) ? 2 : 1)
            guard let low = few[name], let high = many[name] else {
                throw Failure("no count of \(name)")
            }
            let each = Double(high - low) / calls
            guard let limit = limits.first(where: { $0.name == name })?.count else {
                print("\(name) \(Int(each.rounded())): not in \(file)")
                isRight = false
                continue
            }
            let ratio = each / Double(limit)
            isRight = isRight && ratio <= Budget.slack
            print(
                name, Int(each.rounded()), limit, String(format: "%.3f", ratio),
                ratio > Budget.slack
                    ? "OVER BUDGET" : ratio < 2 - Budget.slack ? "lower the budget" : "")
        }
        return isRight
    }

    /// Done on half of the keys.
    private static let halves = ["delete", "scan"]

    /// All instructions of the process during each operation.
    private func count(_ keys: Int) throws -> [String: Int] {
        let directory = FileManager.default.temporaryDirectory.path + "/stave-budget-\(getpid())"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let child = Process()
        child.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        child.arguments =
            ["valgrind", "--tool=callgrind", "-q", "--callgrind-out-file=\(directory)/counts"]
            + Work.names.flatMap {
                ["--zero-before=budget_\($0)", "--dump-after=budget_\($0)"]
            } + ["/proc/\(getpid())/exe", "work", directory + "/store", "\(keys)"]
        // It complains about debugging information that it does not know.
        let complaints = Pipe()
        child.standardError = complaints
        try child.run()
        let text = try complaints.fileHandleForReading.readToEnd() ?? Data()
        child.waitUntilExit()
        guard child.terminationStatus == 0 else {
            throw Failure("valgrind failed: " + String(decoding: text, as: UTF8.self))
        }
        var counts: [String: Int] = [:]
        for part in try FileManager.default.contentsOfDirectory(atPath: directory)
        where part.hasPrefix("counts.") {
            let text = try String(contentsOfFile: directory + "/" + part, encoding: .utf8)
            var name: String?
            for line in text.split(separator: "\n") {
                if line.hasPrefix("desc: Trigger: --dump-after=budget_") {
                    name = String(line.dropFirst("desc: Trigger: --dump-after=budget_".count))
                } else if line.hasPrefix("totals: "), let name {
                    counts[name] = Int(line.dropFirst("totals: ".count))
                }
            }
        }
        return counts
    }
}

struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
