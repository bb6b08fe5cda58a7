internal import StaveDisk

/// What the bytes of one segment's file are, and where in it.
final class SegmentSpace {
    /// Records are counted with their padding, as `stats` counts them.
    enum Kind: Int, CaseIterable {
        case live, dead, tombstones, headers, damaged, torn, reserved
        /// Behind the end of a sealed segment, or of a file whose records cannot be told apart.
        case other

        var name: String {
            switch self {
            case .headers: "segment headers"
            case .torn: "torn tail"
            case .other: "no part of the log"
            default: "\(self)"
            }
        }

        /// In an object of JSON.
        var memberName: String {
            switch self {
            case .headers: "segmentHeaders"
            case .torn: "tornTail"
            case .other: "noPartOfTheLog"
            default: name
            }
        }
    }

    /// What a cell of the map stands for, in the order in which it is counted.
    enum Share: Int, CaseIterable { case live, dead, tombstones, reserved, damaged }

    let survey: SegmentSurvey
    private var bytes = [Int](repeating: 0, count: Kind.allCases.count)
    /// Of the map.
    let cellCount: Int
    /// For each cell, bytes of each share.
    private var cells: [Int]
    private let bytesPerCell: Int
    private static let shareCount = Share.allCases.count

    /// - Parameters:
    ///   - cells: of the map of a file of `largest` bytes; a shorter file has fewer.
    init(_ survey: SegmentSurvey, cells: Int, largest: Int) {
        self.survey = survey
        bytesPerCell = max(1, (largest + cells - 1) / max(1, cells))
        cellCount = (survey.fileSize + bytesPerCell - 1) / bytesPerCell
        self.cells = [Int](repeating: 0, count: cellCount * Self.shareCount)
    }

    func bytes(_ kind: Kind) -> Int { bytes[kind.rawValue] }

    /// A record, dead until `move` says otherwise.
    func add(record header: RecordHeader, at offset: Int) {
        bytes[Kind.dead.rawValue] += header.recordLength
        mark(offset..<(offset + header.recordLength), .dead, 1)
    }

    func add(_ kind: Kind, _ range: Range<Int>) {
        bytes[kind.rawValue] += range.count
        let share: Share = kind == .reserved ? .reserved : .damaged
        mark(range, share, 1)
    }

    /// All of the file has been walked: what was not met is the header and what no record can be
    /// in.
    func finishWalk() {
        let size = survey.fileSize
        let met = bytes.reduce(0, +)
        let header = min(SegmentHeader.byteCount, size - met)
        bytes[Kind.headers.rawValue] = header
        bytes[Kind.other.rawValue] = size - met - header
    }

    /// Is the record of `entry` one of the whole records of this file?
    func holds(_ entry: HintEntry) -> Bool {
        survey.image != nil && survey.identity != nil && !survey.isDamaged(at: entry.offset)
            && entry.offset + entry.recordLength <= survey.recordLimit
    }

    /// The record of `entry` is the newest of its key.
    func move(_ entry: HintEntry) {
        let kind: Kind = entry.kind == .value ? .live : .tombstones
        bytes[Kind.dead.rawValue] -= entry.recordLength
        bytes[kind.rawValue] += entry.recordLength
        let range = entry.offset..<(entry.offset + entry.recordLength)
        mark(range, .dead, -1)
        mark(range, kind == .live ? .live : .tombstones, 1)
    }

    private func mark(_ range: Range<Int>, _ share: Share, _ sign: Int) {
        var start = range.lowerBound
        var cell = start / bytesPerCell
        while start < range.upperBound, cell < cellCount {
            let end = min(range.upperBound, (cell + 1) * bytesPerCell)
            cells[cell * Self.shareCount + share.rawValue] += sign * (end - start)
            start = end
            cell += 1
        }
    }

    /// Records whose values do not check out: their bytes are live, and the map shows damage there.
    private var badValues: [Range<Int>] {
        survey.findings.list.compactMap { finding in
            guard finding.severity == .damage, finding.file == survey.name, !finding.isOfHeader
            else {
                return nil
            }
            return finding.range
        }
    }

    /// What each cell shows, in the order of the file; nil for one of a header alone.
    ///
    /// Damage shows wherever there is any. Of the others a cell shows one, so that over a stretch
    /// of cells each share gets as many as it has bytes: what a cell does not show is carried on to
    /// the next (error diffusion: Floyd and Steinberg 1976, in one dimension).
    lazy var shares: [Share?] = {
        var isDamaged = (0..<cellCount).map { bytes(of: $0, .damaged) > 0 }
        for range in badValues where !range.isEmpty {
            let last = min((range.upperBound - 1) / bytesPerCell, cellCount - 1)
            for cell in stride(from: range.lowerBound / bytesPerCell, through: last, by: 1) {
                isDamaged[cell] = true
            }
        }
        let others: [Share] = [.live, .dead, .tombstones, .reserved]
        var carried = [Int](repeating: 0, count: others.count)
        return (0..<cellCount).map { cell in
            if isDamaged[cell] { return .damaged }
            var sum = 0
            for (index, share) in others.enumerated() {
                let count = bytes(of: cell, share)
                carried[index] += count
                sum += count
            }
            guard sum > 0, let most = carried.indices.max(by: { carried[$0] < carried[$1] }) else {
                return nil
            }
            carried[most] -= sum
            return others[most]
        }
    }()

    func share(of cell: Int) -> Share? { shares[cell] }

    /// Bytes of a share in a cell.
    func bytes(of cell: Int, _ share: Share) -> Int {
        cells[cell * Self.shareCount + share.rawValue]
    }
}
