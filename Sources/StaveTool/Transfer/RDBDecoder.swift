internal import Glibc
internal import StaveDisk

/// A snapshot of Redis: strings are records, other types are counted and named. Versions 1 to 12.
///
/// Numbers are as redis/src/rdb.h and rdb.c have them.
final class RDBDecoder: RecordDecoder {
    let remarks: TransferRemarks
    private let source: ByteSource
    private let choice: DatabaseChoice
    private var version = 0
    private var database = "0"
    private var isDone = false
    /// Whether the input may go on behind the snapshot, as in an append-only file.
    private let isPreamble: Bool
    private var scratch: [UInt8] = []
    private let now = Int(time(nil)) * 1000

    init(
        _ source: ByteSource, _ choice: DatabaseChoice, isPreamble: Bool = false,
        remarks: TransferRemarks = TransferRemarks()
    ) {
        self.source = source
        self.choice = choice
        self.isPreamble = isPreamble
        self.remarks = remarks
    }

    var place: String { "\(source.name): offset \(source.offset)" }
    var progress: (done: Int, total: Int?) { (source.offset, source.total) }

    private func broken(_ message: String) -> TransferError {
        source.broken(message, at: source.offset)
    }

    func next(_ record: inout TransferRecord) throws(TransferError) -> Bool {
        if isDone { return false }
        if version == 0 { try readHeader() }
        var expiry: Int?
        while true {
            let code = try source.byte()
            switch code {
            case 0xff:
                try readEnd()
                return false
            case 0xfe: database = String(try length())
            case 0xfb:
                _ = try length()
                _ = try length()
            case 0xfa:
                try skipString()
                try skipString()
            case 0xfd: expiry = Int(try source.little(4)) * 1000
            case 0xfc: expiry = Int(truncatingIfNeeded: try source.little(8))
            case 0xf9: try source.skip(1)
            case 0xf8: _ = try length()
            case 0xf5: try skipString()
            case 0xf4: for _ in 0..<3 { _ = try length() }
            case 0:
                try string(&record.key)
                try string(&record.value)
                let isOver = expiry.map { $0 <= now } ?? false
                record.hasExpiry = expiry != nil
                expiry = nil
                if try isTaken() {
                    if !isOver { return true }
                    remarks.expired += 1
                }
                record.clear()
            default:
                try skipValue(of: code)
                expiry = nil
            }
        }
    }

    private func isTaken() throws(TransferError) -> Bool {
        switch choice.answer(for: database) {
        case .taken: return true
        case .skipped:
            remarks.skip("key of other databases")
            return false
        case .refused(let reason):
            remarks.skip("key of other databases")
            var error = broken(reason)
            error.isFatal = false
            throw error
        }
    }

    private func readHeader() throws(TransferError) {
        source.beginChecksum()
        let start = source.offset
        scratch.removeAll()
        try source.read(9, &scratch)
        guard scratch.starts(with: Array("REDIS".utf8)),
            let number = Int(String(decoding: scratch[5...], as: UTF8.self)), number > 0
        else { throw source.broken("an RDB file begins with REDIS and its version", at: start) }
        guard number <= 12 else {
            throw source.broken(
                "version \(number) of the format is not known; save it with an older server",
                at: start)
        }
        version = number
    }

    private func readEnd() throws(TransferError) {
        isDone = true
        if version >= 5 {
            let computed = source.checksumSoFar
            let stored = try source.little(8)
            guard stored == 0 || stored == computed else {
                throw broken("the file's checksum is wrong: something in it was changed")
            }
        }
        if !isPreamble, try !source.isAtEnd { throw broken("more follows behind the file's end") }
    }

    // MARK: Lengths and strings

    private enum Length { case plain(Int), special(UInt8) }

    private func lengthOrSpecial() throws(TransferError) -> Length {
        let first = try source.byte()
        switch first >> 6 {
        case 0: return .plain(Int(first))
        case 1: return .plain(Int(first & 0x3f) << 8 | Int(try source.byte()))
        case 3: return .special(first & 0x3f)
        default: break
        }
        switch first {
        case 0x80: return .plain(Int(try source.big(4)))
        case 0x81:
            let value = try source.big(8)
            guard value <= UInt64(Int.max) else { throw broken("a length of \(value)") }
            return .plain(Int(value))
        default: throw broken("a length cannot begin with byte \(first)")
        }
    }

    private func length() throws(TransferError) -> Int {
        guard case .plain(let length) = try lengthOrSpecial() else {
            throw broken("a string where a length belongs")
        }
        return length
    }

    private func string(_ bytes: inout [UInt8]) throws(TransferError) {
        switch try lengthOrSpecial() {
        case .plain(let length):
            guard length <= Format.maxValueLength else {
                throw broken("a string of \(Units.count(length, "byte")); at most 1 GiB is taken")
            }
            try source.read(length, &bytes)
        case .special(0): append(Int(Int8(truncatingIfNeeded: try source.little(1))), &bytes)
        case .special(1): append(Int(Int16(truncatingIfNeeded: try source.little(2))), &bytes)
        case .special(2): append(Int(Int32(truncatingIfNeeded: try source.little(4))), &bytes)
        case .special(3):
            let packed = try length()
            let plain = try length()
            guard packed <= Format.maxValueLength, plain <= Format.maxValueLength else {
                throw broken("a string of more than 1 GiB")
            }
            scratch.removeAll(keepingCapacity: scratch.capacity <= 4 << 20)
            try source.read(packed, &scratch)
            guard LZF.unpack(scratch, to: plain, &bytes) else {
                throw broken("a packed string does not unpack")
            }
        case .special(let code): throw broken("a string of unknown kind \(code)")
        }
    }

    private func append(_ number: Int, _ bytes: inout [UInt8]) { bytes += String(number).utf8 }

    private func skipString() throws(TransferError) {
        switch try lengthOrSpecial() {
        case .plain(let length): try source.skip(length)
        case .special(0): try source.skip(1)
        case .special(1): try source.skip(2)
        case .special(2): try source.skip(4)
        case .special(3):
            let packed = try length()
            _ = try length()
            try source.skip(packed)
        case .special(let code): throw broken("a string of unknown kind \(code)")
        }
    }

    // MARK: Other types

    /// Goes behind a key and its value, and counts it.
    private func skipValue(of code: UInt8) throws(TransferError) {
        guard let name = Self.types[code] else {
            throw broken(
                "a value of type \(code), a stream or a module's, whose length nothing tells;"
                    + " remove such keys before you save the file")
        }
        try skipString()
        switch code {
        case 1, 2, 14: for _ in 0..<(try length()) { try skipString() }
        case 3:
            for _ in 0..<(try length()) {
                try skipString()
                let size = try source.byte()
                if size < 253 { try source.skip(Int(size)) }
            }
        case 4: for _ in 0..<(try length()) { for _ in 0..<2 { try skipString() } }
        case 5:
            for _ in 0..<(try length()) {
                try skipString()
                try source.skip(8)
            }
        case 18:
            for _ in 0..<(try length()) {
                _ = try length()
                try skipString()
            }
        default: try skipString()
        }
        if case .taken = choice.answer(for: database) {
            remarks.skip(name)
        } else {
            remarks.skip("key of other databases")
        }
    }

    private static let types: [UInt8: String] = [
        1: "list", 2: "set", 3: "sorted set", 4: "hash", 5: "sorted set", 9: "hash", 10: "list",
        11: "set", 12: "sorted set", 13: "hash", 14: "list", 16: "hash", 17: "sorted set",
        18: "list", 20: "set",
    ]
}

/// Marc Lehmann's LZF, as liblzf's lzf_d.c unpacks it.
enum LZF {
    /// Appends exactly `count` bytes; false where the text does not make them.
    static func unpack(_ packed: [UInt8], to count: Int, _ bytes: inout [UInt8]) -> Bool {
        let start = bytes.count
        var index = 0
        while index < packed.count {
            let control = Int(packed[index])
            index += 1
            if control < 32 {
                let end = index + control + 1
                guard end <= packed.count else { return false }
                bytes += packed[index..<end]
                index = end
            } else {
                var length = control >> 5
                if length == 7 {
                    guard index < packed.count else { return false }
                    length += Int(packed[index])
                    index += 1
                }
                guard index < packed.count else { return false }
                var from = bytes.count - (control & 31) << 8 - Int(packed[index]) - 1
                index += 1
                guard from >= start else { return false }
                for _ in 0..<(length + 2) {
                    bytes.append(bytes[from])
                    from += 1
                }
            }
            if bytes.count - start > count { return false }
        }
        return bytes.count - start == count
    }
}
