/// CSV by RFC 4180, and the same with tabs. A record ends with LF or CR LF; inside quotes both
/// belong to the field. Empty lines are no records.
final class SeparatedDecoder: RecordDecoder {
    let remarks = TransferRemarks()
    private let source: ByteSource
    private let layout: TransferLayout
    private let separator: UInt8
    private var line: [UInt8] = []
    /// The fields of the record at hand, one behind the other, and where each ends.
    private var bytes: [UInt8] = []
    private var ends: [Int] = []
    /// The line in which the record at hand begins.
    private var rowNumber = 0
    private var hasBegun = false
    /// Of the columns that are taken, counted from 0.
    private var keyColumn = 0
    private var valueColumn = 1
    /// Every record must have as many.
    private var columnCount: Int?

    private static let mostColumns = 1 << 16

    init(_ source: ByteSource, separator: UInt8, _ layout: TransferLayout) {
        self.source = source
        self.separator = separator
        self.layout = layout
    }

    var place: String { "\(source.name):\(rowNumber)" }
    var progress: (done: Int, total: Int?) { (source.offset, source.total) }

    func next(_ record: inout TransferRecord) throws(TransferError) -> Bool {
        if !hasBegun {
            hasBegun = true
            try begin()
        }
        guard try readRow() else { return false }
        if columnCount == nil, layout.keyField != nil || layout.valueField != nil {
            columnCount = ends.count
        }
        let expected = columnCount ?? 2
        guard ends.count == expected else {
            throw wrong(
                "\(Units.count(ends.count, "field")) where \(Units.count(expected)) belong")
        }
        guard max(keyColumn, valueColumn) < expected else {
            throw wrong("there is no column \(max(keyColumn, valueColumn) + 1)")
        }
        record.key += field(keyColumn)
        record.value += field(valueColumn)
        return true
    }

    private func wrong(_ message: String) -> TransferError {
        TransferError(message: "\(place): \(message)")
    }

    private func field(_ index: Int) -> ArraySlice<UInt8> {
        bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]]
    }

    /// Finds the columns by name, or takes them by number.
    private func begin() throws(TransferError) {
        guard layout.hasHeader else {
            keyColumn = try number(layout.keyField, 1)
            valueColumn = try number(layout.valueField, 2)
            return
        }
        guard try readRow() else { return }
        columnCount = ends.count
        let names = ends.indices.map { String(decoding: field($0), as: UTF8.self) }
        // Without a name: the column of the usual name, or else the first two.
        keyColumn = try column(layout.keyField, in: names, usual: "key", or: 0)
        valueColumn = try column(layout.valueField, in: names, usual: "value", or: 1)
    }

    private func number(_ text: String?, _ usual: Int) throws(TransferError) -> Int {
        guard let text else { return usual - 1 }
        guard let number = Int(text), (1...Self.mostColumns).contains(number) else {
            throw TransferError(
                message: "\(source.name): a field named \(Quoting.message(text)) needs --header;"
                    + " without one, fields have numbers from 1 on", isFatal: true)
        }
        return number - 1
    }

    private func column(
        _ name: String?, in names: [String], usual: String, or position: Int
    ) throws(TransferError) -> Int {
        guard let name else { return names.firstIndex(of: usual) ?? position }
        guard let index = names.firstIndex(of: name) else {
            throw TransferError(
                message: "\(source.name):1: there is no column \(Quoting.message(name)), but "
                    + names.map { Quoting.message($0) }.joined(separator: ", "), isFatal: true)
        }
        return index
    }

    /// Reads one row into `bytes` and `ends`; false at the end.
    private func readRow() throws(TransferError) -> Bool {
        bytes.removeAll(keepingCapacity: bytes.capacity <= 4 << 20)
        ends.removeAll(keepingCapacity: true)
        repeat {
            guard try source.readLine(&line) else { return false }
            if source.lineNumber == 1, line.starts(with: [0xef, 0xbb, 0xbf]) {
                line.removeFirst(3)
            }
        } while line.isEmpty || line == [Byte.return]
        rowNumber = source.lineNumber
        var index = 0
        while true {
            if index < line.count, line[index] == Byte.double {
                index = try readQuoted(from: index + 1)
            } else {
                index = try readBare(from: index)
            }
            ends.append(bytes.count)
            guard index < line.count, line[index] == separator else { return true }
            if ends.count >= Self.mostColumns { throw wrong("too many fields") }
            index += 1
        }
    }

    /// Returns where the separator stands, or the end of the line.
    private func readBare(from start: Int) throws(TransferError) -> Int {
        // SAFETY: the array outlives the call.
        let stop = unsafe line.withUnsafeBytes {
            unsafe ByteScan.firstByte(separator, Byte.return, Byte.return, in: $0, from: start)
        }
        bytes += line[start..<stop]
        if stop < line.count, line[stop] == Byte.return {
            guard stop + 1 == line.count else {
                throw wrong("a carriage return inside a field needs quotes around it")
            }
            return line.count
        }
        return stop
    }

    /// Returns where the separator stands, or the end of the line that has the closing quote.
    private func readQuoted(from start: Int) throws(TransferError) -> Int {
        var index = start
        while true {
            // SAFETY: the array outlives the call.
            let stop = unsafe line.withUnsafeBytes {
                unsafe ByteScan.firstByte(
                    Byte.double, Byte.double, Byte.double, in: $0, from: index)
            }
            bytes += line[index..<stop]
            if stop == line.count {
                let isWhole = try source.readLine(&line)
                guard isWhole, bytes.count <= 2 << 30 else {
                    throw TransferError(
                        message: "\(place): a quote is not closed", isFatal: true)
                }
                bytes.append(Byte.newline)
                index = 0
            } else if stop + 1 < line.count, line[stop + 1] == Byte.double {
                bytes.append(Byte.double)
                index = stop + 2
            } else {
                let rest = line[(stop + 1)...]
                if rest.isEmpty || rest == [Byte.return] { return line.count }
                guard rest.first == separator else {
                    throw wrong("text behind a closing quote")
                }
                return stop + 1
            }
        }
    }
}
