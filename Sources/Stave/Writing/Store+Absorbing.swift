internal import StaveDisk

// Each process writes segments of its own, so that a segment's identity and length tell its bytes. A
// thousand processes that set one key each would leave a thousand segments: the first write of a process
// takes the records of small ones along into its new segment.

extension Store {
    /// A live record that was copied into the new segment.
    @safe struct Move {
        var slot: Keydir.Slot
        var hash: UInt64
        var location: Location
    }

    /// Segments of up to this many bytes are copied, as long as all together have fewer than the limit.
    private var smallBytes: Int { min(64 << 10, options.segmentSize / 4) }
    private static let absorbLimit = 1 << 20

    /// Sealed segments that the next one takes the records of, oldest first: the newest ones, while each
    /// is at most twice as large as all behind it, so that a record is copied few times. Under the writer
    /// lock.
    ///
    /// None while other segments wait to be sealed: a record may be left out because a newer one is durable.
    /// And none that the keydir's checkpoint names, so that it stays of use.
    func segmentsToAbsorb() -> [Segment] {
        guard writer.full.isEmpty else { return [] }
        var chosen: [Segment] = []
        var bytes = 0
        for segment in table.visibleSegments.sorted(by: { $0.number > $1.number }) {
            guard isAbsorbable(segment), segment.end <= max(smallBytes, 2 * bytes),
                bytes + segment.end <= min(Self.absorbLimit, options.segmentSize),
                // In the order of their numbers, as a log is.
                segment.sequences?.upperBound ?? 0 < chosen.last?.sequences?.lowerBound ?? .max
            else { break }
            chosen.append(segment)
            bytes += segment.end
        }
        return chosen.reversed()
    }

    private func isAbsorbable(_ segment: Segment) -> Bool {
        guard segment.isSealed, segment.isLog, !segment.keepsCutBytes, !segment.isDamaged,
            keydir.saved?.segments[segment.number] == nil
        else { return false }
        guard case .whole = segment.verify(from: SegmentHeader.byteCount, upTo: segment.end) else {
            return false
        }
        return true
    }

    /// Copies live records and tombstones. Under the writer lock; the keydir is pointed at them by
    /// `retire`, when MANIFEST names the new segment.
    func absorb(
        _ segments: [Segment], into appender: Appender
    ) throws(StoreError) -> [Move] {
        if !segments.isEmpty { settleAll() }
        var moves: [Move] = []
        for segment in segments {
            var offset = SegmentHeader.byteCount
            while offset < segment.end {
                let record = segment.record(at: offset, upTo: segment.end)
                guard record.headerChecksOut(), let header = record.header else {
                    throw segment.damaged(at: offset, length: 0, "it was whole a moment ago")
                }
                try absorb(record, header, of: segment, into: appender, &moves)
                offset += header.recordLength
            }
        }
        return moves
    }

    private func absorb(
        _ record: RecordPointer, _ header: RecordHeader, of segment: Segment,
        into appender: Appender, _ moves: inout [Move]
    ) throws(StoreError) {
        let hash = unsafe Checksum.hash(record.key.bytes, seed: hashSeed)
        var slot: Keydir.Slot?
        var value = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        if header.isValue {
            let location = Location(slot: segment.slot, offset: record.offset)
            unsafe slot = try keydir.slot(hash, at: location)
            guard unsafe slot != nil else { return }
            guard let whole = unsafe record.value(isVerified: true) else {
                throw segment.damaged(
                    at: record.offset, length: header.recordLength, "it was whole a moment ago")
            }
            unsafe value = unsafe whole
        }
        let binding = Checksum.binding(identity: segment.identity, offset: record.offset)
        let offset = unsafe try appender.append(
            header, key: record.key.bytes, value: value.bytes,
            unboundValueChecksum: header.valueChecksum ^ UInt32(truncatingIfNeeded: binding))
        let copy = appender.segment
        copy.note(sequence: header.sequence)
        guard let slot = unsafe slot else {
            copy.tombstoneBytes += header.recordLength
            return
        }
        copy.liveBytes += header.recordLength
        unsafe moves.append(
            Move(slot: slot, hash: hash, location: Location(slot: copy.slot, offset: offset)))
    }

    /// Points the keydir at the copies and removes the segments, which MANIFEST does not name any more.
    /// Under the writer lock.
    func retire(_ segments: [Segment], _ moves: [Move]) {
        for move in moves {
            unsafe keydir.replace(move.slot, hash: move.hash, with: move.location)
        }
        for segment in segments {
            // What cannot be removed now is a leftover that the next process removes.
            try? log.directory.remove(FileName.segment(segment.number).name)
            try? log.directory.remove(FileName.hint(segment.number).name)
            table.hide(segment)
            writer.limbo.retire { [table] in table.remove(segment) }
        }
        if !segments.isEmpty { writer.limbo.collect(for: path) }
    }
}
