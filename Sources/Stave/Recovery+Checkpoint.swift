internal import StaveDisk

// The keydir's checkpoint: step 1 of `Recovery`.

extension Recovery {
    /// Takes the checkpoint, if there is one and it fits MANIFEST.
    mutating func readCheckpoint(in directory: borrowing Directory) {
        let name = FileName.checkpoint.name
        do throws(FileError) {
            let file = try directory.open(name, .read)
            let size = try file.size()
            let checkpoint = try Self.head(of: file, size: size)
            guard checkpoint.fits(manifest) else { return }
            see(checkpoint.nextSequence &- 1)
            result.saved = SavedTables(checkpoint, in: file)
        } catch {
            if error.isNoSuchFile { return }
            result.notices.append(
                "\(error.path) is not used (\(error.reason)); the segments are read instead")
        }
    }

    /// What comes before the tables.
    private static func head(
        of file: borrowing File, size: Int
    ) throws(FileError) -> KeydirCheckpoint {
        let header = try file.contents(
            at: 0, count: min(size, KeydirCheckpoint.headerLength))
        let length = unsafe KeydirCheckpoint.headLength(in: header.span.bytes) ?? header.count
        let head = try file.contents(at: 0, count: min(size, length))
        do throws(FormatError) {
            return unsafe try KeydirCheckpoint(decoding: head.span.bytes, fileLength: size)
        } catch {
            throw FileError("use", file.path, reason: error.reason)
        }
    }

    /// Something contradicts the checkpoint, or so much is newer that reading all of it is faster.
    var isCheckpointUseless: Bool {
        guard let saved = result.saved else { return false }
        let isCut = result.segments.contains { $0.end < saved.segments[$0.number]?.end ?? 0 }
        let newer =
            result.entries.reduce(0) { $0 + $1.image.count }
            + result.logs.reduce(0) { $0 + $1.records.count }
        return isCut || newer > saved.checkpoint.count / 4 + (64 << 10)
    }

    /// Up to where the checkpoint knows a segment; nil where it does not.
    func knownEnd(of entry: Manifest.Segment) -> Int? { known(entry)?.end }

    func knownSequences(of entry: Manifest.Segment) -> ClosedRange<UInt64>? {
        known(entry)?.sequences
    }

    private func known(_ entry: Manifest.Segment) -> KeydirCheckpoint.Segment? {
        result.saved?.segments[entry.number]
    }
}
