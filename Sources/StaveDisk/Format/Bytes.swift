// Little-endian loads and stores. A generic helper called across a module boundary was measured 280
// times slower than inlined: `load` is `@inlinable` so that a record's header can be; nothing else
// leaves StaveDisk.

extension RawSpan {
    /// The integer at `offset`; the caller has checked that it lies inside.
    @inlinable @inline(__always)
    public func load<T: FixedWidthInteger & BitwiseCopyable>(
        _ offset: Int, as type: T.Type = T.self
    ) -> T {
        // SAFETY: any bit pattern is an integer, and the call checks its bounds.
        unsafe T(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: T.self))
    }

    /// True where every byte is zero.
    func isZero() -> Bool {
        var offset = 0
        while offset &+ 8 <= byteCount {
            if load(offset, as: UInt64.self) != 0 { return false }
            offset &+= 8
        }
        while offset < byteCount {
            if load(offset, as: UInt8.self) != 0 { return false }
            offset &+= 1
        }
        return true
    }

    /// Where the last byte that is not zero stands, from `start` on.
    package func lastNonZero(from start: Int) -> Int? {
        // SAFETY: each load ends inside the span.
        unsafe withUnsafeBytes { bytes in
            var index = bytes.count
            // Eight at a time: reserved space is megabytes of zeros.
            while index - 8 >= start {
                if unsafe bytes.loadUnaligned(fromByteOffset: index - 8, as: UInt64.self) != 0 {
                    break
                }
                index -= 8
            }
            while index > start {
                index -= 1
                if unsafe bytes[index] != 0 { return index }
            }
            return nil
        }
    }
}

extension UnsafeMutableRawPointer {
    @inline(__always)
    func store<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at offset: Int) {
        unsafe storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
    }

    @inline(__always)
    func copy(_ source: RawSpan, to offset: Int) {
        unsafe source.withUnsafeBytes { from in
            guard let start = from.baseAddress else { return }
            unsafe (self + offset).copyMemory(from: start, byteCount: from.count)
        }
    }
}

extension [UInt8] {
    mutating func append(littleEndian value: some FixedWidthInteger) {
        // SAFETY: the bytes of an integer.
        unsafe Swift.withUnsafeBytes(of: value.littleEndian) { unsafe append(contentsOf: $0) }
    }
}
