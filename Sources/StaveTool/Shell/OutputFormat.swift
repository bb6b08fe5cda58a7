/// How keys and values are written.
enum OutputFormat: String, CaseIterable, Sendable {
    /// As a word that pastes back into `set`.
    case quoted
    /// The bytes themselves.
    case raw
    /// One object a line; see `JSON`.
    case json
    /// RFC 4180 with LF; bytes pass through.
    case csv
    case hex
    /// The bytes, each with a NUL behind it: for xargs -0.
    case raw0
    /// A line an entry, cut to the width of the screen, with the value's size. For people.
    case table
}

/// Keys and values in the format that is set, each reply with its newline.
struct EntryPrinter {
    let output: OutputWriter
    var format: OutputFormat
    /// Told of a key that is left out: raw0 can hold no NUL, and the key or its value has one.
    var onUnfit: ([UInt8]) -> Void = { _ in }

    /// Keys stand out.
    var hasColor = false
    /// Of the screen, for tables.
    var columns = 80
    /// Of a longer value only the beginning is shown, and its size. Never in what a program reads.
    var longestValue = Int.max
    /// As much as is shown then.
    private static let preview = 200

    private var end: UInt8 { format == .raw0 ? 0 : Byte.newline }

    private func fits(_ key: UnsafeRawBufferPointer, _ bytes: UnsafeRawBufferPointer) -> Bool {
        // SAFETY: the bytes are only read.
        guard format == .raw0, unsafe bytes.contains(0) else { return true }
        onUnfit(unsafe Array(key))
        return false
    }

    /// `scan`: a key and its value.
    func printEntry(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
        // SAFETY: the bytes are only read.
        guard unsafe fits(key, key), unsafe fits(key, value) else { return }
        switch format {
        case .json: unsafe printObject([("key", key), ("value", value)])
        case .csv:
            unsafe printField(key)
            output.write(Byte.comma)
            unsafe printField(value)
        case .quoted, .hex:
            unsafe printColored(key)
            output.write(Byte.space)
            unsafe printCut(value)
        case .raw:
            unsafe print(key)
            output.write(Byte.tab)
            unsafe print(value)
        case .raw0:
            unsafe print(key)
            output.write(end)
            unsafe print(value)
        case .table: unsafe printRow(key, value)
        }
        output.write(end)
    }

    /// `get`: the value; JSON names the key too.
    func printValue(_ value: UnsafeRawBufferPointer, forKey key: UnsafeRawBufferPointer) {
        // SAFETY: the bytes are only read.
        guard unsafe fits(key, value) else { return }
        switch format {
        case .json: unsafe printObject([("key", key), ("value", value)])
        case .table: unsafe printRow(key, value)
        default: unsafe printCut(value)
        }
        output.write(end)
    }

    /// `keys`: the key.
    func printKey(_ key: UnsafeRawBufferPointer) {
        // SAFETY: the bytes are only read.
        guard unsafe fits(key, key) else { return }
        switch format {
        case .json: unsafe printObject([("key", key)])
        case .table: output.write(unsafe tableText(key, columns))
        default: unsafe printColored(key)
        }
        output.write(end)
    }

    private func printColored(_ key: UnsafeRawBufferPointer) {
        guard hasColor else { return unsafe print(key) }
        output.write("\u{1B}[\(Palette.key)m")
        unsafe print(key)
        output.write("\u{1B}[0m")
    }

    private func printCut(_ value: UnsafeRawBufferPointer) {
        guard value.count > longestValue else { return unsafe print(value) }
        unsafe print(Quoting.beginning(value, Self.preview))
        output.write("... (\(Units.bytes(value.count)))")
    }

    private func print(_ bytes: UnsafeRawBufferPointer) {
        // SAFETY: the bytes are only read.
        switch format {
        case .quoted, .json, .table:
            if unsafe Quoting.isBare(bytes) { return unsafe output.write(bytes) }
            unsafe Quoting.write(bytes) { output.write($0) }
        case .raw, .raw0: unsafe output.write(bytes)
        case .csv: unsafe printField(bytes)
        case .hex:
            unsafe bytes.forEach { byte in
                output.write(Byte.hexDigit(byte >> 4))
                output.write(Byte.hexDigit(byte & 15))
            }
        }
    }

    /// An empty field is quoted too, since an empty line is no record at all.
    private func printField(_ bytes: UnsafeRawBufferPointer) {
        let needsQuotes =
            unsafe bytes.isEmpty
            || bytes.contains {
                $0 == Byte.double || $0 == Byte.comma || $0 == Byte.newline || $0 == Byte.return
            }
        guard needsQuotes else { return unsafe output.write(bytes) }
        output.write(Byte.double)
        unsafe bytes.forEach { byte in
            if byte == Byte.double { output.write(Byte.double) }
            output.write(byte)
        }
        output.write(Byte.double)
    }

    private func printObject(_ members: [(String, UnsafeRawBufferPointer)]) {
        output.write(UInt8(ascii: "{"))
        unsafe members.enumerated().forEach { index, member in
            if index > 0 { output.write(Byte.comma) }
            unsafe JSON.writeMember(member.0, member.1) { output.write($0) }
        }
        output.write(UInt8(ascii: "}"))
    }

    // MARK: Tables

    /// The key in the first third, then the value, and its size at the end.
    private func printRow(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        let sizeRoom = 9
        let keyRoom = min(32, max(8, columns / 3))
        let valueRoom = max(4, columns - 1 - keyRoom - 2 - 1 - sizeRoom)
        let name = Cells.padded(unsafe tableText(key, keyRoom), keyRoom)
        output.write(Palette.colored(name, Palette.key, hasColor) + "  ")
        output.write(Cells.padded(unsafe tableText(value, valueRoom), valueRoom) + " ")
        output.write(Units.padded(Units.bytes(value.count), sizeRoom, right: true))
    }

    /// A word of the grammar, cut.
    private func tableText(_ bytes: UnsafeRawBufferPointer, _ room: Int) -> String {
        // No character of less than four bytes takes no column.
        let shown = unsafe Quoting.beginning(bytes, 4 * room)
        var word: [UInt8] = []
        // SAFETY: the bytes are only read.
        unsafe Quoting.write(shown) { word.append($0) }
        let text = String(decoding: word, as: UTF8.self)
        return Cells.cut(shown.count < bytes.count ? text + "…" : text, to: room)
    }
}
