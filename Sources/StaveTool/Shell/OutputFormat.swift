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
}

/// Keys and values in the format that is set, each reply with its newline.
struct EntryPrinter {
    let output: OutputWriter
    var format: OutputFormat
    /// Told of a key that is left out: raw0 can hold no NUL, and the key or its value has one.
    var onUnfit: ([UInt8]) -> Void = { _ in }

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
            unsafe print(key)
            output.write(Byte.space)
            unsafe print(value)
        case .raw:
            unsafe print(key)
            output.write(Byte.tab)
            unsafe print(value)
        case .raw0:
            unsafe print(key)
            output.write(end)
            unsafe print(value)
        }
        output.write(end)
    }

    /// `get`: the value; JSON names the key too.
    func printValue(_ value: UnsafeRawBufferPointer, forKey key: UnsafeRawBufferPointer) {
        // SAFETY: the bytes are only read.
        guard unsafe fits(key, value) else { return }
        switch format {
        case .json: unsafe printObject([("key", key), ("value", value)])
        default: unsafe print(value)
        }
        output.write(end)
    }

    /// `keys`: the key.
    func printKey(_ key: UnsafeRawBufferPointer) {
        // SAFETY: the bytes are only read.
        guard unsafe fits(key, key) else { return }
        switch format {
        case .json: unsafe printObject([("key", key)])
        default: unsafe print(key)
        }
        output.write(end)
    }

    private func print(_ bytes: UnsafeRawBufferPointer) {
        // SAFETY: the bytes are only read.
        switch format {
        case .quoted, .json:
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
}
