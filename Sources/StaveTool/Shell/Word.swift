internal import StaveDisk

/// One word of a command: its bytes, and where it stood in the line for messages.
///
/// The bytes lie in the line, or in its parser's memory where escapes were decoded, or among the
/// process's arguments; they are valid until the next line is parsed or read.
@safe struct Word {
    enum Kind {
        /// Written without quotes in a line.
        case bare
        case quoted
        /// The rest of a line behind | or !, for the outer shell.
        case program
        /// An argument of the process: may be an option, never a redirection.
        case argument
    }

    let bytes: UnsafeRawBufferPointer
    let kind: Kind
    /// Byte offset in the line.
    let offset: Int

    // SAFETY: see above for how long the bytes live.
    var array: [UInt8] { unsafe [UInt8](bytes) }
    /// For messages; a word may be as long as the largest value, so nothing copies all of it.
    var shown: String { unsafe Quoting.text(bytes) }
    var string: String { unsafe String(decoding: bytes, as: UTF8.self) }
    var mayBeOption: Bool {
        unsafe kind != .quoted && bytes.count >= 2 && bytes[0] == Byte.minus
            && bytes[1] == Byte.minus
    }

    /// `--limit=1` cut in two; without a value where there is no sign.
    var optionParts: (name: String, value: Word?) {
        // No option is as long as this; a key may be.
        guard let sign = unsafe bytes.prefix(32).firstIndex(of: Byte.equal) else {
            return (unsafe String(decoding: bytes.prefix(32), as: UTF8.self), nil)
        }
        let name = unsafe String(decoding: bytes[..<sign], as: UTF8.self)
        let value = unsafe UnsafeRawBufferPointer(rebasing: bytes[(sign + 1)...])
        return (name, unsafe Word(bytes: value, kind: kind, offset: offset + sign + 1))
    }

    /// The rest of the word from a byte on.
    func behind(_ index: Int) -> Word {
        let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[index...])
        return unsafe Word(bytes: rest, kind: kind, offset: offset + index)
    }

    /// As a decimal number; no number has more digits.
    var number: Int? {
        unsafe bytes.count > 32 ? nil : Int(string)
    }

    var canBeKey: Bool { unsafe (1...Format.maxKeyLength).contains(bytes.count) }

    /// Whether it may be an option or stand for a file's place.
    var mayBeSign: Bool { mayBeOption || isSign }

    /// A bare word that stands for a file's or a program's place.
    var isSign: Bool {
        guard kind == .bare, unsafe bytes.count <= 2 else { return kind == .program }
        return equals("<") || equals(">") || equals(">>") || equals("|")
    }

    /// True for a bare word that is exactly this.
    func isBare(_ text: StaticString) -> Bool { kind == .bare && equals(text) }

    func equals(_ text: StaticString) -> Bool {
        unsafe bytes.count == text.utf8CodeUnitCount
            && bytes.elementsEqual(
                UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
}

/// Bytes that mean something in the grammar.
enum Byte {
    static let tab = UInt8(ascii: "\t")
    static let newline = UInt8(ascii: "\n")
    static let `return` = UInt8(ascii: "\r")
    static let space = UInt8(ascii: " ")
    static let double = UInt8(ascii: "\"")
    static let hash = UInt8(ascii: "#")
    static let single = UInt8(ascii: "'")
    static let comma = UInt8(ascii: ",")
    static let minus = UInt8(ascii: "-")
    static let equal = UInt8(ascii: "=")
    static let bar = UInt8(ascii: "|")
    static let less = UInt8(ascii: "<")
    static let greater = UInt8(ascii: ">")
    static let backslash = UInt8(ascii: "\\")

    static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte &- UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte &- UInt8(ascii: "a") &+ 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte &- UInt8(ascii: "A") &+ 10
        default: nil
        }
    }

    static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") &+ value : UInt8(ascii: "a") &+ value &- 10
    }
}
