internal import StaveDisk
internal import Synchronization

extension Index {
    /// Are the keys' newest records still those that a batch read? Under the lock.
    func areUnchanged(_ reads: [Batch.Read]) throws(StoreError) -> Bool {
        for read in reads {
            // SAFETY: the array lives through the call.
            let found = unsafe try existing(read.key.span.bytes, hash: read.hash)
            let header = unsafe found.flatMap { unsafe table.record(at: $0.location).header }
            if header?.sequence ?? 0 != read.version { return false }
        }
        return true
    }

    /// Makes sure that all sets of a batch can be pointed at without an error. Under the lock.
    func makeRoom(for hashes: some Sequence<UInt64>) throws(StoreError) {
        drainQueue()
        try keydir.makeRoom(for: hashes)
    }

    /// Points the keydir at a batch's records, which stand one behind the other from `start` on.
    /// Readers that come meanwhile wait. Under the lock.
    func point(_ writes: Span<Batch.Write>, of bytes: RawSpan, at start: Location) {
        isBarred.store(true, ordering: .releasing)
        defer { isBarred.store(false, ordering: .releasing) }
        var offset = start.offset
        for position in writes.indices {
            let write = writes[position]
            let key = bytes.extracting(write.key)
            if write.valueLength != nil {
                let place = Location(segmentIndex: start.segmentIndex, offset: offset)
                pointSoon(key, hash: write.hash, at: place)
            } else {
                drainQueue()
                let descriptor = keydir.presentDescriptor(write.hash)
                if let old = unsafe existing(key, hash: write.hash, descriptor: descriptor) {
                    unsafe remove(old, hash: write.hash)
                }
            }
            offset += write.recordLength
        }
    }
}
