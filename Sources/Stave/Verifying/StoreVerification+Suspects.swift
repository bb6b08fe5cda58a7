internal import StaveDisk

extension StoreVerification {
    /// Compares keys that differed without a lock once more, under the writer lock, where keydir
    /// and log stand still: a batch at a time, so that no writer waits long.
    ///
    ///     verification                         a writer, meanwhile
    ///     takes the snapshot: k has a value
    ///                                          deletes k
    ///     the keydir has no k: a suspect
    ///     reads on to the tombstone: agrees
    func checkSuspects() throws(StoreError) {
        var attempts = 0
        while !suspects.isEmpty, attempts < 100 {
            attempts += 1
            let past = LogSoFar(log)
            // Until segments come or go: then from the beginning, with what is left.
            while !suspects.isEmpty {
                try store.requireOpen()
                let batch = Array(suspects.prefix(256))
                let answers = index.withLock { () -> [Bool]? in
                    guard past.catchUp(log, for: suspects) else { return nil }
                    return batch.map { keydirAgrees($0, past.newest($0)) }
                }
                guard let answers else { break }
                for (key, agrees) in zip(batch, answers) {
                    suspects.remove(key)
                    if !agrees { reportDifference(key) }
                }
            }
        }
        for key in suspects { reportDifference(key) }
        suspects = []
    }

    private func reportDifference(_ key: [UInt8]) {
        let text = String(decoding: key.prefix(64), as: UTF8.self).debugDescription
        report.add(store.path, nil, "the keydir does not name the newest record of key \(text)")
    }

    /// Under the writer lock.
    private func keydirAgrees(_ key: [UInt8], _ newest: LogSoFar.Newest?) -> Bool {
        let found = unsafe firstAnswer(key.span.bytes) { _, record in
            guard unsafe record.hasKey(key.span.bytes), let header = record.header else {
                return nil
            }
            return newest?.kind == .value && header.sequence == newest?.sequence
        }
        return found ?? (newest?.kind != .value)
    }
}

/// The newest record of any key as the log says, kept up with a log that grows.
private final class LogSoFar {
    struct Newest {
        var sequence: UInt64
        var kind: RecordKind
    }

    private let segments: [Segment]
    private let images: [HintImage]
    /// How far each segment was read.
    private var ends: [Int]
    /// Of the keys that were asked for, what the images do not have yet.
    private var newer: [[UInt8]: Newest] = [:]

    init(_ log: Log) {
        let now = log.withLock {
            log.visibleSegments.map { ($0, $0.end) }
        }
        segments = now.map(\.0)
        ends = now.map(\.1)
        images = now.map { log.sortedRun(of: $0, upTo: $1).image }
    }

    /// Reads what was appended since, for `keys`. Under the writer lock. False where the store has
    /// other segments by now.
    func catchUp(_ log: Log, for keys: Set<[UInt8]>) -> Bool {
        let visible = log.visibleSegments
        guard visible.count == segments.count, zip(visible, segments).allSatisfy({ $0 === $1 })
        else { return false }
        for (index, segment) in segments.enumerated() where ends[index] < segment.end {
            // SAFETY: records up to `end` are whole.
            let bytes = unsafe segment.bytes(upTo: segment.end).bytes
            var offset = ends[index]
            while let header = Record.header(in: bytes, at: offset, identity: segment.identity) {
                let start = offset + RecordHeader.byteCount
                let key = unsafe bytes.extracting(start..<(start + header.keyLength))
                    .withUnsafeBytes { unsafe Array($0) }
                if keys.contains(key) {
                    newer[key] = Newest(sequence: header.sequence, kind: header.kind ?? .value)
                }
                offset += header.recordLength
            }
            ends[index] = segment.end
        }
        return true
    }

    func newest(_ key: [UInt8]) -> Newest? {
        if let newest = newer[key] { return newest }
        var newest: Newest?
        for image in images {
            let entry = unsafe key.withUnsafeBytes { unsafe image.entry(for: $0) }
            guard let entry, newest == nil || entry.sequence > newest!.sequence else { continue }
            newest = Newest(sequence: entry.sequence, kind: entry.kind)
        }
        return newest
    }
}

extension StoreVerification {
    // MARK: MANIFEST (5)

    func checkManifest() {
        let file = log.directory.path(of: FileName.manifestName)
        if let problem = log.manifest.problem(in: log.directory, isWriter: store.isWriter) {
            report.add(file, nil, problem)
        }
        for segment in log.manifest.current.segments {
            let name = FileName.segment(segment.number).name
            let size = log.directory.size(of: name)
            if let size, size >= segment.extent?.length ?? SegmentHeader.byteCount { continue }
            // A compaction may have replaced it a moment ago.
            let isNamed = log.manifest.current.segments.contains { $0.number == segment.number }
            guard isNamed, store.isWriter else { continue }
            let path = log.directory.path(of: name)
            report.add(path, size, size == nil ? "missing, but MANIFEST names it" : "cut")
        }
    }
}
