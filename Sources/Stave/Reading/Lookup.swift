internal import CLinux
internal import StaveDisk
internal import Synchronization

/// What a usual look-up reads of the store's parts, so that one load leads to each.
@safe struct Lookup: ~Copyable, @unchecked Sendable {
    // @unchecked: constants and an atomic; what they lead to are atomics, or said by who owns it.
    /// The keydir's, while the store is open, all its entries are certain and its values are
    /// verified; otherwise `Keydir.noDescriptors`, so that a look-up need not ask for each of
    /// these.
    let descriptors: Atomic<UnsafeMutablePointer<Atomic<UInt64>>?>
    /// The queue's.
    let fingerprints: UnsafeMutablePointer<Atomic<UInt64>>
    /// The segment table's.
    let entries: UnsafeMutablePointer<SegmentTable.Entry>

    /// Of the hash of keys.
    let seed: HashSeed

    init(
        _ keydir: Keydir, _ queue: KeydirQueue, _ table: SegmentTable, seed: UInt64, isUsual: Bool
    ) {
        self.seed = HashSeed(seed)
        unsafe descriptors = Atomic(isUsual ? keydir.descriptors : Keydir.noDescriptors)
        unsafe fingerprints = queue.fingerprints
        unsafe entries = table.entries
    }

    /// Of a hash's shard; 0 where nothing is usual, or the shard's table was not read yet.
    @inline(__always)
    func descriptor(_ hash: UInt64) -> UInt64 {
        // Acquiring: behind a batch's bar all of it is seen.
        let descriptors = unsafe descriptors.load(ordering: .acquiring).unsafelyUnwrapped
        return unsafe descriptors[Keydir.shard(hash)].load(ordering: .acquiring)
    }

    /// Until `unbar` nothing is usual: a batch is put into the keydir, and look-ups ask
    /// `Index.isBarred`.
    ///
    /// - Returns: what `unbar` is to be given.
    func bar() -> UnsafeMutablePointer<Atomic<UInt64>>? {
        let usual = unsafe descriptors.load(ordering: .relaxed)
        unsafe descriptors.store(Keydir.noDescriptors, ordering: .releasing)
        return unsafe usual
    }

    /// - Parameter isClosed: asked behind the change, because the store may be closed meanwhile.
    func unbar(
        _ usual: UnsafeMutablePointer<Atomic<UInt64>>?, unless isClosed: () -> Bool
    ) {
        _ = unsafe descriptors.exchange(usual, ordering: .sequentiallyConsistent)
        if isClosed() { close() }
    }

    /// From now on, nothing is usual.
    func close() { unsafe descriptors.store(Keydir.noDescriptors, ordering: .relaxed) }
}

/// What a look-up found, inside an epoch that the caller leaves.
@usableFromInline
@safe struct Found {
    /// The value where it lies; nil where the key is absent.
    @usableFromInline let start: UnsafeRawPointer?
    /// Bytes.
    @usableFromInline let count: Int
    /// nil where nothing was decided.
    @usableFromInline let epoch: ReaderEpoch?

    @inline(__always)
    init(_ value: UnsafeRawBufferPointer?, _ epoch: ReaderEpoch?) {
        unsafe start = value?.baseAddress
        unsafe count = value?.count ?? 0
        self.epoch = epoch
    }

    @inlinable @inline(__always)
    func leave() { unsafe epoch.unsafelyUnwrapped.leave() }
}

extension Store {
    /// Looks a key up. The caller leaves.
    @inlinable @inline(__always)
    func find(_ key: RawSpan) throws(StoreError) -> Found {
        let found = findUsual(key)
        // Asked in this order, because most keys are there.
        return unsafe found.start != nil || found.epoch != nil ? found : try findAny(key)
    }

    /// `findAny` as it nearly always goes, in one stretch: while a record is on its way from
    /// memory, a processor looks a few hundred instructions ahead, and if the next look-up begins
    /// within them, the two wait together. What is not usual stays undecided.
    @usableFromInline
    func findUsual(_ key: RawSpan) -> Found {
        // Compiled for keys of this length by itself: then hashing and comparing take no loop and
        // no call.
        (9...16).contains(key.byteCount) ? probe(key) : findUsual(anyLength: key)
    }

    @inline(never)
    private func findUsual(anyLength key: RawSpan) -> Found {
        key.byteCount <= Format.maxKeyLength ? probe(key) : unsafe Found(nil, nil)
    }

    @inline(__always)
    private func probe(_ key: RawSpan) -> Found {
        let hash = lookup.seed.hash(key)
        // First of all, the bucket is asked for, where it most likely is.
        let descriptor = lookup.descriptor(hash)
        if Keydir.buckets(descriptor) == 0 { return unsafe Found(nil, nil) }
        unsafe stave_prefetch(Keydir.bucket(hash, of: descriptor))
        guard let epoch = ReaderEpoch.enterDirectly() else { return unsafe Found(nil, nil) }
        let found = probe(key, hash: hash, descriptor: descriptor, epoch)
        if found.epoch == nil { epoch.leave() }
        return found
    }

    /// `findUsual` for who is inside an epoch, and stays there also where nothing was decided.
    @inline(never)
    func findUsual(_ key: RawSpan, hash: UInt64, in epoch: ReaderEpoch) -> Found {
        let descriptor = lookup.descriptor(hash)
        guard descriptor != 0, key.byteCount <= Format.maxKeyLength else {
            return unsafe Found(nil, nil)
        }
        return probe(key, hash: hash, descriptor: descriptor, epoch)
    }

    @inline(__always)
    private func probe(
        _ key: RawSpan, hash: UInt64, descriptor: UInt64, _ epoch: ReaderEpoch
    ) -> Found {
        // After the queue: what has left it is in this table, or in a later one.
        if unsafe KeydirQueue.mayHold(hash, lookup.fingerprints)
            || lookup.descriptor(hash) != descriptor
        {
            return unsafe Found(nil, nil)
        }
        let tag = Keydir.tag(hash)
        var bucket = unsafe Keydir.bucket(hash, of: descriptor)
        // SAFETY: the bucket is one of the descriptor's table, which stays mapped inside the epoch.
        var fitting = unsafe stave_slots_with_tag(bucket, UInt32(truncatingIfNeeded: tag))
        if fitting == 0 {
            // The search ends in a bucket whose last slot is empty, if the table is still the
            // shard's (rules 3 and 5 of the keydir).
            let last = Keydir.slotsPerBucket &- 1
            if unsafe bucket[last].load(ordering: .acquiring) != 0 {
                // Full: the next bucket is the last that is looked at here.
                unsafe bucket += Keydir.slotsPerBucket
                let table = unsafe Keydir.table(descriptor)
                let count = Keydir.buckets(descriptor) &* Keydir.slotsPerBucket
                if unsafe bucket == table + count { unsafe bucket = table }
                fitting = unsafe stave_slots_with_tag(bucket, UInt32(truncatingIfNeeded: tag))
            }
            if fitting == 0 {
                let isMiss =
                    unsafe bucket[last].load(ordering: .acquiring) == 0
                    && lookup.descriptor(hash) == descriptor
                return unsafe Found(nil, isMiss ? epoch : nil)
            }
        }
        let word = unsafe bucket[fitting.trailingZeroBitCount].load(ordering: .acquiring)
        guard word >> Location.bits == tag, word > Keydir.deleted,
            let value = unsafe Self.value(
                of: key, at: Location(word: word), in: lookup.entries)
        else { return unsafe Found(nil, nil) }
        return unsafe Found(value, epoch)
    }

    /// The value at `location`, if the key's record lies there and checks out:
    /// `RecordPointer.hasKey` and `value(verifying:)` in one.
    @inline(__always)
    private static func value(
        of key: RawSpan, at location: Location, in entries: UnsafeMutablePointer<SegmentTable.Entry>
    ) -> UnsafeRawBufferPointer? {
        let entry = unsafe entries + location.segmentIndex
        // SAFETY: the slot is in use; no more is read than lies below the limit.
        let record = unsafe entry.pointee.base.unsafelyUnwrapped + location.offset
        unsafe stave_prefetch(record + 64)
        unsafe stave_prefetch(record + 128)
        let room = unsafe entry.pointee.limit.load(ordering: .relaxed) &- location.offset
        let start = RecordHeader.byteCount &+ key.byteCount
        guard room >= start else { return nil }
        // One load for the lengths, the kind and the flags.
        let lengths = unsafe UInt64(
            littleEndian: record.loadUnaligned(fromByteOffset: 20, as: UInt64.self))
        let count = Int(lengths & 0xffff_ffff)
        guard RecordHeader.isValue(lengths, keyLength: key.byteCount), room &- start >= count,
            unsafe isEqual(key, record + RecordHeader.byteCount)
        else { return nil }
        let value = unsafe UnsafeRawBufferPointer(start: record + start, count: count)
        let binding = unsafe Checksum.binding(
            identity: entry.pointee.identity, offset: location.offset)
        let checksum = unsafe UInt32(
            littleEndian: record.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        let unbound = checksum ^ UInt32(truncatingIfNeeded: binding)
        return unsafe Record.valueChecksum(value.bytes, binding: 0) == unbound ? value : nil
    }

    /// Looks a key up, whatever there is to decide.
    @usableFromInline
    func findAny(_ key: RawSpan) throws(StoreError) -> Found {
        try requireOpen()
        let hash = index.hashAskingForBucket(of: key)
        let epoch = ReaderEpoch.enter()
        do throws(StoreError) {
            guard let record = try index.locate(key, hash: hash) else {
                return unsafe Found(nil, epoch)
            }
            return unsafe Found(try value(of: record), epoch)
        } catch {
            epoch.leave()
            throw error
        }
    }
}
