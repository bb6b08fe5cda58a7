internal import StaveDisk

/// A keydir checkpoint by itself: of which write it tells, over which segments, and whether its
/// tables check out.
struct CheckpointListing {
    let name: String
    let image: FileImage
    let json: Bool
    let output: Output
    private(set) var findings = Findings()

    init(name: String, image: FileImage, json: Bool, output: Output) {
        (self.name, self.image, self.json, self.output) = (name, image, json, output)
    }

    mutating func print() {
        image.withBytes { bytes in
            let checkpoint: KeydirCheckpoint
            do throws(FormatError) {
                checkpoint = try KeydirCheckpoint(decoding: bytes, fileLength: image.fileSize)
            } catch {
                findings.add(
                    Finding(
                        error.isNewerVersion ? .unreadable : .damage, name,
                        error.offset..<max(error.offset, image.count), error.reason))
                return
            }
            show(checkpoint)
            check(checkpoint, bytes)
        }
    }

    private func show(_ checkpoint: KeydirCheckpoint) {
        let store = hex(checkpoint.storeID.high) + hex(checkpoint.storeID.low)
        let buckets = checkpoint.shards.reduce(0) { $0 + $1.buckets }
        guard !json else {
            output.json([
                ("type", .string("checkpoint")), ("file", .string(name)),
                ("size", .number(image.fileSize)), ("store", .string(store)),
                ("nextSequence", .unsigned(checkpoint.nextSequence)),
                ("keys", .number(checkpoint.count)),
                ("segments", .number(checkpoint.segments.count)),
                ("shards", .number(checkpoint.shards.count)), ("buckets", .number(buckets)),
            ])
            for segment in checkpoint.segments { output.json(Self.members(segment)) }
            return
        }
        output.line(
            "keydir checkpoint \(Quoting.message(name)), \(Units.bytes(image.fileSize))")
        output.line("store \(store), next sequence \(checkpoint.nextSequence)")
        output.line(
            "\(Units.count(checkpoint.count, "key")) of "
                + Units.count(checkpoint.segments.count, "segment") + ", in "
                + Units.count(checkpoint.shards.count, "shard") + " with "
                + Units.count(buckets, "bucket"))
        output.line()
        var rows = [["segment", "identity", "end", "live size", "tombstones", "sequences", "slot"]]
        for segment in checkpoint.segments {
            rows.append([
                "\(segment.number)", hex(segment.identity), "\(segment.end)",
                "\(segment.liveBytes)", "\(segment.tombstoneBytes)",
                segment.sequences.map { "\($0.lowerBound)-\($0.upperBound)" } ?? "-",
                "\(segment.slot)",
            ])
        }
        output.table(rows, right: [0, 2, 3, 4, 6])
    }

    private static func members(_ segment: KeydirCheckpoint.Segment) -> [(String, JSON)] {
        [
            ("type", .string("segment")), ("number", .unsigned(segment.number)),
            ("identity", .string(hex(segment.identity))), ("end", .number(segment.end)),
            ("liveBytes", .number(segment.liveBytes)),
            ("tombstoneBytes", .number(segment.tombstoneBytes)),
            ("firstSequence", segment.sequences.map { .unsigned($0.lowerBound) } ?? .null),
            ("lastSequence", segment.sequences.map { .unsigned($0.upperBound) } ?? .null),
            ("slot", .number(segment.slot)),
        ]
    }

    /// The tables, one after the other.
    private mutating func check(_ checkpoint: KeydirCheckpoint, _ bytes: RawSpan) {
        for (number, range) in checkpoint.tableRanges.enumerated() {
            guard range.upperBound <= bytes.byteCount else { return }
            let shard = checkpoint.shards[number]
            let checksum = KeydirCheckpoint.checksum(
                bytes.extracting(range), at: range.lowerBound, of: checkpoint.storeID)
            if checksum != shard.checksum {
                findings.add(
                    Finding(
                        .damage, name, range,
                        "table of shard \(number): checksum is \(hex(shard.checksum)), should be"
                            + " \(hex(checksum))"))
            }
        }
    }
}
