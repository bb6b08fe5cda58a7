import Foundation
import StaveDisk
import TestSupport

@testable import Stave

struct ScheduleFailure: Error, CustomStringConvertible {
    var description: String
}

/// One schedule: a store, the dictionary that it must agree with, and what is going on in it.
final class Schedule {
    private struct Scan {
        var cursor: EntryCursor
        /// What it must still show.
        var rest: ArraySlice<(key: [UInt8], value: [UInt8])>
    }

    private struct Past {
        var snapshot: Snapshot
        var model: [[UInt8]: [UInt8]]
    }

    /// What was done, a line each.
    private(set) var trace: [String] = []
    private var random: SeededRandom
    private let path: String
    /// Whether each close saves the keydir, or none.
    private let savesKeydir: Bool
    private let keys: [[UInt8]]
    private var model: [[UInt8]: [UInt8]] = [:]
    private var store: Store
    private var compaction: Compaction?
    private var scans: [Scan] = []
    private var pasts: [Past] = []
    private var copies = 0
    private var versions = 0

    init(seed: UInt64, path: String) throws {
        random = SeededRandom(seed: seed)
        self.path = path
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false)
        let count = Int.random(in: 2...7, using: &random)
        savesKeydir = random.chance(8)
        keys = (0..<count).map { Array("k\($0)".utf8) }
        store = try Self.open(path + "/0", savesKeydir)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// A store whose background does nothing.
    private static func open(_ path: String, _ savesKeydir: Bool) throws -> Store {
        var options = StoreOptions.small()
        if savesKeydir { options.checkpointEntries = 0 }
        options.compaction.isAutomatic = false
        let store = try Store(path: path, options: options)
        store.worker.stop()
        store.compactor.thread.stop()
        return store
    }

    func run() throws {
        for step in 0..<Int.random(in: 5...30, using: &random) {
            try operate()
            store.log.checkInvariants()
            store.compactor.checkInvariants()
            // It looks at every slot, and drains the queue: seldom.
            if step % 16 == 15 { try store.index.checkInvariants() }
        }
        try endCompaction()
        for _ in pasts { try readSnapshot() }
        try checkAll(store)
        try checkInvariants()
        try reopen()
        try checkInvariants()
    }

    private func operate() throws {
        // A running compaction gets about half of what is done.
        if compaction != nil, random.chance(50) { return try operateCompaction() }
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<25: try set()
        case 25..<30: try writeBatch()
        case 30..<44: try remove()
        case 44..<47: try get()
        case 47..<50: try getMany()
        case 50..<58: try openScan()
        case 58..<62: try continueScan()
        case 62..<63: try takeSnapshot()
        case 63..<64: try readSnapshot()
        case 64..<67: try endActive()
        case 67..<79: try seal()
        case 79..<93: beginCompaction()
        case 93..<95: try reopen()
        case 95..<96: try readBeside()
        default: try crash()
        }
    }

    private func expect(_ isTrue: Bool, _ text: @autoclosure () -> String) throws {
        if !isTrue { throw ScheduleFailure(description: text()) }
    }

    // MARK: Operations

    private func key() -> [UInt8] { keys.randomElement(using: &random)! }

    private func value() -> [UInt8] {
        versions += 1
        let count = Int.random(in: 0...(random.chance(12) ? 3000 : 60), using: &random)
        return Array("\(versions)".utf8) + [UInt8](repeating: 46, count: count)
    }

    private func set() throws { try set(key()) }

    private func set(_ key: [UInt8]) throws {
        let value = value()
        trace.append("set \(name(key)) \(versions), \(value.count) bytes")
        try store.set(value, forKey: key)
        model[key] = value
    }

    /// Some sets and removals as one, sometimes with another writer's set before they are made.
    private func writeBatch() throws {
        var batch = store.makeBatch()
        var next = model
        var changes: [(key: [UInt8], value: [UInt8]?)] = []
        for _ in 0..<Int.random(in: 1...5, using: &random) {
            let (key, isRemoval) = (key(), random.chance(30))
            let value = isRemoval ? nil : value()
            if let value {
                try batch.set(value, forKey: key)
            } else {
                let wasThere = try batch.removeValue(forKey: key)
                try expect(wasThere == (next[key] != nil), "wrong answer of a batch's remove")
            }
            next[key] = value
            changes.append((key, value))
        }
        let texts = changes.map { name($0.key) + ($0.value == nil ? " removed" : "") }
        trace.append("batch of \(texts)")
        let other = random.chance(20) ? key() : nil
        if let other { try set(other) }
        let isRead = batch.reads.contains { $0.key == other }
        try expect(try store.commit(batch) == !isRead, "a batch is made on what has changed")
        if !isRead { for change in changes { model[change.key] = change.value } }
    }

    private func remove() throws {
        let key = key()
        trace.append("remove \(name(key))")
        let wasThere = try store.removeValue(forKey: key)
        try expect(wasThere == (model.removeValue(forKey: key) != nil), "wrong answer of remove")
    }

    private func get() throws {
        let key = key()
        trace.append("get \(name(key))")
        try expect(try store.value(forKey: key) == model[key], "wrong value of \(name(key))")
        try expect(
            try store.contains(key: key) == (model[key] != nil), "wrong contains \(name(key))")
    }

    private func getMany() throws {
        trace.append("batched get")
        try expect(
            try store.values(forKeys: keys) == keys.map { model[$0] }, "wrong batched values")
    }

    private func openScan() throws {
        let direction: KeyDirection = random.chance(60) ? .ascending : .descending
        let from = random.chance(20) ? key() : nil
        trace.append("open scan \(scans.count), \(direction), from \(from.map(name) ?? "-")")
        var rest = entries.filter { from == nil || !$0.key.lexicographicallyPrecedes(from!) }
        if direction == .descending { rest.reverse() }
        let cursor = try store.entries(in: KeyRange(from: from, to: nil), direction: direction)
        scans.append(Scan(cursor: cursor, rest: rest[...]))
    }

    private func continueScan() throws {
        guard let index = scans.indices.randomElement(using: &random) else { return }
        trace.append("continue scan \(index)")
        for _ in 0..<Int.random(in: 1...3, using: &random) { try step(&scans[index]) }
    }

    private func step(_ scan: inout Scan) throws {
        let found = try scan.cursor.next()
        let wanted = scan.rest.popFirst()
        try expect(
            found?.key == wanted?.key && found?.value == wanted?.value,
            "a scan shows \(text(found)) instead of \(text(wanted))")
    }

    private func takeSnapshot() throws {
        trace.append("take snapshot \(pasts.count)")
        pasts.append(Past(snapshot: try store.snapshot(), model: model))
    }

    /// Look-ups and a scan of how it was.
    private func readSnapshot() throws {
        guard let index = pasts.indices.randomElement(using: &random) else { return }
        trace.append("read snapshot \(index)")
        let past = pasts[index]
        try expect(past.snapshot.count == past.model.count, "a snapshot has another count")
        for key in keys {
            try expect(
                try past.snapshot.value(forKey: key) == past.model[key],
                "a snapshot shows a wrong value of \(name(key))")
        }
        var cursor = try past.snapshot.entries()
        for key in keys {
            guard let value = past.model[key] else { continue }
            let found = try cursor.next()
            try expect(
                found?.key == key && found?.value == value,
                "a snapshot's scan shows \(text(found)) instead of \(text((key, value)))")
        }
        try expect(try cursor.next() == nil, "a snapshot's scan shows more than there was")
    }

    private func endActive() throws {
        trace.append("end the active segment")
        try store.index.withLock { try store.log.endActiveSegment() }
    }

    private func seal() throws {
        try endActive()
        trace.append("seal")
        try store.log.sealFull()
    }

    // MARK: Compaction

    private func beginCompaction() {
        guard compaction == nil else { return }
        let sealed = store.log.table.visibleSegments.filter { $0.isSealed && !$0.keepsCutBytes }
        let inputs = sealed.filter { _ in random.chance(60) }
        guard !inputs.isEmpty else { return }
        let others = sealed.filter { segment in !inputs.contains { $0 === segment } }
        trace.append("compact \(inputs.map(\.number)), not \(others.map(\.number))")
        let size = Compaction.StepSize(verifiedBytes: 1 << 10, copiedBytes: 1, switchedEntries: 1)
        compaction = Compaction(of: inputs, others: others, in: store.compactor, stepSize: size)
    }

    private func operateCompaction() throws {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<70:
            for _ in 0..<Int.random(in: 1...6, using: &random) { try stepCompaction() }
        case 70..<80: try readWhileCompacting()
        case 80..<85: try compactWithCrashes()
        case 85..<90: try crash()
        case 90..<95: try endCompaction()
        default: cancel()
        }
    }

    private func stepCompaction() throws {
        guard let compaction else { return }
        trace.append("step: \(compaction.phase)")
        if try !compaction.step() { self.compaction = nil }
    }

    private func endCompaction() throws {
        while compaction != nil { try stepCompaction() }
    }

    private func cancel() {
        guard let compaction, compaction.isCancellable else { return }
        trace.append("cancel in \(compaction.phase)")
        compaction.abandon(.cancelled)
        self.compaction = nil
    }

    /// A reader looks at a value where it lies while the compaction goes on under it, and writes
    /// after.
    private func readWhileCompacting() throws {
        let key = key()
        trace.append("read \(name(key)), and meanwhile:")
        var failure: (any Error)?
        let value = unsafe try store.withValue(forKey: key.span.bytes) { value in
            do {
                for _ in 0..<Int.random(in: 1...20, using: &random) { try stepCompaction() }
                if random.chance(50) { try seal() }
                for _ in 0..<2 { try set() }
            } catch {
                failure = error
            }
            return unsafe value.withUnsafeBytes { unsafe Array($0) }
        }
        if let failure { throw failure }
        guard let value else { return try expect(model[key] == nil, "\(name(key)) is gone") }
        let isKnown = value.first.map { $0 >= 48 && $0 < 58 } ?? false
        try expect(isKnown, "the value of \(name(key)) changed under its reader")
    }

    /// To the end, with a crash before each step that the store itself does not notice.
    private func compactWithCrashes() throws {
        while compaction != nil {
            let copy = try copy()
            let opened = try Self.open(copy, savesKeydir)
            try checkAll(opened)
            try opened.close()
            try FileManager.default.removeItem(atPath: copy)
            try stepCompaction()
        }
    }

    // MARK: The end of a process

    private func reopen() throws {
        cancel()
        try endCompaction()
        trace.append("reopen")
        pasts = []
        try store.close()
        store = try Self.open(store.path, savesKeydir)
        try expect(store.notices == [], "notices: \(store.notices)")
        try checkAll(store)
    }

    private func readBeside() throws {
        trace.append("open read-only beside the writer")
        let reader = try Store(path: store.path, options: .reading)
        try expect(reader.notices == [], "notices: \(reader.notices)")
        try checkAll(reader)
    }

    private func copy() throws -> String {
        copies += 1
        let copy = "\(path)/\(copies)"
        try StoreFolder.copy(store.path, to: copy)
        return copy
    }

    /// As kill -9 leaves the directory. Sometimes hints were lost, or put in another one's place.
    private func crash() throws {
        trace.append("crash")
        let copy = try copy()
        var isWhole = true
        if case .retiring? = compaction?.phase, let inputs = compaction?.inputs {
            // In the middle of this step.
            for input in inputs where random.chance(50) {
                try StoreFolder.remove(copy, FileName.segment(input.number).name)
            }
        }
        if random.chance(25) {
            isWhole = false
            try disturbHints(copy)
        }
        let sequence = try store.statistics().nextSequence
        (compaction, scans, pasts) = (nil, [], [])
        store = try Self.open(copy, savesKeydir)
        try expect(!isWhole || store.notices == [], "notices: \(store.notices)")
        store.compactor.unlessRunning { store.log.writeMissingHints() }
        try expect(
            try store.statistics().nextSequence >= sequence, "sequence numbers are used again")
        try checkAll(store)
    }

    private func disturbHints(_ path: String) throws {
        let hints = try StoreFolder.hints(path)
        guard let one = hints.randomElement(using: &random),
            let other = hints.randomElement(using: &random)
        else { return }
        let bytes = try StoreFolder.bytes(path, other)
        try StoreFolder.remove(path, one)
        trace.append(one == other ? "without \(one)" : "with \(other) as \(one)")
        if one != other { try StoreFolder.write(bytes, path, one) }
    }

    // MARK: Checks

    private var entries: [(key: [UInt8], value: [UInt8])] {
        keys.compactMap { key in model[key].map { (key, $0) } }
    }

    private func checkAll(_ store: Store) throws {
        let found = try store.allEntries(), wanted = entries
        try expect(
            found.map(\.key) == wanted.map(\.key) && found.map(\.value) == wanted.map(\.value),
            "a scan shows \(found.map(text)) instead of \(wanted.map(text))")
        for key in keys {
            let value = try store.value(forKey: key)
            try expect(value == model[key], "wrong value of \(name(key))")
        }
        try expect(store.count == wanted.count, "\(store.count) keys, not \(wanted.count)")
    }

    /// While nothing is half done.
    private func checkInvariants() throws {
        for index in scans.indices {
            while !scans[index].rest.isEmpty { try step(&scans[index]) }
            try step(&scans[index])
        }
        scans = []
        try store.checkInvariants()
        let statistics = try store.statistics()
        let live = entries.reduce(0) {
            $0 + RecordHeader.recordLength(key: $1.key.count, value: $1.value.count)
        }
        try expect(statistics.liveBytes == live, "\(statistics.liveBytes) live, not \(live)")
        for segment in store.log.table.visibleSegments {
            try expect(segment.deadBytes >= 0, "\(segment.number) has too many live bytes")
        }
        try store.log.clearLeftovers()
        let names = try StoreFolder.names(store.path)
        let named = try StoreFolder.manifest(store.path).segments
        try expect(
            names.filter { $0.hasSuffix(".segment") }
                == named.map { FileName.segment($0.number).name }.sorted(),
            "MANIFEST does not name \(names)")
        let sealed = Set(named.filter { $0.extent != nil }.map { FileName.hint($0.number).name })
        let isClean = names.allSatisfy {
            !$0.hasSuffix(".tmp") && (!$0.hasSuffix(".hint") || sealed.contains($0))
        }
        try expect(isClean, "leftovers among \(names)")
    }

    private func name(_ key: [UInt8]) -> String { String(decoding: key, as: UTF8.self) }

    private func text(_ entry: (key: [UInt8], value: [UInt8])?) -> String {
        guard let entry else { return "nothing" }
        return "\(name(entry.key)) = \(String(decoding: entry.value.prefix(6), as: UTF8.self))"
    }
}
