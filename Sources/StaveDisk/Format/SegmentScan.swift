/// What stands at an offset of a segment.
public enum ScanStep: Equatable, Sendable {
    /// A record whose header and key check out; the next step is at `offset + recordLength`.
    case record(RecordHeader)
    /// Bytes that are no whole record, up to the next one, or to the end where there is none.
    case unreadable(until: Int, isLast: Bool)
    /// Only zeros follow: space that was reserved and never written.
    case zeros
    /// The end of the segment.
    case end
}

/// How much work the search for whole records behind unreadable bytes may still be.
///
/// A record is found by the checksum over its key, so bytes that pretend to be a record with a long
/// key at every eighth byte make the search read each byte thousands of times: 256 MiB of them took
/// minutes. Bytes by chance come to a hundredth of this limit.
package struct SearchEffort: Sendable {
    /// Bytes to hash in vain. Where they are used up, only records with short keys are looked for.
    private var bytesLeft: Int
    package static let shortKey = 256

    package init(bytes: Int = 8 << 30) { bytesLeft = bytes }

    fileprivate mutating func allows(_ keyLength: Int) -> Bool {
        if bytesLeft > 0 {
            bytesLeft -= keyLength
            return true
        }
        return keyLength <= Self.shortKey
    }
}

/// Walking a segment's records, over damage too.
public enum SegmentScan {
    /// Looks at `offset`, as the other `step` does, with an effort of its own.
    @inlinable @inline(__always)
    public static func step(in segment: RawSpan, at offset: Int, identity: UInt64) -> ScanStep {
        if let header = Record.header(in: segment, at: offset, identity: identity) {
            return .record(header)
        }
        return stepOverDamage(in: segment, at: offset, identity: identity)
    }

    @usableFromInline @inline(never)
    static func stepOverDamage(
        in segment: RawSpan, at offset: Int, identity: UInt64
    ) -> ScanStep {
        var effort = SearchEffort()
        return step(in: segment, at: offset, identity: identity, effort: &effort)
    }

    /// Looks at `offset`, which is a multiple of 8. `segment` is all the bytes from the file's
    /// start up to where its records may reach.
    ///
    /// - Parameter effort: one for all steps of a segment.
    package static func step(
        in segment: RawSpan, at offset: Int, identity: UInt64, effort: inout SearchEffort
    ) -> ScanStep {
        if offset >= segment.byteCount { return .end }
        if let header = Record.header(in: segment, at: offset, identity: identity) {
            return .record(header)
        }
        let rest = segment.extracting(droppingFirst: offset)
        if rest.byteCount < RecordHeader.byteCount || RecordHeader(unchecked: rest).rawKind == 0 {
            if rest.isZero() { return .zeros }
        }
        var next = offset &+ Format.alignment
        while segment.byteCount &- next >= RecordHeader.byteCount {
            let header = RecordHeader(unchecked: segment.extracting(droppingFirst: next))
            if header.isPlausible, header.recordLength <= segment.byteCount &- next,
                effort.allows(header.keyLength),
                Record.header(in: segment, at: next, identity: identity) != nil
            {
                return .unreadable(until: next, isLast: false)
            }
            next &+= Format.alignment
        }
        return .unreadable(until: segment.byteCount, isLast: true)
    }
}
