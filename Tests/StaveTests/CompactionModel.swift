import StaveDisk

@testable import Stave

/// A store of which only the sizes are real: it appends to segments, and rewrites them as the
/// store's own policy says, so that minutes of a store's work take milliseconds. No time passes: a
/// compaction takes as long as the writer needs for so many bytes.
struct CompactionModel {
    /// A segment, with the keys of its records in their order.
    final class Segment: CompactionCandidate {
        let id: Int32
        var end = SegmentHeader.byteCount
        var liveBytes = 0
        var tombstoneBytes = 0
        var isSealed = false
        var keepsCutBytes = false
        var isDamaged = false
        var keys: [Int32] = []

        init(id: Int32) { self.id = id }
    }

    /// The newest record of a key, and how many records of it there are.
    private struct Newest {
        var segment: Int32 = -1
        var isTombstone = false
        var length = 0
        var recordCount = 0
        /// The last compaction that looked at it.
        var round = 0
    }

    private struct Running {
        var inputs: [Segment]
        var copies: [(key: Int32, length: Int)]
        var inFlight: Int
        var bytesLeft: Double
    }

    let policy: CompactionPolicy
    let segmentSize: Int
    /// How many bytes are written while a compaction reads or writes one.
    let slowness: Double

    private(set) var segments: [Segment] = []
    /// By their ids.
    private var all: [Segment?] = []
    private var newest: [Newest]
    private var active: Segment?
    private var running: Running?
    private var round = 0
    private var untended = 0

    private(set) var writes = 0
    private(set) var copies = 0
    private(set) var writtenBytes = 0
    private(set) var copiedBytes = 0
    private(set) var compactions = 0
    /// Most bytes on disk above twice the live ones.
    private(set) var excess = Int.min
    /// What broke a rule, in words.
    private(set) var problems: [String] = []

    init(keys: Int, segmentSize: Int, slowness: Double, policy: CompactionPolicy) {
        self.policy = policy
        self.segmentSize = segmentSize
        self.slowness = slowness
        newest = Array(repeating: Newest(), count: keys)
    }

    /// What is done before does not count.
    mutating func startCounting() {
        (writes, copies, writtenBytes, copiedBytes, compactions) = (0, 0, 0, 0, 0)
        excess = .min
        note()
    }

    func isLive(_ key: Int) -> Bool { newest[key].segment >= 0 && !newest[key].isTombstone }

    // MARK: Writing

    mutating func set(_ key: Int, length: Int) {
        append(key, length: length, isTombstone: false)
    }

    mutating func remove(_ key: Int, length: Int) {
        if isLive(key) { append(key, length: length, isTombstone: true) }
    }

    private mutating func append(_ key: Int, length: Int, isTombstone: Bool) {
        if let full = active, full.end + length > segmentSize { seal(full) }
        let segment = active ?? begin()
        active = segment
        supersede(key)
        newest[key].segment = segment.id
        newest[key].isTombstone = isTombstone
        newest[key].length = length
        add(Int32(key), length, to: segment, isNewest: true)
        writes += 1
        writtenBytes += length
        untended += length
        if untended > min(1 << 20, segmentSize / 8) { tend() }
    }

    private mutating func begin() -> Segment {
        let segment = Segment(id: Int32(all.count))
        all.append(segment)
        segments.append(segment)
        return segment
    }

    private mutating func seal(_ segment: Segment) {
        segment.isSealed = true
        active = nil
    }

    private func supersede(_ key: Int) {
        let old = newest[key]
        guard old.segment >= 0, let segment = all[Int(old.segment)] else { return }
        if old.isTombstone {
            segment.tombstoneBytes -= old.length
        } else {
            segment.liveBytes -= old.length
        }
    }

    private mutating func add(_ key: Int32, _ length: Int, to segment: Segment, isNewest: Bool) {
        segment.keys.append(key)
        segment.end += length
        newest[Int(key)].recordCount += 1
        guard isNewest else { return }
        if newest[Int(key)].isTombstone {
            segment.tombstoneBytes += length
        } else {
            segment.liveBytes += length
        }
    }

    // MARK: The background

    /// What `Store.tend` and the thread that it wakes do.
    private mutating func tend() {
        running?.bytesLeft -= Double(untended)
        untended = 0
        note()
        for attempt in 0... {
            if running == nil, !begun() { return }
            note()
            let isHeldUp = SpaceUse(segments).isOverBound(
                policy, segmentSize: segmentSize, inFlight: running!.inFlight)
            guard isHeldUp || running!.bytesLeft <= 0 else { return }
            finish()
            if attempt == 1000 {
                problems.append("compactions without end")
                return
            }
        }
    }

    /// Begins the compaction that `Store.compactOnce` would; false where nothing is due.
    private mutating func begun() -> Bool {
        if let active, SpaceUse(segments).isWorthEnding(active, policy) { seal(active) }
        var inputs = segments.nextRewrite(policy, segmentSize: segmentSize)
        if inputs.isEmpty, SpaceUse(segments).isDue(policy), let idle = segmentWithIdleTombstones()
        {
            inputs = [idle]
        }
        guard !inputs.isEmpty else { return false }
        let taken = newestRecords(of: inputs)
        let read = inputs.reduce(0) { $0 + $1.end }
        let copied = taken.reduce(0) { $0 + $1.length }
        let freed = read - inputs.count * SegmentHeader.byteCount - copied
        if inputs.count < 8, freed < copied / 4 {
            problems.append("copies \(copied) bytes for \(freed)")
        }
        copies += taken.count
        copiedBytes += copied
        compactions += 1
        running = Running(
            inputs: inputs, copies: taken, inFlight: inputs.reduce(0) { $0 + $1.copiedBytes },
            bytesLeft: Double(read + copied) * slowness)
        return true
    }

    private mutating func segmentWithIdleTombstones() -> Segment? {
        for segment in segments.withTombstones {
            let copied = newestRecords(of: [segment]).reduce(0) { $0 + $1.length }
            if segment.isMostlyFreed(copying: copied) { return segment }
        }
        return nil
    }

    /// Without tombstones that no record elsewhere needs.
    private mutating func newestRecords(of inputs: [Segment]) -> [(key: Int32, length: Int)] {
        round += 1
        let ids = Set(inputs.map(\.id))
        for input in inputs {
            for key in input.keys { newest[Int(key)].recordCount -= 1 }
        }
        var taken: [(key: Int32, length: Int)] = []
        for input in inputs {
            for key in input.keys {
                let record = newest[Int(key)]
                guard record.round != round, ids.contains(record.segment) else { continue }
                newest[Int(key)].round = round
                if record.isTombstone, record.recordCount == 0 { continue }
                taken.append((key, record.length))
            }
        }
        for input in inputs {
            for key in input.keys { newest[Int(key)].recordCount += 1 }
        }
        return taken
    }

    /// Switches readers and removes the inputs. What was written meanwhile is newer than a copy.
    private mutating func finish() {
        guard let (inputs, copies) = running.map({ ($0.inputs, $0.copies) }) else { return }
        running = nil
        let ids = Set(inputs.map(\.id))
        for input in inputs {
            for key in input.keys { newest[Int(key)].recordCount -= 1 }
        }
        var output: Segment?
        for (key, length) in copies {
            if let full = output, full.end + length > segmentSize { output = nil }
            let segment = output ?? begin()
            segment.isSealed = true
            output = segment
            let isNewest = ids.contains(newest[Int(key)].segment)
            if isNewest { newest[Int(key)].segment = segment.id }
            add(key, length, to: segment, isNewest: isNewest)
        }
        // Tombstones that nothing needed.
        for input in inputs {
            for key in input.keys where ids.contains(newest[Int(key)].segment) {
                newest[Int(key)].segment = -1
            }
        }
        segments.removeAll { ids.contains($0.id) }
        for id in ids { all[Int(id)] = nil }
    }

    /// Notes how much is on disk, with what a compaction has written and what is reserved.
    private mutating func note() {
        var bytes = min(16 << 20, segmentSize / 16)
        var live = 0
        for segment in segments {
            bytes += segment.end - SegmentHeader.byteCount
            live += segment.liveBytes
        }
        if let running { bytes += running.copies.reduce(0) { $0 + $1.length } }
        excess = max(excess, bytes - 2 * live)
    }
}
