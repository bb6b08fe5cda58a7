import Foundation
import TestSupport
import Testing

@testable import Stave

/// Hours of a store's life in `make soak`; not part of a usual run.
@Suite(
    "A soak",
    .enabled(if: ProcessInfo.processInfo.environment["STAVE_SOAK_MINUTES"] != nil))
struct SoakTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// What a process holds on to.
    private struct Holdings: CustomStringConvertible {
        var anonymousKiB = 0
        var descriptors = 0
        var mappings = 0

        init(of process: Int32) throws {
            let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
            for line in status.split(separator: "\n") where line.hasPrefix("RssAnon:") {
                anonymousKiB = Int(line.filter(\.isNumber)) ?? 0
            }
            descriptors = try FileManager.default
                .contentsOfDirectory(atPath: "/proc/\(process)/fd").count
            let maps = try String(contentsOfFile: "/proc/\(process)/maps", encoding: .utf8)
            mappings = maps.split(separator: "\n").count
        }

        var description: String {
            "\(anonymousKiB) KiB of its own, \(descriptors) descriptors, \(mappings) mappings"
        }
    }

    /// A program that writes, and what its store must hold.
    private final class Writer {
        let path: String
        var child: PipedChild
        var model: [String: String] = [:]
        private(set) var writeCount = 0
        private var random: SeededRandom

        init(path: String, seed: UInt64) throws {
            self.path = path
            random = SeededRandom(seed: seed)
            child = try Self.start(path)
        }

        private static func start(_ path: String) throws -> PipedChild {
            try PipedChild([builtProduct("stave"), "--create", "--segment-size", "1M", path])
        }

        /// Writes, deletes and looks keys up; returns what was wrong.
        func batch(_ count: Int) -> String? {
            var script = ""
            var wanted = ""
            for _ in 0..<count {
                let key = "key\(Int.random(in: 0..<5000, using: &random))"
                switch Int.random(in: 0..<100, using: &random) {
                case 0..<60:
                    writeCount += 1
                    let size = Int.random(in: 0...400, using: &random)
                    let value = "\(writeCount)" + String(repeating: "v", count: size)
                    script += "set \(key) \(value)\n"
                    wanted += "OK\n"
                    model[key] = value
                case 60..<75:
                    script += "delete \(key)\n"
                    wanted += model.removeValue(forKey: key) == nil ? "0\n" : "1\n"
                default:
                    guard let value = model[key] else { continue }
                    script += "get \(key)\n"
                    wanted += value + "\n"
                }
            }
            child.send(script + "echo --fence--\n")
            guard child.waitForOutput("--fence--\n") else { return "ended: \(child.errors)" }
            let found = child.takeOutput()
            return found.elementsEqual((wanted + "--fence--\n").utf8) ? nil : "wrong answers"
        }

        /// Ends the program, by closing its input or not so kindly, and starts it again.
        func restart(killing: Bool) throws {
            if killing { child.signal(SIGKILL) }
            _ = child.finish()
            child = try Self.start(path)
        }
    }

    @Test("Answers right for as long as it lasts, and holds on to no more than at first")
    func soak() throws {
        let minutes =
            Double(
                ProcessInfo.processInfo.environment["STAVE_SOAK_MINUTES"] ?? "") ?? 30
        let seed = Seeds.some(1)[0]
        print("soak for \(minutes) minutes, STAVE_SEED=\(seed)")
        var random = SeededRandom(seed: seed)
        let steady = try Writer(path: folder.path("steady"), seed: seed)
        let killed = try Writer(path: folder.path("killed"), seed: seed + 1)
        let start = ContinuousClock.now
        var samples: [Holdings] = []
        var kills = 0, scans = 0, rounds = 0
        while ContinuousClock.now - start < .seconds(minutes * 60) {
            rounds += 1
            for writer in [steady, killed] {
                if let problem = writer.batch(2000) {
                    Issue.record("round \(rounds), \(writer.path): \(problem)")
                    return
                }
            }
            if rounds % 5 == 0 {
                for writer in [steady, killed] { try scan(writer) }
                scans += 2
            }
            if rounds % 7 == 0 {
                killed.child.send("compact\n")
                usleep(UInt32.random(in: 0...50_000, using: &random))
                try killed.restart(killing: random.chance(70))
                kills += 1
            }
            let share = (ContinuousClock.now - start) / .seconds(minutes * 60)
            if share * 10 > Double(samples.count) {
                samples.append(try Holdings(of: steady.child.processID))
                let count = steady.writeCount + killed.writeCount
                print("\(rounds) rounds, \(count) writes, \(kills) ends: \(samples.last!)")
            }
        }
        #expect(steady.child.finish() == 0)
        #expect(killed.child.finish() == 0)
        for writer in [steady, killed] {
            let store = try Store(path: writer.path)
            #expect(store.count == writer.model.count)
            #expect(store.notices == [])
        }
        let settled = samples[min(2, samples.count - 1)]
        let last = samples.last!
        #expect(last.anonymousKiB < settled.anonymousKiB * 3 / 2 + 8192)
        #expect(last.descriptors <= settled.descriptors + 2)
        #expect(last.mappings < settled.mappings * 2 + 64)
        print("\(scans) scans by other processes, all as they should be")
    }

    /// Another process reads all of it, beside the writer.
    private func scan(_ writer: Writer) throws {
        let found = try Store(path: writer.path, options: .reading).dictionary()
        let wanted = writer.model.map { (Array($0.key.utf8), Array($0.value.utf8)) }
        #expect(found == Dictionary(uniqueKeysWithValues: wanted))
    }
}
