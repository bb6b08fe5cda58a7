internal import Stave
internal import StaveDisk
internal import Synchronization

/// A call of the store that nothing can end, such as a sync, on a thread of its own, so that the
/// one that talks to the person hears a signal meanwhile.
final class LongCall<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, StoreError>?>(nil)

    /// Begins the call.
    init(_ body: @escaping @Sendable () throws(StoreError) -> Value) {
        let call = { @Sendable [self] in
            let outcome: Result<Value, StoreError>
            do throws(StoreError) {
                outcome = .success(try body())
            } catch {
                outcome = .failure(error)
            }
            result.withLock { $0 = outcome }
            Signals.wake()
        }
        do throws(FileError) {
            try WorkThread.start(for: "the shell", call).detach()
        } catch {
            // It then takes as long as it takes, and a signal waits.
            call()
        }
    }

    /// What came of it; nil where `isGivenUp`, asked every so often, says so before the call has
    /// ended.
    func wait(until isGivenUp: () -> Bool) throws(StoreError) -> Value? {
        while true {
            if let outcome = result.withLock({ $0 }) { return try outcome.get() }
            if isGivenUp() { return nil }
            _ = Signals.waitToRead(-1, milliseconds: 50)
        }
    }
}
