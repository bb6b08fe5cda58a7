internal import StaveDisk
internal import Synchronization

extension Log {
    /// Makes every write that has returned durable.
    func syncNow() throws(StoreError) {
        let (newest, failure) = withLock { (writer.nextSequence, writer.failure) }
        if let failure { throw failure }
        if try makeDurable(newest - 1) { return }
        // All was durable, but is it still there?
        try syncLock.withLock { () throws(StoreError) in
            try requirePlace(of: withLock { writer.openAppenders })
        }
    }

    /// Returns once the write with this sequence number is durable.
    ///
    /// Writers that arrive while a sync runs wait for the lock; the first of them then syncs for
    /// all.
    ///
    /// - Returns: whether this call synced.
    @discardableResult
    func makeDurable(_ sequence: UInt64) throws(StoreError) -> Bool {
        if durableSequence.load(ordering: .acquiring) > sequence { return false }
        syncLock.lock()
        defer { syncLock.unlock() }
        if durableSequence.load(ordering: .acquiring) > sequence { return false }
        let (next, ends, failure) = withLock {
            () -> (UInt64, [(Appender, Int)], StoreError?) in
            let ends = writer.openAppenders.map { ($0, $0.segment.end) }
            return (writer.nextSequence, ends, writer.failure)
        }
        if let failure { throw failure }
        do throws(FileError) {
            try manifest.makeDurable(in: directory)
        } catch {
            throw failed(error)
        }
        // Oldest first: a segment is never durable further than the ones before it.
        for (appender, end) in ends { try sync(appender, upTo: end) }
        try requirePlace(of: ends.map(\.0))
        durableSequence.store(next, ordering: .releasing)
        return true
    }

    /// How far each unsealed segment is durable, by number.
    func durableEnds() -> [(number: UInt64, end: Int)] {
        syncLock.withLock {
            withLock { writer.openAppenders }.map { ($0.segment.number, $0.synced) }
        }
    }

    /// Under the sync lock. After a failed sync every other one fails too: the kernel may have
    /// dropped the pages, so that a second try would succeed without them.
    func sync(_ appender: Appender, upTo end: Int) throws(StoreError) {
        if let failure = withLock({ writer.failure }) { throw failure }
        do throws(FileError) {
            try appender.sync(upTo: end, isLast: isClosing)
        } catch {
            // Without a number of the kernel's it was synced, and is not what was written.
            throw error.code == 0 ? lost(error) : failed(error)
        }
    }

    /// After a sync: a file that has lost its name keeps what is written only as long as it is
    /// open, and one process alone writes only as long as it has its lock. Under the sync lock.
    ///
    /// - Parameter appenders: of the segments that were synced.
    func requirePlace(of appenders: [Appender]) throws(StoreError) {
        do throws(FileError) {
            try storeLock?.requirePlace()
            try manifest.requirePlace(in: directory)
            for appender in appenders where !appender.isInPlace(in: directory) {
                // One that was sealed meanwhile may be gone because a compaction took its place.
                if withLock({ appender.segment.isSealed }) { continue }
                throw FileError(
                    "use", appender.segment.path, reason: "it was removed or replaced")
            }
            for appender in appenders { try appender.output.requireOurs() }
        } catch {
            // Where the kernel does not answer, nothing is known to be wrong.
            if error.code != 0 { return }
            throw lost(error)
        }
    }

    private func lost(_ error: FileError) -> StoreError {
        end(.directoryLost(path: error.path, reason: error.reason))
    }

    private func failed(_ error: FileError) -> StoreError {
        end(.syncFailed(file: error.path, reason: error.reason))
    }

    /// No more writes are taken.
    private func end(_ failure: StoreError) -> StoreError {
        let isNews = withLock {
            defer { writer.failure = writer.failure ?? failure }
            return writer.failure == nil
        }
        if isNews { events.tell(.writingEnded(failure)) }
        return failure
    }
}
