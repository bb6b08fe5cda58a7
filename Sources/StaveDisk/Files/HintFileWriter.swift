/// Writes a segment's hint file entry by entry, in key order: all of it at once would be a sixth of
/// the segment in memory. Whole or not at all, as `Directory.replace`; where anything throws, the
/// caller calls `giveUpReplacing`.
///
/// Through a buffer and pwrite(2): a full disk is an error of that call, on every file system.
package struct HintFileWriter: ~Copyable {
    private static let block = 256 << 10

    private let name: FileName
    private let file: File
    /// Holds what is not written yet.
    fileprivate var builder: HintBuilder
    /// Bytes of the file.
    private var written = 0

    /// Begins the hint file of segment `number`.
    package init(segment number: UInt64, in directory: borrowing Directory) throws(FileError) {
        name = .hint(number)
        builder = HintBuilder(
            capacity: Self.block + HintImage.entryHeaderLength + Format.maxKeyLength)
        file = try directory.beginReplacing(name.name)
    }

    /// All of it: what `fill` puts in.
    fileprivate static func write(
        segment number: UInt64, identity: UInt64, segmentLength: Int,
        in directory: borrowing Directory,
        _ fill: (inout HintFileWriter) throws(FileError) -> Void
    ) throws(FileError) -> HintImage {
        var writer = try HintFileWriter(segment: number, in: directory)
        do throws(FileError) {
            try fill(&writer)
            return try writer.finish(
                identity: identity, segmentLength: segmentLength, in: directory)
        } catch {
            directory.giveUpReplacing(FileName.hint(number).name)
            throw error
        }
    }

    /// Counts a record of the segment, whether or not its key's entry names it.
    package mutating func count(sequence: UInt64, kind: RecordKind) {
        builder.count(sequence: sequence, kind: kind)
    }

    /// Adds the entry of a key above all before it.
    @inline(__always)
    package mutating func append(_ entry: HintEntry) throws(FileError) {
        builder.append(entry)
        if builder.length >= Self.block { try flush() }
    }

    @inline(never)
    private mutating func flush() throws(FileError) {
        unsafe try write(builder.drain())
    }

    private mutating func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        unsafe try file.write(bytes.bytes, at: written)
        written += bytes.count
    }

    /// Ends the file, durably except for its name, and returns the image that it holds now, checked
    /// as at every open: its pages may have changed since they were written.
    package consuming func finish(
        identity: UInt64, segmentLength: Int, in directory: borrowing Directory
    ) throws(FileError) -> HintImage {
        try flush()
        let entriesEnd = written
        let covered = entriesEnd + builder.count * 4
        // Index and checksum are made from what the file holds; nothing behind its end is touched.
        let mapping = try Mapping(
            file, count: covered + HintImage.footerLength, isWritable: false)
        mapping.populateForReading(0..<entriesEnd)
        unsafe try writeIndex(of: UnsafeRawBufferPointer(rebasing: mapping.bytes[..<entriesEnd]))
        // SAFETY: the buffer has room for a header, and the file is `covered` bytes long.
        let buffer = unsafe builder.base
        unsafe builder.writeHeader(to: buffer, identity: identity, segmentLength: segmentLength)
        let header = unsafe UnsafeRawBufferPointer(start: buffer, count: HintImage.headerLength)
        unsafe try file.write(header.bytes, at: 0)
        let checksum = unsafe HintImage.checksum(
            UnsafeRawBufferPointer(rebasing: mapping.bytes[..<covered]), identity: identity,
            segmentLength: segmentLength)
        unsafe buffer.store(checksum, at: 0)
        unsafe try write(UnsafeRawBufferPointer(start: buffer, count: HintImage.footerLength))
        try file.sync()
        let image: HintImage
        do throws(FormatError) {
            image = unsafe try HintImage(
                decoding: mapping.bytes, keeping: mapping, identity: identity,
                segmentLength: segmentLength)
        } catch {
            throw FileError("use", file.path, reason: error.reason)
        }
        try directory.rename(name.temporaryName, to: name.name)
        return image
    }

    private mutating func writeIndex(of entries: UnsafeRawBufferPointer) throws(FileError) {
        var entry = HintImage.headerLength
        var left = builder.count
        while left > 0 {
            let count = min(left, Self.block / 4)
            // SAFETY: the buffer holds a block.
            unsafe HintBuilder.writeIndex(to: builder.base, count: count, of: entries, &entry)
            unsafe try write(UnsafeRawBufferPointer(start: builder.base, count: count * 4))
            left -= count
        }
    }
}

extension RecordList {
    /// Writes the hint file of these records: what `image` makes, without having it in memory.
    package consuming func writeHint(
        ofSegment number: UInt64, _ segment: UnsafeRawBufferPointer, identity: UInt64,
        segmentLength: Int, in directory: borrowing Directory
    ) throws(FileError) -> HintImage {
        try HintFileWriter.write(
            segment: number, identity: identity, segmentLength: segmentLength, in: directory
        ) { (writer) throws(FileError) in
            addCounts(to: &writer.builder)
            unsafe try forEachNewest(in: segment) { (entry) throws(FileError) in
                try writer.append(entry)
            }
        }
    }
}

extension HintImage {
    /// Writes this image to the hint file of its segment.
    package func write(
        ofSegment number: UInt64, in directory: borrowing Directory
    ) throws(FileError) -> HintImage {
        try HintFileWriter.write(
            segment: number, identity: identity, segmentLength: segmentLength, in: directory
        ) { (writer) throws(FileError) in
            writer.builder.addCounts(of: self)
            for index in 0..<count { try writer.append(self[index]) }
        }
    }
}
