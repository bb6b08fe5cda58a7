internal import StaveDisk
#if canImport(StaveTool)
    import TestSupport

    @testable import StaveTool
#endif

/// The inspector's look at a segment or a checkpoint, of bytes by chance; used by the tests and
/// by `make fuzz`, as `FuzzTarget`.
enum FuzzSurvey {
    /// The first byte says what MANIFEST would say; its lowest bit, whether checksums are put
    /// right; its highest, that this is a checkpoint.
    static func run(_ input: [UInt8]) {
        guard let mode = input.first else { return }
        var bytes = Array(input.dropFirst())
        guard mode & 0x80 == 0 else {
            if mode & 1 != 0 { FuzzTarget.repairCheckpoint(&bytes) }
            return checkpoint(bytes, json: mode & 16 != 0)
        }
        if mode & 1 != 0 { FuzzTarget.repairSegment(&bytes) }
        let alone = SegmentSurvey(name: "0000000001.segment", listed: nil, image: FileImage(bytes))
        guard let identity = alone.identity else { return }
        var listed: Manifest.Segment? = Manifest.Segment(number: 1, identity: identity)
        let extent = Manifest.Extent(length: bytes.count, sequences: 1...(.max))
        switch mode >> 1 & 3 {
        case 0: listed = nil
        case 1: listed?.state = .sealed(extent)
        case 2: listed?.state = .full(extent)
        default: break
        }
        let survey = SegmentSurvey(
            name: "0000000001.segment", listed: listed, image: FileImage(bytes))
        survey.scan(verifies: mode & 8 != 0)
        var end = SegmentHeader.byteCount
        survey.walk(checksValues: true) { item, _ in
            precondition(item.range.lowerBound == end, "every byte is part of something")
            end = item.range.upperBound
            return true
        }
        let limit = max(SegmentHeader.byteCount, survey.recordLimit, survey.durableEnd)
        precondition(end == limit, "up to the end")
        let liveness = Liveness([survey])
        liveness.tally()
        precondition(survey.liveCount + survey.tombstoneCount <= survey.recordCount, "counts")
        let output = Output(isKept: true)
        var listing = RecordListing(
            segment: survey, liveness: liveness, filter: RecordFilter(), columns: nil,
            remaining: 100, json: mode & 16 != 0, showsSegment: false, output: output)
        listing.print(title: true)
        var view = HexView(
            segment: survey, values: mode & 32 != 0 ? .none : .full, json: mode & 16 != 0,
            output: output)
        _ = view.print(at: min(bytes.count, 80 + Int(mode)))
        precondition(output.text.utf8.allSatisfy { $0 >= 0x20 || $0 == 0x0A }, "no control bytes")
    }

    private static func checkpoint(_ bytes: [UInt8], json: Bool) {
        let output = Output(isKept: true)
        var listing = CheckpointListing(
            name: "keydir.checkpoint", image: FileImage(bytes), json: json, output: output)
        listing.print()
        precondition(output.text.utf8.allSatisfy { $0 >= 0x20 || $0 == 0x0A }, "no control bytes")
    }
}
