internal import StaveDisk

extension Segment {
    enum Verification {
        /// All records are whole up to this offset.
        case whole(upTo: Int)
        case damaged(StoreError)
    }

    /// Checks the records from `start` on, at least up to `limit` or the end. Sealed segments only.
    func verify(from start: Int, upTo limit: Int) -> Verification {
        // SAFETY: the file has this many bytes, and they are mapped.
        let bytes = unsafe bytes(upTo: end).bytes
        var walk = SegmentWalk(
            identity: identity, rule: .sealed, durableEnd: end, checksValues: true)
        walk.resume(at: start)
        while walk.offset < min(end, limit) {
            let offset = walk.offset
            switch walk.next(in: bytes) {
            case .record(_, let header, value: .good) where !header.needsNewerVersion: continue
            case .record(_, let header, _):
                return .damaged(
                    damaged(
                        at: offset, length: header.recordLength, "the value's checksum is wrong"))
            case .damage(let range, let reason):
                return .damaged(damaged(at: offset, length: range.count, reason))
            case .torn, .reserved, nil: return .whole(upTo: walk.offset)
            }
        }
        return .whole(upTo: walk.offset)
    }
}
