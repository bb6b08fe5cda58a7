/// When the background compacts. Sizes are bytes of records; hint files come on top, with 24 bytes and
/// the key for each key.
public struct CompactionPolicy: Sendable {
    /// Compact in the background, without being asked.
    public var isAutomatic = true
    /// Compaction starts when records take this many times the bytes of the live ones.
    public var startAmplification = 1.5
    /// Writers are held up while records take more than this many times the bytes of the live ones,
    /// and half a segment: the directory stays below it, with a segment in flight.
    public var maxAmplification = 2.0
    /// Fewer dead bytes than this are not worth a compaction.
    public var minDeadBytes = 4 << 20
    /// Bytes a second that a compaction in the background may copy; 0 is no limit.
    public var bytesPerSecond = 0

    public init() {}
}

/// How a store's records are spread, in bytes, at one moment.
struct SpaceUse {
    /// All records.
    var totalBytes = 0
    var liveBytes = 0
    var tombstoneBytes = 0

    var deadBytes: Int { totalBytes - liveBytes - tombstoneBytes }

    func isDue(_ policy: CompactionPolicy) -> Bool { deadBytes >= deadBytesToStart(policy) }

    /// Dead bytes at which a compaction starts.
    func deadBytesToStart(_ policy: CompactionPolicy) -> Int {
        max(policy.minDeadBytes, Int(Double(liveBytes) * (policy.startAmplification - 1)))
    }

    /// Half a segment is for what the writer appends meanwhile, half for what the compaction writes.
    func isOverBound(_ policy: CompactionPolicy, segmentSize: Int) -> Bool {
        let slack = segmentSize / 2 - min(32 << 20, segmentSize / 4) + policy.minDeadBytes
        return Double(totalBytes) > Double(liveBytes) * policy.maxAmplification + Double(slack)
    }
}

extension [Segment] {
    /// The segments to rewrite next: most gain for the cost first, with no more live bytes than half a
    /// segment, so that the space in flight is bounded. At least one where any holds dead records.
    func victims(segmentSize: Int) -> [Segment] {
        let candidates = filter { $0.deadBytes > 0 && !$0.keepsCutBytes && !$0.isDamaged }
            .sorted { $0.gainForCost > $1.gainForCost }
        var chosen: [Segment] = []
        var room = segmentSize / 2
        for segment in candidates {
            let cost = segment.liveBytes + segment.tombstoneBytes
            guard chosen.isEmpty || (cost <= room && segment.deadBytes * 8 > segment.end) else {
                continue
            }
            chosen.append(segment)
            room -= cost
        }
        return chosen
    }

    /// Small segments that would fit into few: they are merged when there are many.
    func smallOnes(segmentSize: Int) -> [Segment] {
        var chosen: [Segment] = []
        var room = segmentSize
        for segment in self.sorted(by: { $0.end < $1.end })
        where segment.end < segmentSize / 4 && segment.end <= room && !segment.keepsCutBytes
            && !segment.isDamaged
        {
            chosen.append(segment)
            room -= segment.end
        }
        return chosen.count >= 8 ? chosen : []
    }
}

extension Segment {
    fileprivate var gainForCost: Double {
        Double(deadBytes) / Double(liveBytes + tombstoneBytes + 4096)
    }
}
