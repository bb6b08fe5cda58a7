internal import StaveDisk

/// What the bytes of one segment's file are, and where in it.
final class SegmentSpace {
    /// Padding is apart from the records it stands behind.
    enum Kind: Int, CaseIterable {
        case live, dead, tombstones, padding, headers, damaged, torn, reserved
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
        let used = RecordHeader.byteCount + header.keyLength + header.valueLength
        bytes[Kind.dead.rawValue] += used
        bytes[Kind.padding.rawValue] += header.recordLength - used
        mark(offset..<(offset + header.recordLength), .dead, 1)
    }

    func add(_ kind: Kind, _ range: Range<Int>) {
        bytes[kind.rawValue] += range.count
        let share: Share = kind == .reserved ? .reserved : .damaged
        mark(range, share, 1)
    }

    /// All of the file has been walked: what was not met is the header and what no record can be in.
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
    func move(_ entry: HintEntry, padding: Int) {
        let kind: Kind = entry.kind == .value ? .live : .tombstones
        bytes[Kind.dead.rawValue] -= entry.recordLength - padding
        bytes[kind.rawValue] += entry.recordLength - padding
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

    /// What most of a cell's bytes are; damage wherever there is any. nil for a cell of a header alone.
    func share(of cell: Int) -> Share? {
        let counts = Share.allCases.map { bytes(of: cell, $0) }
        if counts[Share.damaged.rawValue] > 0 { return .damaged }
        guard let most = Share.allCases.max(by: { counts[$0.rawValue] < counts[$1.rawValue] }),
            counts[most.rawValue] > 0
        else { return nil }
        return most
    }

    /// Bytes of a share in a cell.
    func bytes(of cell: Int, _ share: Share) -> Int {
        cells[cell * Self.shareCount + share.rawValue]
    }
}
