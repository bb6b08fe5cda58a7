internal import Stave
internal import StaveDisk

extension Session {
    /// `watch PREFIX`: what becomes of keys that begin so, as soon as it is durable, whichever
    /// process writes it.
    func watch(prefix: Word) throws(CommandError) {
        flush()
        do throws(StoreError) {
            let follower = try StoreFollower(path: store.path)
            try follower.skipToNow()
            repeat {
                if var cursor = try follower.next() {
                    while let change = try cursor.next() {
                        if change.key.starts(with: prefix.array) { show(change) }
                    }
                }
                output.flush()
                guard !isInterrupted(), output.failure == nil else { return }
                _ = Signals.waitToRead(-1, milliseconds: 100)
            } while !isInterrupted()
        } catch {
            throw CommandError(error, at: prefix)
        }
    }

    private func show(_ change: Change) {
        if settings.format == .json {
            return output.write(line: JSON.object(change.members).text)
        }
        let printer = printer
        // SAFETY: the arrays live through the calls.
        unsafe change.key.withUnsafeBytes { key in
            guard let value = change.value else {
                unsafe Quoting.writeText(key) { output.write($0) }
                return output.write(line: " (deleted)")
            }
            unsafe value.withUnsafeBytes { unsafe printer.printEntry(key: key, value: $0) }
        }
    }
}
