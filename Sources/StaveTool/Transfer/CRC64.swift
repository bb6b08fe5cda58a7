/// CRC-64 as RDB files have it: Jones' polynomial ad93d23594c935a9, reflected in and out, beginning
/// with
/// 0. Eight bytes at a time with eight tables (Kounavis, Berry: A Systematic Approach to Building
/// High Performance Software-Based CRC Generators, 2005).
struct CRC64 {
    private(set) var value: UInt64 = 0

    private static let polynomial: UInt64 = 0x95ac_9329_ac4b_c9b5

    /// Entry 256 * n + b: what the byte b does when n bytes follow it.
    private static let tables: [UInt64] = {
        var tables = (0..<256).map { index -> UInt64 in
            (0..<8).reduce(UInt64(index)) { value, _ in
                value & 1 == 1 ? value >> 1 ^ polynomial : value >> 1
            }
        }
        for index in 256..<2048 {
            let last = tables[index - 256]
            tables.append(tables[Int(last & 0xff)] ^ last >> 8)
        }
        return tables
    }()

    mutating func add(_ bytes: ArraySlice<UInt8>) {
        let tables = Self.tables
        var value = value
        var index = bytes.startIndex
        while index + 8 <= bytes.endIndex {
            var word: UInt64 = 0
            for offset in 0..<8 { word |= UInt64(bytes[index + offset]) << UInt64(8 * offset) }
            word ^= value
            value = 0
            for offset in 0..<8 {
                value ^= tables[256 * (7 - offset) + Int(word >> UInt64(8 * offset) & 0xff)]
            }
            index += 8
        }
        for byte in bytes[index...] {
            value = tables[Int((value ^ UInt64(byte)) & 0xff)] ^ value >> 8
        }
        self.value = value
    }
}
