/// Writes records in a format.
protocol RecordEncoder: AnyObject {
    /// What stands before the first record.
    func begin()

    /// - Throws: what makes the record one that the format cannot hold; nothing of it is written
    ///   then.
    func write(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer)
        throws(TransferError)

    /// What stands behind the last record, so that a reader sees that nothing is missing.
    func end()
}

extension RecordEncoder {
    func begin() {}
    func end() {}
}

extension TransferFormat {
    /// - Parameters:
    ///   - count: of the records, where it is known before.
    ///   - bytes: that they take at most, roughly.
    func encoder(
        to output: OutputWriter, _ layout: TransferLayout, count: Int?, bytes: Int
    ) -> any RecordEncoder {
        switch self {
        case .jsonl: PrintingEncoder(output, .json)
        case .quoted: PrintingEncoder(output, .quoted)
        case .csv: SeparatedEncoder(output, separator: Byte.comma, layout)
        case .tsv: SeparatedEncoder(output, separator: Byte.tab, layout)
        case .raw0: NulEncoder(output)
        case .resp: RESPEncoder(output)
        case .rdb: RDBEncoder(output, count: count)
        case .mdb: DumpEncoder(output, mapSize: max(1 << 30, (bytes * 4 + 1 << 20) & -(1 << 20)))
        case .db: DumpEncoder(output, mapSize: nil)
        case .gdbm: GDBMEncoder(output)
        case .ldb: HexEncoder(output)
        case .bitcask: preconditionFailure("bitcask is only read")
        }
    }
}

/// As the shell's `scan` prints entries.
final class PrintingEncoder: RecordEncoder {
    private let printer: EntryPrinter

    init(_ output: OutputWriter, _ format: OutputFormat) {
        printer = EntryPrinter(output: output, format: format)
    }

    func write(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        // SAFETY: the bytes are only read.
        unsafe printer.printEntry(key: key, value: value)
    }
}

/// CSV by RFC 4180, with LF, and the same with tabs.
final class SeparatedEncoder: RecordEncoder {
    private let output: OutputWriter
    private let separator: UInt8
    private let layout: TransferLayout

    init(_ output: OutputWriter, separator: UInt8, _ layout: TransferLayout) {
        self.output = output
        self.separator = separator
        self.layout = layout
    }

    func begin() {
        guard layout.hasHeader else { return }
        write(name: layout.keyField ?? "key")
        output.write(separator)
        write(name: layout.valueField ?? "value")
        output.write(Byte.newline)
    }

    private func write(name: String) {
        // SAFETY: the array outlives the call.
        unsafe Array(name.utf8).withUnsafeBytes { unsafe writeField($0) }
    }

    func write(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        // SAFETY: the bytes are only read.
        unsafe writeField(key)
        output.write(separator)
        unsafe writeField(value)
        output.write(Byte.newline)
    }

    /// An empty field is quoted too, since an empty line is no record at all; and so is one that
    /// begins with what may be taken for a byte order mark.
    private func writeField(_ bytes: UnsafeRawBufferPointer) {
        // SAFETY: the bytes are only read, inside their bounds.
        let special = unsafe ByteScan.firstByte(
            Byte.double, separator, Byte.newline, in: bytes, from: 0)
        let needsQuotes =
            unsafe special < bytes.count || bytes.isEmpty || bytes.contains(Byte.return)
            || bytes[0] == 0xef
        guard needsQuotes else { return unsafe output.write(bytes) }
        output.write(Byte.double)
        var start = 0
        while start < bytes.count {
            let quote = unsafe ByteScan.firstByte(
                Byte.double, Byte.double, Byte.double, in: bytes, from: start)
            unsafe output.write(UnsafeRawBufferPointer(rebasing: bytes[start..<quote]))
            if quote < bytes.count { output.write([Byte.double, Byte.double]) }
            start = quote + 1
        }
        output.write(Byte.double)
    }
}

/// Key, NUL, value, NUL.
final class NulEncoder: RecordEncoder {
    private let output: OutputWriter

    init(_ output: OutputWriter) { self.output = output }

    func write(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer)
        throws(TransferError)
    {
        // SAFETY: the bytes are only read.
        let hasNul = unsafe key.contains(0) || value.contains(0)
        if hasNul {
            throw TransferError(
                message:
                    unsafe "raw0 cannot hold a NUL, and \(Quoting.text(key)) or its value has one")
        }
        unsafe output.write(key)
        output.write(0)
        unsafe output.write(value)
        output.write(0)
    }
}

/// `SET key value`, as `redis-cli --pipe` takes it.
final class RESPEncoder: RecordEncoder {
    private let output: OutputWriter

    init(_ output: OutputWriter) { self.output = output }

    private static let beginning = Array("*3\r\n$3\r\nSET\r\n".utf8)

    func write(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        output.write(Self.beginning)
        // SAFETY: the bytes are only read.
        unsafe writeWord(key)
        unsafe writeWord(value)
    }

    /// `DEL key`.
    func delete(_ key: UnsafeRawBufferPointer) {
        output.write("*2\r\n$3\r\nDEL\r\n")
        // SAFETY: the bytes are only read.
        unsafe writeWord(key)
    }

    private func writeWord(_ bytes: UnsafeRawBufferPointer) {
        output.write(UInt8(ascii: "$"))
        output.write(String(bytes.count))
        output.write(Byte.return)
        output.write(Byte.newline)
        // SAFETY: the bytes are only read.
        unsafe output.write(bytes)
        output.write(Byte.return)
        output.write(Byte.newline)
    }
}

/// A header, then a line of hex digits for each key and one for its value.
final class DumpEncoder: RecordEncoder {
    private let output: OutputWriter
    /// Of the database that LMDB makes; nil for Berkeley DB, which knows no such thing.
    private let mapSize: Int?

    init(_ output: OutputWriter, mapSize: Int?) {
        self.output = output
        self.mapSize = mapSize
    }

    func begin() {
        output.write("VERSION=3\nformat=bytevalue\ntype=btree\n")
        if let mapSize { output.write("mapsize=\(mapSize)\n") }
        output.write("HEADER=END\n")
    }

    func write(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        // SAFETY: the bytes are only read.
        unsafe writeLine(key)
        unsafe writeLine(value)
    }

    private func writeLine(_ bytes: UnsafeRawBufferPointer) {
        output.write(Byte.space)
        // SAFETY: the bytes are only read.
        unsafe output.write(hex: bytes)
        output.write(Byte.newline)
    }

    func end() { output.write("DATA=END\n") }
}

/// `0xKEY ==> 0xVALUE`, as `ldb load --hex` takes it.
final class HexEncoder: RecordEncoder {
    private let output: OutputWriter

    init(_ output: OutputWriter) { self.output = output }

    func write(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        output.write("0x")
        // SAFETY: the bytes are only read.
        unsafe output.write(hex: key)
        output.write(" ==> 0x")
        unsafe output.write(hex: value)
        output.write(Byte.newline)
    }
}

/// As gdbm_dump writes a database.
final class GDBMEncoder: RecordEncoder {
    private let output: OutputWriter
    private var count = 0

    init(_ output: OutputWriter) { self.output = output }

    func begin() {
        output.write(
            "# GDBM dump file created by stave\n#:version=1.1\n#:file=stave.gdbm\n"
                + "#:format=standard\n# End of header\n")
    }

    func write(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        // SAFETY: the bytes are only read.
        unsafe writeDatum(key)
        unsafe writeDatum(value)
        count += 1
    }

    private func writeDatum(_ bytes: UnsafeRawBufferPointer) {
        output.write("#:len=\(bytes.count)\n")
        var column = 0
        for index in stride(from: 0, to: bytes.count, by: 3) {
            let held = min(3, bytes.count - index)
            var bits: UInt32 = 0
            for offset in 0..<3 {
                // SAFETY: index + held is at most the count.
                bits = unsafe bits << 8 | (offset < held ? UInt32(bytes[index + offset]) : 0)
            }
            for digit in 0..<4 {
                let value = Int(bits >> UInt32(18 - 6 * digit) & 63)
                output.write(digit <= held ? Base64.digits[value] : Byte.equal)
            }
            column += 4
            if column == 76 {
                output.write(Byte.newline)
                column = 0
            }
        }
        if column > 0 { output.write(Byte.newline) }
    }

    func end() { output.write("#:count=\(count)\n# End of data\n") }
}

extension OutputWriter {
    /// Bytes as hex digits.
    func write(hex bytes: UnsafeRawBufferPointer) {
        // SAFETY: the bytes are only read.
        unsafe bytes.forEach { byte in
            write(Byte.hexDigit(byte >> 4))
            write(Byte.hexDigit(byte & 15))
        }
    }
}
