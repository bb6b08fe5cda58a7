internal import StaveDisk
internal import Synchronization

/// The keydir's tables in a checkpoint file, which are read one by one when they are first asked
/// for, so that opening does not depend on the number of keys.
///
/// Each table is checked when it is read. One that does not check out is made again from the
/// segments' entries, as if there were no checkpoint. Nothing is compacted before all tables are
/// read, so that the segments are still those of the checkpoint.
@safe final class CheckpointTables: @unchecked Sendable {
    // @unchecked: constants, and what `lock` guards.

    let checkpoint: KeydirCheckpoint
    /// The checkpoint's segments by number.
    let segments: [UInt64: KeydirCheckpoint.Segment]
    private let file: File
    /// One reads at a time.
    let lock = Lock(.checkpointTables)
    /// Memory of each shard's table, not touched before it is read. Set once, by the keydir.
    var memory: [UnsafeMutableRawPointer] = unsafe []
    /// Hands over the entries of all keys as the checkpoint knows them, for a table that is lost.
    /// Set once, by the store, before the first question.
    var source:
        ((_ body: (_ hash: UInt64, _ location: Location) -> Void) throws(StoreError) -> Void)?
    /// By index in the segment table: may the tables name the segment?
    private let isKnown: [Bool]
    private let offsets: [Int]
    private let done = Atomic<Bool>(false)
    private var hasBadTable = false

    init(_ checkpoint: KeydirCheckpoint, in file: consuming File) {
        self.checkpoint = checkpoint
        self.file = file
        // Numbers are unique: they were found in MANIFEST, one by one.
        segments = Dictionary(
            checkpoint.segments.map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
        var known = [Bool](repeating: false, count: Location.maxSegments)
        for segment in checkpoint.segments { known[segment.slot] = true }
        isKnown = known
        offsets = checkpoint.tableRanges.map(\.lowerBound)
    }

    /// A table did not check out: the checkpoint is to be written again.
    var isDamaged: Bool { lock.withLock { hasBadTable } }

    var isDone: Bool { done.load(ordering: .acquiring) }

    /// All tables were read: lets the segments go.
    func finish() {
        lock.withLock { source = nil }
        done.store(true, ordering: .releasing)
    }

    /// Fills the memory of a shard's table in. Under `lock`.
    ///
    /// - Returns: slots in use.
    func read(_ index: Int) throws(StoreError) -> Int {
        let shard = checkpoint.shards[index]
        let buffer = unsafe UnsafeMutableRawBufferPointer(
            start: memory[index], count: shard.buckets * KeydirCheckpoint.bucketLength)
        do throws(FileError) {
            unsafe try file.read(into: buffer, at: offsets[index])
            if unsafe isWhole(UnsafeRawBufferPointer(buffer), index) { return shard.usedSlots }
        } catch {
            // Made again like one that does not check out.
        }
        hasBadTable = true
        return unsafe try makeAgain(index, buffer)
    }

    /// Does the table check out, and can a search trust it?
    private func isWhole(_ table: UnsafeRawBufferPointer, _ index: Int) -> Bool {
        let shard = checkpoint.shards[index]
        let checksum = unsafe KeydirCheckpoint.checksum(
            table.bytes, at: offsets[index], of: checkpoint.storeID)
        guard checksum == shard.checksum else { return false }
        var (used, live) = (0, 0)
        var hasEmpty = false
        for position in 0..<(shard.buckets * Keydir.slotsPerBucket) {
            let word = unsafe table.loadUnaligned(fromByteOffset: position * 8, as: UInt64.self)
            if position % Keydir.slotsPerBucket == 0 { hasEmpty = false }
            if word == 0 {
                hasEmpty = true
                continue
            }
            if hasEmpty { return false }
            used += 1
            guard word > Keydir.deleted else { continue }
            live += 1
            let location = Location(word: word)
            if !isKnown[location.segmentIndex] { return false }
        }
        return used == shard.usedSlots && live == shard.liveSlots
    }

    private func makeAgain(
        _ index: Int, _ table: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> Int {
        guard let source else { preconditionFailure("no table is read after the last one") }
        unsafe table.initializeMemory(as: UInt8.self, repeating: 0)
        let shard = checkpoint.shards[index]
        let descriptor = unsafe Keydir.descriptor(memory[index], shard.buckets)
        var count = 0
        try source { hash, location in
            guard Keydir.shard(hash) == index, count < shard.buckets * Keydir.slotsPerBucket else {
                return
            }
            _ = Keydir.store(Keydir.word(hash, location), in: descriptor)
            count += 1
        }
        guard count == shard.liveSlots else {
            throw .damaged(
                file: file.path, offset: offsets[index],
                length: table.count,
                reason:
                    "neither it nor the segments tell all keys; remove it and open the store again"
            )
        }
        return count
    }
}
