/// A value as a person reads it: JSON indented, text in its lines, and of other bytes the first
/// ones in hexadecimal digits.
struct Pretty {
    var hasColor = false
    /// JSON that is nested deeper is shown as text.
    private static let deepest = 200
    private static let hexRows = 8

    func text(of value: [UInt8]) -> String {
        guard let text = String(validating: value, as: UTF8.self), isReadable(text) else {
            return hex(value)
        }
        var json = JSONIndenter(text: Array(text.utf8), deepest: Self.deepest, hasColor: hasColor)
        return json.run() ?? (text.hasSuffix("\n") ? text : text + "\n")
    }

    /// Lines and tabs of text, and nothing that a terminal must not get.
    private func isReadable(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { $0 == "\n" || $0 == "\t" || UTF8Scan.isPrintable($0) }
    }

    private func hex(_ value: [UInt8]) -> String {
        var rows = ["\(Units.bytes(value.count)) of bytes that are no text:"]
        let shown = value.prefix(16 * Self.hexRows)
        let width = String(max(0, shown.count - 1), radix: 16).count
        for start in stride(from: 0, to: shown.count, by: 16) {
            let row = shown[start..<min(start + 16, shown.count)]
            let digits = row.map(Printable.hexByte).joined(separator: " ")
            let letters = row.map {
                (0x20..<0x7F).contains($0) ? Character(Unicode.Scalar($0)) : "."
            }
            let place = Units.padded(String(start, radix: 16), width, right: true)
            rows.append(
                Palette.colored(place, Palette.label, hasColor) + "  " + Units.padded(digits, 49)
                    + String(letters))
        }
        if value.count > shown.count { rows.append("... (get KEY > FILE writes all of it)") }
        return rows.joined(separator: "\n") + "\n"
    }
}

/// JSON (RFC 8259) with a member or an element a line; what stands in it stays as it is written.
private struct JSONIndenter {
    let text: [UInt8]
    let deepest: Int
    let hasColor: Bool
    private var index = 0
    private var result = ""
    /// The closing sign of each open object or array.
    private var open: [UInt8] = []

    init(text: [UInt8], deepest: Int, hasColor: Bool) {
        self.text = text
        self.deepest = deepest
        self.hasColor = hasColor
    }

    /// nil where the text is no object and no array of JSON.
    mutating func run() -> String? {
        skipBlanks()
        guard peek == UInt8(ascii: "{") || peek == UInt8(ascii: "[") else { return nil }
        var wantsValue = true
        while true {
            skipBlanks()
            if wantsValue {
                guard let isOpen = value() else { return nil }
                if isOpen {
                    // Behind an opening sign comes a key, or an element.
                    if open.last == UInt8(ascii: "}"), !key() { return nil }
                    continue
                }
            }
            while let end = open.last {
                skipBlanks()
                guard peek == end else { break }
                index += 1
                open.removeLast()
                newline()
                result.unicodeScalars.append(Unicode.Scalar(end))
            }
            guard let end = open.last else {
                skipBlanks()
                return index == text.count ? result + "\n" : nil
            }
            guard peek == Byte.comma else { return nil }
            index += 1
            result += ","
            newline()
            if end == UInt8(ascii: "}"), !key() { return nil }
            wantsValue = true
        }
    }

    private var peek: UInt8? { index < text.count ? text[index] : nil }

    private mutating func skipBlanks() {
        while let byte = peek, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { index += 1 }
    }

    private mutating func newline() {
        result += "\n" + String(repeating: "  ", count: open.count)
    }

    /// `"name":` of a member.
    private mutating func key() -> Bool {
        skipBlanks()
        guard let name = string() else { return false }
        skipBlanks()
        guard peek == UInt8(ascii: ":") else { return false }
        index += 1
        result += Palette.colored(name, Palette.key, hasColor) + ": "
        return true
    }

    /// True where it opened an object or array that is not empty; nil where there is no value.
    private mutating func value() -> Bool? {
        switch peek {
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            guard open.count < deepest else { return nil }
            let end: UInt8 = peek == UInt8(ascii: "{") ? UInt8(ascii: "}") : UInt8(ascii: "]")
            result.unicodeScalars.append(Unicode.Scalar(text[index]))
            index += 1
            skipBlanks()
            if peek == end {
                index += 1
                result.unicodeScalars.append(Unicode.Scalar(end))
                return false
            }
            open.append(end)
            newline()
            return true
        case Byte.double:
            guard let text = string() else { return nil }
            result += Palette.colored(text, Palette.live, hasColor)
            return false
        default:
            let start = index
            while let byte = peek, isOfScalar(byte) { index += 1 }
            let word = String(decoding: text[start..<index], as: UTF8.self)
            guard ["true", "false", "null"].contains(word) || isNumber(word) else { return nil }
            result += word
            return false
        }
    }

    private func isOfScalar(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "E"):
            true
        default: false
        }
    }

    private func isNumber(_ word: String) -> Bool {
        guard let last = word.utf8.last, let first = word.utf8.first else { return false }
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        return digits.contains(last) && (first == Byte.minus || digits.contains(first))
            && Double(word) != nil
    }

    /// With its quotes.
    private mutating func string() -> String? {
        guard peek == Byte.double else { return nil }
        let start = index
        index += 1
        while let byte = peek, byte != Byte.double {
            index += byte == Byte.backslash ? 2 : 1
        }
        guard peek == Byte.double else { return nil }
        index += 1
        return String(decoding: text[start..<index], as: UTF8.self)
    }
}
