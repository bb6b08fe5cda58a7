/// What may be a key or a value: text, which stands for its UTF-8, or bytes.
///
/// A type of your own conforms by lending its bytes. `RawSpan` itself is taken by overloads: a span
/// cannot conform to a protocol.
public protocol StoreBytes {
    /// Lends the bytes to `body`, once; they are valid only inside it.
    func withStoreBytes<Result, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result
}

extension String: StoreBytes {
    /// Lends the UTF-8, without a copy.
    @inlinable
    public func withStoreBytes<Result, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        unsafe try body(utf8Span.span.bytes)
    }
}

extension Substring: StoreBytes {
    /// Lends the UTF-8, without a copy.
    @inlinable
    public func withStoreBytes<Result, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        unsafe try body(utf8Span.span.bytes)
    }
}

extension Array: StoreBytes where Element == UInt8 {
    /// Lends the elements, without a copy.
    @inlinable
    public func withStoreBytes<Result, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        unsafe try body(span.bytes)
    }
}

extension ArraySlice: StoreBytes where Element == UInt8 {
    /// Lends the elements, without a copy.
    @inlinable
    public func withStoreBytes<Result, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        unsafe try body(span.bytes)
    }
}

extension ContiguousArray: StoreBytes where Element == UInt8 {
    /// Lends the elements, without a copy.
    @inlinable
    public func withStoreBytes<Result, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        unsafe try body(span.bytes)
    }
}

extension [UInt8] {
    /// A copy of what a span lends.
    @inlinable
    public init(copying bytes: RawSpan) {
        self = unsafe bytes.withUnsafeBytes { unsafe Array($0) }
    }
}

extension String {
    /// A copy of UTF-8 that a span lends; bytes that are none become U+FFFD.
    @inlinable
    public init(decoding bytes: RawSpan) {
        self = unsafe bytes.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }
}
