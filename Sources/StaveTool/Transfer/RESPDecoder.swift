internal import Glibc
internal import StaveDisk

/// Commands of Redis as they go over the wire (RESP) and as an append-only file keeps them; a
/// snapshot may stand before them.
final class RESPDecoder: RecordDecoder {
    let remarks: TransferRemarks
    private let source: ByteSource
    private let choice: DatabaseChoice
    private var preamble: RDBDecoder?
    private var hasBegun = false
    private var database = "0"
    /// The words of the command at hand; the arrays are used again.
    private var words: [[UInt8]] = []
    private var count = 0
    /// Of the command at hand, the words from here on make more records: keys, or keys and values.
    private var rest = 0
    private var restAction = TransferRecord.Action.set
    private var start = 0
    private let now = Int(time(nil)) * 1000

    init(
        _ source: ByteSource, _ choice: DatabaseChoice,
        remarks: TransferRemarks = TransferRemarks()
    ) {
        self.source = source
        self.choice = choice
        self.remarks = remarks
    }

    var place: String { "\(source.name): offset \(start)" }
    var progress: (done: Int, total: Int?) { (source.offset, source.total) }

    func next(_ record: inout TransferRecord) throws(TransferError) -> Bool {
        if !hasBegun {
            hasBegun = true
            if try source.peek() == UInt8(ascii: "R") {
                preamble = RDBDecoder(source, choice, isPreamble: true, remarks: remarks)
            }
        }
        if let preamble {
            if try preamble.next(&record) { return true }
            self.preamble = nil
            record.clear()
        }
        while true {
            if rest < count, takeRest(&record) { return true }
            guard try readCommand() else { return false }
            if try interpret(&record) { return true }
            record.clear()
        }
    }

    // MARK: The wire

    /// False at the end of the input.
    private func readCommand() throws(TransferError) -> Bool {
        // A line that tells the time, from `aof-timestamp-enabled`.
        while try source.peek() == Byte.hash {
            var line: [UInt8] = []
            guard try source.readUpTo(Byte.newline, &line, limit: 1 << 16) else { return false }
        }
        (count, rest) = (0, 0)
        if try source.isAtEnd { return false }
        start = source.offset
        let expected = try number(behind: UInt8(ascii: "*"))
        guard (0...1 << 20).contains(expected) else {
            throw source.broken("a command of \(expected) words", at: start)
        }
        while count < expected {
            let place = source.offset
            let length = try number(behind: UInt8(ascii: "$"))
            guard (0...Format.maxValueLength).contains(length) else {
                throw source.broken(
                    "a word of \(Units.count(length, "byte")); at most 1 GiB is taken", at: place)
            }
            if count == words.count { words.append([]) }
            words[count].removeAll(keepingCapacity: words[count].capacity <= 4 << 20)
            try source.read(length, &words[count])
            guard try source.byte() == Byte.return, try source.byte() == Byte.newline else {
                throw source.broken("a word is not as long as it says", at: place)
            }
            count += 1
        }
        return true
    }

    /// The number of a line that begins with `sign`.
    private func number(behind sign: UInt8) throws(TransferError) -> Int {
        let place = source.offset
        guard try source.byte() == sign else {
            throw source.broken(
                "\(String(Unicode.Scalar(sign))) belongs here; this is no RESP", at: place)
        }
        var value = 0
        var digits = 0
        while digits < 12 {
            let byte = try source.byte()
            if byte == Byte.return, digits > 0, try source.byte() == Byte.newline { return value }
            guard let digit = Byte.hexValue(byte), digit < 10 else { break }
            value = value * 10 + Int(digit)
            digits += 1
        }
        throw source.broken("this is no number", at: place)
    }

    // MARK: Commands

    private func wrong(_ message: String) -> TransferError {
        TransferError(message: "\(source.name): offset \(start): \(message)")
    }

    /// Makes the first record of the command; false where it makes none.
    private func interpret(_ record: inout TransferRecord) throws(TransferError) -> Bool {
        guard count > 0 else { return false }
        let name = String(decoding: words[0].prefix(32), as: UTF8.self).uppercased()
        if Self.idle.contains(name) { return false }
        if name == "SELECT" {
            guard count == 2 else { throw wrong("SELECT takes one word") }
            database = String(decoding: words[1].prefix(20), as: UTF8.self)
            return false
        }
        if let type = RedisCommands.type(of: name) {
            remarks.skip("\(type) command")
            return false
        }
        switch choice.answer(for: database) {
        case .taken: break
        case .skipped:
            remarks.skip("command for other databases")
            return false
        case .refused(let reason):
            remarks.skip("command for other databases")
            throw wrong(reason)
        }
        return try interpret(name, &record)
    }

    private static let idle: Set<String> = [
        "MULTI", "EXEC", "PING", "PERSIST", "AUTH", "HELLO", "CLIENT", "REPLCONF", "ECHO",
    ]

    private func interpret(_ name: String, _ record: inout TransferRecord) throws(TransferError)
        -> Bool
    {
        switch name {
        case "SET" where count >= 3:
            return try set(&record, value: 2, options: 3)
        case "GETSET" where count == 3: take(.set, 1, 2, &record)
        case "SETNX" where count == 3: take(.setIfAbsent, 1, 2, &record)
        case "SETEX" where count == 4, "PSETEX" where count == 4:
            take(.set, 1, 3, &record)
            record.hasExpiry = true
            guard let time = integer(2), time > 0 else { throw wrong("the expiry is no number") }
        case "MSET" where count >= 3 && count % 2 == 1:
            (rest, restAction) = (1, .set)
            return takeRest(&record)
        case "DEL" where count >= 2, "UNLINK" where count >= 2:
            (rest, restAction) = (1, .delete)
            return takeRest(&record)
        case "GETDEL" where count == 2: take(.delete, 1, nil, &record)
        case "EXPIRE" where count >= 3: try expire(&record, unit: 1000, isAbsolute: false)
        case "PEXPIRE" where count >= 3: try expire(&record, unit: 1, isAbsolute: false)
        case "EXPIREAT" where count >= 3: try expire(&record, unit: 1000, isAbsolute: true)
        case "PEXPIREAT" where count >= 3: try expire(&record, unit: 1, isAbsolute: true)
        default:
            let shown = Quoting.text(words[0])
            throw wrong("the command \(shown) with \(Units.count(count - 1, "word")) is not taken")
        }
        return true
    }

    private func take(
        _ action: TransferRecord.Action, _ key: Int, _ value: Int?, _ record: inout TransferRecord
    ) {
        record.action = action
        swap(&record.key, &words[key])
        if let value { swap(&record.value, &words[value]) }
        rest = count
    }

    /// The next key of DEL, or key and value of MSET.
    private func takeRest(_ record: inout TransferRecord) -> Bool {
        guard rest < count, rest > 0 else { return false }
        record.action = restAction
        swap(&record.key, &words[rest])
        rest += 1
        if restAction == .set {
            swap(&record.value, &words[rest])
            rest += 1
        }
        return true
    }

    private func integer(_ index: Int) -> Int? {
        Int(String(decoding: words[index].prefix(24), as: UTF8.self))
    }

    private func set(_ record: inout TransferRecord, value: Int, options: Int)
        throws(TransferError) -> Bool
    {
        var action = TransferRecord.Action.set
        var isOver = false
        var index = options
        while index < count {
            let option = String(decoding: words[index].prefix(16), as: UTF8.self).uppercased()
            index += 1
            switch option {
            case "NX": action = .setIfAbsent
            case "GET", "KEEPTTL": break
            // An append-only file has it only where the key was there.
            case "XX": break
            case "EX", "PX", "EXAT", "PXAT":
                guard index < count, let time = integer(index) else {
                    throw wrong("the expiry is no number")
                }
                index += 1
                record.hasExpiry = true
                let unit = option.hasPrefix("E") ? 1000 : 1
                let (end, isTooFar) = time.multipliedReportingOverflow(by: unit)
                isOver = option.hasSuffix("AT") && !isTooFar && end <= now
            default: throw wrong("SET has no option \(Quoting.text(words[index - 1]))")
            }
        }
        if isOver {
            remarks.expired += 1
            record.hasExpiry = false
            take(.delete, 1, nil, &record)
        } else {
            take(action, 1, value, &record)
        }
        return true
    }

    private func expire(_ record: inout TransferRecord, unit: Int, isAbsolute: Bool)
        throws(TransferError)
    {
        guard let time = integer(2) else { throw wrong("the expiry is no number") }
        let (end, isTooFar) = time.multipliedReportingOverflow(by: unit)
        let isOver = isAbsolute ? !isTooFar && end <= now : time <= 0
        if isOver { remarks.expired += 1 }
        take(isOver ? .delete : .expire, 1, nil, &record)
    }
}

/// Commands that are about other types than strings.
enum RedisCommands {
    static func type(of name: String) -> String? { types[name] }

    private static let types: [String: String] = {
        let names = [
            "hash": "HSET HMSET HSETNX HDEL HINCRBY HINCRBYFLOAT HEXPIRE HPEXPIREAT HPERSIST",
            "list": """
            LPUSH RPUSH LPUSHX RPUSHX LPOP RPOP LSET LREM LTRIM LINSERT RPOPLPUSH LMOVE LMPOP \
            BLPOP BRPOP BRPOPLPUSH BLMOVE BLMPOP
            """,
            "set": "SADD SREM SPOP SMOVE SDIFFSTORE SINTERSTORE SUNIONSTORE",
            "sorted set": """
            ZADD ZREM ZINCRBY ZREMRANGEBYSCORE ZREMRANGEBYRANK ZREMRANGEBYLEX ZPOPMIN ZPOPMAX \
            ZUNIONSTORE ZINTERSTORE ZDIFFSTORE ZRANGESTORE ZMPOP BZPOPMIN BZPOPMAX GEOADD
            """,
            "stream": "XADD XDEL XTRIM XGROUP XACK XSETID XCLAIM XAUTOCLAIM XREADGROUP",
            "script": "EVAL EVALSHA SCRIPT FUNCTION FCALL PUBLISH SPUBLISH",
        ]
        var types: [String: String] = [:]
        for (type, list) in names {
            for name in list.split(separator: " ") { types[String(name)] = type }
        }
        return types
    }()
}
