/// Which segments make up the store. The only commit point: rotation, sealing and compaction take
/// effect when a new MANIFEST is renamed over the old one.
///
/// Text, a fact a line, closed by a checksum line over everything before it:
///
///     stave manifest 3
///     store 6f1c0d5e8a3b4c2d9e0f112233445566
///     revision 7
///     next-sequence 4712
///     next-segment 9
///     complete-since 120
///     history 7d865e959b2466d3 from 1
///     segment 1 identity 9f86d081884c7d65 sealed length 268435408 sequences 1 4000
///     segment 8 identity 0a1b2c3d4e5f6071 unsealed durable 4096
///     checksum 1f2e3d4c5b6a7988
///
/// The word "sorted" ends the line of a segment whose records lie in key order, as a compaction
/// writes them; all others are logs, in the order of their numbers. "format 1" ends the line of one
/// that a program of version 1 began, of which neither is known.
package struct Manifest: Equatable, Sendable {
    /// The version that this code writes, and the newest it reads.
    package static let version: UInt32 = 3

    package struct Segment: Equatable, Sendable {
        package var number: UInt64
        package var identity: UInt64
        package var state: State
        /// The segment's version. Of one of version 1 identity and length do not tell the contents:
        /// clones of its store may have gone on writing to it, each in its own way.
        package var format: UInt32
        /// Its records lie in the order of their keys.
        package var isSorted: Bool

        package init(
            number: UInt64, identity: UInt64, state: State = .new,
            format: UInt32 = SegmentHeader.version, isSorted: Bool = false
        ) {
            self.number = number
            self.identity = identity
            self.state = state
            self.format = format
            self.isSorted = isSorted
        }

        package var isSealed: Bool { if case .sealed = state { true } else { false } }

        package var isFull: Bool { if case .full = state { true } else { false } }

        /// Of a full or sealed segment; nil while records may still be appended.
        package var extent: Extent? {
            switch state {
            case .unsealed: nil
            case .full(let extent), .sealed(let extent): extent
            }
        }

        /// So many bytes were durable when MANIFEST was written, or more; of a full segment that is
        /// not said, and a sealed one is durable.
        package var durableLength: Int {
            if case .unsealed(let durableLength) = state { return durableLength }
            return SegmentHeader.byteCount
        }

        /// Are its records in the order of their sequence numbers?
        package var isLog: Bool { extent == nil || format > 1 && !isSorted }
    }

    package enum State: Equatable, Sendable {
        /// The active segment: records may still be appended. So many bytes were durable when
        /// MANIFEST was written, or more.
        case unsealed(durableLength: Int)
        /// Nothing more is appended, but its bytes are not known to be durable: a power cut may do
        /// to it what it may do to an active one.
        case full(Extent)
        /// Durable. It never changes again.
        case sealed(Extent)

        package static let new = State.unsealed(durableLength: SegmentHeader.byteCount)
    }

    /// What is fixed once nothing more is appended to a segment.
    package struct Extent: Equatable, Sendable {
        /// Bytes of the file that belong to the segment.
        package var length: Int
        /// Sequence numbers of its records, lowest and highest.
        package var sequences: ClosedRange<UInt64>

        package init(length: Int, sequences: ClosedRange<UInt64>) {
            self.length = length
            self.sequences = sequences
        }

        fileprivate var text: String {
            "length \(length) sequences \(sequences.lowerBound) \(sequences.upperBound)"
        }
    }

    package var storeID: StoreID
    /// Counts the manifests of this store.
    package var revision: UInt64
    /// Above every sequence number in a sealed segment.
    package var nextSequence: UInt64
    /// Above every segment number ever used.
    package var nextSegment: UInt64
    /// No deletion with a higher sequence number was ever dropped: what was written after it can
    /// still be told in full. Of a store that a program before version 3 wrote nothing older is
    /// known.
    package var completeSince: UInt64
    /// Which copy of the store made which writes, oldest first; see `History`.
    package var histories: [History]
    /// Ascending by number; the unsealed ones come last, in the order in which they were written.
    package var segments: [Segment]

    /// A new store's.
    package init(storeID: StoreID) {
        self.storeID = storeID
        revision = 1
        nextSequence = 1
        nextSegment = 1
        completeSince = 0
        histories = [History(id: storeID.low, firstSequence: 1)]
        segments = []
    }

    package func encoded() -> [UInt8] {
        var text = """
            stave manifest \(Self.version)
            store \(hex(storeID.high))\(hex(storeID.low))
            revision \(revision)
            next-sequence \(nextSequence)
            next-segment \(nextSegment)
            complete-since \(completeSince)

            """
        for history in histories {
            text += "history \(hex(history.id)) from \(history.firstSequence)\n"
        }
        for segment in segments {
            text += "segment \(segment.number) identity \(hex(segment.identity)) "
            switch segment.state {
            case .unsealed(let durableLength): text += "unsealed durable \(durableLength)"
            case .full(let extent): text += "full \(extent.text)"
            case .sealed(let extent): text += "sealed \(extent.text)"
            }
            if segment.isSorted { text += " sorted" }
            if segment.format != SegmentHeader.version { text += " format \(segment.format)" }
            text += "\n"
        }
        var bytes = Array(text.utf8)
        let checksum = unsafe Checksum.hash(bytes.span.bytes)
        bytes += Array("checksum \(hex(checksum))\n".utf8)
        return bytes
    }
}

// MARK: - Decoding

extension Manifest {
    /// The longest MANIFEST that is read: more than 32,768 segments need.
    package static let maxLength = 16 << 20

    package init(decoding bytes: [UInt8]) throws(FormatError) {
        let checksumLength = "checksum 0123456789abcdef\n".utf8.count
        let covered = bytes.count - checksumLength
        guard covered > 0 else {
            throw FormatError("too short: \(bytes.count) bytes", at: 0)
        }
        let checksum = unsafe hex(Checksum.hash(bytes.span.bytes.extracting(0..<covered)))
        let isWhole = bytes[covered...].elementsEqual("checksum \(checksum)\n".utf8)
        var lines = ManifestLines(bytes[..<covered])
        // The version comes first, so that a newer program's file is not called damaged: it may end
        // in another checksum. A version that is not newer was never written.
        let title = lines.next()
        guard title.count == 3, title[0] == "stave", title[1] == "manifest" else {
            throw FormatError("not a MANIFEST: it does not begin with \"stave manifest\"", at: 0)
        }
        let version = UInt32(title[2]) ?? 0
        if version > Self.version {
            throw FormatError(
                "format version \(version), this program reads \(Self.version)", at: 0,
                isNewerVersion: true)
        }
        guard isWhole else {
            throw FormatError("checksum is wrong, should be \(checksum)", at: covered)
        }
        guard version > 0, title[2] == String(version) else {
            throw FormatError("format version \(title[2]) does not exist", at: 0)
        }
        self.init(storeID: try lines.storeID())
        revision = try lines.number("revision")
        nextSequence = try lines.number("next-sequence")
        nextSegment = try lines.number("next-segment")
        if version < 3 {
            completeSince = max(1, nextSequence) - 1
        } else {
            completeSince = try lines.number("complete-since")
            histories = try lines.histories()
        }
        while !lines.isAtEnd { segments.append(try lines.segment(min(version, 2))) }
        try checkInvariants()
    }

    private func checkInvariants() throws(FormatError) {
        guard completeSince < max(1, nextSequence) else {
            throw FormatError("complete-since is beyond next-sequence", at: 0)
        }
        for (older, newer) in zip(histories, histories.dropFirst())
        where older.firstSequence > newer.firstSequence {
            throw FormatError("histories are out of order at \(newer.firstSequence)", at: 0)
        }
        var previous: UInt64 = 0
        for segment in segments {
            guard segment.number > previous, segment.number < nextSegment else {
                throw FormatError("segment numbers are out of order at \(segment.number)", at: 0)
            }
            previous = segment.number
            if let extent = segment.extent {
                guard extent.sequences.upperBound < nextSequence else {
                    throw FormatError("segment \(segment.number) is beyond next-sequence", at: 0)
                }
            }
        }
        guard nextSegment <= FileName.largestNumber else {
            throw FormatError("segment numbers are used up", at: 0)
        }
    }
}

/// Splits a MANIFEST into lines of words and takes the known ones.
private struct ManifestLines {
    private var rest: ArraySlice<UInt8>
    private var lineStart = 0

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func next() -> [String] {
        lineStart = rest.startIndex
        let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
        let line = rest[rest.startIndex..<end]
        rest = rest[min(end + 1, rest.endIndex)...]
        return line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
    }

    mutating func number(_ name: String) throws(FormatError) -> UInt64 {
        let words = next()
        guard words.count == 2, words[0] == name, let number = UInt64(words[1]) else {
            throw unexpected("\(name) NUMBER")
        }
        return number
    }

    mutating func storeID() throws(FormatError) -> StoreID {
        let words = next()
        guard words.count == 2, words[0] == "store", words[1].utf8.count == 32,
            let high = UInt64(words[1].prefix(16), radix: 16),
            let low = UInt64(words[1].suffix(16), radix: 16)
        else { throw unexpected("store and 32 hexadecimal digits") }
        return StoreID(low: low, high: high)
    }

    /// One at least.
    mutating func histories() throws(FormatError) -> [Manifest.History] {
        var histories: [Manifest.History] = []
        while histories.isEmpty || rest.starts(with: "history ".utf8) {
            let words = next()
            guard words.count == 4, words[0] == "history", words[1].utf8.count == 16,
                let id = UInt64(words[1], radix: 16), words[2] == "from",
                let first = UInt64(words[3])
            else { throw unexpected("history HEX from NUMBER") }
            histories.append(Manifest.History(id: id, firstSequence: first))
        }
        return histories
    }

    mutating func segment(_ version: UInt32) throws(FormatError) -> Manifest.Segment {
        var words = next()
        guard words.count >= 5, words[0] == "segment", let number = UInt64(words[1]), number > 0,
            words[2] == "identity", words[3].utf8.count == 16,
            let identity = UInt64(words[3], radix: 16)
        else { throw unexpected("segment NUMBER identity HEX ...") }
        var segment = Manifest.Segment(number: number, identity: identity, format: version)
        if version > 1, words.suffix(2) == ["format", "1"] {
            segment.format = 1
            words.removeLast(2)
        }
        if version > 1, words.last == "sorted" {
            segment.isSorted = true
            words.removeLast()
        }
        if words[4] == "unsealed" {
            if version == 1, words.count == 5 { return segment }
            guard version > 1, words.count == 7, words[5] == "durable",
                let length = length(words[6])
            else { throw unexpected("unsealed, durable BYTES") }
            segment.state = .unsealed(durableLength: length)
            return segment
        }
        guard words.count == 10, words[4] == "sealed" || words[4] == "full", words[5] == "length",
            let length = length(words[6]), words[7] == "sequences",
            let first = UInt64(words[8]), let last = UInt64(words[9]), first <= last
        else { throw unexpected("sealed or full, length BYTES sequences FIRST LAST") }
        let extent = Manifest.Extent(length: length, sequences: first...last)
        segment.state = words[4] == "sealed" ? .sealed(extent) : .full(extent)
        return segment
    }

    /// Bytes of a segment.
    private func length(_ word: String) -> Int? {
        guard let length = Int(word), length >= SegmentHeader.byteCount,
            length <= Format.maxFileLength
        else { return nil }
        return length
    }

    private func unexpected(_ wanted: String) -> FormatError {
        FormatError("line not understood, expected: \(wanted)", at: lineStart)
    }
}

/// `word` as 16 hexadecimal digits.
package func hex(_ word: UInt64) -> String {
    let digits = String(word, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}
