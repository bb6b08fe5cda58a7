internal import CLinux
internal import Glibc
internal import Stave
internal import StaveDisk

/// What an export is asked for.
struct ExportRequest {
    var format: TransferFormat
    var range = KeyRange.all
    /// Not all keys are wanted.
    var isPart = false
    var layout = TransferLayout()
    /// Only keys of these slots.
    var slots: [ClosedRange<Int>]?
    /// One file for each.
    var masters: [ClusterMaster]?
    /// Where the masters' files are made.
    var folder = "."

    /// - Parameters:
    ///   - bounds: the values of --from.
    ///   - targets: the values of --to: the format, and before or behind it the end of the range.
    ///   - words: a prefix, or where to begin and where to end.
    init(bounds: [[UInt8]], targets: [[UInt8]], words: [[UInt8]]) throws(TransferError) {
        guard let last = targets.last else {
            throw Self.usage("--to FORMAT is missing; there are \(TransferFormat.namesOut)")
        }
        guard bounds.count <= 1, targets.count <= 2 else {
            throw Self.usage("--from stands once, and --to twice: for a key and for the format")
        }
        var end = targets.count == 2 ? targets.first : nil
        if let format = Self.format(last) {
            self.format = format
        } else if let first = targets.first, targets.count == 2, let format = Self.format(first) {
            (self.format, end) = (format, last)
        } else {
            throw Self.usage(
                "no format \(Quoting.text(last)) to write; there are \(TransferFormat.namesOut)")
        }
        isPart = !words.isEmpty || !bounds.isEmpty || end != nil
        if !bounds.isEmpty || end != nil {
            guard words.isEmpty else {
                throw Self.usage("a prefix does not go together with --from and --to of keys")
            }
            range = KeyRange(from: bounds.first, to: end)
        } else if words.count == 2 {
            range = KeyRange(from: words[0], to: words[1].isEmpty ? nil : words[1])
        } else if let prefix = words.first {
            range = KeyRange(prefix: prefix)
        }
    }

    private static func format(_ name: [UInt8]) -> TransferFormat? {
        TransferFormat(rawValue: String(decoding: name.prefix(16), as: UTF8.self))
            .flatMap { $0.isWritten ? $0 : nil }
    }

    /// - Parameters: of the options of the same names.
    mutating func setSlots(_ slots: String?, nodes: String?, into folder: String?)
        throws(TransferError)
    {
        if let slots {
            guard let ranges = RedisSlots.parse(slots) else {
                throw Self.usage("--slots takes A-B, from 0 to 16,383, or several with commas")
            }
            self.slots = ranges
        }
        if let nodes {
            if slots != nil { throw Self.usage("--slots and --nodes do not go together") }
            do throws(FileError) {
                let bytes = try File.opening(nodes).contents(limit: 64 << 20)
                masters = try Self.masters(String(decoding: bytes, as: UTF8.self), nodes)
            } catch {
                throw TransferError(message: error.description)
            }
        }
        if let folder {
            if nodes == nil { throw Self.usage("--into is for --nodes") }
            self.folder = folder
        }
    }

    private static func masters(_ text: String, _ file: String) throws(FileError)
        -> [ClusterMaster]
    {
        do throws(TransferError) {
            return try ClusterMaster.parse(text)
        } catch {
            throw FileError("use", file, reason: error.message)
        }
    }

    /// Fatal errors are about the words.
    private static func usage(_ message: String) -> TransferError {
        TransferError(message: message, isFatal: true)
    }
}

/// Writes the entries of a snapshot in a format.
struct Exporter {
    let request: ExportRequest
    let session: Session
    /// Entries that were written.
    private(set) var count = 0
    private var visited = 0
    private var isStopped = false

    init(_ request: ExportRequest, _ session: Session) {
        self.request = request
        self.session = session
    }

    /// Where an entry goes.
    private final class Stream {
        let encoder: any RecordEncoder
        let output: OutputWriter
        var count = 0

        init(_ encoder: any RecordEncoder, _ output: OutputWriter) {
            self.encoder = encoder
            self.output = output
        }
    }

    /// Writes one stream.
    ///
    /// - Throws: what cannot be read or written; the stream then lacks its end, where it has one.
    mutating func run(to output: OutputWriter) throws(CommandError) {
        var owners: [Int]?
        if let slots = request.slots {
            var all = [Int](repeating: -1, count: RedisSlots.count)
            for slot in slots.joined() { all[slot] = 0 }
            owners = all
        }
        try run(to: [stream(to: output)], owners)
    }

    /// Writes a file a master, and says so, a line each.
    mutating func run(for masters: [ClusterMaster]) throws(CommandError) {
        var owners = [Int](repeating: -1, count: RedisSlots.count)
        for (index, master) in masters.enumerated() {
            for slot in master.slots.joined() { owners[slot] = index }
        }
        var files: [ExportFile] = []
        // What is not whole keeps no name.
        defer { for file in files { file.remove() } }
        for master in masters {
            let name = "\(request.folder)/\(master.fileName).\(request.format.rawValue)"
            files.append(try ExportFile(name))
        }
        let streams = files.map { stream(to: $0.output) }
        try run(to: streams, owners)
        if isStopped { return }
        for file in files { try file.commit() }
        for (index, master) in masters.enumerated() {
            let slots = master.slots.map {
                $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)"
            }
            let keys = Units.count(streams[index].count, "key")
            if session.settings.format == .json {
                session.output.write(
                    line: JSON.object([
                        ("node", .string(master.address)), ("file", .string(files[index].path)),
                        ("slots", .array(slots.map { .string($0) })),
                        ("keys", .number(streams[index].count)),
                    ]).text)
            } else {
                session.output.write(
                    line: "\(master.address) slots \(slots.joined(separator: ",")): \(keys) in"
                        + " \(Quoting.message(files[index].path))")
            }
        }
    }

    private func stream(to output: OutputWriter) -> Stream {
        let isWhole = !request.isPart && request.slots == nil && request.masters == nil
        let bytes = (try? session.store.statistics().liveBytes) ?? 0
        return Stream(
            request.format.encoder(
                to: output, request.layout, count: isWhole ? session.store.count : nil,
                bytes: bytes), output)
    }

    /// - Parameter owners: the stream's index by slot, or -1; nil where all goes to the first.
    private mutating func run(to streams: [Stream], _ owners: [Int]?) throws(CommandError) {
        var cursor: EntryCursor
        do throws(StoreError) {
            cursor = try session.store.entries(in: request.range)
        } catch {
            throw CommandError(error)
        }
        session.bar =
            ProgressBar.isWanted && !session.outputIsTerminal
            ? ProgressBar(
                "exporting", total: request.isPart ? nil : session.store.count,
                unit: .count("key"), on: session.errors) : nil
        defer { session.endBar() }
        for stream in streams { stream.encoder.begin() }
        while try writeNext(&cursor, streams, owners) {}
        if isStopped { return }
        for stream in streams {
            stream.encoder.end()
            stream.output.flush()
        }
    }

    /// False at the end, and where nothing more is to be written.
    private mutating func writeNext(
        _ cursor: inout EntryCursor, _ streams: [Stream], _ owners: [Int]?
    ) throws(CommandError) -> Bool {
        visited += 1
        if visited & 1023 == 0 {
            session.bar?.show(done: visited)
            if session.isInterrupted() { isStopped = true }
            if let failure = streams.compactMap(\.output.failure).first {
                guard failure.code != EPIPE else {
                    isStopped = true
                    return false
                }
                throw CommandError(failure.message)
            }
            if isStopped { return false }
        }
        let outcome: TransferError??
        do throws(StoreError) {
            outcome = try cursor.withNext { key, value in
                unsafe key.withUnsafeBytes { key in
                    unsafe value.withUnsafeBytes { value in
                        unsafe Self.write(key, value, streams, owners, &count)
                    }
                }
            }
        } catch {
            try stepOver(CommandError(error))
            return true
        }
        guard let outcome else { return false }
        if let problem = outcome { try stepOver(CommandError(problem.message)) }
        return true
    }

    private static func write(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ streams: [Stream],
        _ owners: [Int]?, _ count: inout Int
    ) -> TransferError? {
        var index = 0
        if let owners { index = unsafe owners[RedisSlots.slot(of: key)] }
        guard index >= 0 else { return nil }
        do throws(TransferError) {
            // SAFETY: the bytes are only read.
            unsafe try streams[index].encoder.write(key, value)
            streams[index].count += 1
            count += 1
            return nil
        } catch {
            return error
        }
    }

    /// Goes on behind an entry that cannot be read or written, where the person has said so.
    private func stepOver(_ error: CommandError) throws(CommandError) {
        guard session.settings.keepGoing else { throw error }
        session.reportedErrorCount += 1
        session.note("error: \(error.message)")
    }
}

/// A file that gets its name when it is whole.
final class ExportFile {
    let path: String
    let output: OutputWriter
    private let descriptor: Int32
    private var isCommitted = false

    init(_ path: String) throws(CommandError) {
        self.path = path
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
        descriptor = unsafe stave_open(path + ".part", flags, 0o666)
        guard descriptor >= 0 else {
            throw CommandError(SystemError("write", path + ".part", errno).message)
        }
        output = OutputWriter(descriptor: descriptor, name: path)
    }

    deinit { close(descriptor) }

    func commit() throws(CommandError) {
        output.flush()
        if let failure = output.failure { throw CommandError(failure.message) }
        guard fsync(descriptor) == 0, unsafe rename(path + ".part", path) == 0 else {
            throw CommandError(SystemError("write", path, errno).message)
        }
        isCommitted = true
    }

    func remove() { if !isCommitted { unsafe _ = unlink(path + ".part") } }
}
