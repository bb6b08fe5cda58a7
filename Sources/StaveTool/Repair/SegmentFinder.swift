internal import StaveDisk

/// Which file of a directory holds which segment, by what the files' headers say: names may have been
/// mixed up by a copy or by hand, and all checksums of a segment are bound to its identity anyway.
struct SegmentFinder {
    private var names: [UInt64: String] = [:]

    init(_ directory: borrowing Directory) {
        for name in (try? directory.names()) ?? [] {
            guard let file = try? directory.open(name, .read),
                let image = try? FileImage(mapping: file, limit: SegmentHeader.byteCount),
                let header = image.withBytes({ try? SegmentHeader(decoding: $0) })
            else { continue }
            // Of two copies the one with the right name.
            if names[header.identity] == nil || FileName.segment(header.number).name == name {
                names[header.identity] = name
            }
        }
    }

    /// The file with `segment`; nil where no file's header says that it is that.
    func name(of segment: Manifest.Segment) -> String? { names[segment.identity] }
}
