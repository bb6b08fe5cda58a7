extension Store {
    /// Opens the store in the directory `path`: `init(path:options:)`, shorter.
    ///
    ///     let store = try Store.open("people", .init(createsIfMissing: true))
    public static func open(
        _ path: String, _ options: StoreOptions = StoreOptions()
    ) throws(StoreError) -> Store { try Store(path: path, options: options) }
}
