internal import Glibc
internal import Stave
internal import StaveDisk

/// What an import is asked for.
struct ImportRequest {
    var format = TransferFormat.jsonl
    /// nil for standard input.
    var file: String?
    var layout = TransferLayout()
    var prefix: [UInt8] = []
    var isIfAbsent = false
    var isDry = false
    var isAtomic = false

    /// What is wrong with the options together; nil where nothing is.
    var problem: String? {
        if layout.hasHeader, !format.hasHeader { return "--header is for csv and tsv" }
        if layout.keyField != nil || layout.valueField != nil, !format.hasFields {
            return "--key-field and --value-field are for jsonl, csv and tsv"
        }
        if format == .bitcask, file == nil { return "bitcask is a directory; name it" }
        if isAtomic, isDry { return "--atomic and --dry-run do not go together" }
        return nil
    }

    func decoder() throws(TransferError) -> any RecordDecoder {
        if format == .bitcask { return try BitcaskDecoder(path: file ?? "") }
        if format == .resp, let file, Self.isFolder(file) || RedisFilesDecoder.isManifest(file) {
            return try RedisFilesDecoder(path: file, DatabaseChoice(layout.database))
        }
        let source =
            try file.map { (path) throws(TransferError) in try ByteSource(path: path) }
            ?? ByteSource(descriptor: STDIN_FILENO, name: "stdin")
        return format.decoder(source, layout)
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        // SAFETY: fills in the struct.
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}

/// What an import has done.
struct ImportReport {
    var keys = 0
    var new = 0
    /// Left alone because they were there.
    var kept = 0
    var deleted = 0
    var bad = 0
    /// Taken without the time at which they end.
    var withExpiry = 0
    var expired = 0
    var skipped: [String: Int] = [:]
    var duration = Duration.zero

    /// `190,213 keys: 190,201 new, 12 replaced, 0.3 s`.
    var text: String {
        var parts = [
            "\(Units.count(keys, "key")): \(Units.count(new)) new",
            "\(Units.count(keys - new)) replaced",
        ]
        if kept > 0 { parts.append("\(Units.count(kept)) there already") }
        if deleted > 0 { parts.append("\(Units.count(deleted)) deleted") }
        if bad > 0 { parts.append("\(Units.count(bad)) bad") }
        if withExpiry > 0 { parts.append("\(Units.count(withExpiry)) without their expiry") }
        if expired > 0 { parts.append("\(Units.count(expired)) expired") }
        if !skipped.isEmpty { parts.append("not taken: " + skippedText) }
        parts.append("\(Units.decimal(duration / .seconds(1))) s")
        return parts.joined(separator: ", ")
    }

    private var skippedText: String {
        skipped.sorted { $0.key < $1.key }.map {
            // A name may come from the input.
            Quoting.message(Units.count($0.value, String($0.key.prefix(40))))
        }.joined(separator: " and ")
    }

    var json: JSON {
        .object([
            ("keys", .number(keys)), ("new", .number(new)), ("replaced", .number(keys - new)),
            ("kept", .number(kept)), ("deleted", .number(deleted)), ("bad", .number(bad)),
            ("withExpiry", .number(withExpiry)), ("expired", .number(expired)),
            (
                "skipped",
                .object(skipped.sorted { $0.key < $1.key }.map { ($0.key, .number($0.value)) })
            ),
            ("seconds", .decimal(duration / .seconds(1))),
        ])
    }
}

/// Takes records from a decoder to a store.
struct Importer {
    let request: ImportRequest
    let decoder: any RecordDecoder
    let target: ImportTarget
    let session: Session
    private(set) var report = ImportReport()
    /// A bad record, or a signal, ended it before the input did.
    private(set) var isStopped = false
    /// With --if-absent, keys that were set here: a log may set and delete them again.
    private var ownKeys: Set<[UInt8]> = []
    /// What a message was shown for; the rest is only counted.
    private static let mostMessages = 100

    init(
        _ request: ImportRequest, _ decoder: any RecordDecoder, _ target: ImportTarget,
        _ session: Session
    ) {
        self.request = request
        self.decoder = decoder
        self.target = target
        self.session = session
    }

    /// Reads to the end, or to the first bad record unless the session goes on after errors.
    ///
    /// - Throws: what the store refused; what came before stays.
    mutating func run() throws(StoreError) {
        let start = ContinuousClock.now
        session.bar =
            ProgressBar.isWanted
            ? ProgressBar("importing", total: decoder.progress.total, on: session.errors) : nil
        defer {
            session.endBar()
            report.new = target.newCount
            report.expired = decoder.remarks.expired
            report.skipped = decoder.remarks.skipped
            report.duration = ContinuousClock.now - start
        }
        var record = TransferRecord()
        var visited = 0
        while !isStopped {
            visited += 1
            if visited & 1023 == 0 { lookAround() }
            record.clear()
            do throws(TransferError) {
                guard try decoder.next(&record) else { break }
                try check(&record)
            } catch {
                note(error)
                continue
            }
            try take(record)
        }
        showNotes()
    }

    private mutating func lookAround() {
        showNotes()
        let (done, total) = decoder.progress
        if let total {
            session.bar?.show(done: done, of: total)
        } else {
            session.bar?.show(done: done)
        }
        if session.isInterrupted() { isStopped = true }
    }

    private func showNotes() {
        for note in decoder.remarks.takeNotes() { session.note("note: \(note)") }
    }

    private mutating func note(_ error: TransferError) {
        if session.isInterrupted() {
            isStopped = true
            return
        }
        report.bad += 1
        if report.bad <= Self.mostMessages { session.note(error.message) }
        if report.bad == Self.mostMessages + 1 {
            session.note("more bad records are counted, but not shown")
        }
        if error.isFatal || !session.settings.keepGoing { isStopped = true }
    }

    /// Puts the prefix before the key, and refuses what no store takes.
    private func check(_ record: inout TransferRecord) throws(TransferError) {
        if record.key.isEmpty {
            throw TransferError(message: "\(decoder.place): the key is empty")
        }
        if !request.prefix.isEmpty { record.key.insert(contentsOf: request.prefix, at: 0) }
        if record.key.count > Format.maxKeyLength {
            throw TransferError(
                message: "\(decoder.place): a key of \(Units.count(record.key.count, "byte"));"
                    + " at most 65,535")
        }
        if record.value.count > Format.maxValueLength {
            throw TransferError(
                message: "\(decoder.place): a value of \(Units.count(record.value.count, "byte"));"
                    + " at most 1 GiB")
        }
    }

    private mutating func take(_ record: TransferRecord) throws(StoreError) {
        switch record.action {
        case .delete:
            // What was there before is not the input's to delete.
            if request.isIfAbsent, !ownKeys.contains(record.key) { return }
            if try target.removeValue(forKey: record.key) { report.deleted += 1 }
            return
        case .expire:
            report.withExpiry += 1
            return
        case .set where !request.isIfAbsent: break
        case .set, .setIfAbsent:
            let isOwn = record.action == .set && ownKeys.contains(record.key)
            if !isOwn, try target.contains(record.key) {
                report.kept += 1
                return
            }
        }
        if request.isIfAbsent, request.format == .resp { ownKeys.insert(record.key) }
        if record.hasExpiry { report.withExpiry += 1 }
        try target.set(record)
        report.keys += 1
    }
}
