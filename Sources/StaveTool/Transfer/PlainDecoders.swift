internal import StaveDisk

/// Key, NUL, value, NUL.
final class NulDecoder: RecordDecoder {
    let remarks = TransferRemarks()
    private let source: ByteSource
    private var count = 0

    init(_ source: ByteSource) { self.source = source }

    var place: String { "\(source.name): record \(count)" }
    var progress: (done: Int, total: Int?) { (source.offset, source.total) }

    func next(_ record: inout TransferRecord) throws(TransferError) -> Bool {
        if try source.isAtEnd { return false }
        count += 1
        let limit = Format.maxValueLength
        guard try source.readUpTo(0, &record.key, limit: limit),
            try source.readUpTo(0, &record.value, limit: limit)
        else {
            throw TransferError(
                message: "\(source.name): record \(count): a NUL is missing at the end",
                isFatal: true)
        }
        return true
    }
}

/// Two words of the shell a line, as `--format quoted scan` prints them. `set` may stand before
/// them.
final class QuotedDecoder: RecordDecoder {
    let remarks = TransferRemarks()
    private let source: ByteSource
    private let parser = WordParser()
    private var line: [UInt8] = []

    init(_ source: ByteSource) { self.source = source }

    var place: String { "\(source.name):\(source.lineNumber)" }
    var progress: (done: Int, total: Int?) { (source.offset, source.total) }

    func next(_ record: inout TransferRecord) throws(TransferError) -> Bool {
        while try source.readLine(&line) {
            if source.lineNumber == 1, line.starts(with: [0xef, 0xbb, 0xbf]) {
                line.removeFirst(3)
            }
            var problem: SyntaxError?
            var count = 0
            // SAFETY: the words lie in the line or in the parser, and are copied inside the call.
            unsafe line.withUnsafeBytes { bytes in
                do throws(SyntaxError) {
                    unsafe _ = try parser.parse(bytes)
                    let words = parser.words
                    let hasSet = words.count == 3 && words[0].isBare("set")
                    count = words.count - (hasSet ? 1 : 0)
                    guard count == 2 else { return }
                    unsafe record.key.append(contentsOf: words[words.count - 2].bytes)
                    unsafe record.value.append(contentsOf: words[words.count - 1].bytes)
                } catch {
                    problem = error
                }
            }
            if let problem {
                throw TransferError(
                    message: "\(source.name):\(source.lineNumber):\(problem.offset + 1):"
                        + " \(problem.message)")
            }
            if count == 2 { return true }
            if count > 0 {
                throw source.wrong("\(Units.count(count, "word")) where a key and a value belong")
            }
        }
        return false
    }
}

/// `0xKEY ==> 0xVALUE`, as `ldb dump --hex` prints it; `ldb scan --hex` has a colon in between.
final class HexDecoder: RecordDecoder {
    let remarks = TransferRemarks()
    private let source: ByteSource
    private var line: [UInt8] = []

    init(_ source: ByteSource) { self.source = source }

    var place: String { "\(source.name):\(source.lineNumber)" }
    var progress: (done: Int, total: Int?) { (source.offset, source.total) }

    func next(_ record: inout TransferRecord) throws(TransferError) -> Bool {
        while try source.readLine(&line) {
            if line.last == Byte.return { line.removeLast() }
            if line.isEmpty || line.starts(with: Array("Keys in range: ".utf8)) { continue }
            let parts = line.split(separator: Byte.space, omittingEmptySubsequences: false)
            guard parts.count == 3,
                ["==>", ":"].contains(String(decoding: parts[1], as: UTF8.self)),
                Self.append(parts[0], to: &record.key), Self.append(parts[2], to: &record.value)
            else { throw source.wrong("this is not 0xKEY ==> 0xVALUE; was it made with --hex?") }
            return true
        }
        return false
    }

    private static func append(_ word: ArraySlice<UInt8>, to bytes: inout [UInt8]) -> Bool {
        guard word.starts(with: Array("0x".utf8)) else { return false }
        return HexDigits.append(word.dropFirst(2), to: &bytes)
    }
}
