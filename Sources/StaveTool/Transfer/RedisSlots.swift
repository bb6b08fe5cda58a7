/// The slots of a Redis Cluster: every key has one of 16,384, and every slot a master.
enum RedisSlots {
    static let count = 16_384

    /// CRC-16/XMODEM of the key or, where it has one that is not empty, of its hash tag: what
    /// stands between the first `{` and the next `}`.
    static func slot(of key: UnsafeRawBufferPointer) -> Int {
        // SAFETY: the slices lie inside the key.
        var tag = unsafe key[...]
        if let open = unsafe key.firstIndex(of: UInt8(ascii: "{")),
            let close = unsafe key[(open + 1)...].firstIndex(of: UInt8(ascii: "}")),
            close > open + 1
        {
            unsafe tag = key[(open + 1)..<close]
        }
        let table = crcs
        let crc = unsafe tag.reduce(UInt16(0)) { $0 << 8 ^ table[Int($0 >> 8 ^ UInt16($1))] }
        return Int(crc) & (count - 1)
    }

    private static let crcs: [UInt16] = (0..<256).map { index in
        (0..<8).reduce(UInt16(index) << 8) { value, _ in
            value & 0x8000 != 0 ? value << 1 ^ 0x1021 : value << 1
        }
    }

    /// `0-5460`, `7`, or several with commas; nil where the text is none.
    static func parse(_ text: String) -> [ClosedRange<Int>]? {
        var ranges: [ClosedRange<Int>] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let range = range(part) else { return nil }
            ranges.append(range)
        }
        return ranges
    }

    static func range(_ text: Substring) -> ClosedRange<Int>? {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2,
            first >= 0, first <= last, last < count
        else { return nil }
        return first...last
    }
}

/// A master of a cluster, as a line of CLUSTER NODES tells of it.
struct ClusterMaster: Equatable {
    /// Host and port.
    let address: String
    let slots: [ClosedRange<Int>]

    /// All masters that have slots. Every slot must have exactly one.
    ///
    /// - Parameter text: what `redis-cli cluster nodes` prints:
    ///   `ID IP:PORT@BUS[,HOST] FLAGS MASTER PING PONG EPOCH LINK SLOT...`
    static func parse(_ text: String) throws(TransferError) -> [ClusterMaster] {
        var masters: [ClusterMaster] = []
        var owners = [Int](repeating: -1, count: RedisSlots.count)
        for line in text.split(whereSeparator: \.isNewline) {
            let fields = line.split(separator: " ")
            guard fields.count >= 8 else {
                throw wrong("this is no line of CLUSTER NODES: \(Quoting.message(String(line)))")
            }
            guard fields[2].split(separator: ",").contains("master") else { continue }
            let address = String(fields[1].prefix { $0 != "@" && $0 != "," })
            // [slot->-node] is a slot that is about to move; it is still listed as its owner's.
            let slots = try fields[8...].filter { !$0.hasPrefix("[") }.map {
                (field) throws(TransferError) in
                guard let range = RedisSlots.range(field) else {
                    throw wrong("\(Quoting.message(String(field))) is no slot")
                }
                return range
            }
            if slots.isEmpty { continue }
            for slot in slots.joined() {
                if owners[slot] >= 0 { throw wrong("slot \(slot) has two masters") }
                owners[slot] = masters.count
            }
            masters.append(ClusterMaster(address: address, slots: slots))
        }
        if let slot = owners.firstIndex(of: -1) {
            throw wrong(
                "no master has slot \(slot); is this the whole output of CLUSTER NODES?")
        }
        return masters
    }

    private static func wrong(_ message: String) -> TransferError {
        TransferError(message: message, isFatal: true)
    }

    /// For a file's name.
    var fileName: String {
        String(address.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == ".") ? $0 : "-" })
    }
}
