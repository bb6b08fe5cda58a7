internal import Stave

extension StoreStatistics {
    /// Writes that a power failure could take.
    var pendingWrites: Int { Int(nextSequence - min(durableSequence, nextSequence)) }

    /// One object with everything, for programs; sizes are bytes.
    var json: JSON {
        .object([
            ("path", .string(path)),
            ("readOnly", .bool(isReadOnly)),
            ("durability", isReadOnly ? .null : .string(durability.rawValue)),
            ("count", .number(count)),
            ("diskBytes", .number(diskBytes)),
            ("liveBytes", .number(liveBytes)),
            ("deadBytes", .number(deadBytes)),
            ("tombstoneBytes", .number(tombstoneBytes)),
            ("residentBytes", .number(residentBytes)),
            ("keydirBytes", .number(keydirBytes)),
            ("nextSequence", .unsigned(nextSequence)),
            ("durableSequence", .unsigned(durableSequence)),
            ("pendingWrites", isReadOnly ? .null : .number(pendingWrites)),
            ("compactionCount", .number(compactionCount)),
            ("copiedBytes", .number(copiedBytes)),
            ("freedBytes", .number(freedBytes)),
            ("lastCompaction", lastCompaction.map { .unsigned(UInt64($0)) } ?? .null),
            ("deadBytesToCompaction", deadBytesToCompaction.map { .number($0) } ?? .null),
            ("compactionAwaitsSegment", .bool(compactionAwaitsSegment)),
            ("compactionFailure", compactionFailure.map { .string($0) } ?? .null),
            ("threadFailure", threadFailure.map { .string($0) } ?? .null),
            ("writtenBytes", .number(writtenBytes)),
            ("spaceAmplification", spaceAmplification.map { .decimal($0) } ?? .null),
            ("writeAmplification", writeAmplification.map { .decimal($0) } ?? .null),
            ("segments", .array(segments.map(\.json))),
        ])
    }
}

extension StoreStatistics.Segment {
    fileprivate var json: JSON {
        .object([
            ("number", .unsigned(number)),
            ("sealed", .bool(isSealed)),
            ("bytes", .number(bytes)),
            ("liveBytes", .number(liveBytes)),
            ("deadBytes", .number(deadBytes)),
            ("tombstoneBytes", .number(tombstoneBytes)),
            ("residentBytes", .number(residentBytes)),
        ])
    }
}
