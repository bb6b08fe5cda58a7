internal import Glibc
internal import StaveDisk

/// What is known of one segment: its header, what its bytes say, its hint file.
final class SegmentSurvey {
    enum HintState {
        case good
        /// A sealed segment may have none; it is made again when the store is opened for writing.
        case missing
        case bad(String)
        /// The active segment has none yet.
        case none

        var word: String {
            switch self {
            case .good: "good"
            case .missing: "missing"
            case .bad: "bad"
            case .none: "-"
            }
        }
    }

    /// The file's name.
    let name: String
    /// What MANIFEST says; nil for a file alone.
    let listed: Manifest.Segment?
    let image: FileImage?
    var header: SegmentHeader?
    /// What the checksums are bound to; nil where it cannot be told.
    var identity: UInt64?
    var marks = SegmentHeader.Mark()
    var mark: Int? { marks.length }
    var hintState = HintState.none
    /// The hint file where it is good.
    var hint: HintImage?
    var hintPlaces: HintPlaces?
    /// The hint file's entries where it is good, else entries made from the records.
    var index: HintImage?
    var findings = Findings()
    /// All of it was read, and what is no record reported; the values too where the second is set.
    var isScanned = false
    var valuesAreChecked = false
    /// It follows a log that ended early, and is no part of the store any more.
    var isDropped = false
    /// A hint file that cannot be used, and why.
    var badHint: (image: FileImage, error: FormatError)?
    /// Called while records are read, with the offset so far.
    var progress: ((Int) -> Void)?

    var recordCount = 0
    /// Where the records end.
    var end = SegmentHeader.byteCount
    /// Where the records end, and what is damaged among them and behind them.
    var logEnd = SegmentHeader.byteCount
    /// A log that stops before its segment was complete: what follows is no part of it.
    var endsEarly: Bool { tornBytes > 0 || isScanned && logEnd < listed?.extent?.length ?? 0 }
    /// Zeros behind the records, for records to come.
    var reservedBytes = 0
    /// Bytes of whole records, and behind where a log ends.
    var recordBytes = 0
    var tornBytes = 0
    /// Unreadable stretches, in order.
    var damage: [Range<Int>] = []
    var times: ClosedRange<UInt32>?
    /// Where the first thing stands that is not as it should be.
    var goodUpTo: Int?

    // Filled in by `Liveness`.
    var liveCount = 0
    var liveBytes = 0
    var tombstoneCount = 0
    var tombstoneBytes = 0
    var deadCount: Int { max(0, recordCount - liveCount - tombstoneCount) }

    func forgetTally() { (liveCount, liveBytes, tombstoneCount, tombstoneBytes) = (0, 0, 0, 0) }

    init(name: String, listed: Manifest.Segment?, image: FileImage?) {
        self.name = name
        self.listed = listed
        self.image = image
        if let image { readHeader(image) } else { identity = listed?.identity }
    }

    var number: UInt64? { listed?.number ?? numberInName ?? header?.number }
    private var numberInName: UInt64? {
        if case .segment(let number) = FileName(name) { number } else { nil }
    }
    var fileSize: Int { image?.fileSize ?? 0 }
    /// Sealed and durable. A segment that MANIFEST calls full is not yet: a power cut may do to it
    /// what it may do to the active one.
    var isSealed: Bool { listed?.isSealed == true }
    /// As MANIFEST says; "alone" where there is none that does.
    var state: String {
        if image == nil { return isMissing ? "missing" : "unreadable" }
        return identity == nil ? "unreadable" : listed?.stateWord ?? "alone"
    }
    /// There is no such file, rather than one that cannot be read.
    var isMissing = false
    /// Can its records be counted, be it from its hint file?
    var isCounted: Bool { image != nil && identity != nil || hint != nil }

    var rule: SegmentWalk.Rule {
        isSealed ? .sealed : listed == nil || mark == nil ? .unmarked : marks.rule
    }

    /// Bytes that are known to be durable.
    var durableEnd: Int {
        if isSealed, let extent = listed?.extent { return extent.length }
        return max(mark ?? 0, listed?.durableLength ?? SegmentHeader.byteCount)
    }

    /// Bytes of the file in which records may stand.
    var recordLimit: Int { min(image?.count ?? 0, listed?.extent?.length ?? .max) }

    /// The end of a sealed segment where its file was cut.
    var missing: Range<Int>? {
        guard isSealed, let image, let extent = listed?.extent, image.count < extent.length else {
            return nil
        }
        return image.count..<extent.length
    }

    func add(_ severity: Severity, _ range: Range<Int>?, _ text: String) {
        findings.add(Finding(severity, name, range, text))
        if severity != .note, let range, range.lowerBound < goodUpTo ?? .max {
            goodUpTo = range.lowerBound
        }
    }

    private func readHeader(_ image: FileImage) {
        image.withBytes { bytes in
            do throws(FormatError) {
                let header = try SegmentHeader(decoding: bytes)
                self.header = header
                identity = header.identity
                marks = SegmentHeader.mark(
                    in: bytes, identity: header.identity, version: header.version)
                if mark == nil, image.isMapped {
                    // A running writer of version 1 may be between the mark's two words.
                    usleep(1000)
                    marks = SegmentHeader.mark(
                        in: bytes, identity: header.identity, version: header.version)
                }
            } catch {
                let field = error.isNewerVersion ? nil : damagedField(bytes)
                // Of a file that ends in its header it is said that it was cut.
                if listed == nil || image.count >= SegmentHeader.byteCount {
                    add(
                        error.isNewerVersion ? .unreadable : .damage,
                        field?.range ?? error.offset..<max(error.offset, min(image.count, 64)),
                        error.reason + (field.map { "; \($0.text)" } ?? ""))
                }
                guard !error.isNewerVersion else { return }
                identity = listed?.identity ?? Self.rawIdentity(bytes)
                guard let identity else { return }
                marks = SegmentHeader.mark(
                    in: bytes, identity: identity,
                    version: listed?.format ?? SegmentHeader.version)
            }
        }
        checkHeader(image)
    }

    /// Neither MANIFEST nor a header that checks out tells the identity.
    var isNameless: Bool { listed == nil && header == nil }

    /// The hint file tells the identity.
    func take(identity: UInt64) {
        self.identity = identity
        image?.withBytes {
            marks = SegmentHeader.mark(
                in: $0, identity: identity, version: SegmentHeader.version)
        }
    }

    /// The field of a header that does not check out which is not what MANIFEST says; by
    /// elimination one of those of which it says nothing.
    private func damagedField(_ bytes: RawSpan) -> (range: Range<Int>, text: String)? {
        guard let listed, bytes.byteCount >= SegmentHeader.byteCount else { return nil }
        let right = SegmentHeader(
            version: listed.format, identity: listed.identity, number: listed.number,
            storeID: StoreID(low: 0, high: 0), capacity: 0
        ).encoded()
        for (name, range) in [
            ("magic", 0..<8), ("version", 8..<12), ("flags", 12..<16), ("identity", 16..<24),
            ("number", 24..<32),
        ] where bytes.array(range) != Array(right[range]) {
            return (range, "the wrong field is \(name)")
        }
        return (32..<64, "the wrong field is store id, capacity or checksum")
    }

    /// The identity field of a header whose checksum is wrong: good enough to try.
    private static func rawIdentity(_ bytes: RawSpan) -> UInt64? {
        guard bytes.byteCount >= 24 else { return nil }
        // SAFETY: the bounds were just checked, and any bits are an integer.
        return unsafe UInt64(
            littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: 16, as: UInt64.self))
    }

    private func checkHeader(_ image: FileImage) {
        if let listed, let header, header.identity != listed.identity {
            add(
                .damage, 16..<24,
                "identity is \(hex(header.identity)), MANIFEST says \(hex(listed.identity))")
            identity = nil
        }
        if let listed, let header, header.number != listed.number {
            add(.damage, 24..<32, "number is \(header.number), MANIFEST says \(listed.number)")
        }
        if listed == nil, let header, let numberInName, header.number != numberInName {
            add(.note, 24..<32, "number is \(header.number), the file's name says \(numberInName)")
        }
        if isSealed, let extent = listed?.extent {
            if image.fileSize < extent.length {
                add(
                    .damage, image.fileSize..<extent.length,
                    "cut: the file has \(image.fileSize) bytes of \(extent.length)")
            } else if image.fileSize > extent.length {
                add(
                    .note, extent.length..<image.fileSize,
                    "bytes behind the end of a sealed segment")
            }
        } else if image.fileSize < durableEnd, !image.hasGrown,
            listed != nil || image.count >= SegmentHeader.byteCount
        {
            add(
                .damage, image.fileSize..<durableEnd,
                "cut: the file has \(image.fileSize) bytes of \(durableEnd)")
        }
        if identity != nil, image.count >= SegmentHeader.byteCount { checkMarks() }
    }

    private func checkMarks() {
        if mark == nil {
            // A crash could tear the one mark of version 1.
            let isOld = (header?.version ?? listed?.format) == 1
            add(
                !isOld ? .damage : isSealed ? .note : .torn, 64..<80,
                (isOld ? "synced mark does not check out: " : "neither synced mark checks out: ")
                    + (isSealed ? "MANIFEST says what is" : "nothing tells how much is")
                    + " durable")
        } else if let damaged = marks.damaged {
            add(
                .damage, damaged,
                "a synced mark does not check out; the other one is used, and whole records behind"
                    + " it as well")
        }
    }

    /// Walks the bytes and gives `visit` what stands there, until it returns false.
    func walk(checksValues: Bool, _ visit: (SegmentWalk.Item, RawSpan) -> Bool) {
        guard let image, let identity else { return }
        image.withBytes { bytes in
            let bytes = bytes.extracting(first: recordLimit)
            // Of a file that grows, what was synced meanwhile may lie behind what was mapped.
            let isBehind = !isSealed && image.hasGrown
            var walk = SegmentWalk(
                identity: identity, rule: rule,
                durableEnd: isBehind ? min(durableEnd, bytes.byteCount) : durableEnd,
                checksValues: checksValues)
            var released = 0
            while let item = next(&walk, bytes, image), visit(item, bytes) {
                let end = item.range.lowerBound
                if end - released >= Self.window {
                    image.release(released..<end)
                    released = end
                }
            }
            image.release(released..<image.count)
        }
    }

    /// The walk's next item. What looks torn may be a record that a running writer has not
    /// finished: it is looked at again a moment later, for as long as it changes. And where the
    /// file is longer by now than what was mapped, the last record may end behind that: it is
    /// neither torn nor damaged then, although the synced mark may lie behind it, too.
    private func next(
        _ walk: inout SegmentWalk, _ bytes: RawSpan, _ image: FileImage
    ) -> SegmentWalk.Item? {
        var item = walk.next(in: bytes)
        if case .damage(let range, _) = item, rule != .sealed, range.upperBound >= bytes.byteCount,
            image.hasGrown
        {
            return .reserved(range.lowerBound..<bytes.byteCount)
        }
        while image.isMapped, rule != .sealed, case .torn(let tail, _) = item {
            if image.hasGrown { return .reserved(tail.lowerBound..<bytes.byteCount) }
            usleep(1000)
            walk.resume(at: tail.lowerBound)
            let before = item
            item = walk.next(in: bytes)
            if item == before { break }
        }
        return item
    }

    /// What was walked over stays in the page cache, but not in this process's memory.
    private static let window = 16 << 20
}

extension Manifest.Segment {
    var stateWord: String {
        switch state {
        case .unsealed: "active"
        case .full: "full"
        case .sealed: "sealed"
        }
    }
}
