internal import StaveDisk
internal import Synchronization

extension Store {
    /// Makes every write that has returned durable, whatever the store's durability.
    ///
    /// - Throws: `StoreError.syncFailed`; no more writes are taken then, because the kernel may have
    ///   dropped what it could not write, and a second try would claim otherwise.
    public func sync() throws(StoreError) {
        try requireOpen()
        if isReadOnly { return }
        try syncNow()
    }

    func syncNow() throws(StoreError) {
        let newest = withWriterLock { writer.nextSequence }
        try makeDurable(newest - 1)
    }

    /// Returns once the write with this sequence number is durable.
    ///
    /// Writers that arrive while a sync runs wait for the lock; the first of them then syncs for all.
    func makeDurable(_ sequence: UInt64) throws(StoreError) {
        if durableSequence.load(ordering: .acquiring) > sequence { return }
        syncLock.lock()
        defer { syncLock.unlock() }
        if durableSequence.load(ordering: .acquiring) > sequence { return }
        let (next, ends, failure) = withWriterLock {
            () -> (UInt64, [(Appender, Int)], StoreError?) in
            let open = writer.full + (writer.appender.map { [$0] } ?? [])
            return (writer.nextSequence, open.map { ($0, $0.segment.end) }, writer.failure)
        }
        if let failure { throw failure }
        do throws(FileError) {
            try manifest.makeDurable(in: log.directory)
        } catch {
            throw failed(error)
        }
        // Oldest first: a segment is never durable further than the ones before it.
        for (appender, end) in ends { try sync(appender, upTo: end) }
        durableSequence.store(next, ordering: .releasing)
    }

    /// How far each unsealed segment is durable, by number.
    func durableEnds() -> [(number: UInt64, end: Int)] {
        syncLock.withLock {
            let open = withWriterLock {
                writer.full + (writer.appender.map { [$0] } ?? [])
            }
            return open.map { ($0.segment.number, $0.synced) }
        }
    }

    /// Under the sync lock. After a failed sync every other one fails too: the kernel may have dropped
    /// the pages, so that a second try would succeed without them.
    func sync(_ appender: Appender, upTo end: Int) throws(StoreError) {
        if let failure = withWriterLock({ writer.failure }) { throw failure }
        do throws(FileError) {
            try appender.sync(upTo: end, isLast: isClosing)
        } catch {
            throw failed(error)
        }
    }

    private func failed(_ error: FileError) -> StoreError {
        let failure = StoreError.syncFailed(file: error.path, reason: error.reason)
        withWriterLock { writer.failure = failure }
        return failure
    }
}
