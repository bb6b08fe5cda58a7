internal import Glibc
internal import StaveDisk

/// The files of a Bitcask directory, as basho/bitcask writes them: all numbers with the highest
/// byte first.
///
///     N.bitcask.data   crc32:4 time:4 key size:2 value size:4 key value, again and again
///     N.bitcask.hint   time:4 key size:2 record size:4 (tombstone:1 bit, offset:63) key, again
///                      and again; then 0:4 0:2 crc32 of all before:4 2^63 - 1:8
struct BitcaskFiles {
    /// Oldest first.
    let numbers: [UInt64]
    let path: String

    static let headerLength = 14

    init(path: String) throws(TransferError) {
        self.path = path
        let names: [String]
        do throws(FileError) {
            names = try Directory(path: path).names()
        } catch {
            throw TransferError(message: error.description, isFatal: true)
        }
        numbers = names.compactMap { name in
            guard name.hasSuffix(".bitcask.data") else { return nil }
            return UInt64(name.dropLast(13))
        }.filter { !Self.isDeleted("\(path)/\($0).bitcask.data") }.sorted()
        guard !numbers.isEmpty else {
            throw TransferError(
                message: "\(path): there is no file N.bitcask.data in it", isFatal: true)
        }
    }

    func dataPath(_ number: UInt64) -> String { "\(path)/\(number).bitcask.data" }

    /// A merge marks the files that it has made useless: with the set-user-id bit, or as
    /// executable.
    private static func isDeleted(_ path: String) -> Bool {
        var status = stat()
        // SAFETY: fills in the struct.
        return unsafe stat(path, &status) == 0 && status.st_mode & 0o4001 != 0
    }

    /// One entry of a hint file.
    struct Hint {
        var time: UInt32
        var length: Int
        var offset: Int
        var isTombstone: Bool
        var key: [UInt8]
    }

    /// The hint file's entries; nil where it is missing, damaged, or does not fit its data file.
    /// Then the data tells all.
    func hints(of number: UInt64) -> [Hint]? {
        guard let bytes = Self.contents("\(path)/\(number).bitcask.hint"), bytes.count >= 18,
            let dataLength = Self.size(dataPath(number))
        else { return nil }
        var hints: [Hint] = []
        var index = 0
        let end = bytes.count - 18
        while index < end {
            guard index + 18 <= end else { return nil }
            let keyLength = Int(Self.big(bytes, index + 4, 2))
            guard index + 18 + keyLength <= end else { return nil }
            let length = Int(Self.big(bytes, index + 6, 4))
            let place = Self.big(bytes, index + 10, 8)
            let offset = Int(place & (1 << 63 - 1))
            let (last, isTooFar) = offset.addingReportingOverflow(length)
            guard length >= Self.headerLength + keyLength, !isTooFar, last <= dataLength else {
                return nil
            }
            hints.append(
                Hint(
                    time: UInt32(Self.big(bytes, index, 4)), length: length, offset: offset,
                    isTombstone: place >> 63 == 1,
                    key: Array(bytes[(index + 18)..<(index + 18 + keyLength)])))
            index += 18 + keyLength
        }
        let trailer = bytes[end...]
        guard trailer.prefix(6).allSatisfy({ $0 == 0 }),
            Self.big(bytes, end + 10, 8) | 1 << 63 == .max,
            Self.big(bytes, end + 6, 4) == UInt64(CRC32.of(bytes[..<end]))
        else { return nil }
        return hints
    }

    private static func contents(_ path: String) -> [UInt8]? {
        guard let file = try? File.opening(path) else { return nil }
        return try? file.contents(limit: 1 << 32)
    }

    private static func size(_ path: String) -> Int? { try? File.opening(path).size() }

    static func big(_ bytes: [UInt8], _ start: Int, _ count: Int) -> UInt64 {
        bytes[start..<(start + count)].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// A value that begins with this says that the key was deleted: alone (version 0), or with the
    /// number of a file behind it (versions 1 and 2).
    static func isTombstone(_ value: [UInt8]) -> Bool {
        value.starts(with: tombstone)
    }

    private static let tombstone = Array("bitcask_tombstone".utf8)
}

/// CRC-32 as zlib has it.
enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in
            value & 1 == 1 ? value >> 1 ^ 0xedb8_8320 : value >> 1
        }
    }

    static func of(_ bytes: ArraySlice<UInt8>, behind before: UInt32 = 0) -> UInt32 {
        let table = table
        return ~bytes.reduce(~before) { table[Int(($0 ^ UInt32($1)) & 0xff)] ^ $0 >> 8 }
    }
}

/// Riak's keys, which are terms of Erlang: {Bucket, Key} by term_to_binary.
enum RiakKey {
    /// `bucket/key`, for people; nil for a key that is none of Riak's.
    static func shown(_ key: [UInt8]) -> String? {
        // 131: the format's version; 104, 2: a tuple of two; 109 and a length: bytes.
        guard key.starts(with: [131, 104, 2]) else { return nil }
        var index = 3
        var parts: [[UInt8]] = []
        for _ in 0..<2 {
            guard index + 5 <= key.count, key[index] == 109 else { return nil }
            let length = Int(BitcaskFiles.big(key, index + 1, 4))
            guard length <= key.count - index - 5 else { return nil }
            parts.append(Array(key[(index + 5)..<(index + 5 + length)]))
            index += 5 + length
        }
        guard index == key.count else { return nil }
        return parts.map { Quoting.text($0) }.joined(separator: "/")
    }
}
