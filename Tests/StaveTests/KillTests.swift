import Foundation
import TestSupport
import Testing

@testable import Stave

/// SIGKILL to the real program, at any moment of its life, on one store that lives through all of
/// them.
@Suite("SIGKILL")
struct KillTests {
    private typealias State = [[UInt8]: [UInt8]]

    /// A hundred in a usual run; `make torture` asks for thousands.
    private static let killCount =
        ProcessInfo.processInfo.environment["STAVE_KILLS"].flatMap { Int($0) } ?? 100
    private static let secondsLimit =
        ProcessInfo.processInfo.environment["STAVE_SECONDS"].flatMap { Double($0) } ?? 300

    private enum Moment: String, CaseIterable {
        case opening, writing, sealing, compacting, closing
    }

    private let folder: TemporaryFolder
    private let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.path("store")
    }

    @Test("Takes nothing that was acknowledged, whenever it comes", arguments: Seeds.some(1))
    func everywhere(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var base: State = [:]
        var kills: [Moment: Int] = [:]
        var acknowledgedCount = 0
        let began = ContinuousClock.now
        for round in 0..<Self.killCount
        where ContinuousClock.now - began < .seconds(Self.secondsLimit) {
            let moment = Moment.allCases.randomElement(using: &random)!
            let steps = steps(from: base, .random(400, keys: 25, seed: random.next()), &random)
            let child = try start(moment, &random)
            let sent = drive(child, moment, steps.map(\.line), &random)
            child.signal(SIGKILL)
            let status = child.finish()
            if status == 128 + SIGKILL { kills[moment, default: 0] += 1 }
            let acknowledged = child.output.split(separator: UInt8(ascii: "\n")).count {
                $0.elementsEqual("OK".utf8) || $0.elementsEqual("1".utf8)
            }
            acknowledgedCount += acknowledged
            let states = [base] + steps.prefix(sent).map(\.state)
            // Half of the time the next process, and not this one, finds what the kill left.
            let options = random.chance(50) ? StoreOptions.reading : .small()
            // The first ones may be killed before there is a store.
            let isThere = FileManager.default.fileExists(atPath: path + "/MANIFEST")
            if !isThere, acknowledgedCount == 0 { continue }
            let store = try Store(path: path, options: options)
            let found = try store.dictionary()
            let fits = states[acknowledged...].contains(found)
            try #require(
                fits,
                "STAVE_SEED=\(seed), round \(round), \(moment), \(acknowledged) acknowledged")
            #expect(options.access == .readOnly || !store.isReadOnly)
            base = found
            try store.close()
        }
        #expect(kills.values.reduce(0, +) > Self.killCount / 4)
        let text = kills.map { "\($0.key) \($0.value)" }.sorted().joined(separator: ", ")
        print("kills: \(text); \(acknowledgedCount) acknowledged, STAVE_SEED=\(seed)")
    }

    /// So many keys that each close saves the keydir. The kill comes once the program has begun to
    /// write the file.
    @Test("Takes nothing while the keydir is saved either", arguments: Seeds.some(1))
    func savingKeydir(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var bulk: State = [:]
        var base: State = [:]
        let store = try Store(path: path, options: .small(1 << 20))
        for number in 0..<17_000 {
            let key = Array("bulk \(number)".utf8)
            bulk[key] = Array("\(number)".utf8)
            try store.set(bulk[key]!, forKey: key)
        }
        try store.close()
        let rounds = max(10, Self.killCount / 10)
        var halfSaved = 0
        let began = ContinuousClock.now
        for round in 0..<rounds
        where ContinuousClock.now - began < .seconds(Self.secondsLimit) {
            let history = History.random(60, keys: 25, seed: random.next())
            let isSaved = { unsafe access(path + "/keydir.checkpoint", F_OK) == 0 }
            if isSaved() { try StoreFolder.remove(path, "keydir.checkpoint") }
            let child = try start(.closing, &random)
            child.send(lines(of: history, 0..<60) + "compact\necho fence\n")
            _ = child.waitForOutput("fence\n")
            child.closeInput()
            let isBegun = { unsafe access(path + "/keydir.checkpoint.tmp", F_OK) == 0 }
            var looks = 0
            while !isBegun(), !isSaved(), looks < 1_000_000 { looks += 1 }
            if random.chance(50) { usleep(UInt32.random(in: 0...1000, using: &random)) }
            child.signal(SIGKILL)
            _ = child.finish()
            if isBegun() { halfSaved += 1 }
            let store = try Store(path: path, options: random.chance(50) ? .reading : .small())
            let found = try store.dictionary()
            let isBulk = { (key: [UInt8]) in key.starts(with: "bulk".utf8) }
            #expect(found.filter { isBulk($0.key) } == bulk, "STAVE_SEED=\(seed), round \(round)")
            base = states(from: base, history.writes[...]).last!
            try #require(
                found.filter { !isBulk($0.key) } == base, "STAVE_SEED=\(seed), round \(round)")
            #expect(try store.gets(Array(base.keys)) == base)
            #expect(!store.notices.contains { $0.contains("damaged") })
            try store.close()
        }
        #expect(halfSaved > 0 || rounds < 100)
        print("\(rounds) rounds, \(halfSaved) with half a keydir, STAVE_SEED=\(seed)")
    }

    private func lines(of history: History, _ range: Range<Int>) -> String {
        history.writes[range].map { Self.line($0) }.joined()
    }

    private static func line(_ write: (key: String, value: String?)) -> String {
        (write.value.map { "set '\(write.key)' '\($0)'" } ?? "delete '\(write.key)'") + "\n"
    }

    /// The lines of a script that makes the writes, some of them in batches, and what the store
    /// holds once each line is answered.
    private func steps(
        from base: State, _ history: History, _ random: inout SeededRandom
    ) -> [(line: String, state: State)] {
        var steps: [(line: String, state: State)] = []
        var (made, next, left) = (base, base, 0)
        for write in history.writes {
            if left == 0, random.chance(10) {
                left = Int.random(in: 1...12, using: &random)
                steps.append(("begin\n", made))
            }
            next[Array(write.key.utf8)] = write.value.map { Array($0.utf8) }
            if left == 0 { made = next }
            steps.append((Self.line(write), made))
            if left == 1 {
                made = next
                steps.append(("commit\n", made))
            }
            left = max(0, left - 1)
        }
        return steps
    }

    private func start(_ moment: Moment, _ random: inout SeededRandom) throws -> PipedChild {
        let durability = ["always", "interval", "os"].randomElement(using: &random)!
        let size = moment == .sealing ? "4K" : "64K"
        return try PipedChild([
            builtProduct("stave"), "--create", "--segment-size", size, "--durability", durability,
            path,
        ])
    }

    /// Brings the child to its moment. Returns how many lines it was given.
    private func drive(
        _ child: PipedChild, _ moment: Moment, _ script: [String], _ random: inout SeededRandom
    ) -> Int {
        func lines(_ range: Range<Int>) -> String { script[range].joined() }
        func wait(_ microseconds: UInt32) {
            usleep(UInt32.random(in: 0...microseconds, using: &random))
        }
        let fence = Int.random(in: 1...200, using: &random)
        switch moment {
        case .opening:
            wait(8000)
            return 0
        case .writing, .sealing:
            child.send(lines(0..<fence) + "echo fence\n")
            _ = child.waitForOutput("fence\n")
            child.send(lines(fence..<script.count))
            wait(4000)
            return script.count
        case .compacting:
            child.send(lines(0..<fence) + "echo fence\ncompact\n" + lines(fence..<script.count))
            _ = child.waitForOutput("fence\n")
            wait(12000)
            return script.count
        case .closing:
            child.send(lines(0..<fence) + "echo fence\n")
            _ = child.waitForOutput("fence\n")
            child.closeInput()
            wait(6000)
            return fence
        }
    }

    /// What each number of writes would have left.
    private func states(
        from base: State, _ writes: ArraySlice<(key: String, value: String?)>
    ) -> [State] {
        var states = [base]
        for write in writes {
            var next = states.last!
            next[Array(write.key.utf8)] = write.value.map { Array($0.utf8) }
            states.append(next)
        }
        return states
    }
}
