internal import StaveDisk

/// The keys of a Bitcask directory in order, each with its newest value.
///
/// 1. Each file is read, oldest first: its hint file where that checks out, else its data. A value
///    replaces what was found before if its time is later; at the same time, if it lies in a later
///    file or further behind in the same one. A tombstone removes the key.
/// 2. The values are read in the order of the keys.
///
/// Memory: the keys.
final class BitcaskDecoder: RecordDecoder {
    let remarks = TransferRemarks()
    private let files: BitcaskFiles

    private struct Place {
        var file: Int
        var offset: Int
        var length: Int
        var time: UInt32

        func isNewer(than other: Place) -> Bool {
            (time, file, offset) > (other.time, other.file, other.offset)
        }
    }

    private var places: [[UInt8]: Place] = [:]
    /// The file that is read, and how.
    private var file = 0
    private var source: ByteSource?
    private var damageCount = 0
    private var record: [UInt8] = []
    /// Once all files were read.
    private var keys: [[UInt8]]?
    private var nextKey = 0
    private var hasShownRiak = false

    /// A file with so many damaged records is given up, as Bitcask does.
    private static let mostDamage = 20

    init(path: String) throws(TransferError) {
        files = try BitcaskFiles(path: path)
        place = path
    }

    private(set) var place: String
    var progress: (done: Int, total: Int?) {
        keys == nil ? (0, nil) : (nextKey, keys?.count)
    }

    func next(_ record: inout TransferRecord) throws(TransferError) -> Bool {
        while keys == nil { try readOn() }
        while let keys, nextKey < keys.count {
            nextKey += 1
            if try readValue(of: keys[nextKey - 1], &record) { return true }
            record.clear()
        }
        return false
    }

    // MARK: 1. Finding the newest

    /// Reads one more file, or one more record of a file without a hint.
    private func readOn() throws(TransferError) {
        if let source { return try readRecord(source) }
        if Signals.isInterrupted {
            throw TransferError(message: "\(files.path): stopped by a signal", isFatal: true)
        }
        guard file < files.numbers.count else {
            keys = places.keys.sorted { $0.lexicographicallyPrecedes($1) }
            return
        }
        if let hints = files.hints(of: files.numbers[file]) {
            for hint in hints {
                let place = Place(
                    file: file, offset: hint.offset, length: hint.length, time: hint.time)
                note(hint.key, place, isTombstone: hint.isTombstone)
            }
            file += 1
            return
        }
        damageCount = 0
        source = try ByteSource(path: files.dataPath(files.numbers[file]))
    }

    private func note(_ key: [UInt8], _ place: Place, isTombstone: Bool) {
        if isTombstone {
            places[key] = nil
        } else if let other = places[key], !place.isNewer(than: other) {
            return
        } else {
            places[key] = place
        }
    }

    private func readRecord(_ source: ByteSource) throws(TransferError) {
        let start = source.offset
        if try source.isAtEnd { return endFile() }
        record.removeAll(keepingCapacity: record.capacity <= 4 << 20)
        do throws(TransferError) {
            try source.read(BitcaskFiles.headerLength, &record)
            let length =
                Int(BitcaskFiles.big(record, 8, 2)) + Int(BitcaskFiles.big(record, 10, 4))
            guard length <= Format.maxValueLength + Format.maxKeyLength else {
                endFile()
                throw source.broken("a record of \(Units.bytes(length))", at: start)
            }
            try source.read(length, &record)
        } catch {
            guard self.source != nil, try source.isAtEnd else {
                if self.source != nil { endFile() }
                // What other files hold may still be read.
                throw TransferError(message: error.message)
            }
            remarks.note(
                "\(source.name): the last \(Units.count(source.offset - start, "byte")), from"
                    + " offset \(start), make no whole record: a write that a crash cut short")
            return endFile()
        }
        let keyEnd = BitcaskFiles.headerLength + Int(BitcaskFiles.big(record, 8, 2))
        let key = Array(record[BitcaskFiles.headerLength..<keyEnd])
        guard isWhole else {
            damageCount += 1
            // An older value must not come back.
            places[key] = nil
            if damageCount >= Self.mostDamage { endFile() }
            let rest = damageCount >= Self.mostDamage ? "; the rest of the file is left out" : ""
            throw TransferError(
                message: "\(source.name): offset \(start): the checksum of a record is wrong;"
                    + " what may be its key, \(Quoting.text(key)), is left out" + rest)
        }
        let place = Place(
            file: file, offset: start, length: record.count,
            time: UInt32(BitcaskFiles.big(record, 4, 4)))
        note(key, place, isTombstone: BitcaskFiles.isTombstone(Array(record[keyEnd...].prefix(17))))
    }

    private func endFile() {
        source = nil
        file += 1
    }

    /// Whether the checksum of `record` is right.
    private var isWhole: Bool {
        BitcaskFiles.big(record, 0, 4) == UInt64(CRC32.of(record[4...]))
    }

    // MARK: 2. Reading the values

    /// A data file, held open while its values are read.
    private final class Opened {
        let file: Int
        let data: File

        init(_ file: Int, path: String) throws(FileError) {
            self.file = file
            data = try File.opening(path)
        }
    }

    private var opened: Opened?

    /// False where the key was deleted after all.
    private func readValue(of key: [UInt8], _ result: inout TransferRecord) throws(TransferError)
        -> Bool
    {
        guard let place = places[key] else { return false }
        let path = files.dataPath(files.numbers[place.file])
        do throws(FileError) {
            if opened?.file != place.file { opened = try Opened(place.file, path: path) }
            record = try opened?.data.contents(at: place.offset, count: place.length) ?? []
        } catch {
            throw TransferError(message: error.description)
        }
        let keyEnd = BitcaskFiles.headerLength + key.count
        guard record.count == place.length, record.count >= keyEnd, isWhole,
            record[BitcaskFiles.headerLength..<keyEnd] == key[...]
        else {
            throw TransferError(
                message: "\(path): offset \(place.offset): the record of \(Quoting.text(key)) does"
                    + " not check out; the key is left out")
        }
        if BitcaskFiles.isTombstone(Array(record[keyEnd...].prefix(17))) { return false }
        if !hasShownRiak, let shown = RiakKey.shown(key) {
            hasShownRiak = true
            remarks.note(
                "\(files.path): these are keys of Riak, such as \(shown); they and their values"
                    + " are taken as they are")
        }
        self.place = "\(path): offset \(place.offset)"
        result.key += key
        result.value += record[keyEnd...]
        return true
    }
}
