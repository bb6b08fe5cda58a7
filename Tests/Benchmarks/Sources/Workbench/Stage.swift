import CFloor
import Foundation

/// The parts of a round, each with a store of its own and a process of its own, or several.
enum Stage: String, Codable, CaseIterable {
    /// fillseq.
    case sequential
    /// All that is done to one store after the other, from fillrandom to deleterandom.
    case points
    /// The store that `points` left: open after a clean close.
    case reopen
    /// fillrandom, ended by `kill -9`.
    case kill
    /// The store that `kill` left: open.
    case recover
    /// The same without hint files.
    case recoverWithoutHints
    /// fillsync.
    case sync

    /// Stages that a run is asked for, each with those that follow it on the same store.
    static let chains: [[Stage]] = [
        [.sequential], [.points, .reopen], [.kill, .recover], [.kill, .recoverWithoutHints],
        [.sync],
    ]

    func isPossible(_ features: EngineFeatures) -> Bool {
        switch self {
        case .sequential, .points: true
        case .reopen, .kill, .recover: features.contains(.reopens)
        case .recoverWithoutHints: features.contains(.hints)
        case .sync: features.contains(.durable)
        }
    }
}

extension Session {
    /// Does the assignment's stage.
    func work() throws {
        switch assignment.stage {
        case .sequential:
            sequence(.write, sortedNumbers())
            open()
            run("fillseq")
            verify()
            close()
        case .points: try points()
        case .reopen: try reopen()
        case .kill:
            open()
            fillRandom()
            run("fillrandom, killed")
            kill(getpid(), SIGKILL)
        case .recover: recover("open after kill -9")
        case .recoverWithoutHints:
            for name in try FileManager.default.subpathsOfDirectory(atPath: assignment.directory)
            where name.hasSuffix(".hint") || name.hasSuffix(".checkpoint") {
                try FileManager.default.removeItem(atPath: assignment.directory + "/" + name)
            }
            recover("open after kill -9, no hints")
        case .sync: syncs()
        }
    }

    func fillRandom() { sequence(.write, Operations.shuffled(n, seed: 1)) }

    /// Opens and reads one key: that is when a store is open.
    private func reopen() throws {
        let known = try Model(path: versionsPath)
        let first = known.versions.firstIndex { $0 != 0 } ?? 0
        measureOpen("open after a clean close", first)
        let wrong = known.verify(
            engine, keyLength: assignment.keyLength, valueLength: assignment.valueLength)
        require(wrong == 0, "\(wrong) keys have a wrong value after opening")
        close()
    }

    private func recover(_ workload: String) {
        measureOpen(workload, 0)
        fillRandom()
        model.apply(operations)
        verify()
        close()
    }

    private func measureOpen(_ workload: String, _ number: Int) {
        operations.removeAll()
        operations.append(.read, number)
        var check = newCheck()
        let before = Memory.anonymousBytes()
        let cost = Cost.measure {
            open()
            _ = engine.get(operations.key(0), &check)
        }
        require(check.found == 1 && check.wrong == 0, "\(workload): wrong answer")
        let bytes = Double(Memory.anonymousBytes() - before)
        report(workload, 1, cost, ["anonymousBytes": bytes])
    }

    var versionsPath: String { assignment.directory + ".versions" }

    /// Sets that wait for the disk: one by one, and sixteen sharing a wait.
    private func syncs() {
        let count = min(n, 256)
        open(isDurable: true)
        for (workload, group) in [("fillsync", 1), ("fillsync, 16 together", 16)] {
            sequence(.write, (0..<UInt32(count)).map { $0 })
            value.version = 1
            let cost = Cost.measure {
                for index in stride(from: 0, to: count - group + 1, by: group) {
                    engine.setDurably(
                        operations.keys(index..<index + group), count: group, &value)
                }
            }
            var check = newCheck()
            for index in 0..<count { _ = engine.get(operations.key(index), &check) }
            require(check.found >= count / 16 * 16 && check.wrong == 0, "\(workload): lost")
            report(workload, count, cost)
        }
        close()
    }
}

enum Memory {
    static func anonymousBytes() -> Int { Int(cfloor_anonymous_bytes()) }
}
