internal import StaveDisk

/// What can be said of a record; also the names of `--columns`, and of members of a JSON object.
enum Column: String, CaseIterable {
    case segment, offset, length, sequence, time, kind, flags
    case keyLength, valueLength, checksum, key, value, fingerprint, state, supersededBy

    /// Those that `list` names, separated by commas; throws the name that is none.
    static func parse(_ list: String) throws(UnknownColumn) -> [Column] {
        var columns: [Column] = []
        for name in list.split(separator: ",", omittingEmptySubsequences: false) {
            let found = allCases.first { $0.rawValue.lowercased() == name.lowercased() }
            guard let found else { throw UnknownColumn(name: String(name)) }
            columns.append(found)
        }
        return columns
    }

    static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }

    /// Among all columns.
    fileprivate var place: Int {
        switch self {
        case .segment: 0
        case .offset: 1
        case .length: 2
        case .sequence: 3
        case .time: 4
        case .kind: 5
        case .flags: 6
        case .keyLength: 7
        case .valueLength: 8
        case .checksum: 9
        case .key: 10
        case .value: 11
        case .fingerprint: 12
        case .state: 13
        case .supersededBy: 14
        }
    }

    /// Cells of these are set flush right.
    fileprivate var isNumber: Bool {
        switch self {
        case .offset, .length, .sequence, .flags, .keyLength, .valueLength: true
        default: false
        }
    }
}

struct UnknownColumn: Error { var name: String }

/// One record as it is shown: the same facts for people and for programs.
struct RecordFacts {
    let file: String
    let offset: Int
    let header: RecordHeader
    /// The header's, as text.
    let time: String
    let check: SegmentWalk.ValueCheck
    let key: [UInt8]
    /// The value, or its beginning.
    let value: [UInt8]
    let fingerprint: UInt64?
    /// nil where nothing is known of other records.
    let state: Liveness.State?

    var kindName: String { header.kind == .tombstone ? "tombstone" : "value" }

    var checkText: String {
        if case .cut = check { return "BAD cut off" }
        guard case .bad(let computed) = check else { return "ok" }
        let stored = Printable.hex32(header.valueChecksum)
        return "BAD stored=\(stored) computed=\(Printable.hex32(computed))"
    }
}

/// Lays facts out in columns, or as JSON. Bytes in, bytes out: a listing has millions of lines.
struct RecordFormat {
    /// The layout for people where none was asked for ends with `key = value  (state)`.
    let columns: [Column]?
    let values: RecordFilter.Values
    let showsSegment: Bool
    /// By the column's place among all.
    private let widths: [Int]
    /// The columns that every line begins with.
    private let aligned: [Column]
    private static let byDefault: [Column] = [.offset, .length, .sequence, .time, .kind, .checksum]

    init(
        columns: [Column]?, values: RecordFilter.Values, showsSegment: Bool, fileSize: Int,
        sequence: UInt64
    ) {
        self.columns = columns
        self.values = values
        self.showsSegment = showsSegment
        let place = max(6, "\(fileSize)".count)
        widths = Column.allCases.map { column in
            switch column {
            case .segment: 10
            case .offset, .length: place
            case .sequence: max(8, "\(sequence)".count)
            case .time, .key, .value: 20
            case .kind, .keyLength, .state: 9
            case .flags: 5
            case .valueLength: 11
            case .checksum: 8
            case .fingerprint: 16
            case .supersededBy: 12
            }
        }
        aligned = columns ?? (showsSegment ? [.segment] : []) + Self.byDefault
    }

    private func width(_ column: Column) -> Int { widths[column.place] }

    var title: Line {
        var line = Line()
        for column in aligned {
            line.put(column.rawValue, width: width(column), right: column.isNumber)
        }
        if columns == nil { line.put("key = value  (state)") }
        return line
    }

    func line(_ facts: RecordFacts) -> Line {
        var line = Line()
        for column in aligned { put(column, of: facts, into: &line) }
        guard columns == nil else { return line }
        line.put(facts.key, limit: 256)
        if facts.header.kind != .tombstone {
            line.append(" = ")
            putValue(of: facts, into: &line)
        }
        if let state = facts.state {
            line.append("  (")
            line.append(state.text)
            if facts.header.flags != 0 { line.append(", flags \(facts.header.flags)") }
            line.append(")")
        } else if facts.header.flags != 0 {
            line.append("  (flags \(facts.header.flags))")
        }
        return line
    }

    private func put(_ column: Column, of facts: RecordFacts, into line: inout Line) {
        let (header, width) = (facts.header, width(column))
        switch column {
        case .segment: line.put(String(facts.file.prefix(10)), width: width)
        case .offset: line.put(UInt64(facts.offset), width: width)
        case .length: line.put(UInt64(header.recordLength), width: width)
        case .sequence: line.put(header.sequence, width: width)
        case .time: line.put(facts.time, width: width)
        case .kind: line.put(facts.kindName, width: width)
        case .flags: line.put(UInt64(header.flags), width: width)
        case .keyLength: line.put(UInt64(header.keyLength), width: width)
        case .valueLength: line.put(UInt64(header.valueLength), width: width)
        case .checksum: line.put(facts.checkText, width: width)
        case .key: line.put(facts.key, limit: 256, width: width)
        case .value:
            line.begin()
            if header.kind == .tombstone {
                line.append("-")
            } else {
                putValue(of: facts, into: &line)
            }
            line.end(width: width)
        case .fingerprint: line.put(facts.fingerprint.map { hex($0) } ?? "-", width: width)
        case .state: line.put(facts.state?.word ?? "-", width: width)
        case .supersededBy: line.put(facts.state?.place ?? "-", width: width)
        }
    }

    private func putValue(of facts: RecordFacts, into line: inout Line) {
        switch values {
        case .full: line.appendQuoted(facts.value)
        case .none:
            let fingerprint = facts.fingerprint.map { ", fingerprint " + hex($0) } ?? ""
            line.append("(\(facts.header.valueLength) bytes\(fingerprint))")
        case .preview:
            let limit = 40
            line.appendQuoted(facts.value.prefix(limit))
            if facts.header.valueLength > limit {
                line.append("... (\(facts.header.valueLength) bytes)")
            }
        }
    }

    /// A stretch that is no record.
    func line(_ what: String, file: String, _ range: Range<Int>, _ text: String) -> Line {
        var line = Line()
        let cells: [Column] =
            columns ?? (showsSegment ? [.segment] : []) + [.offset, .length, .sequence]
        for column in cells {
            let width = width(column)
            switch column {
            case .segment: line.put(String(file.prefix(10)), width: width)
            case .offset: line.put(UInt64(range.lowerBound), width: width)
            case .length: line.put(UInt64(range.count), width: width)
            default: line.put(columns == nil ? "" : "-", width: width, right: column.isNumber)
            }
        }
        line.put("\(what): \(text)")
        return line
    }

    // MARK: For programs

    func json(_ facts: RecordFacts) -> Line {
        var line = Line()
        line.beginObject("record")
        for column in columns ?? Column.allCases { member(column, of: facts, in: &line) }
        line.endObject()
        return line
    }

    private func member(_ column: Column, of facts: RecordFacts, in line: inout Line) {
        let (header, name) = (facts.header, column.rawValue)
        switch column {
        case .segment: line.member("file", facts.file)
        case .offset: line.member(name, UInt64(facts.offset))
        case .length: line.member(name, UInt64(header.recordLength))
        case .sequence: line.member(name, header.sequence)
        case .time: line.member(name, facts.time)
        case .kind: line.member(name, facts.kindName)
        case .flags: line.member(name, UInt64(header.flags))
        case .keyLength: line.member(name, UInt64(header.keyLength))
        case .valueLength: line.member(name, UInt64(header.valueLength))
        case .checksum: line.member(name, facts.checkText)
        case .key: line.member(name, bytes: facts.key)
        case .value:
            guard values != .none, header.kind == .value else { return }
            line.member(name, bytes: facts.value)
            if facts.value.count < header.valueLength { line.memberTrue("valueCut") }
        case .fingerprint:
            if let fingerprint = facts.fingerprint { line.member(name, hex(fingerprint)) }
        case .state:
            if let state = facts.state { line.member(name, state.word) }
        case .supersededBy:
            if let place = facts.state?.place { line.member(name, place) }
        }
    }
}
