internal import StaveDisk

/// The keydir's checkpoint against a replay of the records: each table checks out, and names just
/// the records that the replay comes to (docs/format.md, "Keydir checkpoint").
struct CheckpointCheck {
    let keyCount: Int
    let size: Int
    /// It knows the writes with lower numbers.
    let nextSequence: UInt64
    private(set) var findings: [Finding] = []
    private let image: FileImage
    private let checkpoint: KeydirCheckpoint
    private let tables: [Range<Int>]
    /// The tables' names of segments, by the segments' numbers.
    private let slots: [UInt64: Int]
    /// It fits MANIFEST, so that opening uses it.
    let isUsed: Bool
    private var expected = 0
    /// Keys that were written since, of which nothing can be told.
    private var newer = 0
    private var liveBytes: [UInt64: Int] = [:]

    /// Reads the head. nil where there is no checkpoint, or none that can be read: that is in
    /// `findings` then.
    init?(_ survey: StoreSurvey, in directory: borrowing Directory, findings: inout Findings) {
        let name = FileName.checkpoint.name
        do throws(FileError) {
            let file = try directory.open(name, .read)
            image = try FileImage(mapping: file)
        } catch {
            if !error.isNoSuchFile {
                findings.add(
                    Finding(error.isPermission ? .unreadable : .damage, name, nil, error.reason))
            }
            return nil
        }
        do throws(FormatError) {
            checkpoint = try Self.decode(image)
        } catch {
            let range = error.offset..<max(error.offset, image.count)
            findings.add(Finding(.damage, name, range, error.reason + "; opening does without it"))
            return nil
        }
        tables = checkpoint.tableRanges
        slots = Dictionary(
            checkpoint.segments.map { ($0.number, $0.slot) },
            uniquingKeysWith: { first, _ in first })
        keyCount = checkpoint.count
        (size, nextSequence) = (image.fileSize, checkpoint.nextSequence)
        isUsed = survey.manifest.map(checkpoint.fits) ?? false
        if checkpoint.storeID != survey.manifest?.storeID, survey.manifest != nil {
            self.findings.append(Finding(.damage, name, 16..<32, "it belongs to another store"))
        } else if !isUsed {
            self.findings.append(
                Finding(
                    .note, name, nil, "it does not fit MANIFEST any more; opening does without it"))
        }
    }

    private static func decode(_ image: FileImage) throws(FormatError) -> KeydirCheckpoint {
        var result: KeydirCheckpoint?
        var problem: FormatError?
        image.withBytes { bytes in
            do throws(FormatError) {
                result = try KeydirCheckpoint(decoding: bytes, fileLength: image.count)
            } catch {
                problem = error
            }
        }
        if let problem { throw problem }
        guard let result else { throw FormatError("it is empty", at: 0) }
        return result
    }

    /// Checksums and counts of the tables.
    mutating func checkTables() {
        let name = FileName.checkpoint.name
        for (shard, range) in zip(checkpoint.shards, tables) {
            let problem = image.withBytes { bytes -> String? in
                let table = bytes.extracting(range)
                let checksum = KeydirCheckpoint.checksum(
                    table, at: range.lowerBound, of: checkpoint.storeID)
                guard checksum == shard.checksum else {
                    return "a table does not check out; opening makes it again"
                }
                var (used, live) = (0, 0)
                for place in 0..<(range.count / 8) {
                    let word = table.load(place * 8, as: UInt64.self)
                    if word > 0 { used += 1 }
                    if word > 1 { live += 1 }
                }
                return used == shard.usedSlots && live == shard.liveSlots
                    ? nil : "a table's counts are \(used) and \(live)"
            }
            if let problem { findings.append(Finding(.damage, name, range, problem)) }
        }
    }

    // MARK: The replay

    /// Takes the newest record of a key, as the replay found it in segment `number`.
    mutating func replay(_ entry: HintEntry, in number: UInt64) {
        guard isUsed, findings.isEmpty else { return }
        guard entry.sequence < checkpoint.nextSequence else {
            newer += 1
            return
        }
        guard entry.kind == .value else { return }
        expected += 1
        liveBytes[number, default: 0] += entry.recordLength
        guard !names(entry, in: number) else { return }
        let key = unsafe Printable.quoted(Array(entry.key), limit: 64)
        findings.append(
            Finding(
                .damage, FileName.checkpoint.name, nil,
                "it does not name the newest record of \(key), \(number):\(entry.offset)"))
    }

    private func names(_ entry: HintEntry, in number: UInt64) -> Bool {
        guard let slot = slots[number] else { return false }
        let hash = unsafe Checksum.hash(entry.key.bytes, seed: checkpoint.storeID.low)
        let tag = hash >> 30 & 0xff_ffff
        let wanted = tag << 40 | UInt64(slot) << 25 | UInt64(entry.offset / Format.alignment)
        let shard = Int(hash >> 54)
        let buckets = checkpoint.shards[shard].buckets
        let start = tables[shard].lowerBound
        return image.withBytes { bytes in
            var place = Int((tag * UInt64(buckets)) >> 24) * 8
            for _ in 0..<(buckets * 8) {
                let word = bytes.load(start + place * 8, as: UInt64.self)
                if word == wanted { return true }
                if word == 0 { return false }
                place = place + 1 == buckets * 8 ? 0 : place + 1
            }
            return false
        }
    }

    /// After all keys: nothing but them is named, and the live bytes are theirs.
    mutating func finish() {
        guard isUsed, findings.isEmpty else { return }
        let name = FileName.checkpoint.name
        if keyCount < expected || keyCount > expected + newer {
            findings.append(
                Finding(
                    .damage, name, nil, "it has \(keyCount) keys, a replay \(expected)"))
        }
        guard newer == 0 else { return }
        for segment in checkpoint.segments {
            let found = liveBytes[segment.number] ?? 0
            guard found != segment.liveBytes else { continue }
            findings.append(
                Finding(
                    .damage, name, nil,
                    "segment \(segment.number) has \(segment.liveBytes) live bytes, a recount finds"
                        + " \(found)"))
        }
    }
}
