internal import StaveDisk

// What a key had at a moment that is over. Records of it are there until a compaction frees them,
// so that an older one that is found may not be the one that counted then. It surely is where every
// number in between is accounted for: numbers are given without gaps, so that a segment that has as
// many records as its numbers leave room for has lost none.

extension KeyHistory {
    /// What was under the key at a moment.
    enum Past {
        /// The record that counted: a value, or the deletion of one.
        case version(Version)
        /// Nothing was ever written to the key before.
        case absent
        /// A compaction may have freed what counted then.
        case freed
    }

    /// What counted once the write with this number was made.
    func past(at number: UInt64) -> Past {
        guard let index = versions.firstIndex(where: { $0.sequence <= number }) else {
            return isAccounted(1, number) ? .absent : .freed
        }
        let version = versions[index]
        // The newest record of a key is never freed before a newer one is there.
        if index == 0 || isAccounted(version.sequence + 1, number) { return .version(version) }
        return .freed
    }

    /// What counted before the newest record; nil where there is none.
    var previous: Past? {
        guard let newest = versions.first else { return nil }
        return newest.sequence > 1 ? past(at: newest.sequence - 1) : .absent
    }

    /// Is every write from `first` to `last` still on disk?
    private func isAccounted(_ first: UInt64, _ last: UInt64) -> Bool {
        let stretches = survey.segments.compactMap { segment -> ClosedRange<UInt64>? in
            guard !segment.isDropped, let image = segment.index, let numbers = image.sequences,
                numbers.upperBound - numbers.lowerBound == UInt64(max(1, image.recordCount)) - 1
            else { return nil }
            return numbers
        }
        var next = first
        for stretch in stretches.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if next > last || stretch.lowerBound > next { break }
            if stretch.upperBound >= next { next = stretch.upperBound &+ 1 }
        }
        return next > last
    }

    /// The bytes of a version's value; nil for a deletion, and where they do not check out.
    func value(of version: Version) -> [UInt8]? {
        guard version.isWhole, version.kind == .value else { return nil }
        let start = version.offset + RecordHeader.byteCount + key.count
        return version.segment.image?.withBytes { bytes in
            bytes.array(start..<(start + version.valueLength))
        }
    }
}
