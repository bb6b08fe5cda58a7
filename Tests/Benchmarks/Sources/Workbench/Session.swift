import CFloor
import Foundation

/// What a child process is told to do: one stage of one engine in one round.
struct Assignment: Codable {
    var engine: String
    var stage: Stage
    var keys: Int
    var keyLength: Int
    var valueLength: Int
    var round: Int
    var directory: String
}

/// A child's work: the engine under test, the keys it is asked for, what it must answer.
final class Session {
    let assignment: Assignment
    let kind: EngineKind
    let operations: Operations
    let model: Model
    var value: Value
    private(set) var engine: (any Engine)!
    private let encoder = JSONEncoder()

    var n: Int { assignment.keys }
    /// Operations of a workload that does not go through all keys.
    var sample: Int { min(n, 1_000_000) }

    init(_ assignment: Assignment, _ kind: EngineKind) {
        self.assignment = assignment
        self.kind = kind
        operations = Operations(
            capacity: max(assignment.keys, 1024), keyLength: assignment.keyLength)
        // Two of the workloads insert, five in a hundred operations.
        model = Model(capacity: assignment.keys + assignment.keys / 8 + 1024)
        value = Value(length: assignment.valueLength)
        encoder.outputFormatting = [.sortedKeys]
    }

    /// Writes that a whole run of `points` makes, at most.
    private var writes: Int { n * 2 + sample * 6 + n / 2 + 100_000 }

    func open(isDurable: Bool = false) {
        engine = kind.open(
            EngineOptions(
                directory: assignment.directory, keyLength: assignment.keyLength,
                valueLength: assignment.valueLength, expectedKeys: n, expectedWrites: writes,
                isDurable: isDurable))
    }

    func close() {
        engine.close()
        engine = nil
    }

    /// Writes a line of results for `operations` operations that cost `cost` in all.
    func report(
        _ workload: String, _ operations: Int, _ cost: Cost, _ values: [String: Double]? = nil
    ) {
        let count = Double(max(operations, 1))
        let line = Measurement(
            engine: kind.name, keys: n, keyLength: assignment.keyLength,
            valueLength: assignment.valueLength, round: assignment.round, workload: workload,
            operations: operations, thread: cost.thread / count, process: cost.process / count,
            wall: cost.wall / count, values: values)
        FileHandle.standardOutput.write(try! encoder.encode(line) + Data([10]))
    }

    /// Performs `operations` and reports them. Every answer is checked.
    func run(_ workload: String, values: [String: Double]? = nil) {
        var (check, scans) = (newCheck(), newCheck())
        var wrong = 0
        var cost = Cost.measure { wrong = perform(&check, &scans) }
        cost.settle()
        model.apply(operations)
        var expected = 0
        for index in 0..<operations.count {
            let kind = Operation(rawValue: operations.kinds[index])!
            if kind == .readModifyWrite { expected += 1 }
            let isThere = Int(operations.numbers[index]) < model.end
            if kind == .read && isThere { expected += 1 }
        }
        require(
            wrong == 0 && check.wrong == 0 && scans.wrong == 0 && check.found == expected,
            "\(workload): \(wrong + check.wrong + scans.wrong) wrong answers, "
                + "\(check.found) values of \(expected)")
        report(workload, operations.count, cost, values)
    }

    /// Returns the deletions that found nothing.
    func perform(_ check: inout Check, _ scans: inout Check) -> Int {
        let engine = engine!
        let first = model.firstVersion
        var wrong = 0
        for index in 0..<operations.count {
            let key = operations.key(index)
            switch Operation(rawValue: operations.kinds[index]).unsafelyUnwrapped {
            case .read: _ = engine.get(key, &check)
            case .write:
                value.version = first + UInt64(index)
                engine.set(key, value.bytes(for: key))
            case .readModifyWrite:
                _ = engine.get(key, &check)
                value.version = first + UInt64(index)
                engine.set(key, value.bytes(for: key))
            case .delete: if !engine.delete(key) { wrong += 1 }
            case .scan:
                // Of 1 to 100 entries, as YCSB has it.
                let count = 1 + Int(Operations.word(index) % 100)
                engine.scan(from: key, count: count, &scans)
            }
        }
        return wrong
    }

    func newCheck() -> Check { Check(valueLength: assignment.valueLength) }

    /// A wrong answer is a failure of the benchmark.
    func require(_ isRight: Bool, _ message: @autoclosure () -> String) {
        guard !isRight else { return }
        FileHandle.standardError.write(Data("\(kind.name): \(message())\n".utf8))
        exit(1)
    }

    /// Every key is asked for and its whole value compared.
    func verify() {
        let wrong = model.verify(
            engine, keyLength: assignment.keyLength, valueLength: assignment.valueLength)
        require(wrong == 0, "\(wrong) keys of \(model.end) have a wrong value")
    }

    // MARK: Sequences

    func sequence(_ kind: Operation, _ numbers: some Sequence<UInt32>) {
        operations.removeAll()
        for number in numbers { operations.append(kind, Int(number)) }
    }

    /// A mixture: `kinds` by their share of a hundred.
    func mixture(
        _ count: Int, seed: UInt64, _ kinds: [(Operation, Int)],
        choose: (inout SplitMix, Operation) -> Int
    ) {
        var random = SplitMix(state: seed)
        operations.removeAll()
        for _ in 0..<count {
            var dice = random.next(below: 100)
            let kind = kinds.first {
                dice -= $0.1
                return dice < 0
            }!.0
            operations.append(kind, choose(&random, kind))
        }
    }

    /// Numbers 0 ..< n in the order of their keys.
    func sortedNumbers() -> [UInt32] {
        (0..<UInt32(n)).map { (Operations.word(Int($0)), $0) }.sorted { $0.0 < $1.0 }.map(\.1)
    }
}
