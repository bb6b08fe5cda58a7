internal import CLinux
internal import Glibc
internal import StaveDisk
internal import Synchronization

/// The in-memory hash index: from a key's hash to where its newest record lies. It holds no keys;
/// who looks up compares the key in the record itself, so that tag collisions cost time and never
/// truth.
///
///     hash, 64 bits:   | shard 10 | tag 24 | not used 30 |
///     slot, 64 bits:   | tag 24 | location 40 |            0 empty, 1 deleted
///
///     1,024 shards --> each a table of buckets --> a bucket is 8 slots, one cache line
///
/// Rules:
/// 1. One writer at a time (the store's writer lock); any number of readers, which never wait.
/// 2. A shard's bucket is `tag * buckets / 2^24`, so a slot holds all that growth needs: no record
///    is read again. A full bucket overflows into the next one of the shard.
/// 3. Slots of a bucket fill from the front, and those behind an empty one are empty; a search ends
///    in a bucket whose last slot is empty. A bucket that was once full never has an empty slot
///    again until the shard is rebuilt, so a search that must pass it does (`remove` keeps this).
/// 4. A shard grows when it is 85 % full, to the next size of a series of its own. Each size is two
///    fifths above the one before, and the shards' series lie evenly between each other: at any
///    number of keys some are nearly full and some were just rebuilt, which makes 11.2 bytes a key.
///    No set ever moves more than a thousandth of the keys.
/// 5. A rebuilt shard is published with one store of its descriptor. A reader that misses in the
///    old table looks again if the descriptor has changed; one that hits read what was true after
///    it began.
@safe final class Keydir: @unchecked Sendable {
    // @unchecked: rules 1 and 5; slots and descriptors are atomics. A search reads a bucket's eight
    // slots at once and loads those again, as atomics, that it hands out. A key that is there all
    // the time keeps its slot in a table, and what is read of a table that was given up ends in a
    // second look (rule 5).
    typealias Slot = UnsafeMutablePointer<Atomic<UInt64>>

    static let shardBits: UInt64 = 10
    static let shardCount = 1 << Int(shardBits)
    static let slotsPerBucket = 8
    static let deleted: UInt64 = 1

    /// One a shard: address / 64 in the upper 42 bits, number of buckets in the lower 22.
    let descriptors: UnsafeMutablePointer<Atomic<UInt64>>
    /// Descriptors that lead nowhere, as those of shards that were not read yet do.
    nonisolated(unsafe) static let noDescriptors: UnsafeMutablePointer<Atomic<UInt64>> = {
        let descriptors = UnsafeMutablePointer<Atomic<UInt64>>.allocate(capacity: shardCount)
        for shard in 0..<shardCount { unsafe (descriptors + shard).initialize(to: Atomic(0)) }
        return unsafe descriptors
    }()
    /// Slots that are not empty, deleted ones included. Writer only.
    let usedSlots: UnsafeMutablePointer<Int32>
    let liveSlots: UnsafeMutablePointer<Int32>
    var memory: KeydirMemory
    private let liveCount = Atomic<Int>(0)
    /// Where the tables of shards come from whose descriptor is still 0.
    let checkpointTables: CheckpointTables?

    /// Makes room for `expectedCount` keys.
    ///
    /// - Parameter path: of the store, for messages.
    init(expectedCount: Int = 0, for path: String = "the keydir") throws(StoreError) {
        checkpointTables = nil
        memory = KeydirMemory(for: path)
        unsafe descriptors = .allocate(capacity: Self.shardCount)
        unsafe usedSlots = .allocate(capacity: Self.shardCount)
        unsafe liveSlots = .allocate(capacity: Self.shardCount)
        unsafe usedSlots.initialize(repeating: 0, count: Self.shardCount)
        unsafe liveSlots.initialize(repeating: 0, count: Self.shardCount)
        let expected = Double(expectedCount / Self.shardCount)
        let sizes = (0..<Self.shardCount).map { Self.buckets(forUsed: expected, shard: $0) }
        memory.expect(bytes: sizes.reduce(0) { $0 + $1 * 64 })
        for (shard, buckets) in sizes.enumerated() {
            let table = unsafe try memory.allocate(buckets: buckets)
            unsafe (descriptors + shard).initialize(to: Atomic(Self.descriptor(table, buckets)))
        }
    }

    /// The keydir as a checkpoint has it. A shard's table is read when it is first asked for.
    init(restoring tables: CheckpointTables, for path: String) throws(StoreError) {
        checkpointTables = tables
        memory = KeydirMemory(for: path)
        unsafe descriptors = .allocate(capacity: Self.shardCount)
        unsafe usedSlots = .allocate(capacity: Self.shardCount)
        unsafe liveSlots = .allocate(capacity: Self.shardCount)
        let shards = tables.checkpoint.shards
        precondition(shards.count == Self.shardCount, "another number of shards is not used")
        memory.expect(bytes: shards.reduce(0) { $0 + $1.buckets * 64 })
        for (index, shard) in shards.enumerated() {
            unsafe (descriptors + index).initialize(to: Atomic(0))
            unsafe (usedSlots + index).initialize(to: Int32(shard.usedSlots))
            unsafe (liveSlots + index).initialize(to: Int32(shard.liveSlots))
            unsafe tables.memory.append(
                try memory.allocate(buckets: shard.buckets, isFilledNow: false))
        }
        liveCount.store(tables.checkpoint.count, ordering: .relaxed)
    }

    deinit {
        unsafe descriptors.deinitialize(count: Self.shardCount)
        unsafe descriptors.deallocate()
        unsafe usedSlots.deallocate()
        unsafe liveSlots.deallocate()
        memory.unmapAll()
    }

    /// Keys.
    var count: Int { liveCount.load(ordering: .relaxed) }
    /// Bytes of all tables.
    var byteCount: Int { memory.liveBytes }

    // MARK: Searching

    /// Walks the slots whose tag fits a hash. A reader is inside an epoch while it uses one.
    @safe struct Search {
        private let descriptor: UInt64
        private let tag: UInt64
        private var bucket: Slot
        /// Slots of the bucket that had the tag when it was entered, and were not handed out yet: a
        /// bit each.
        private var fitting: UInt32
        private var seenBuckets = 0

        @inline(__always)
        fileprivate init(descriptor: UInt64, hash: UInt64) {
            self.descriptor = descriptor
            tag = Keydir.tag(hash)
            unsafe bucket = Keydir.bucket(hash, of: descriptor)
            fitting = unsafe Self.fitting(tag, in: bucket)
        }

        /// The next candidate; nil at the end of the search.
        @inline(__always)
        mutating func next() -> (slot: Slot, location: Location)? {
            repeat {
                while fitting != 0 {
                    let slot = unsafe bucket + fitting.trailingZeroBitCount
                    fitting &= fitting &- 1
                    // Acquiring: the record's bytes were written before the slot was published.
                    let word = unsafe slot.pointee.load(ordering: .acquiring)
                    // Another key may have the slot by now; and empty and deleted slots look like
                    // tag 0.
                    if word >> Location.bits == tag, word > Keydir.deleted {
                        return unsafe (slot, Location(word: word))
                    }
                }
            } while moveOn()
            return nil
        }

        /// All slots at once: a branch for each would be guessed wrong.
        // SAFETY: `bucket` is always one of the descriptor's table, which stays mapped inside the
        // epoch.
        @inline(__always)
        private static func fitting(_ tag: UInt64, in bucket: Slot) -> UInt32 {
            unsafe stave_slots_with_tag(bucket, UInt32(truncatingIfNeeded: tag))
        }

        /// Goes on to the next bucket, unless the search ends in this one (rule 3).
        @inline(__always)
        private mutating func moveOn() -> Bool {
            let last = unsafe bucket + (Keydir.slotsPerBucket &- 1)
            return unsafe last.pointee.load(ordering: .acquiring) != 0 && enterNext()
        }

        private mutating func enterNext() -> Bool {
            let buckets = Keydir.buckets(descriptor)
            seenBuckets &+= 1
            if seenBuckets >= buckets { return false }
            let end = unsafe Keydir.table(descriptor) + buckets &* Keydir.slotsPerBucket
            unsafe bucket += Keydir.slotsPerBucket
            if unsafe bucket == end { unsafe bucket = Keydir.table(descriptor) }
            fitting = unsafe Self.fitting(tag, in: bucket)
            return true
        }
    }

    /// What a search depends on; if it is the same after a miss, the miss is certain (rule 5).
    ///
    /// - Throws: `damaged` where the shard's table was lost with what it could be made from.
    @inline(__always)
    func descriptor(_ hash: UInt64) throws(StoreError) -> UInt64 {
        let shard = Self.shard(hash)
        let descriptor = unsafe (descriptors + shard).pointee.load(ordering: .acquiring)
        return descriptor == 0 ? try restore(shard) : descriptor
    }

    @inline(__always)
    func search(_ hash: UInt64, descriptor: UInt64) -> Search {
        Search(descriptor: descriptor, hash: hash)
    }

    /// Asks for the cache line where a search for `hash` begins. Also outside of an epoch.
    @inline(__always)
    func prefetch(_ hash: UInt64) {
        let descriptor = unsafe (descriptors + Self.shard(hash)).pointee.load(ordering: .relaxed)
        if descriptor == 0 { return }
        // SAFETY: a prefetch never faults, wherever it points.
        unsafe stave_prefetch(Self.bucket(hash, of: descriptor))
    }

    // MARK: Changing (the writer)

    /// Points an existing slot of this hash at a newer record.
    @inline(__always)
    func replace(_ slot: Slot, hash: UInt64, with location: Location) {
        // Releasing: the record's bytes come first.
        unsafe slot.pointee.store(Self.word(hash, location), ordering: .releasing)
    }

    /// Is there room for `count` more keys in this hash's shard?
    @inline(__always)
    func hasRoom(_ hash: UInt64, for count: Int) throws(StoreError) -> Bool {
        let capacity = Self.buckets(try descriptor(hash)) &* Self.slotsPerBucket
        return unsafe (Int(usedSlots[Self.shard(hash)]) &+ count) &* 100 <= capacity &* 85
    }

    /// Makes room for one more key of this hash, so that `insert` cannot fail.
    @inline(__always)
    func makeRoom(_ hash: UInt64) throws(StoreError) {
        if try hasRoom(hash, for: 1) { return }
        try rebuild(Self.shard(hash), for: 1)
    }

    /// What a search depends on, after `hasRoom` or `makeRoom`, which brought the shard's table.
    @inline(__always)
    func presentDescriptor(_ hash: UInt64) -> UInt64 {
        unsafe descriptors[Self.shard(hash)].load(ordering: .relaxed)
    }

    /// Adds a key that is not there, for which `hasRoom` or `makeRoom` found room.
    @inline(__always)
    func insert(_ hash: UInt64, _ location: Location) {
        let shard = Self.shard(hash)
        let descriptor = unsafe descriptors[shard].load(ordering: .relaxed)
        let used = Self.store(Self.word(hash, location), in: descriptor)
        unsafe usedSlots[shard] &+= used
        unsafe liveSlots[shard] &+= 1
        countLive(1)
    }

    /// Removes the key in `slot`.
    func remove(_ slot: Slot, hash: UInt64) {
        let shard = Self.shard(hash)
        let table = unsafe Self.table(descriptors[shard].load(ordering: .relaxed))
        // Rule 3: only the last slot in use of a bucket that was never full may become empty.
        var index = unsafe (slot - table) % Self.slotsPerBucket
        let isLast =
            unsafe index < Self.slotsPerBucket - 1
            && (slot + 1).pointee.load(ordering: .relaxed) == 0
        unsafe slot.pointee.store(isLast ? 0 : Self.deleted, ordering: .releasing)
        if isLast {
            unsafe usedSlots[shard] &-= 1
            var before = unsafe slot
            while index > 0 {
                unsafe before -= 1
                index -= 1
                guard unsafe before.pointee.load(ordering: .relaxed) == Self.deleted else { break }
                unsafe before.pointee.store(0, ordering: .releasing)
                unsafe usedSlots[shard] &-= 1
            }
        }
        unsafe liveSlots[shard] &-= 1
        countLive(-1)
    }

    /// Only the writer changes it: a locked instruction would cost as much as half the search.
    @inline(__always)
    private func countLive(_ change: Int) {
        liveCount.store(liveCount.load(ordering: .relaxed) &+ change, ordering: .relaxed)
    }

    /// The slot that names exactly `location`, if the key still lies there. Inside an epoch, or
    /// under the writer lock.
    func slot(_ hash: UInt64, at location: Location) throws(StoreError) -> Slot? {
        while true {
            let descriptor = try descriptor(hash)
            var search = search(hash, descriptor: descriptor)
            while let candidate = unsafe search.next() {
                if unsafe candidate.location == location { return unsafe candidate.slot }
            }
            // The table may have been rebuilt and its memory given back meanwhile (rule 5).
            if try self.descriptor(hash) == descriptor { return nil }
        }
    }

    // MARK: Tables

    /// Puts `word` into the first free slot on its way. Returns 1 if that was an empty one, else 0.
    static func store(_ word: UInt64, in descriptor: UInt64) -> Int32 {
        let table = unsafe table(descriptor)
        let end = buckets(descriptor) * slotsPerBucket
        var index = bucket(tag: word >> Location.bits, of: buckets(descriptor)) * slotsPerBucket
        while true {
            let slot = unsafe table + index
            let old = unsafe slot.pointee.load(ordering: .relaxed)
            if old <= deleted {
                unsafe slot.pointee.store(word, ordering: .releasing)
                return old == 0 ? 1 : 0
            }
            index += 1
            if index == end { index = 0 }
        }
    }

    static func descriptor(_ table: UnsafeMutableRawPointer, _ buckets: Int) -> UInt64 {
        precondition(buckets < 1 << 22, "a shard has at most 4 million buckets")
        return (UInt64(UInt(bitPattern: table)) / 64) << 22 | UInt64(buckets)
    }

    @inline(__always)
    static func table(_ descriptor: UInt64) -> Slot {
        // SAFETY: made by `descriptor(_:_:)` from an address that is a multiple of 64; the memory
        // stays mapped while a reader may be inside an epoch that began before it was freed.
        unsafe Slot(bitPattern: UInt(descriptor >> 22) &* 64).unsafelyUnwrapped
    }

    @inline(__always)
    static func buckets(_ descriptor: UInt64) -> Int { Int(descriptor & (1 << 22 - 1)) }

    @inline(__always)
    static func shard(_ hash: UInt64) -> Int {
        Int(truncatingIfNeeded: hash >> (64 - shardBits))
    }

    /// The bits of a hash that say which shard, bucket and tag.
    static let hashMask: UInt64 = ~(1 << 30 - 1)

    @inline(__always)
    static func tag(_ hash: UInt64) -> UInt64 { hash >> 30 & 0xff_ffff }

    @inline(__always)
    static func bucket(tag: UInt64, of buckets: Int) -> Int {
        Int(truncatingIfNeeded: (tag &* UInt64(truncatingIfNeeded: buckets)) >> 24)
    }

    /// Where a search for `hash` begins.
    @inline(__always)
    static func bucket(_ hash: UInt64, of descriptor: UInt64) -> Slot {
        unsafe table(descriptor)
            + bucket(tag: tag(hash), of: buckets(descriptor)) &* slotsPerBucket
    }

    @inline(__always)
    static func word(_ hash: UInt64, _ location: Location) -> UInt64 {
        tag(hash) << Location.bits | location.bits
    }
}
