/// As much of JSON (RFC 8259) as lines of output need.
enum JSON {
    case string(String)
    case number(Int)
    case unsigned(UInt64)
    case decimal(Double)
    case bool(Bool)
    case null
    case array([JSON])
    case object([(String, JSON)])

    var text: String {
        switch self {
        case .string(let text): Self.quoted(text)
        case .number(let number): String(number)
        case .unsigned(let number): String(number)
        case .decimal(let number): number.isFinite ? "\(number)" : "null"
        case .bool(let value): value ? "true" : "false"
        case .null: "null"
        case .array(let items): "[" + items.map(\.text).joined(separator: ",") + "]"
        case .object(let members):
            "{" + members.map { Self.quoted($0.0) + ":" + $0.1.text }.joined(separator: ",") + "}"
        }
    }

    /// Bytes as a member: a string under `name` where they are UTF-8, else hexadecimal digits under
    /// `name` with "Hex" behind it.
    static func bytes(_ name: String, _ bytes: [UInt8]) -> (String, JSON) {
        if let text = String(validating: bytes, as: UTF8.self) { return (name, .string(text)) }
        return (name + "Hex", .string(bytes.map(Printable.hexByte).joined()))
    }

    /// `"name":"text"`; bytes that are not UTF-8 become `"nameHex":"ff00"`, so that nothing is
    /// lost.
    static func writeMember(
        _ name: String, _ bytes: UnsafeRawBufferPointer, _ put: (UInt8) -> Void
    ) {
        // SAFETY: the bytes are only read.
        let isText = unsafe UTF8Scan.isValid(bytes)
        for byte in "\"\(name)\(isText ? "" : "Hex")\":\"".utf8 { put(byte) }
        if isText {
            unsafe writeText(bytes, put)
        } else {
            unsafe bytes.forEach { byte in
                put(Byte.hexDigit(byte >> 4))
                put(Byte.hexDigit(byte & 15))
            }
        }
        put(Byte.double)
    }

    /// `text` in quotes.
    static func quoted(_ text: String) -> String {
        var result: [UInt8] = [Byte.double]
        // SAFETY: the array outlives the call.
        unsafe Array(text.utf8).withUnsafeBytes { bytes in
            unsafe writeText(bytes) { result.append($0) }
        }
        return String(decoding: result + [Byte.double], as: UTF8.self)
    }

    /// The inside of a string. What a terminal would not show as a character is escaped.
    private static func writeText(_ bytes: UnsafeRawBufferPointer, _ put: (UInt8) -> Void) {
        var index = 0
        while index < bytes.count {
            // SAFETY: index < count.
            let byte = unsafe bytes[index]
            if byte == Byte.double || byte == Byte.backslash {
                put(Byte.backslash)
                put(byte)
            } else if byte == Byte.newline {
                put(Byte.backslash)
                put(UInt8(ascii: "n"))
            } else if (0x20..<0x7F).contains(byte) {
                put(byte)
            } else if let (scalar, length) = unsafe UTF8Scan.scalar(bytes, index) {
                if UTF8Scan.isPrintable(scalar) {
                    for position in index..<(index + length) { unsafe put(bytes[position]) }
                } else {
                    for unit in UTF16.encode(scalar) ?? .init() { escape(unit, put) }
                }
                index += length
                continue
            }
            index += 1
        }
    }

    private static func escape(_ unit: UInt16, _ put: (UInt8) -> Void) {
        put(Byte.backslash)
        put(UInt8(ascii: "u"))
        for shift in [12, 8, 4, 0] as [UInt16] { put(Byte.hexDigit(UInt8(unit >> shift & 15))) }
    }
}
