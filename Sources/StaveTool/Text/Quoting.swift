/// The grammar outwards: bytes as a word that `WordParser` reads back byte for byte.
enum Quoting {
    /// Bytes that a bare word may hold wherever they stand. What begins with `-`, `<` or `>` could
    /// be meant as something else, so those are not among them.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        case UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: ":"), UInt8(ascii: "/"),
            UInt8(ascii: "@"), UInt8(ascii: "+"), UInt8(ascii: "="), UInt8(ascii: ","),
            UInt8(ascii: "%"):
            true
        default: false
        }
    }

    /// Whether the bytes, as they are, make the word, and are of ASCII.
    static func isBare(_ bytes: UnsafeRawBufferPointer) -> Bool {
        // SAFETY: the bytes are only read, inside their bounds.
        unsafe !bytes.isEmpty && bytes.allSatisfy({ isPlain($0) || $0 == UInt8(ascii: "-") })
            && bytes[0] != UInt8(ascii: "-")
    }

    /// What stands around a word.
    private enum Quotes { case none, single, double }

    /// The quotes with which the word needs no escapes; double ones where it needs some all the
    /// same.
    private static func quotes(for bytes: UnsafeRawBufferPointer) -> Quotes {
        // SAFETY: the bytes are only read.
        if unsafe isBare(bytes) { return .none }
        var isBareWord = unsafe !bytes.isEmpty && bytes[0] != UInt8(ascii: "-")
        var (needsEscape, hasSingle) = (false, false)
        var index = 0
        while index < bytes.count {
            // SAFETY: index < count.
            guard let (scalar, length) = unsafe UTF8Scan.scalar(bytes, index),
                UTF8Scan.isPrintable(scalar)
            else { return .double }
            switch scalar {
            case "\"", "\\": needsEscape = true
            case "'": hasSingle = true
            default: break
            }
            if isBareWord {
                isBareWord =
                    scalar.isASCII
                    ? isPlain(UInt8(scalar.value)) || scalar == "-"
                    : UTF8Scan.isLetter(scalar, atStart: index == 0)
            }
            index += length
        }
        if isBareWord { return .none }
        return needsEscape && !hasSingle ? .single : .double
    }

    /// Calls `put` with each byte of the word.
    static func write(_ bytes: UnsafeRawBufferPointer, _ put: (UInt8) -> Void) {
        // SAFETY: the bytes are only read.
        switch unsafe quotes(for: bytes) {
        case .none: unsafe bytes.forEach(put)
        case .single:
            put(Byte.single)
            unsafe bytes.forEach(put)
            put(Byte.single)
        case .double:
            put(Byte.double)
            unsafe writeEscaped(bytes, put)
            put(Byte.double)
        }
    }

    /// At most `limit` bytes, cut between two characters where there are any.
    static func beginning(_ bytes: UnsafeRawBufferPointer, _ limit: Int) -> UnsafeRawBufferPointer {
        guard bytes.count > limit else { return unsafe bytes }
        var end = limit
        // SAFETY: end < count.
        while end > 0, end > limit - 4, unsafe bytes[end] & 0xC0 == 0x80 { end -= 1 }
        return unsafe UnsafeRawBufferPointer(rebasing: bytes.prefix(end))
    }

    static func quoted(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        // SAFETY: the array outlives the call.
        unsafe bytes.withUnsafeBytes { buffer in unsafe write(buffer) { result.append($0) } }
        return result
    }

    /// The same as text, for messages: of a long word only its beginning.
    static func text(_ bytes: [UInt8]) -> String {
        // SAFETY: the array outlives the call.
        unsafe bytes.withUnsafeBytes { unsafe text($0) }
    }

    static func text(_ bytes: UnsafeRawBufferPointer) -> String {
        var shown: [UInt8] = []
        // SAFETY: the bytes are only read.
        unsafe writeText(bytes) { shown.append($0) }
        return String(decoding: shown, as: UTF8.self)
    }

    /// `text` without a String: a script may ask for millions of keys that are not there.
    static func writeText(_ bytes: UnsafeRawBufferPointer, _ put: (UInt8) -> Void) {
        let limit = 60
        // SAFETY: the bytes are only read.
        unsafe write(beginning(bytes, limit), put)
        if bytes.count > limit { "…".utf8.forEach(put) }
    }

    /// A word for the POSIX shell that is to be pasted there.
    static func shellWord(_ text: String) -> String {
        if !text.isEmpty, text.utf8.allSatisfy({ isPlain($0) || $0 == UInt8(ascii: "-") }) {
            return text
        }
        return "'"
            + text.split(separator: "'", omittingEmptySubsequences: false)
            .joined(separator: "'\\''") + "'"
    }

    /// A message without what a terminal must not get; quotes and backslashes stay as they are.
    static func message(_ text: String) -> String {
        if text.unicodeScalars.allSatisfy(UTF8Scan.isPrintable) { return text }
        return text.unicodeScalars.reduce(into: "") { result, scalar in
            if UTF8Scan.isPrintable(scalar) { return result.unicodeScalars.append(scalar) }
            var bytes: [UInt8] = []
            // SAFETY: the array outlives the call.
            unsafe Array(String(scalar).utf8).withUnsafeBytes {
                unsafe writeEscaped($0) { bytes.append($0) }
            }
            result += String(decoding: bytes, as: UTF8.self)
        }
    }

    /// The inside of a double-quoted word.
    static func writeEscaped(_ bytes: UnsafeRawBufferPointer, _ put: (UInt8) -> Void) {
        var index = 0
        while index < bytes.count {
            // SAFETY: index < count.
            let byte = unsafe bytes[index]
            switch byte {
            case Byte.double, Byte.backslash:
                put(Byte.backslash)
                put(byte)
            case 0x20..<0x7F: put(byte)
            case Byte.newline: putPair("n", put)
            case Byte.tab: putPair("t", put)
            case Byte.return: putPair("r", put)
            case 0: putPair("0", put)
            case 0x80...:
                if let (scalar, length) = unsafe UTF8Scan.scalar(bytes, index) {
                    if UTF8Scan.isPrintable(scalar) {
                        for offset in 0..<length { unsafe put(bytes[index + offset]) }
                    } else {
                        for byte in "\\u{\(String(scalar.value, radix: 16))}".utf8 { put(byte) }
                    }
                    index += length - 1
                } else {
                    putHex(byte, put)
                }
            default: putHex(byte, put)
            }
            index += 1
        }
    }

    private static func putPair(_ letter: Unicode.Scalar, _ put: (UInt8) -> Void) {
        put(Byte.backslash)
        put(UInt8(ascii: letter))
    }

    private static func putHex(_ byte: UInt8, _ put: (UInt8) -> Void) {
        putPair("x", put)
        put(Byte.hexDigit(byte >> 4))
        put(Byte.hexDigit(byte & 15))
    }
}

/// UTF-8 by the Unicode standard, table 3-7: no overlong forms, no surrogates.
enum UTF8Scan {
    /// The scalar at `index` and its length in bytes; nil where the bytes are not UTF-8.
    static func scalar(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> (Unicode.Scalar, Int)? {
        // SAFETY: index is inside; what follows is checked.
        let first = unsafe bytes[index]
        let length: Int
        var value: UInt32
        switch first {
        case 0..<0x80: return (Unicode.Scalar(first), 1)
        case 0xC2..<0xE0: (length, value) = (2, UInt32(first & 0x1F))
        case 0xE0..<0xF0: (length, value) = (3, UInt32(first & 0x0F))
        case 0xF0..<0xF5: (length, value) = (4, UInt32(first & 0x07))
        default: return nil
        }
        guard index + length <= bytes.count else { return nil }
        for offset in 1..<length {
            let byte = unsafe bytes[index + offset]
            guard byte & 0xC0 == 0x80 else { return nil }
            value = value << 6 | UInt32(byte & 0x3F)
        }
        let least: UInt32 = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000
        guard value >= least, let scalar = Unicode.Scalar(value) else { return nil }
        return (scalar, length)
    }

    static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var index = 0
        while index < bytes.count {
            // SAFETY: index < count.
            if unsafe bytes[index] < 0x80 {
                index &+= 1
            } else if let (_, length) = unsafe scalar(bytes, index) {
                index += length
            } else {
                return false
            }
        }
        return true
    }

    /// Whether it is a letter, a digit or a mark of some script: what stands in a word of a
    /// language. A mark belongs to the letter before it.
    static func isLetter(_ scalar: Unicode.Scalar, atStart: Bool) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
            .decimalNumber:
            true
        case .nonspacingMark, .spacingMark: !atStart
        default: false
        }
    }

    /// False for what would move the cursor, vanish, or reorder the text around it.
    static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse,
            .unassigned:
            // Emoji families are joined by U+200D, which is harmless.
            scalar.value == 0x200D
        default: true
        }
    }
}
