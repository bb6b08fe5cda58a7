internal import Glibc

/// Standard output, written in large pieces; or kept, for tests.
final class Output {
    private var buffer: [UInt8] = []
    private let isKept: Bool

    init(isKept: Bool = false) {
        self.isKept = isKept
        buffer.reserveCapacity(1 << 16)
    }

    /// What was printed and not written yet.
    var text: String { String(decoding: buffer, as: UTF8.self) }

    func line(_ text: String = "") {
        buffer.append(contentsOf: text.utf8)
        buffer.append(UInt8(ascii: "\n"))
        if buffer.count >= 1 << 16, !isKept { flush() }
    }

    /// Rows as columns two spaces apart; `right` names the columns that are set flush right.
    func table(_ rows: [[String]], right: Set<Int> = []) {
        var widths: [Int] = []
        for row in rows {
            for (column, text) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], text.count)
            }
        }
        for row in rows {
            let cells = row.enumerated().map { column, text in
                Printable.padded(text, to: widths[column], onLeft: right.contains(column))
            }
            var text = cells.joined(separator: "  ")
            while text.last == " " { text.removeLast() }
            line(text)
        }
    }

    func json(_ members: [(String, JSON)]) { line(JSON.object(members).text) }

    /// Ends the program quietly where nobody reads any more.
    func flush() {
        var done = 0
        while done < buffer.count {
            // SAFETY: the write stays inside the array.
            let count = unsafe buffer.withUnsafeBytes {
                unsafe write(STDOUT_FILENO, $0.baseAddress! + done, $0.count - done)
            }
            if count < 0, errno == EINTR { continue }
            if count <= 0 { exit(74) }
            done += count
        }
        buffer.removeAll(keepingCapacity: true)
    }

    static func complain(_ text: String) {
        let bytes = Array("stave: \(text)\n".utf8)
        // SAFETY: the write stays inside the array. Where it fails there is nobody to tell.
        unsafe bytes.withUnsafeBytes { _ = unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

/// As much of JSON (RFC 8259) as lines of output need.
enum JSON {
    case string(String)
    case number(Int)
    case unsigned(UInt64)
    case bool(Bool)
    case null
    case array([JSON])
    case object([(String, JSON)])

    var text: String {
        switch self {
        case .string(let text): Self.quoted(text)
        case .number(let number): String(number)
        case .unsigned(let number): String(number)
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

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            default:
                let isPlain =
                    scalar.value >= 0x20 && !(0x7f...0x9f).contains(scalar.value)
                    && scalar.properties.generalCategory != .format
                    && scalar.value != 0x2028 && scalar.value != 0x2029
                if isPlain {
                    result.unicodeScalars.append(scalar)
                } else {
                    for unit in UTF16.encode(scalar) ?? .init() { result += escape(unit) }
                }
            }
        }
        return result + "\""
    }

    private static func escape(_ unit: UInt16) -> String {
        let digits = String(unit, radix: 16)
        return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }
}
