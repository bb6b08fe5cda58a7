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
            result.checkpointTables = CheckpointTables(checkpoint, in: file)
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

    /// So much is newer that reading all of it is faster.
    var isCheckpointUseless: Bool {
        guard let tables = result.checkpointTables else { return false }
        return result.replayedCount > tables.checkpoint.count / 4 + (64 << 10)
    }
}
