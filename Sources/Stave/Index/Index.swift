internal import StaveDisk
internal import Synchronization

/// Where each key's newest record lies: the keydir, the queue in front of it, and what is known to
/// be unknown.
///
/// Rules:
/// 1. It names only records that the log has: a record is appended first, then the index is pointed
///    at it.
/// 2. It changes under the log's lock (`withLock`). Look-ups take none: they run inside an epoch.
/// 3. Under `withLock` the queue is empty: the keydir has every key, and each segment's live bytes
///    are right.
@safe final class Index: @unchecked Sendable {
    // @unchecked: constants, objects that guard themselves, and what the log's lock guards.

    let log: Log
    /// The log's, for look-ups.
    let table: SegmentTable
    let keydir: Keydir
    let queue = KeydirQueue()
    /// The keydir's hash is keyed by the store's id, so that keys cannot be chosen to collide.
    let hashSeed: UInt64
    let uncertainties: [Uncertainty]
    /// Entries older than this may not be the newest; see `Uncertainty`. 0 where all is certain.
    let certainFrom: UInt64
    /// Records and entries that opening read because no checkpoint knew them.
    let replayedCount: Int
    /// A batch is being put into the keydir, key by key: look-ups that come meanwhile wait for the
    /// lock, once; then all of it is there. One that came before may find a part, but a look-up
    /// after it finds the bar, or all.
    let isBarred = Atomic<Bool>(false)
    private let state = GuardedState(State())

    private struct State {
        /// A compaction is between its commit and its end: entries name records of inputs and of
        /// outputs.
        var isSwitching = false
    }

    init(
        _ keydir: Keydir, of log: Log, hashSeed: UInt64, uncertainties: [Uncertainty] = [],
        replayedCount: Int = 0
    ) {
        self.log = log
        table = log.table
        self.keydir = keydir
        self.hashSeed = hashSeed
        self.uncertainties = uncertainties
        certainFrom = uncertainties.map(\.sequence).max() ?? 0
        self.replayedCount = replayedCount
    }

    // MARK: Under the lock

    /// Keys with a value.
    var count: Int { keydir.count }

    /// Memory of the keydir.
    var byteCount: Int { keydir.byteCount }

    /// Is a compaction between its commit and its end? Live bytes are counted for an input or for
    /// its copy then.
    var isSwitching: Bool { state.value.isSwitching }

    /// A compaction has committed, and begins to point keys at the copies.
    func beginSwitch() { state.value.isSwitching = true }

    func endSwitch() { state.value.isSwitching = false }

    /// Points a key at the copy of a record, where it still names that very record.
    ///
    /// - Returns: whether it did.
    func repoint(_ hash: UInt64, from origin: Location, to copy: Location) -> Bool {
        // Its table is in memory since the record was found live, so this cannot throw.
        guard let slot = unsafe try? keydir.slot(hash, at: origin) else { return false }
        unsafe keydir.replace(slot, hash: hash, with: copy)
        return true
    }

    /// Is the record at `location` its key's newest one?
    func isLive(_ hash: UInt64, at location: Location) throws(StoreError) -> Bool {
        let epoch = ReaderEpoch.enter()
        defer { epoch.leave() }
        return unsafe try keydir.slot(hash, at: location) != nil
    }

    /// Does the checkpoint that the keydir came from name this segment?
    func isInCheckpoint(_ segment: Segment) -> Bool {
        keydir.checkpointTables?.segments[segment.number] != nil
    }

    // MARK: Without the lock

    func hash(of key: UnsafeRawBufferPointer) -> UInt64 {
        unsafe Checksum.hash(key.bytes, seed: hashSeed)
    }

    /// Asks for the cache line where a search for `hash` begins.
    func prefetch(_ hash: UInt64) { keydir.prefetch(hash) }

    /// Reads all tables in that still wait in the checkpoint file.
    func restoreAll() throws(StoreError) { try keydir.restoreAll() }

    /// Has a table of the checkpoint not checked out? Only after `restoreAll`, all are known.
    var hasDamagedTable: Bool { keydir.checkpointTables?.isDamaged ?? false }

    /// What `body` says of the first record that may be this key's of which it says something.
    func firstAnswer(
        _ key: RawSpan, _ body: (Location, RecordPointer) -> Bool?
    ) throws(StoreError) -> Bool? {
        let hash = Checksum.hash(key, seed: hashSeed)
        let epoch = ReaderEpoch.enter()
        defer { epoch.leave() }
        while true {
            let descriptor = try keydir.descriptor(hash)
            var search = keydir.search(hash, descriptor: descriptor)
            while let candidate = unsafe search.next() {
                let location = unsafe candidate.location
                if let answer = body(location, table.record(at: location)) { return answer }
            }
            if try keydir.descriptor(hash) == descriptor { return nil }
        }
    }
}
