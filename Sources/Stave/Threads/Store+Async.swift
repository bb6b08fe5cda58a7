internal import StaveDisk
internal import Synchronization

// Calls that wait for the disk, for asynchronous code: each runs on a thread of its own, so that
// none of Swift's few shared ones waits. `set` and `value` have no such form: they wait for the
// disk only at `Durability.always` (`deferringSync` and one `await sync()` behind many writes), and
// where a page is not in memory.

extension Store {
    /// Opens the store in the directory `path`, as `init(path:options:)` does.
    public static func open(
        _ path: String, _ options: StoreOptions = StoreOptions()
    ) async throws(StoreError) -> Store {
        try await blocking(for: path) { () throws(StoreError) in
            try Store(path: path, options: options)
        }
    }

    /// Makes everything durable that was written before the call.
    public func sync() async throws(StoreError) {
        try await Self.blocking(for: path) { () throws(StoreError) in try self.sync() }
    }

    /// Closes the store. Later calls do nothing.
    public func close() async throws(StoreError) {
        try await Self.blocking(for: path) { () throws(StoreError) in try self.close() }
    }

    /// Rewrites all segments that hold dead records, as `compact(progress:)` does.
    ///
    /// - Throws: `StoreError.cancelled` where the task is cancelled; the store is then as it was.
    @discardableResult
    public func compact() async throws(StoreError) -> CompactionReport {
        try await cancellable(onCancel: cancelCompaction) { (isCancelled) throws(StoreError) in
            if isCancelled() { throw .cancelled }
            return try self.compact { _ in if isCancelled() { self.cancelCompaction() } }
        }
    }

    /// Checks every byte of the store, as `verify(progress:)` does.
    ///
    /// - Throws: `StoreError.cancelled` where the task is cancelled.
    public func verify() async throws(StoreError) -> VerificationReport {
        try await cancellable { (isCancelled) throws(StoreError) in
            try self.verify { _ in !isCancelled() }
        }
    }

    /// Makes a backup of the store as it is now, as `backup(to:copying:progress:)` does.
    public func backup(
        to path: String, copying: Bool = false
    ) async throws(StoreError) -> BackupReport {
        try await Self.blocking(for: path) { () throws(StoreError) in
            try self.backup(to: path, copying: copying)
        }
    }

    // MARK: Threads

    /// Runs `body` on a thread of its own; where none can be had, on this one.
    private static func blocking<Result: Sendable>(
        for path: String, _ body: @escaping @Sendable () throws(StoreError) -> Result
    ) async throws(StoreError) -> Result {
        let result: Swift.Result<Result, StoreError> = await withCheckedContinuation { waiting in
            let run: @Sendable () -> Void = { waiting.resume(returning: .init(catching: body)) }
            do throws(FileError) {
                try WorkThread.start(for: path, run).detach()
            } catch {
                run()
            }
        }
        return try result.get()
    }

    /// The same, for what can be stopped.
    private func cancellable<Result: Sendable>(
        onCancel: @escaping @Sendable () -> Void = {},
        _ body:
            @escaping @Sendable (_ isCancelled: @escaping () -> Bool) throws(StoreError) -> Result
    ) async throws(StoreError) -> Result {
        let flag = CancelFlag()
        let result: Swift.Result<Result, StoreError> = await withTaskCancellationHandler {
            do throws(StoreError) {
                return .success(
                    try await Self.blocking(for: path) { () throws(StoreError) in
                        try body { flag.isSet.load(ordering: .relaxed) }
                    })
            } catch {
                return .failure(error)
            }
        } onCancel: {
            flag.isSet.store(true, ordering: .relaxed)
            onCancel()
        }
        return try result.get()
    }

    private final class CancelFlag: Sendable {
        let isSet = Atomic<Bool>(false)
    }
}
