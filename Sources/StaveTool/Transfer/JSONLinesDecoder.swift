/// An object a line: what `--format json scan` prints, with `keyHex` and `valueHex` for bytes that
/// are not UTF-8; and RIOT's, whose `type` and `ttl` say more.
final class JSONLinesDecoder: RecordDecoder {
    let remarks = TransferRemarks()
    private let source: ByteSource
    private let keyName: [UInt8]
    private let valueName: [UInt8]
    private var line: [UInt8] = []
    private var name: [UInt8] = []
    private var hex: [UInt8] = []

    init(_ source: ByteSource, _ layout: TransferLayout) {
        self.source = source
        keyName = Array((layout.keyField ?? "key").utf8)
        valueName = Array((layout.valueField ?? "value").utf8)
    }

    var place: String { "\(source.name):\(source.lineNumber)" }
    var progress: (done: Int, total: Int?) { (source.offset, source.total) }

    func next(_ record: inout TransferRecord) throws(TransferError) -> Bool {
        while try source.readLine(&line) {
            if source.lineNumber == 1, line.starts(with: [0xef, 0xbb, 0xbf]) {
                line.removeFirst(3)
            }
            if line.allSatisfy({ [Byte.space, Byte.tab, Byte.return].contains($0) }) { continue }
            do throws(JSONScanner.Problem) {
                if try readObject(&record) { return true }
            } catch {
                throw source.wrong(error.message)
            }
            record.clear()
        }
        return false
    }

    /// What the members say besides the record.
    private struct Found {
        var hasKey = false
        var hasValue = false
        var type: [UInt8] = []
    }

    /// False for an object of another type than a string.
    private func readObject(_ record: inout TransferRecord) throws(JSONScanner.Problem) -> Bool {
        var scanner = JSONScanner(line)
        var found = Found()
        try scanner.require(UInt8(ascii: "{"))
        if !scanner.take(UInt8(ascii: "}")) {
            repeat {
                name.removeAll(keepingCapacity: true)
                try scanner.string(&name)
                try scanner.require(UInt8(ascii: ":"))
                try readMember(&scanner, &record, &found)
            } while scanner.take(Byte.comma)
            try scanner.require(UInt8(ascii: "}"))
        }
        try scanner.requireEnd()
        if !found.type.isEmpty, found.type.map(Self.lowercased) != Array("string".utf8) {
            remarks.skip(String(decoding: found.type.map(Self.lowercased), as: UTF8.self))
            return false
        }
        guard found.hasKey else { throw missing(keyName) }
        guard found.hasValue else { throw missing(valueName) }
        return true
    }

    private func readMember(
        _ scanner: inout JSONScanner, _ record: inout TransferRecord, _ found: inout Found
    ) throws(JSONScanner.Problem) {
        let isHex = name.count > 3 && name.suffix(3) == Array("Hex".utf8)[...]
        let plain = isHex ? Array(name.dropLast(3)) : name
        // A field that is really called so comes first.
        if name == keyName || (isHex && plain == keyName) {
            if found.hasKey { throw .init(message: "it has two keys") }
            found.hasKey = true
            try read(&scanner, isHex: name != keyName, &record.key)
        } else if name == valueName || (isHex && plain == valueName) {
            if found.hasValue { throw .init(message: "it has two values") }
            found.hasValue = true
            try read(&scanner, isHex: name != valueName, &record.value)
        } else if name == Array("type".utf8) {
            found.type.removeAll()
            try scanner.value(&found.type)
        } else if name == Array("ttl".utf8) {
            if let time = try scanner.number(), time > 0 { record.hasExpiry = true }
        } else {
            try scanner.skipValue()
        }
    }

    private func read(_ scanner: inout JSONScanner, isHex: Bool, _ bytes: inout [UInt8])
        throws(JSONScanner.Problem)
    {
        guard isHex else { return try scanner.value(&bytes) }
        hex.removeAll(keepingCapacity: true)
        try scanner.string(&hex)
        guard HexDigits.append(hex[...], to: &bytes) else {
            throw .init(message: "\(Quoting.text(name)) is no row of hex digits, two a byte")
        }
    }

    private func missing(_ name: [UInt8]) -> JSONScanner.Problem {
        .init(message: "it has no \(Quoting.text(name))")
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }
}

/// Bytes as hex digits.
enum HexDigits {
    /// False where `digits` are not two a byte.
    static func append(_ digits: ArraySlice<UInt8>, to bytes: inout [UInt8]) -> Bool {
        guard digits.count % 2 == 0 else { return false }
        bytes.reserveCapacity(bytes.count + digits.count / 2)
        var index = digits.startIndex
        while index < digits.endIndex {
            guard let high = Byte.hexValue(digits[index]),
                let low = Byte.hexValue(digits[index + 1])
            else { return false }
            bytes.append(high << 4 | low)
            index += 2
        }
        return true
    }
}
