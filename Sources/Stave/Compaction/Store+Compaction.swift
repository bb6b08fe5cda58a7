internal import StaveDisk

extension Store {
    /// Rewrites all segments that hold dead records, are small, or keep the store from being one
    /// sorted sequence, so that the directory shrinks to about the size of the live records and
    /// scans read one segment after the other. Reads and writes go on meanwhile.
    ///
    /// Needs free space for a copy of the live records of what it rewrites.
    ///
    /// - Parameter progress: called now and then with how much is done, from 0 to 1.
    /// - Throws: `StoreError`, also `cancelled`; the store is then as it was before.
    @discardableResult
    public func compact(
        progress: ((Double) -> Void)? = nil
    ) throws(StoreError) -> CompactionReport {
        try requireOpen()
        return try log.freeingSpace { () throws(StoreError) in
            try compactor.compactAll(progress: progress)
        }
    }

    /// What `compact()` would do now, without doing it. Its figures are exact if nothing is written
    /// meanwhile.
    public func compactionPlan() throws(StoreError) -> CompactionReport {
        try requireOpen()
        return try compactor.plan()
    }

    /// Makes compactions wait, the one that runs and later ones, until `resumeCompaction`.
    public func pauseCompaction() { compactor.gate.pause() }

    /// Lets compactions go on.
    public func resumeCompaction() {
        compactor.gate.resume()
        compactor.thread.wake()
    }

    /// Stops the compaction that runs, if any: it throws `StoreError.cancelled`, and the store is
    /// as it was before it began. One that has committed already goes on to its end.
    public func cancelCompaction() { compactor.gate.cancel() }
}
