/// Reads one JSON text (RFC 8259) from front to back: as much as an object on a line needs.
struct JSONScanner: ~Copyable {
    private let bytes: [UInt8]
    private var index = 0

    struct Problem: Error {
        var message: String
    }

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    private var current: UInt8? { index < bytes.count ? bytes[index] : nil }

    mutating func skipBlanks() {
        while index < bytes.count,
            [Byte.space, Byte.tab, Byte.return, Byte.newline].contains(bytes[index])
        {
            index += 1
        }
    }

    /// Goes behind `byte`, which is next; false where it is not.
    mutating func take(_ byte: UInt8) -> Bool {
        skipBlanks()
        guard current == byte else { return false }
        index += 1
        return true
    }

    mutating func require(_ byte: UInt8) throws(Problem) {
        guard take(byte) else {
            throw Problem(message: "\(shown) where \(Self.sign(byte)) belongs")
        }
    }

    mutating func requireEnd() throws(Problem) {
        skipBlanks()
        if index < bytes.count { throw Problem(message: "\(shown) behind the object") }
    }

    private static func sign(_ byte: UInt8) -> String { String(Unicode.Scalar(byte)) }

    private var shown: String {
        guard let current else { return "the line ends" }
        return (0x21..<0x7f).contains(current) ? Self.sign(current) : "a byte \(current)"
    }

    /// A value as bytes: a string's characters; of all others, except null, the text as it is.
    mutating func value(_ result: inout [UInt8]) throws(Problem) {
        skipBlanks()
        if current == Byte.double { return try string(&result) }
        let start = index
        try skipValue()
        if bytes[start] == UInt8(ascii: "n") { throw Problem(message: "a null is no value") }
        result += bytes[start..<index]
    }

    /// A string's characters as UTF-8.
    mutating func string(_ result: inout [UInt8]) throws(Problem) {
        try require(Byte.double)
        while true {
            let end = endOfRun
            result += bytes[index..<end]
            index = end
            guard let current else { throw Problem(message: "a string is not closed") }
            index += 1
            if current == Byte.double { return }
            try escape(&result)
        }
    }

    /// Where the next quote or backslash stands.
    private var endOfRun: Int {
        // SAFETY: the array outlives the call.
        unsafe bytes.withUnsafeBytes {
            unsafe ByteScan.firstByte(
                Byte.double, Byte.backslash, Byte.backslash, in: $0, from: index)
        }
    }

    /// Behind the backslash.
    private mutating func escape(_ result: inout [UInt8]) throws(Problem) {
        guard let letter = current else { throw Problem(message: "a string is not closed") }
        index += 1
        switch letter {
        case Byte.double, Byte.backslash, UInt8(ascii: "/"): result.append(letter)
        case UInt8(ascii: "n"): result.append(Byte.newline)
        case UInt8(ascii: "t"): result.append(Byte.tab)
        case UInt8(ascii: "r"): result.append(Byte.return)
        case UInt8(ascii: "b"): result.append(8)
        case UInt8(ascii: "f"): result.append(12)
        case UInt8(ascii: "u"):
            var value = try unit()
            if value >> 10 == 0x36, current == Byte.backslash, index + 1 < bytes.count,
                bytes[index + 1] == UInt8(ascii: "u")
            {
                index += 2
                let low = try unit()
                guard low >> 10 == 0x37 else {
                    throw Problem(message: "half a surrogate pair is no character")
                }
                value = 0x10000 + (value & 0x3ff) << 10 + low & 0x3ff
            }
            guard let scalar = Unicode.Scalar(value) else {
                throw Problem(message: "half a surrogate pair is no character")
            }
            result += UTF8.encode(scalar)!
        default: throw Problem(message: "JSON has no escape \\\(Quoting.text([letter]))")
        }
    }

    private mutating func unit() throws(Problem) -> UInt32 {
        guard index + 4 <= bytes.count else { throw Problem(message: "\\u needs four hex digits") }
        var value: UInt32 = 0
        for byte in bytes[index..<(index + 4)] {
            guard let digit = Byte.hexValue(byte) else {
                throw Problem(message: "\\u needs four hex digits")
            }
            value = value << 4 | UInt32(digit)
        }
        index += 4
        return value
    }

    /// Goes behind a value, which may be nested to any depth.
    mutating func skipValue() throws(Problem) {
        skipBlanks()
        var depth = 0
        repeat {
            skipBlanks()
            guard let byte = current else { throw Problem(message: "the line ends in a value") }
            switch byte {
            case Byte.double:
                var dropped: [UInt8] = []
                try string(&dropped)
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                index += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                guard depth > 0 else { throw Problem(message: "\(shown) where a value belongs") }
                depth -= 1
                index += 1
            case Byte.comma, UInt8(ascii: ":"):
                guard depth > 0 else { throw Problem(message: "\(shown) where a value belongs") }
                index += 1
            default: try skipWord()
            }
        } while depth > 0
    }

    /// A number, or one of the three words.
    private mutating func skipWord() throws(Problem) {
        let start = index
        while let byte = current, Self.isWordByte(byte) { index += 1 }
        let word = String(decoding: bytes[start..<index].prefix(40), as: UTF8.self)
        guard ["true", "false", "null"].contains(word) || (index > start && Double(word) != nil)
        else { throw Problem(message: "\(index > start ? word : shown) is no value of JSON") }
    }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "+"),
            Byte.minus:
            true
        default: false
        }
    }

    /// A number that stands for nothing but itself, such as a time; nil for any other value, which
    /// is gone behind as well.
    mutating func number() throws(Problem) -> Int? {
        skipBlanks()
        let start = index
        try skipValue()
        return Int(String(decoding: bytes[start..<index].prefix(24), as: UTF8.self))
    }
}
