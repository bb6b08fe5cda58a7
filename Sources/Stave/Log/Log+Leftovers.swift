internal import StaveDisk

// Files of the directory that MANIFEST does not name.

extension Log {
    /// Before the first file is made: removes what a crash left half done, and sets aside what
    /// MANIFEST does not name but holds writes that it knows nothing of. Under the lock.
    func clearLeftovers() throws(StoreError) {
        try leftoversLock.withLock { () throws(StoreError) in
            guard mayHaveLeftovers else { return }
            try withFileErrors { () throws(FileError) in
                let names = try leftovers()
                // A power cut must not bring back a MANIFEST that names them.
                if !names.isEmpty { try manifest.makeDurable(in: directory) }
                let strange = unknownWrites(in: names)
                // One that cannot be cleared away is no part of the store, and nothing uses its
                // name.
                for name in names {
                    if strange.contains(name) {
                        try? setAside(name)
                    } else {
                        try? directory.remove(name)
                    }
                }
            }
            mayHaveLeftovers = false
        }
    }

    private func leftovers() throws(FileError) -> [String] {
        let named = Set(manifest.onDisk.segments.map(\.number))
        return try directory.names().filter { name in
            switch FileName(name) {
            case .segment(let number), .hint(let number): !named.contains(number)
            case .temporary: true
            default: false
            }
        }
    }

    private func setAside(_ name: String) throws(FileError) {
        var aside = name + Self.asideSuffix
        var attempt = 1
        while directory.contains(aside) {
            attempt += 1
            aside = name + Self.asideSuffix + String(attempt)
        }
        try directory.rename(name, to: aside)
        events.tell(.setAside(file: directory.path(of: aside)))
    }

    /// Ends the name of a file that was set aside: no name of a store's, so that no store removes
    /// it.
    static let asideSuffix = ".aside"

    // MARK: Whose writes they are

    /// Those of the files that hold writes of which the store knows nothing: they are of another
    /// moment, of a clone, or of another store. What a crash leaves is a new file without records,
    /// or one of a compaction, whose records are copies of known ones or superseded.
    ///
    /// A write is known if the store has a record of its key that is newer, or the very same one,
    /// or if it was deleted: of a deleted key a compaction may have left nothing. O(entries of the
    /// store), where a segment is left at all.
    private func unknownWrites(in names: [String]) -> Set<String> {
        var strange: Set<String> = []
        var left: [LeftSegment] = []
        for name in names {
            guard case .segment = FileName(name), directory.isRegularFile(name) else { continue }
            // Of one that cannot be read nothing is known.
            switch try? LeftSegment.read(name, of: self) {
            case .empty: break
            case .segment(let segment): left.append(segment)
            case .unknown, nil: strange.insert(name)
            }
        }
        guard !left.isEmpty else { return strange }
        let known = visibleSegments.map { ($0, sortedRun(of: $0, upTo: $0.end)) }
        var merge = SortedMerge(known.map(\.1.image) + left.map(\.image))
        var group: [(source: Int, entry: HintEntry)] = []
        while let winner = merge.next(loser: { group.append(($0, $1)) }) {
            group.append(winner)
            let isDeleted = !winner.entry.isValue
            for (source, entry) in group where source >= known.count && !isDeleted {
                let file = left[source - known.count]
                let isKnown = group.contains { other, own in
                    guard other < known.count else { return false }
                    if own.sequence != entry.sequence { return own.sequence > entry.sequence }
                    let checksum = known[other].0.unboundChecksum(of: own)
                    return checksum == file.unboundChecksum(of: entry)
                }
                if !isKnown { strange.insert(file.name) }
            }
            group.removeAll(keepingCapacity: true)
        }
        return strange
    }
}

/// A segment that MANIFEST does not name, with the newest of its records for each key.
private struct LeftSegment {
    enum Kind {
        /// Without a record: it was made, and its process ended.
        case empty
        case segment(LeftSegment)
        /// Of another store, later than all that this one knows, or not to be understood.
        case unknown
    }

    let name: String
    let image: HintImage
    private let identity: UInt64
    private let mapping: Mapping

    static func read(_ name: String, of log: Log) throws(FileError) -> Kind {
        let file = try log.directory.open(name, .read)
        let size = try file.size()
        guard size > SegmentHeader.byteCount else { return .empty }
        guard size <= Format.maxFileLength + 4096 else { return .unknown }
        let mapping = try Mapping(file, count: size, isWritable: false)
        // SAFETY: the file has `size` bytes, and only its writer, which we are, would cut it.
        let bytes = unsafe mapping.bytes.bytes
        guard let header = try? SegmentHeader(decoding: bytes),
            header.storeID == log.manifest.current.storeID
        else { return bytes.lastNonZero(from: 0) == nil ? .empty : .unknown }
        var records = RecordList()
        var walk = SegmentWalk(identity: header.identity, rule: .unmarked)
        while let item = walk.next(in: bytes) {
            guard case .record(let offset, let header, _) = item else { continue }
            if header.sequence >= log.firstUnknownSequence { return .unknown }
            records.append(header, at: offset)
        }
        if records.count == 0 { return .empty }
        // SAFETY: the mapping has these bytes.
        let image = unsafe records.image(
            of: mapping.bytes, identity: header.identity, segmentLength: size)
        return .segment(
            LeftSegment(name: name, image: image, identity: header.identity, mapping: mapping))
    }

    func unboundChecksum(of entry: HintEntry) -> UInt32? {
        // SAFETY: the mapping has these bytes.
        unsafe entry.unboundChecksum(in: mapping.bytes.bytes, identity: identity)
    }
}

extension Segment {
    fileprivate func unboundChecksum(of entry: HintEntry) -> UInt32? {
        // SAFETY: the mapping has the segment's bytes.
        unsafe entry.unboundChecksum(in: bytes(upTo: end).bytes, identity: identity)
    }
}

extension HintEntry {
    /// Of its record's value, the same wherever a copy of it lies; nil where its header is not
    /// whole.
    fileprivate func unboundChecksum(in bytes: RawSpan, identity: UInt64) -> UInt32? {
        Record.header(in: bytes, at: offset, identity: identity)?
            .unboundValueChecksum(identity: identity, offset: offset)
    }
}
