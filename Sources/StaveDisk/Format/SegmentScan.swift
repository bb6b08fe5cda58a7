/// What stands at an offset of a segment.
package enum ScanStep: Equatable, Sendable {
    /// A record whose header and key check out; the next step is at `offset + recordLength`.
    case record(RecordHeader)
    /// Bytes that are no whole record, up to the next one, or to the end where there is none.
    case unreadable(until: Int, isLast: Bool)
    /// Only zeros follow: space that was reserved and never written.
    case zeros
    /// The end of the segment.
    case end
}

/// Walking a segment's records, over damage too.
package enum SegmentScan {
    /// Looks at `offset`, which is a multiple of 8. `segment` is all the bytes from the file's start up
    /// to where its records may reach.
    package static func step(in segment: RawSpan, at offset: Int, identity: UInt64) -> ScanStep {
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
            if Record.header(in: segment, at: next, identity: identity) != nil {
                return .unreadable(until: next, isLast: false)
            }
            next &+= Format.alignment
        }
        return .unreadable(until: segment.byteCount, isLast: true)
    }
}
