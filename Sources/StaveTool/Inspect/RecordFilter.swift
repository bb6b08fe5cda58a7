internal import StaveDisk

/// Which records are shown, and how much of them.
struct RecordFilter {
    enum Values: String, CaseIterable { case full, preview, none }
    enum Kind: String, CaseIterable { case value, tombstone }

    var from: Int?
    var to: Int?
    var key: KeyPattern?
    var kind: Kind?
    var values = Values.preview

    /// Was anything asked for?
    var isSet: Bool { from != nil || to != nil || key != nil || kind != nil }

    func includes(offset: Int) -> Bool { offset >= from ?? 0 && offset < to ?? .max }

    func includes(key: [UInt8], kind rawKind: RecordKind?) -> Bool {
        if let kind, (kind == .tombstone) != (rawKind == .tombstone) { return false }
        return pattern(matches: key)
    }

    private func pattern(matches bytes: [UInt8]) -> Bool { key?.matches(bytes) ?? true }
}

/// A key, or a prefix of keys with a star behind it. In double quotes the escapes that the
/// inspector prints are understood, so that any key can be pasted back.
struct KeyPattern {
    var bytes: [UInt8]
    var isPrefix: Bool

    func matches(_ key: [UInt8]) -> Bool { isPrefix ? key.starts(with: bytes) : key == bytes }

    init(prefix: [UInt8]) {
        bytes = prefix
        isPrefix = true
    }

    init?(_ text: String) {
        var word = Array(text.utf8)[...]
        isPrefix = word.last == UInt8(ascii: "*")
        if isPrefix { word.removeLast() }
        guard let bytes = Self.unquoted(word) else { return nil }
        self.bytes = bytes
    }

    /// The bytes of a word: its own, or in double quotes what the escapes stand for; nil where one
    /// is not understood.
    static func unquoted(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        let quote = UInt8(ascii: "\"")
        guard text.count >= 2, text.first == quote, text.last == quote else { return Array(text) }
        var bytes: [UInt8] = []
        var word = text.dropFirst().dropLast()
        while let byte = word.popFirst() {
            guard byte == UInt8(ascii: "\\") else {
                bytes.append(byte)
                continue
            }
            switch word.popFirst() {
            case UInt8(ascii: "n"): bytes.append(UInt8(ascii: "\n"))
            case UInt8(ascii: "r"): bytes.append(UInt8(ascii: "\r"))
            case UInt8(ascii: "t"): bytes.append(UInt8(ascii: "\t"))
            case UInt8(ascii: "0"): bytes.append(0)
            case UInt8(ascii: "x"):
                let digits = String(decoding: word.prefix(2), as: UTF8.self)
                guard digits.count == 2, let value = UInt8(digits, radix: 16) else { return nil }
                bytes.append(value)
                word.removeFirst(2)
            case UInt8(ascii: "u"):
                guard word.first == UInt8(ascii: "{"),
                    let end = word.firstIndex(of: UInt8(ascii: "}"))
                else { return nil }
                let digits = String(decoding: word[(word.startIndex + 1)..<end], as: UTF8.self)
                guard let value = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(value)
                else { return nil }
                bytes += Array(String(scalar).utf8)
                word = word[(end + 1)...]
            case UInt8(ascii: "\\"): bytes.append(UInt8(ascii: "\\"))
            case quote: bytes.append(quote)
            default: return nil
            }
        }
        return bytes
    }
}
