/// Takes the keys of one database where the input has several: two of them would overwrite each
/// other.
final class DatabaseChoice {
    private let wanted: String?
    private var first: String?
    /// Databases that were told of.
    private var refused: Set<String> = []

    init(_ wanted: String?) { self.wanted = wanted }

    /// What is wrong with a record of a database that is not taken, once a database; nil after
    /// that.
    enum Answer { case taken, skipped, refused(String) }

    func answer(for name: String) -> Answer {
        if let wanted { return name == wanted ? .taken : .skipped }
        if first == nil { first = name }
        if first == name { return .taken }
        guard refused.insert(name).inserted else { return .skipped }
        return .refused(
            "keys of a second database, \(Quoting.message(name)), behind those of"
                + " \(Quoting.message(first ?? "")); choose one with --database")
    }
}

/// What mdb_dump of LMDB and db_dump of Berkeley DB write: a header, then a line for each key and
/// one for its value, in hex digits (`format=bytevalue`) or as text with `\hh` (`format=print`).
final class DumpDecoder: RecordDecoder {
    let remarks = TransferRemarks()
    private let source: ByteSource
    private let choice: DatabaseChoice
    private var line: [UInt8] = []
    private var keyLine: [UInt8] = []
    private var lastKey: [UInt8] = []
    /// Of the database at hand; nil between two.
    private var header: Header?
    private var hasRead = false

    private struct Header {
        var isText = false
        var database = ""
        /// Whether the keys are there, as they are in all but a queue.
        var hasKeys = true
    }

    init(_ source: ByteSource, _ layout: TransferLayout) {
        self.source = source
        choice = DatabaseChoice(layout.database)
    }

    var place: String { "\(source.name):\(source.lineNumber)" }
    var progress: (done: Int, total: Int?) { (source.offset, source.total) }

    func next(_ record: inout TransferRecord) throws(TransferError) -> Bool {
        while true {
            guard let header else {
                guard try readHeader() else { return false }
                continue
            }
            guard try source.readLine(&keyLine) else { throw cut() }
            trim(&keyLine)
            if keyLine == Array("DATA=END".utf8) {
                self.header = nil
                continue
            }
            // Without its newline, a value may have been longer.
            guard try source.readLine(&line), source.hasNewline else { throw cut() }
            trim(&line)
            switch choice.answer(for: header.database) {
            case .taken: break
            case .skipped:
                remarks.skip("key of other databases")
                continue
            case .refused(let reason):
                remarks.skip("key of other databases")
                throw source.wrong(reason)
            }
            try decode(keyLine, header, isKey: true, &record.key)
            try decode(line, header, isKey: false, &record.value)
            defer { lastKey = record.key }
            if hasRead, record.key == lastKey {
                throw source.wrong(
                    "a second value of the key \(Quoting.text(record.key)); a store has one")
            }
            hasRead = true
            return true
        }
    }

    private func trim(_ line: inout [UInt8]) { if line.last == Byte.return { line.removeLast() } }

    private func cut() -> TransferError {
        TransferError(
            message: "\(source.name):\(source.lineNumber): DATA=END is missing; the dump was cut",
            isFatal: true)
    }

    /// False where no more databases follow.
    private func readHeader() throws(TransferError) -> Bool {
        var header = Header()
        var isBegun = false
        while try source.readLine(&line) {
            trim(&line)
            if line.isEmpty, !isBegun { continue }
            let text = String(decoding: line, as: UTF8.self)
            guard let sign = text.firstIndex(of: "="), text.utf8.first != Byte.space else {
                throw fatal("this is no line of a dump's header")
            }
            let (name, value) = (text[..<sign], String(text[text.index(after: sign)...]))
            if !isBegun, name != "VERSION" { throw fatal("a dump begins with VERSION=3") }
            isBegun = true
            switch (name, value) {
            case ("VERSION", "2"), ("VERSION", "3"): break
            case ("VERSION", _): throw fatal("version \(value) of the format is not known")
            case ("format", "bytevalue"): header.isText = false
            case ("format", "print"): header.isText = true
            case ("format", _): throw fatal("format=\(value) is not known")
            case ("type", "btree"), ("type", "hash"), ("type", "heap"): break
            case ("type", _): throw fatal("a database of type \(value) has no keys to import")
            case ("database", _): header.database = value
            case ("keys", "0"): throw fatal("the dump was made without keys")
            case ("HEADER", "END"):
                self.header = header
                hasRead = false
                return true
            default: break
            }
        }
        if isBegun { throw fatal("the dump ends in its header") }
        if source.lineNumber == 0 { throw fatal("a dump begins with VERSION=3") }
        return false
    }

    private func fatal(_ message: String) -> TransferError {
        TransferError(
            message: "\(source.name):\(source.lineNumber): \(Quoting.message(message))",
            isFatal: true)
    }

    private func decode(
        _ line: [UInt8], _ header: Header, isKey: Bool, _ bytes: inout [UInt8]
    ) throws(TransferError) {
        // The key's line is the one before.
        let place = "\(source.name):\(source.lineNumber - (isKey ? 1 : 0))"
        guard line.first == Byte.space else {
            throw TransferError(message: "\(place): a line of data begins with a space")
        }
        if !header.isText {
            guard HexDigits.append(line[1...], to: &bytes) else {
                throw TransferError(message: "\(place): this is no row of hex digits, two a byte")
            }
            return
        }
        var index = 1
        while index < line.count {
            let byte = line[index]
            index += 1
            guard byte == Byte.backslash else {
                bytes.append(byte)
                continue
            }
            if index < line.count, line[index] == Byte.backslash {
                bytes.append(Byte.backslash)
                index += 1
            } else if index + 1 < line.count,
                HexDigits.append(line[index..<(index + 2)], to: &bytes)
            {
                index += 2
            } else {
                throw TransferError(
                    message: "\(place): a backslash without two hex digits; dump without -p")
            }
        }
    }
}

/// What gdbm_dump writes: comments, then each datum as `#:len=N` and lines of base64, key and value
/// in turn.
final class GDBMDecoder: RecordDecoder {
    let remarks = TransferRemarks()
    private let source: ByteSource
    private var line: [UInt8] = []
    private var hasBegun = false
    private var isDone = false
    /// A line that belongs to what comes next.
    private var isPending = false
    private var count = 0

    init(_ source: ByteSource) { self.source = source }

    var place: String { "\(source.name):\(source.lineNumber)" }
    var progress: (done: Int, total: Int?) { (source.offset, source.total) }

    func next(_ record: inout TransferRecord) throws(TransferError) -> Bool {
        if isDone { return false }
        if !hasBegun { try begin() }
        guard try readDatum(&record.key, isKey: true) else {
            isDone = true
            return false
        }
        guard try readDatum(&record.value, isKey: false) else {
            throw fatal("a key without a value")
        }
        count += 1
        return true
    }

    private func begin() throws(TransferError) {
        hasBegun = true
        guard try source.readLine(&line), line.first == Byte.hash else {
            throw fatal("a dump of gdbm begins with a comment")
        }
    }

    private func fatal(_ message: String) -> TransferError {
        TransferError(
            message: "\(source.name):\(source.lineNumber): \(message)", isFatal: true)
    }

    /// False at the end of the data.
    private func readDatum(_ bytes: inout [UInt8], isKey: Bool) throws(TransferError) -> Bool {
        var length: Int?
        while length == nil {
            if !isPending, try !source.readLine(&line) {
                throw fatal("# End of data is missing; the dump was cut")
            }
            isPending = false
            let text = String(decoding: line.prefix(64), as: UTF8.self)
            if text.hasPrefix("#:len=") {
                guard let number = Int(text.dropFirst(6)), number >= 0 else {
                    throw fatal("this is no length")
                }
                length = number
            } else if text.hasPrefix("#:count=") {
                guard Int(text.dropFirst(8)) == count else {
                    throw fatal("\(Units.count(count, "record")) where \(text.dropFirst(8)) belong")
                }
            } else if text.hasPrefix("# End of data") {
                return false
            } else if !text.hasPrefix("#") {
                throw fatal("data without #:len= before it")
            }
        }
        while try source.readLine(&line) {
            if line.first == Byte.hash {
                isPending = true
                break
            }
            guard Base64.append(line, to: &bytes) else { throw fatal("this is no base64") }
            if bytes.count > length! { break }
        }
        guard bytes.count == length else {
            throw fatal(
                "\(Units.count(bytes.count, "byte")) where #:len= says \(length!)")
        }
        return true
    }
}

/// Base64 (RFC 4648, section 4).
enum Base64 {
    static let digits = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    /// 255 for a byte that is no digit.
    private static let values: [UInt8] = (0..<256).map { byte in
        UInt8(digits.firstIndex(of: UInt8(byte)) ?? 255)
    }

    /// Decodes whole groups of four; false where the text is none.
    static func append(_ text: [UInt8], to bytes: inout [UInt8]) -> Bool {
        var text = text[...]
        if text.last == Byte.return { text.removeLast() }
        guard text.count % 4 == 0 else { return false }
        var padding = 0
        while padding < 2, text.last == Byte.equal {
            text.removeLast()
            padding += 1
        }
        var bits: UInt32 = 0
        var held = 0
        for byte in text {
            let value = values[Int(byte)]
            if value == 255 { return false }
            bits = bits << 6 | UInt32(value)
            held += 6
            if held >= 8 {
                held -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(held)))
            }
        }
        return true
    }
}
