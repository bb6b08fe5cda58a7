/// May a store be written to, and if not, why not?
public enum StoreState: Equatable, Sendable {
    case writable
    case readOnly(ReadOnlyReason)
    /// A sync failed, or the directory was taken away: no more writes are taken, and what was
    /// written since the last good sync may be lost. Reads go on.
    case ended(StoreError)
    case closed

    /// Why an open store takes no writes.
    public enum ReadOnlyReason: Equatable, Sendable {
        /// It was opened with `.readOnly`.
        case asked
        /// Nothing tells which keys were in these stretches, so that newer entries alone are
        /// certain. `stave repair` writes what can be read into a new store.
        case damaged([StoreError])
    }
}

extension Store {
    /// May it be written to, and if not, why not?
    public var state: StoreState {
        if isClosing { return .closed }
        if options.access == .readOnly { return .readOnly(.asked) }
        if isReadOnly { return .readOnly(.damaged(index.uncertainties.map(\.error))) }
        if let failure = log.withLock({ log.failure }) { return .ended(failure) }
        return .writable
    }
}
