internal import StaveDisk

/// A segment's file that MANIFEST does not name, and what becomes of it.
struct Leftover {
    let header: SegmentHeader?
    /// No more than a header, or zeros.
    let isEmpty: Bool
    /// Whole records, and those of them with numbers above the store's.
    private(set) var recordCount = 0
    private(set) var newerCount = 0

    /// nil where the file is no segment that can be read.
    ///
    /// - Parameter highest: the store's highest sequence number.
    init?(_ name: String, in directory: borrowing Directory, above highest: UInt64 = .max) {
        guard let file = try? directory.open(name, .read),
            let image = try? FileImage(mapping: file, limit: Format.maxFileLength)
        else { return nil }
        header = image.withBytes { try? SegmentHeader(decoding: $0) }
        isEmpty =
            image.fileSize <= SegmentHeader.byteCount
            || image.withBytes { $0.lastNonZero(from: 0) == nil }
        guard let header else { return }
        image.withBytes { bytes in
            var walk = SegmentWalk(identity: header.identity, rule: .unmarked, checksValues: true)
            while let item = walk.next(in: bytes) {
                guard case .record(_, let header, value: .good) = item else { continue }
                recordCount += 1
                if header.sequence > highest { newerCount += 1 }
            }
        }
    }
}

extension StoreSurvey {
    /// Above it, the store knows no write.
    private var highestSequence: UInt64 {
        let seen = segments.compactMap { $0.index?.sequences?.upperBound }.max() ?? 0
        return max(seen, (manifest?.nextSequence ?? 1) &- 1)
    }

    /// What the first write does with a file that MANIFEST does not name. A writer sets aside what
    /// holds writes that the store knows nothing of, and removes the rest.
    func fate(ofLeftover name: String) -> String {
        let removed = "the first write removes it"
        guard case .segment = FileName(name), let directory = try? Directory(path: path) else {
            return removed
        }
        guard let leftover = Leftover(name, in: directory, above: highestSequence) else {
            return "the first write sets it aside: it cannot be read"
        }
        if leftover.isEmpty { return removed + ": it has no records" }
        guard let header = leftover.header else {
            return "the first write sets it aside: it is no segment that can be read"
        }
        if let manifest, header.storeID != manifest.storeID {
            return "the first write sets it aside: it is another store's"
        }
        if leftover.recordCount == 0 { return removed + ": it has no records" }
        if leftover.newerCount > 0 {
            return "the first write sets it aside:"
                + " \(Units.count(leftover.newerCount, "record")) newer than the store"
        }
        return "the first write removes it, or sets it aside where the store lacks one of its"
            + " \(Units.count(leftover.recordCount, "record"))"
    }
}
