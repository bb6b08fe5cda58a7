internal import StaveDisk

// What is known of a segment's keys: its hint, its sorted entries.

extension Log {
    /// The segment's entries sorted by key, up to `end`.
    func sortedRun(of segment: Segment, upTo end: Int) -> SortedRun {
        _ = hint(of: segment)
        return segment.sortedRun(upTo: end)
    }

    /// The same in a few runs, which costs less for a segment that has grown.
    func sortedRuns(of segment: Segment, upTo end: Int) -> [SortedRun] {
        _ = hint(of: segment)
        return segment.sortedRuns(upTo: end)
    }

    /// The segment's hint, if it has one: read now where that was not needed before. One that does
    /// not check out is made again from the segment, unless that is damaged too.
    func hint(of segment: Segment) -> HintImage? {
        if let hint = segment.hint { return hint }
        guard segment.mayHaveHint else { return nil }
        do throws(HintFile.Problem) {
            if let hint = try HintFile.read(of: segment, in: directory) { segment.remember(hint) }
        } catch {
            guard segment.sortedRun(upTo: segment.end).unreadable.isEmpty else { return nil }
            if readOnlyReason == nil { try? writeHint(of: segment) }
            events.tell(.hintRebuilt(file: error.file, reason: error.reason))
        }
        return segment.hint
    }

    /// Makes the segment's hint again where it is not what was checked when it was read.
    func refreshHint(of segment: Segment) {
        guard let hint = hint(of: segment), !hint.isUnchanged else { return }
        segment.forgetRuns()
        if readOnlyReason == nil { try? writeHint(of: segment) }
        let file = directory.path(of: FileName.hint(segment.number).name)
        events.tell(.hintRebuilt(file: file, reason: "it changed while it was in use"))
    }

    /// Writes a sealed segment's hint file and reads through it from now on.
    func writeHint(of segment: Segment) throws(FileError) {
        let hint: HintImage
        if segment.hasRuns {
            // A scan sorted most of the entries already.
            let entries = segment.sortedRun(upTo: segment.end)
            // A hint would hide what it cannot name; without one, the next open finds the damage.
            guard entries.unreadable.isEmpty else { return }
            hint = try entries.image.write(ofSegment: segment.number, in: directory)
        } else {
            let (records, unreadable) = segment.readRecords(SegmentHeader.byteCount..<segment.end)
            guard unreadable.isEmpty else { return }
            // SAFETY: the segment stays mapped, and the records lie below its end.
            hint = unsafe try records.writeHint(
                ofSegment: segment.number, segment.bytes(upTo: segment.end),
                identity: segment.identity, segmentLength: segment.end, in: directory)
        }
        segment.remember(hint)
    }

    // MARK: Damaged records

    /// Is the record at `location` damaged, so that it may be the key's: does its segment's hint
    /// say so, or is there none? Of the key's hash 34 bits fit, or the keydir would not name the
    /// place.
    ///
    /// Without a hint another key's record is taken for this one's once in some billion times, and
    /// that key, of which nothing can be read any more, is then absent. The other choice would give
    /// one key two slots each time: a wrong count, and an old value where the damage heals.
    @inline(never)
    func mayBeDamagedRecord(of key: RawSpan, at location: Location) -> Bool {
        if table.record(at: location).headerChecksOut() { return false }
        return hintNames(key, at: location) != false
    }

    /// Does the hint of the segment at `location` say that `key` lies there? nil without a hint, or
    /// where the hint was made before the segment reached there.
    func hintNames(_ key: RawSpan, at location: Location) -> Bool? {
        guard let segment = table.segments[location.segmentIndex], let hint = hint(of: segment),
            location.offset < hint.segmentLength
        else { return nil }
        return unsafe key.withUnsafeBytes { key in
            guard let entry = unsafe hint.entry(for: key) else { return false }
            return entry.offset == location.offset
        }
    }
}
