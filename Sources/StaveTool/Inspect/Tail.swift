internal import StaveDisk

/// Follows a live store: prints its records as they are written.
///
/// Rules:
/// 1. New is what has a higher sequence number than all that was there before: what a compaction
///    copies keeps its number, and is not new.
/// 2. The segment that is followed is held open, so it is read to its end even where a compaction
///    has removed it by then. Segments that came and were sealed meanwhile are read after it, by
///    number of the write.
/// 3. Nothing of an unsealed segment is called torn or damaged: the writer may not be done with it.
struct Tail: ~Copyable {
    private let directory: Directory
    private let inspection: Inspection
    private var manifest: Manifest
    private var stamp: Directory.Stamp?
    /// Everything up to it was there before, or has been printed.
    private var lastSequence: UInt64 = 0
    private var current: Followed?
    /// Segments that were read to their end.
    private var finished: Set<UInt64> = []
    private var remaining: Int

    /// The segment that grows.
    private final class Followed {
        let number: UInt64
        let file: File
        var survey: SegmentSurvey
        var offset: Int
        /// Below it, batches are whole.
        var batchEnd = 0

        init(
            _ listed: Manifest.Segment, _ file: consuming File, offset: Int? = nil
        ) throws(FileError) {
            number = listed.number
            survey = SegmentSurvey(
                name: FileName.segment(number).name, listed: listed,
                image: try FileImage(mapping: file))
            self.offset = offset ?? survey.mark ?? SegmentHeader.byteCount
            self.file = file
        }

        /// Maps what was added.
        func refresh() throws(FileError) {
            guard try file.size() != survey.fileSize else { return }
            survey = SegmentSurvey(
                name: survey.name, listed: survey.listed, image: try FileImage(mapping: file))
        }
    }

    init(_ directory: consuming Directory, _ inspection: Inspection) throws(InspectError) {
        self.directory = directory
        self.inspection = inspection
        remaining = inspection.limit
        manifest = Manifest(storeID: StoreID(low: 0, high: 0))
        try readManifest()
        for segment in manifest.segments {
            lastSequence = max(lastSequence, segment.extent?.sequences.upperBound ?? 0)
            if segment.extent != nil { finished.insert(segment.number) }
        }
        skipOld()
    }

    /// Prints what is new, for as long as its reader is there.
    mutating func run() throws(InspectError) {
        if !inspection.json {
            inspection.output.line(
                RecordFormat(
                    columns: inspection.columns, values: inspection.filter.values,
                    showsSegment: true, fileSize: 0, sequence: 0
                ).title)
        }
        repeat {
            try readManifest()
            advance()
            // Before it waits: the reader sees what there is.
            inspection.output.flush()
        } while remaining > 0 && inspection.output.hasReader(waiting: 100)
    }

    private mutating func readManifest() throws(InspectError) {
        do throws(FileError) {
            let now = try? directory.stamp(of: FileName.manifestName)
            guard now == nil || now != stamp else { return }
            let file = try directory.open(FileName.manifestName, .read)
            let bytes = try file.contents(limit: Manifest.maxLength)
            do throws(FormatError) {
                manifest = try Manifest(decoding: bytes)
            } catch {
                throw FileError("follow", directory.path, reason: "MANIFEST: \(error.reason)")
            }
            stamp = now
        } catch {
            throw .noInput(error.description)
        }
    }

    /// Goes to the end of what is there already.
    private mutating func skipOld() {
        for next in manifest.segments where next.extent == nil {
            guard let file = try? directory.open(FileName.segment(next.number).name, .read),
                let followed = try? Followed(next, file)
            else { continue }
            if let current { finished.insert(current.number) }
            current = followed
            var last = lastSequence
            Self.read(followed, upTo: .max) { _, sequence in last = max(last, sequence) }
            lastSequence = last
        }
    }

    private mutating func advance() {
        while remaining > 0 {
            guard let followed = current else {
                guard openNext() else { return }
                continue
            }
            let listed = manifest.segments.first { $0.number == followed.number }
            guard (try? followed.refresh()) != nil else { return }
            // Gone from MANIFEST: compacted away, so it had been sealed, and grows no more.
            let end = listed.map { $0.extent?.length } ?? followed.survey.image?.count
            print(followed, upTo: end)
            if listed != nil, end == nil { return }
            finished.insert(followed.number)
            current = nil
        }
    }

    /// Prints what was sealed meanwhile, and goes on with the next segment that grows; false where
    /// there is none yet.
    private mutating func openNext() -> Bool {
        printSealed()
        finished.formIntersection(manifest.segments.map(\.number))
        guard
            let next = manifest.segments.first(where: {
                $0.extent == nil && !finished.contains($0.number)
            }),
            let file = try? directory.open(FileName.segment(next.number).name, .read),
            let followed = try? Followed(next, file, offset: SegmentHeader.byteCount)
        else { return false }
        current = followed
        return true
    }

    /// Prints the new records of segments that were made and sealed since the last look, in the
    /// order in which they were written: a compaction's output is in the order of keys.
    private mutating func printSealed() {
        var records: [(sequence: UInt64, item: SegmentWalk.Item, survey: SegmentSurvey)] = []
        let last = lastSequence
        for segment in manifest.segments where !finished.contains(segment.number) {
            guard let extent = segment.extent else { continue }
            finished.insert(segment.number)
            guard extent.sequences.upperBound > lastSequence,
                let file = try? directory.open(FileName.segment(segment.number).name, .read),
                let followed = try? Followed(segment, file, offset: SegmentHeader.byteCount)
            else { continue }
            Self.read(followed, upTo: extent.length) { item, sequence in
                if sequence > last { records.append((sequence, item, followed.survey)) }
            }
        }
        for (sequence, item, survey) in records.sorted(by: { $0.sequence < $1.sequence }) {
            survey.image?.withBytes { show(item, survey, $0) }
            lastSequence = max(lastSequence, sequence)
        }
    }

    private mutating func print(_ followed: Followed, upTo end: Int?) {
        var new: [(item: SegmentWalk.Item, sequence: UInt64)] = []
        let last = lastSequence
        Self.read(followed, upTo: end) { item, sequence in
            if sequence > last || sequence == 0 { new.append((item, sequence)) }
        }
        followed.survey.image?.withBytes { bytes in
            for (item, sequence) in new {
                show(item, followed.survey, bytes)
                lastSequence = max(lastSequence, sequence)
            }
        }
    }

    /// Gives `visit` what stands from the segment's offset on, with its number of the write; 0 for
    /// what is no record.
    ///
    /// - Parameter end: of a segment that is complete; nil stops where the writer may be writing.
    private static func read(
        _ followed: Followed, upTo end: Int?, _ visit: (SegmentWalk.Item, UInt64) -> Void
    ) {
        guard let image = followed.survey.image, let identity = followed.survey.identity else {
            return
        }
        image.withBytes { all in
            let bytes = all.extracting(first: min(end ?? .max, all.byteCount))
            while followed.offset < bytes.byteCount {
                let offset = followed.offset
                if let header = Record.header(in: bytes, at: offset, identity: identity) {
                    let value = SegmentWalk.check(header, in: bytes, at: offset, identity)
                    guard value == .good || end != nil else { return }
                    if header.continues, end == nil, offset >= followed.batchEnd {
                        guard
                            let end = SegmentWalk.endOfBatch(
                                from: offset, in: bytes, identity: identity)
                        else { return }
                        followed.batchEnd = end
                    }
                    visit(.record(offset: offset, header: header, value: value), header.sequence)
                    followed.offset = offset + header.recordLength
                    continue
                }
                guard let end, end < .max else { return }
                var walk = SegmentWalk(identity: identity, rule: .sealed, durableEnd: end)
                walk.resume(at: offset)
                if let item = walk.next(in: bytes) { visit(item, 0) }
                followed.offset = walk.offset
            }
        }
    }

    private mutating func show(
        _ item: SegmentWalk.Item, _ survey: SegmentSurvey, _ bytes: RawSpan
    ) {
        guard remaining > 0 else { return }
        var listing = RecordListing(
            segment: survey, liveness: nil, filter: inspection.filter,
            columns: inspection.columns, remaining: remaining, json: inspection.json,
            showsSegment: true, output: inspection.output)
        listing.show(item, in: bytes)
        remaining = listing.remaining
    }
}
