/// A snapshot file of Redis, version 9, which all servers of its family load.
final class RDBEncoder: RecordEncoder {
    private let output: OutputWriter
    private let count: Int?
    /// What is not written yet, and not in the checksum.
    private var buffer: [UInt8] = []
    private var checksum = CRC64()

    private static let capacity = 64 << 10

    /// - Parameter count: of the records; lets the server make its table once.
    init(_ output: OutputWriter, count: Int?) {
        self.output = output
        self.count = count
        buffer.reserveCapacity(2 * Self.capacity)
    }

    func begin() {
        buffer += "REDIS0009".utf8
        buffer += [0xfe, 0]
        if let count {
            buffer.append(0xfb)
            append(length: count)
            append(length: 0)
        }
    }

    func write(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        buffer.append(0)
        // SAFETY: the bytes are only read.
        unsafe append(key)
        unsafe append(value)
        if buffer.count >= Self.capacity { pass() }
    }

    private func append(_ bytes: UnsafeRawBufferPointer) {
        append(length: bytes.count)
        // SAFETY: the bytes are only read.
        unsafe buffer.append(contentsOf: bytes)
    }

    func end() {
        buffer.append(0xff)
        pass()
        output.write((0..<8).map { UInt8(truncatingIfNeeded: checksum.value >> UInt64(8 * $0)) })
    }

    private func pass() {
        checksum.add(buffer[...])
        output.write(buffer)
        buffer.removeAll(keepingCapacity: buffer.capacity <= 4 << 20)
    }

    private func append(length: Int) {
        switch length {
        case ..<(1 << 6): buffer.append(UInt8(length))
        case ..<(1 << 14):
            buffer += [UInt8(0x40 | length >> 8), UInt8(truncatingIfNeeded: length)]
        case ..<(1 << 32):
            buffer.append(0x80)
            append(big: length, count: 4)
        default:
            buffer.append(0x81)
            append(big: length, count: 8)
        }
    }

    private func append(big number: Int, count: Int) {
        for index in (0..<count).reversed() {
            buffer.append(UInt8(truncatingIfNeeded: number >> (8 * index)))
        }
    }
}
