package import StaveDisk

/// Writes a whole store into an empty directory, record by record in the order of the keys, one
/// record a key. Numbers, times and value checksums of the records stay as they were, as in a
/// compaction.
///
/// MANIFEST comes last: until `finish` has returned the directory is no store, and opening it is
/// refused. Memory: a buffer of a mebibyte or the longest record.
package final class StoreBuilder {
    private final class Output {
        let number: UInt64
        let identity: UInt64
        let file: File
        /// Where the next record goes, and up to where the file is written.
        var offset = SegmentHeader.byteCount
        var written = SegmentHeader.byteCount
        private var hint: HintFileWriter?
        private(set) var sequences: ClosedRange<UInt64>?

        init(
            number: UInt64, identity: UInt64, file: consuming File, hint: consuming HintFileWriter
        ) {
            self.number = number
            self.identity = identity
            self.file = file
            self.hint = consume hint
        }

        func note(_ header: RecordHeader, key: UnsafeRawBufferPointer) throws(FileError) {
            let kind = header.kind ?? .value
            hint?.count(sequence: header.sequence, kind: kind)
            unsafe try hint?.append(HintEntry(header, kind: kind, offset: offset, key: key))
            sequences.include(header.sequence)
            offset += header.recordLength
        }

        func finishHint(in directory: borrowing Directory) throws(FileError) {
            _ = try hint.take()?.finish(
                identity: identity, segmentLength: offset, in: directory)
        }
    }

    private static let bufferLength = 1 << 20

    package let path: String
    private let directory: Directory
    private let lock: StoreLock
    private var manifest = Manifest(storeID: .random())
    private let segmentSize: Int
    private let buffer = GrowingBytes(capacity: bufferLength)
    private var output: Output?
    package private(set) var recordCount = 0
    package private(set) var byteCount = 0
    package var segmentCount: Int { manifest.segments.count }

    /// Makes the directory, whose parent must exist; an empty one may be there already.
    package init(
        path: String, segmentSize: Int = Format.maxSegmentLength
    ) throws(StoreError) {
        self.path = path
        self.segmentSize = segmentSize
        directory = try withFileErrors { () throws(FileError) in
            try Directory.create(path)
            let directory = try Directory(path: path)
            guard try directory.names().isEmpty else {
                throw FileError("write to", path, reason: "it is not empty")
            }
            return directory
        }
        lock = try Self.takeLock(in: directory)
    }

    private static func takeLock(
        in directory: borrowing Directory
    ) throws(StoreError) -> StoreLock {
        try withFileErrors { () throws(FileError) in
            guard let lock = try StoreLock.acquire(in: directory) else {
                throw FileError(
                    "write to", directory.path, reason: "another process has just locked it")
            }
            return lock
        }
    }

    /// Adds the record of a key above all before it.
    ///
    /// - Parameter unboundValueChecksum: the value's checksum without what bound it to its old
    ///   place: it travels with the value, so that a bit that rots on the way is found later.
    package func append(
        _ header: RecordHeader, key: UnsafeRawBufferPointer, value: RawSpan,
        unboundValueChecksum: UInt32
    ) throws(StoreError) {
        let header = header.ofCopy
        let length = header.recordLength
        try withFileErrors { () throws(FileError) in
            try makeRoom(length)
            guard let output else { return }
            let binding = Checksum.binding(identity: output.identity, offset: output.offset)
            buffer.reserve(length)
            // SAFETY: `reserve` made room for the record.
            unsafe Record.encode(
                header, key: key.bytes, value: value,
                valueChecksum: unboundValueChecksum ^ UInt32(truncatingIfNeeded: binding),
                binding: binding, into: buffer.base + buffer.count)
            buffer.count += length
            unsafe try output.note(header, key: key)
            recordCount += 1
            byteCount += length
            if buffer.count >= Self.bufferLength { try flush() }
        }
    }

    /// Makes everything durable, and the directory a store.
    ///
    /// - Parameter nextSequence: above every number that was ever used.
    package func finish(nextSequence: UInt64) throws(StoreError) {
        try withFileErrors { () throws(FileError) in
            try finishSegment()
            try directory.sync()
        }
        let highest = manifest.segments.compactMap { $0.extent?.sequences.upperBound }.max() ?? 0
        manifest.nextSequence = max(nextSequence, highest == .max ? .max : highest + 1)
        // Nothing is known of what was deleted before.
        manifest.completeSince = max(1, manifest.nextSequence) - 1
        try ManifestFile.write(manifest, in: directory)
        // A child that is being started may hold a copy of the descriptor for a moment.
        lock.release()
    }

    /// A segment that the record fits into: the one at hand, or a new one.
    private func makeRoom(_ length: Int) throws(FileError) {
        if let output {
            if output.offset + length <= segmentSize { return }
            try finishSegment()
        }
        try beginSegment(length)
    }

    private func beginSegment(_ recordLength: Int) throws(FileError) {
        let number = manifest.nextSegment
        manifest.nextSegment += 1
        let identity = UInt64.random(in: .min ... .max)
        let capacity = max(segmentSize, SegmentHeader.byteCount + recordLength)
        let header = SegmentHeader(
            identity: identity, number: number, storeID: manifest.storeID,
            capacity: UInt64(capacity))
        let file = try directory.open(FileName.segment(number).name, .create)
        unsafe try file.write(header.encoded().span.bytes, at: 0)
        output = Output(
            number: number, identity: identity, file: file,
            hint: try HintFileWriter(segment: number, in: directory))
    }

    private func flush() throws(FileError) {
        guard let output, buffer.count > 0 else { return }
        unsafe try output.file.write(buffer.bytes.bytes, at: output.written)
        output.written += buffer.count
        buffer.count = 0
    }

    /// Ends the segment's file, durably, and writes its hint file.
    private func finishSegment() throws(FileError) {
        try flush()
        guard let output else { return }
        self.output = nil
        let (number, identity, length) = (output.number, output.identity, output.offset)
        let marks = SegmentHeader.encodedMarks(length, identity: identity)
        unsafe try output.file.write(marks.span.bytes, at: SegmentHeader.markOffset)
        try output.file.sync()
        let sequences = output.sequences ?? 0...0
        try output.finishHint(in: directory)
        manifest.segments.append(
            Manifest.Segment(
                number: number, identity: identity,
                state: .sealed(Manifest.Extent(length: length, sequences: sequences)),
                isSorted: true))
    }
}
