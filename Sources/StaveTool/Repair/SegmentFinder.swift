internal import StaveDisk

/// Which file of a directory holds which segment, by what the files' headers say: names may have
/// been mixed up by a copy or by hand, and all checksums of a segment are bound to its identity
/// anyway.
struct SegmentFinder {
    private var names: [UInt64: String] = [:]
    /// Files whose headers do not check out.
    private var headless: Set<String> = []

    init(_ directory: borrowing Directory) {
        for name in (try? directory.names()) ?? [] {
            guard let file = try? directory.open(name, .read),
                let image = try? FileImage(mapping: file, limit: SegmentHeader.byteCount)
            else { continue }
            guard let header = image.withBytes({ try? SegmentHeader(decoding: $0) }) else {
                headless.insert(name)
                continue
            }
            // Of two copies the one with the right name.
            if names[header.identity] == nil || FileName.segment(header.number).name == name {
                names[header.identity] = name
            }
        }
    }

    /// The file with `segment`; nil where no file's header says that it is that.
    func name(of segment: Manifest.Segment, in directory: borrowing Directory) -> String? {
        guard let name = names[segment.identity] else { return nil }
        // Its own file with a damaged header is more than an older copy of it.
        let own = FileName.segment(segment.number).name
        return headless.contains(own) && Self.holdsRecords(own, of: segment, in: directory)
            ? own : name
    }

    private static func holdsRecords(
        _ name: String, of segment: Manifest.Segment, in directory: borrowing Directory
    ) -> Bool {
        guard let file = try? directory.open(name, .read),
            let image = try? FileImage(mapping: file, limit: Format.maxFileLength)
        else { return false }
        return image.withBytes { bytes in
            let step = SegmentScan.step(
                in: bytes, at: SegmentHeader.byteCount, identity: segment.identity)
            switch step {
            case .record, .unreadable(_, isLast: false): return true
            default: return false
            }
        }
    }
}
