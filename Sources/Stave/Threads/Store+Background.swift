internal import StaveDisk
internal import Synchronization

// What happens without being asked. One thread syncs, once a second and after so many bytes, and
// seals full segments; another one compacts, so that a long compaction holds neither up; a third
// makes pages ready that a writer comes to next. Each starts when there is first something to do.
// Where no thread can be had, the writer does its work, and tries again when it is needed next.

extension Store {
    /// Called by a writer after each `wakeStep` and each new segment, without locks: wakes the
    /// threads that have work now, and stalls the writer where they cannot keep up.
    ///
    /// - Throws: only what ends writing. The write itself was made, so other errors are not its
    ///   caller's; the background meets them again.
    @inline(never)
    func wakeBackground() throws(StoreError) {
        let (fullCount, needsCompactor, isSyncDue) = index.withLock {
            (log.fullCount, compactor.isNeeded, takeSyncDue())
        }
        startPopulator()
        populator.wake()
        if fullCount > 0 || isSyncDue {
            startWorker()
            worker.wake()
        }
        if needsCompactor {
            startCompactor()
            compactor.thread.wake()
        }
        if fullCount > 2 {
            do throws(StoreError) {
                try log.sealFull()
            } catch {
                if error.endsWriting { throw error }
            }
        }
        stallWhileDue()
    }

    /// Has so much been written since one was asked for because of it, at `interval`, that a sync
    /// should not wait for its second? Then a sync or a close that a caller waits for has little
    /// left to do.
    private func takeSyncDue() -> Bool {
        durability == .interval && log.takeSyncDue(every: Self.syncStep)
    }

    private static let syncStep = 16 << 20

    /// The write stall: holds a writer up while the directory is above its bound and a compaction
    /// can do something about it.
    private func stallWhileDue() {
        var patience = 12_000
        while patience > 0, compactor.isWriteStallDue {
            guard startCompactor() else { return compactor.compactAsNeeded() }
            compactor.thread.wake()
            compactor.gate.waitForChange()
            patience -= 1
        }
    }

    private func populateAhead() {
        if let next = log.pagesAhead(), !isClosing { next.appender.populate(next.pages) }
    }

    /// After a write at `interval`: makes sure that it is durable within a second. Without a thread
    /// it must be now, because the next call may never come.
    @inline(never)
    func ensureSync(of sequence: UInt64) throws(StoreError) {
        if !startWorker() { try log.makeDurable(sequence) }
    }

    @discardableResult
    private func startWorker() -> Bool { start(worker, for: .syncing) { $0.syncAndSeal() } }

    @discardableResult
    private func startCompactor() -> Bool {
        start(compactor.thread, for: .compacting) { $0.compactor.compactAsNeeded() }
    }

    private func startPopulator() {
        _ = start(populator, for: .preparingPages) { $0.populateAhead() }
    }

    /// - Returns: false where no thread could be had, which is told as an event once.
    private func start(
        _ worker: Worker, for work: BackgroundWork, _ body: @escaping @Sendable (Store) -> Void
    ) -> Bool {
        if worker.isStarted.load(ordering: .relaxed) { return true }
        guard case .failed(let error, let isNews) = worker.start(for: path, task(body)) else {
            return true
        }
        if isNews { log.events.tell(.threadFailed(work, StoreError(error))) }
        return false
    }

    /// Why a thread that is needed could not be started.
    var threadFailure: String? {
        let workers: [(Worker, BackgroundWork)] = [
            (worker, .syncing), (compactor.thread, .compacting), (populator, .preparingPages),
        ]
        return workers.lazy.compactMap { worker, work in
            worker.failure.map { work.message(of: StoreError($0)) }
        }.first
    }

    /// What a background thread runs, which `close` ends before the store does. A weak reference
    /// would say the same, and make each retain and release of the store several times as slow from
    /// then on.
    private func task(_ body: @escaping @Sendable (Store) -> Void) -> @Sendable () -> Void {
        let unretained = unsafe Unmanaged.passUnretained(self)
        return {
            // SAFETY: `Store.deinit` waits for the thread, unless it runs in the thread itself: a
            // handler of events may let go of the store. Then this reference keeps it until the
            // body has ended, and no other task follows.
            let store = unsafe unretained.takeUnretainedValue()
            withExtendedLifetime(store) { body(store) }
        }
    }

    private func syncAndSeal() {
        if isClosing { return }
        // Errors here are met again by the next write, sync or close.
        if durability == .interval { try? log.syncNow() }
        try? log.sealFull()
        compactor.unlessRunning { log.writeMissingHints() }
        log.withLock { log.collectDropped() }
    }
}
