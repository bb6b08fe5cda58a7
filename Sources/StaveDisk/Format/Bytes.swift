// Little-endian loads and stores. A generic helper called across a module boundary was measured 280 times
// slower than inlined: `load` is `@inlinable` so that a record's header can be; nothing else leaves StaveDisk.

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
