/// Which keys a scan visits: those from one key on, up to and without another, by bytes.
public struct KeyRange: Equatable, Sendable {
    let from: [UInt8]?
    let to: [UInt8]?

    var isAll: Bool { from == nil && to == nil }

    /// All keys.
    public static var all: KeyRange { KeyRange(from: nil, to: nil) }

    /// Keys with `from` <= key < `to`, by bytes; nil is no bound.
    public init(from: [UInt8]?, to: [UInt8]?) {
        self.from = from
        self.to = to
    }

    /// Keys with `from` <= key < `to`, by bytes.
    public init(from: some StoreBytes, to: some StoreBytes) {
        self.from = Self.copy(from)
        self.to = Self.copy(to)
    }

    /// Keys with `from` <= key, by bytes.
    public init(from: some StoreBytes) {
        self.from = Self.copy(from)
        to = nil
    }

    /// Keys with key < `to`, by bytes.
    public init(to: some StoreBytes) {
        from = nil
        self.to = Self.copy(to)
    }

    /// Keys that begin with `prefix`.
    public init(prefix: some StoreBytes) {
        let prefix = Self.copy(prefix)
        from = prefix
        // The first key behind them: the prefix with its last byte that can be raised, raised.
        var end = prefix
        while end.last == 0xff { end.removeLast() }
        if let last = end.popLast() { end.append(last + 1) }
        to = end.isEmpty ? nil : end
    }

    private static func copy(_ bytes: some StoreBytes) -> [UInt8] {
        bytes.withStoreBytes { [UInt8](copying: $0) }
    }
}

/// In which order a scan visits keys: by their bytes, and a key before those that it begins, or the
/// other way round.
public enum KeyDirection: Sendable {
    case ascending, descending

    var reversed: KeyDirection { self == .ascending ? .descending : .ascending }
}
