/// One line of output while it is made: cells two spaces apart, or a JSON object.
struct Line {
    private(set) var bytes: [UInt8] = []
    /// Where the last cell begins.
    private(set) var start = 0
    private var isFirstMember = true

    init() { bytes.reserveCapacity(256) }

    // MARK: Cells

    /// Begins a cell; `end` fills it up.
    mutating func begin() {
        if !bytes.isEmpty { append("  ") }
        start = bytes.count
    }

    mutating func end(width: Int = 0) {
        // Bytes that continue a character take no column of their own.
        let columns = bytes[start...].reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) }
        for _ in columns..<max(width, columns) { bytes.append(UInt8(ascii: " ")) }
    }

    mutating func put(_ text: String, width: Int = 0, right: Bool = false) {
        begin()
        if right { for _ in text.utf8.count..<max(width, text.utf8.count) { append(" ") } }
        append(text)
        end(width: width)
    }

    mutating func put(_ number: UInt64, width: Int) {
        begin()
        let digits = Self.digits(number)
        for _ in digits..<max(width, digits) { bytes.append(UInt8(ascii: " ")) }
        append(number, digits: digits)
    }

    /// A key, quoted where it must be; of a long one `limit` bytes and its length.
    mutating func put(_ key: [UInt8], limit: Int, width: Int = 0) {
        begin()
        // SAFETY: the array outlives the call.
        unsafe key.withUnsafeBytes { key in
            unsafe Quoting.write(Quoting.beginning(key, limit)) { bytes.append($0) }
        }
        if key.count > limit { append("... (\(key.count) bytes)") }
        end(width: width)
    }

    mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    mutating func appendQuoted(_ word: some Sequence<UInt8>) {
        // SAFETY: the array outlives the call.
        unsafe Array(word).withUnsafeBytes { word in
            unsafe Quoting.write(word) { bytes.append($0) }
        }
    }

    private static func digits(_ number: UInt64) -> Int {
        var (count, rest) = (1, number / 10)
        while rest > 0 { (count, rest) = (count + 1, rest / 10) }
        return count
    }

    private mutating func append(_ number: UInt64, digits: Int) {
        let end = bytes.count + digits
        for _ in 0..<digits { bytes.append(0) }
        var (place, rest) = (end, number)
        repeat {
            place -= 1
            bytes[place] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        } while place > end - digits
    }

    // MARK: JSON

    mutating func beginObject(_ type: String) {
        append("{")
        member("type", type)
    }

    mutating func endObject() { append("}") }

    mutating func member(_ name: String, _ number: UInt64) {
        begin(member: name)
        append(number, digits: Self.digits(number))
    }

    /// - Parameter text: of this program's own making: nothing in it needs to be escaped, unless it
    ///   is a file's name.
    mutating func member(_ name: String, _ text: String) {
        begin(member: name)
        append(JSON.quoted(text))
    }

    mutating func memberTrue(_ name: String) {
        begin(member: name)
        append("true")
    }

    /// A string, or hexadecimal digits under another name where the bytes are not UTF-8.
    mutating func member(_ name: String, bytes value: [UInt8]) {
        separate()
        // SAFETY: the array outlives the call.
        unsafe value.withUnsafeBytes { value in
            unsafe JSON.writeMember(name, value) { bytes.append($0) }
        }
    }

    private mutating func begin(member name: String) {
        separate()
        append("\"")
        append(name)
        append("\":")
    }

    private mutating func separate() {
        if !isFirstMember { append(",") }
        isFirstMember = false
    }
}
