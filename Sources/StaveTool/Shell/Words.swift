/// Why a line could not be cut into words.
struct SyntaxError: Error, Equatable {
    var message: String
    /// Byte offset in the line.
    var offset: Int
    /// The quote that was left open, where that is what is wrong.
    var openQuote: UInt8?
}

/// Cuts lines into words. The grammar:
///
///     line    = { blank } [ word { blank+ word } ] { blank } [ comment ]
///     word    = bare | "'" any byte but ' "'" | '"' { byte | escape } '"'
///     bare    = bytes but blanks and quotes; does not begin with #, and with < or > only alone
///     escape  = \n \t \r \0 \\ \" \' \xHH \u{1 to 6 hex digits} \uHHHH \/ \b \f
///     comment = # to the end of the line
///
/// Blanks are space and tab. A word that is quoted ends with its closing quote. Anything that could
/// be meant in two ways is an error rather than a guess.
@safe final class WordParser {
    private(set) var words: [Word] = []
    /// Whether what stands behind a bare | or a ! that begins the line is a program for the outer
    /// shell.
    var takesPrograms = false
    /// Decoded bytes; as long as the longest line so far, since decoding never makes a word longer.
    private var decoded = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 1)
    private var decodedCount = 0

    deinit { unsafe decoded.deallocate() }

    /// More words than any command needs: they take more memory than the line itself.
    private static let mostWords = 1 << 20

    /// Parses one command from `start` on into `words`, and returns where the next one begins: the
    /// end of `line`, or behind a newline that stands outside quotes.
    ///
    /// - Parameter multiline: whether a quoted word may hold newlines.
    func parse(_ line: UnsafeRawBufferPointer, from start: Int = 0, multiline: Bool = false)
        throws(SyntaxError) -> Int
    {
        words.removeAll(keepingCapacity: true)
        decodedCount = 0
        // SAFETY: every index below is checked against the count first.
        let isWasteful = unsafe decoded.count > 4 << 20 && line.count < 64 << 10
        if unsafe decoded.count < line.count || isWasteful { resize(for: line.count) }
        if words.capacity > 1 << 16 { words = [] }
        var index = start
        let count = line.count
        while index < count {
            let byte = unsafe line[index]
            if words.count > Self.mostWords {
                throw SyntaxError(
                    message: "more than \(Self.mostWords) words in a line", offset: index)
            }
            switch byte {
            case Byte.space, Byte.tab: index &+= 1
            case Byte.newline: return index + 1
            case Byte.return where unsafe endsLine(line, index + 1): index &+= 1
            case Byte.hash:
                while index < count, unsafe line[index] != Byte.newline { index &+= 1 }
            case Byte.single: index = unsafe try parseSingle(line, index, multiline)
            case Byte.double: index = unsafe try parseDouble(line, index, multiline)
            case Byte.bar where unsafe takesPrograms && isBlank(line, index + 1),
                UInt8(ascii: "!") where takesPrograms && words.isEmpty:
                return unsafe parseProgram(line, index)
            default: index = unsafe try parseBare(line, index)
            }
        }
        return count
    }

    private func resize(for count: Int) {
        unsafe decoded.deallocate()
        unsafe decoded = .allocate(byteCount: max(4096, count + count / 2), alignment: 1)
    }

    private func endsLine(_ line: UnsafeRawBufferPointer, _ index: Int) -> Bool {
        unsafe index >= line.count || line[index] == Byte.newline
    }

    private func isBlank(_ line: UnsafeRawBufferPointer, _ index: Int) -> Bool {
        guard index < line.count else { return true }
        let byte = unsafe line[index]
        return unsafe byte == Byte.space || byte == Byte.tab || byte == Byte.newline
            || (byte == Byte.return && endsLine(line, index + 1))
    }

    private func parseBare(_ line: UnsafeRawBufferPointer, _ start: Int) throws(SyntaxError) -> Int
    {
        // No blank and no quote is as great as this.
        var index = unsafe ByteScan.firstByte(below: UInt8(ascii: "("), in: line, from: start)
        while unsafe !isBlank(line, index) {
            let byte = unsafe line[index]
            if byte == Byte.single || byte == Byte.double {
                throw SyntaxError(
                    message: "a quote inside a bare word; quote the whole word", offset: index)
            }
            index &+= 1
        }
        let first = unsafe line[start]
        let appends = unsafe index == start + 2 && first == Byte.greater && line[start + 1] == first
        if first == Byte.less || first == Byte.greater, index > start + 1, !appends {
            throw SyntaxError(
                message: "put a space behind \(first == Byte.less ? "<" : ">"), or quote the word",
                offset: start)
        }
        unsafe words.append(
            Word(bytes: .init(rebasing: line[start..<index]), kind: .bare, offset: start))
        return index
    }

    /// The sign, and the rest of the line as one word. Returns where the next command begins.
    private func parseProgram(_ line: UnsafeRawBufferPointer, _ start: Int) -> Int {
        let newline = Byte.newline
        var end = unsafe ByteScan.firstByte(newline, newline, newline, in: line, from: start)
        let next = min(end + 1, line.count)
        if end > start + 1, unsafe line[end - 1] == Byte.return { end -= 1 }
        unsafe words.append(
            Word(bytes: .init(rebasing: line[start..<(start + 1)]), kind: .bare, offset: start))
        unsafe words.append(
            Word(
                bytes: .init(rebasing: line[(start + 1)..<end]), kind: .program, offset: start + 1))
        return next
    }

    private func parseSingle(_ line: UnsafeRawBufferPointer, _ start: Int, _ multiline: Bool)
        throws(SyntaxError) -> Int
    {
        let end = multiline ? Byte.single : Byte.newline
        let index = unsafe ByteScan.firstByte(
            Byte.single, end, end, in: line, from: start + 1)
        let bytes = unsafe UnsafeRawBufferPointer(rebasing: line[(start + 1)..<index])
        return unsafe try closeWord(line, start, index, Byte.single, bytes)
    }

    private func parseDouble(_ line: UnsafeRawBufferPointer, _ start: Int, _ multiline: Bool)
        throws(SyntaxError) -> Int
    {
        // Without an escape the word is used where it lies.
        var index = unsafe ByteScan.firstByte(
            Byte.double, Byte.backslash, multiline ? Byte.double : Byte.newline, in: line,
            from: start + 1)
        guard index < line.count, unsafe line[index] == Byte.backslash else {
            let bytes = unsafe UnsafeRawBufferPointer(rebasing: line[(start + 1)..<index])
            return unsafe try closeWord(line, start, index, Byte.double, bytes)
        }
        let begin = decodedCount
        for copied in (start + 1)..<index { unsafe put(line[copied]) }
        while index < line.count {
            let byte = unsafe line[index]
            if byte == Byte.double || (byte == Byte.newline && !multiline) { break }
            if byte == Byte.backslash {
                index = unsafe try parseEscape(line, index)
            } else {
                put(byte)
                index &+= 1
            }
        }
        let bytes = unsafe UnsafeRawBufferPointer(rebasing: decoded[begin..<decodedCount])
        return unsafe try closeWord(line, start, index, Byte.double, bytes)
    }

    /// `end` is where the closing quote should stand. Returns the index behind it.
    private func closeWord(
        _ line: UnsafeRawBufferPointer, _ start: Int, _ end: Int, _ quote: UInt8,
        _ bytes: UnsafeRawBufferPointer
    ) throws(SyntaxError) -> Int {
        guard end < line.count, unsafe line[end] == quote else {
            throw SyntaxError(
                message: "this quote is not closed", offset: start, openQuote: quote)
        }
        guard unsafe isBlank(line, end + 1) else {
            throw SyntaxError(message: "a space is missing behind the quote", offset: end + 1)
        }
        unsafe words.append(Word(bytes: bytes, kind: .quoted, offset: start))
        return end + 1
    }

    @inline(__always)
    private func put(_ byte: UInt8) {
        // SAFETY: `decoded` is as long as the line, and no escape is shorter than what it stands
        // for.
        unsafe decoded[decodedCount] = byte
        decodedCount &+= 1
    }
}

// MARK: - Escapes

extension WordParser {
    /// Decodes the escape whose backslash stands at `start`; returns the index behind it.
    private func parseEscape(_ line: UnsafeRawBufferPointer, _ start: Int)
        throws(SyntaxError) -> Int
    {
        guard start + 1 < line.count else {
            throw SyntaxError(
                message: "this quote is not closed", offset: start, openQuote: Byte.double)
        }
        switch unsafe line[start + 1] {
        case UInt8(ascii: "n"): put(Byte.newline)
        case UInt8(ascii: "t"): put(Byte.tab)
        case UInt8(ascii: "r"): put(Byte.return)
        case UInt8(ascii: "0"): put(0)
        case UInt8(ascii: "/"): put(UInt8(ascii: "/"))
        case UInt8(ascii: "b"): put(8)
        case UInt8(ascii: "f"): put(12)
        case Byte.backslash: put(Byte.backslash)
        case Byte.double: put(Byte.double)
        case Byte.single: put(Byte.single)
        case UInt8(ascii: "x"):
            guard start + 3 < line.count, let high = unsafe Byte.hexValue(line[start + 2]),
                let low = unsafe Byte.hexValue(line[start + 3])
            else {
                throw SyntaxError(message: "\\x needs two hex digits", offset: start)
            }
            put(high << 4 | low)
            return start + 4
        case UInt8(ascii: "u"): return unsafe try parseUnicode(line, start)
        default:
            throw SyntaxError(
                message: "unknown escape; known are \\n \\t \\r \\0 \\\\ \\\" \\' \\xHH \\u{...}"
                    + " \\uHHHH \\/ \\b \\f",
                offset: start)
        }
        return start + 2
    }

    private func parseUnicode(_ line: UnsafeRawBufferPointer, _ start: Int)
        throws(SyntaxError) -> Int
    {
        var index = start + 2
        if index < line.count, unsafe line[index] != UInt8(ascii: "{") {
            return unsafe try parseJSONUnit(line, start)
        }
        var value: UInt32 = 0
        var digits = 0
        if index < line.count, unsafe line[index] == UInt8(ascii: "{") {
            index += 1
            while digits < 7, index < line.count, let digit = unsafe Byte.hexValue(line[index]) {
                value = value << 4 | UInt32(digit)
                digits += 1
                index += 1
            }
        }
        guard (1...6).contains(digits), index < line.count,
            unsafe line[index] == UInt8(ascii: "}"), let scalar = Unicode.Scalar(value)
        else {
            throw SyntaxError(
                message: "\\u needs a Unicode scalar: \\u{1} to \\u{10FFFF}", offset: start)
        }
        for byte in UTF8.encode(scalar)! { put(byte) }
        return index + 1
    }

    /// `\uHHHH`, or two of them for a character beyond 65,535, as JSON has it (RFC 8259, section
    /// 7).
    private func parseJSONUnit(_ line: UnsafeRawBufferPointer, _ start: Int)
        throws(SyntaxError) -> Int
    {
        // SAFETY: `unit` checks its bounds.
        guard var value = unsafe Self.unit(line, start) else {
            throw SyntaxError(
                message: "\\u needs four hex digits, or \\u{1} to \\u{10FFFF}", offset: start)
        }
        var end = start + 6
        if value >> 10 == 0x36, let low = unsafe Self.unit(line, end), low >> 10 == 0x37 {
            value = 0x10000 + (value & 0x3ff) << 10 + low & 0x3ff
            end += 6
        }
        guard let scalar = Unicode.Scalar(value) else {
            throw SyntaxError(
                message: "half a surrogate pair is no character; \\xHH writes any byte",
                offset: start)
        }
        for byte in UTF8.encode(scalar)! { put(byte) }
        return end
    }

    /// The number of the `\uHHHH` at `start`; nil where there is none.
    private static func unit(_ line: UnsafeRawBufferPointer, _ start: Int) -> UInt32? {
        // SAFETY: the indices are checked first.
        guard start + 6 <= line.count, unsafe line[start] == Byte.backslash,
            unsafe line[start + 1] == UInt8(ascii: "u")
        else { return nil }
        var value: UInt32 = 0
        for index in (start + 2)..<(start + 6) {
            guard let digit = unsafe Byte.hexValue(line[index]) else { return nil }
            value = value << 4 | UInt32(digit)
        }
        return value
    }
}
