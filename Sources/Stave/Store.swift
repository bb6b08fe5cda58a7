internal import StaveDisk
internal import Synchronization

/// A key-value store in one directory: an append-only log of segments and a hash index in memory.
///
///     let store = try Store(path: "data", options: options)
///     try store.set("Ada", forKey: "user:1")
///     try store.value(forKey: "user:1")
///
/// Keys are 1 to 65,535 bytes, values up to 1 GiB, both any bytes. One process writes; its threads
/// may all use the same store at the same time. Readers never wait. Other processes open it
/// read-only.
///
/// What is acknowledged is not lost: not when the process dies, and, as `Durability` says, not when
/// the power fails. What is read was checked: damage is an error, never a wrong value.
public final class Store: @unchecked Sendable {
    // @unchecked: constants, and objects that guard themselves.

    /// The directory, as it was named when the store was opened.
    public let path: String
    /// When a write counts as done.
    public let durability: Durability
    /// What opening found worth telling, a sentence each: a torn tail that was cut, damage, a hint
    /// file that had to be made again. Empty for a store that was closed cleanly.
    public let notices: [String]

    let options: StoreOptions
    let log: Log
    let index: Index
    let compactor: Compactor
    let lookup: Lookup
    /// Bytes after which a writer looks whether the background has work: small beside a segment, so
    /// that the directory's bound holds for small ones too.
    let wakeStep: Int
    /// Syncs and seals.
    let worker = Worker()
    let populator = Worker(isPeriodic: false)

    /// Opens the store in the directory `path`.
    ///
    /// - Throws: `StoreError`, as its first group says; nothing is changed on disk then.
    public convenience init(
        path: String, options: StoreOptions = StoreOptions()
    ) throws(StoreError) {
        self.init(try Opening.run(path: path, options: options))
    }

    init(_ parts: consuming StoreParts) {
        path = parts.path
        options = parts.options
        wakeStep = min(1 << 20, parts.options.segmentSize / 8)
        durability = parts.options.durability
        notices = parts.notices
        log = parts.log
        index = parts.index
        compactor = Compactor(parts.log, parts.index, parts.options)
        lookup = Lookup(
            index.keydir, index.queue, log.table, seed: index.hashSeed,
            isUsual: index.certainFrom == 0 && options.verifiesReads)
    }

    deinit { try? close() }

    /// May nothing be written: because that was asked for, or because of damage?
    public var isReadOnly: Bool { readOnlyReason != nil }

    /// Why a store that was opened to be written may not be; nil where it may.
    var readOnlyReason: String? { log.readOnlyReason }

    /// It holds the lock, even where damage keeps it from writing.
    var isWriter: Bool { options.access == .readWrite }

    /// Keys with a value. May wait for a write that is being made.
    public var count: Int { index.withLock { index.count } }

    var isClosing: Bool { log.isClosing }

    @inline(__always)
    func requireOpen() throws(StoreError) { try log.requireOpen() }

    /// Makes everything durable, seals all segments, saves the keydir where that makes the next
    /// open faster, and lets the lock go. Later calls do nothing; other uses of a closed store
    /// throw `StoreError.closed`.
    public func close() throws(StoreError) {
        if log.isClosed.exchange(true, ordering: .sequentiallyConsistent) { return }
        lookup.close()
        // A compaction stops at its next step, or ends if it has committed: nothing may be
        // committed once the lock is let go.
        compactor.gate.close()
        compactor.thread.stop()
        worker.stop()
        populator.stop()
        defer {
            compactor.lock.withLock { log.storeLock?.release() }
            log.events.close()
        }
        guard !isReadOnly else { return }
        try log.syncNow()
        do throws(StoreError) {
            try log.sealAll()
        } catch {
            // All is durable, and a full disk keeps MANIFEST from saying so: the next open finds
            // the end of the log by itself.
            guard case .noSpace = error else { throw error }
        }
        compactor.lock.withLock { index.saveCheckpoint(above: options.checkpointEntries) }
    }
}
