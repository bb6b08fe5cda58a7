internal import StaveDisk

/// Where a store's bytes are: every byte of every file of the directory is counted once.
///
/// In three steps, so that memory does not grow with the keys:
/// 1. Every segment is walked: what its bytes are, and how many of each prefix, for as many
///    prefixes as `PrefixTable` holds.
/// 2. The sorted merge tells live from dead. It comes by key, so prefixes come one after the other.
/// 3. Where there were more prefixes than the table holds, the merge has chosen the largest, and
///    the segments are walked again to count those: what is shown is exact either way.
final class SpaceSurvey {
    let store: StoreSurvey
    private(set) var segments: [SegmentSpace] = []
    private(set) var prefixes: PrefixTable
    /// Bytes of all that is no segment.
    private(set) var manifestBytes = 0
    private(set) var lockBytes = 0
    private(set) var hintBytes = 0
    private(set) var checkpointBytes = 0
    private(set) var leftoverBytes = 0
    private(set) var asideBytes = 0
    private(set) var foreignBytes = 0
    /// Of segments that cannot be opened.
    private(set) var unreadBytes = 0
    /// Of the live records alone.
    private(set) var liveKeys = 0
    private(set) var liveKeyBytes = 0
    private(set) var liveValueBytes = 0
    private(set) var livePaddingBytes = 0
    private(set) var keySizes = SizeHistogram("live keys")
    private(set) var valueSizes = SizeHistogram("live values")

    /// - Parameters:
    ///   - store: surveyed with `.entries` at least.
    ///   - cells: of the map of the largest segment.
    init(
        _ store: StoreSurvey, in directory: borrowing Directory, delimiter: [UInt8],
        capacity: Int = PrefixTable.defaultCapacity, cells: Int,
        progress: ((_ done: Int, _ total: Int) -> Void)? = nil
    ) {
        self.store = store
        prefixes = PrefixTable(delimiter: delimiter, capacity: capacity)
        let largest = store.segments.map(\.fileSize).max() ?? 0
        let size = store.segments.reduce(0) { $0 + $1.recordLimit }
        var done = 0
        for survey in store.segments {
            let space = SegmentSpace(survey, cells: cells, largest: largest)
            count(space)
            segments.append(space)
            done += survey.recordLimit
            progress?(done, size)
        }
        let places = Dictionary(
            segments.enumerated().map { (ObjectIdentifier($1.survey), $0) },
            uniquingKeysWith: { first, _ in first })
        Liveness(store.segments).tally { entry, survey in
            if let place = places[ObjectIdentifier(survey)] { add(entry, to: segments[place]) }
        }
        prefixes.finishMerge()
        if prefixes.overflowed {
            for space in segments {
                space.survey.walk(checksValues: false) { item, bytes in
                    if case .record(let offset, let header, _) = item,
                        !space.survey.isCut(item)
                    {
                        prefixes.countChosen(bytes, keyAt: offset, header)
                    }
                    return true
                }
            }
        }
        countFiles(directory)
    }

    /// What the bytes of a segment are, live or not.
    private func count(_ space: SegmentSpace) {
        let survey = space.survey
        guard survey.image != nil else { return }
        // What a writer has added since the survey is still room to it.
        let end = survey.isScanned && !survey.isSealed ? survey.end : .max
        survey.walk(checksValues: false) { item, bytes in
            switch item {
            case .record where survey.isCut(item):
                space.add(.damaged, survey.inFile(item.range))
                if !survey.isScanned { survey.note(damage: item.range) }
            case .record(let offset, let header, _):
                if offset >= end {
                    space.add(.reserved, item.range)
                } else {
                    space.add(record: header, at: offset)
                    prefixes.count(bytes, keyAt: offset, header)
                }
            case .damage(let range, _):
                space.add(.damaged, survey.inFile(range))
                if !survey.isScanned { survey.note(damage: range) }
            case .torn(let range, _): space.add(.torn, range)
            case .reserved(let range): space.add(.reserved, range)
            }
            if !survey.isScanned { survey.judge(item, in: bytes, .everything) }
            return true
        }
        survey.isScanned = true
        space.finishWalk()
    }

    private func add(_ entry: HintEntry, to space: SegmentSpace) {
        // The hint file names records that damage has taken: these bytes are counted as damaged.
        guard space.holds(entry) else { return }
        let keyLength = unsafe entry.key.count
        let padding =
            entry.recordLength - RecordHeader.byteCount - keyLength - entry.valueLength
        space.move(entry)
        unsafe prefixes.addNewest(entry.key, entry.recordLength, entry.kind)
        guard entry.kind == .value else { return }
        liveKeys += 1
        liveKeyBytes += keyLength
        liveValueBytes += entry.valueLength
        livePaddingBytes += padding
        keySizes.add(keyLength)
        valueSizes.add(entry.valueLength)
    }

    private func countFiles(_ directory: borrowing Directory) {
        manifestBytes = store.manifestSize
        lockBytes = directory.size(of: FileName.lockName) ?? 0
        checkpointBytes = directory.size(of: FileName.checkpoint.name) ?? 0
        for survey in store.segments {
            if let number = survey.number {
                hintBytes += directory.size(of: FileName.hint(number).name) ?? 0
            }
            if survey.image == nil { unreadBytes += directory.size(of: survey.name) ?? 0 }
        }
        leftoverBytes = store.leftovers.reduce(0) { $0 + $1.size }
        asideBytes = store.aside.reduce(0) { $0 + $1.size }
        foreignBytes = store.foreign.reduce(0) { $0 + (directory.size(of: $1) ?? 0) }
    }

    /// Bytes of one kind in all segments.
    func bytes(_ kind: SegmentSpace.Kind) -> Int {
        segments.reduce(0) { $0 + $1.bytes(kind) }
    }

    /// Every kind of bytes, and how many there are; together the sizes of all files.
    var kinds: [(name: String, bytes: Int)] {
        SegmentSpace.Kind.allCases.map { ($0.name, bytes($0)) } + [
            ("hint files", hintBytes), ("MANIFEST", manifestBytes), ("LOCK", lockBytes),
            ("keydir.checkpoint", checkpointBytes), ("leftovers", leftoverBytes),
            ("set aside", asideBytes), ("foreign files", foreignBytes),
            ("unread segments", unreadBytes),
        ]
    }

    var totalBytes: Int { kinds.reduce(0) { $0 + $1.bytes } }
}
