internal import Glibc
internal import Stave
internal import StaveDisk

// What the errors of the store mean to a person, and what to do about them.

extension CommandError {
    /// - Parameter key: what was asked for, where it was one key.
    init(_ error: StoreError, at word: Word? = nil, key: Word? = nil) {
        self.init(Self.text(of: error, key), at: word)
        switch error {
        case .damaged, .uncertain: isDamage = true
        case .cancelled: isStop = true
        default: break
        }
    }

    static func text(of error: StoreError, _ key: Word? = nil) -> String {
        switch error {
        case .damaged(let file, let offset, let length, let reason):
            let place = "\(file), offset \(offset)" + (length > 0 ? ", \(length) bytes" : "")
            // Where the key can be read, it is the value that is damaged.
            let found = DamagedRecord.key(in: file, at: offset).map(Quoting.text)
            guard let name = key?.shown ?? found else {
                return "\(file) is damaged at offset \(offset)"
                    + (length > 0 ? " (\(length) bytes)" : "") + ": \(reason)"
            }
            return "the \(found == nil ? "record" : "value") of \(name) is damaged (\(place))"
        case .noSuchDirectory: return error.description + " (--create makes a new store)"
        case .notAStore(_, "it is empty"):
            return error.description + " (--create makes a new store in it)"
        case .locked: return error.description + " (--read-only)"
        case .noSpace(let file):
            guard let limit = fileSizeLimit else { return error.description }
            return "no space left for \(file), or it would be longer than the limit for files,"
                + " \(Units.bytes(limit)) (ulimit -f)"
        default: return error.description
        }
    }

    /// Bytes; nil where files may be of any length.
    private static var fileSizeLimit: Int? {
        var limit = rlimit()
        // SAFETY: fills in the struct.
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0,
            limit.rlim_cur < rlim_t(Int.max)
        else { return nil }
        return Int(limit.rlim_cur)
    }
}

/// A record of which the store says that it is damaged.
enum DamagedRecord {
    /// The record's key; nil where its header does not check out either.
    static func key(in path: String, at offset: Int) -> [UInt8]? {
        guard let image = try? FileImage(mapping: File.opening(path)) else { return nil }
        return image.withBytes { bytes in
            guard let segment = try? SegmentHeader(decoding: bytes),
                let header = Record.header(
                    in: bytes, at: offset, identity: segment.identity, upTo: .max)
            else { return nil }
            let start = offset + RecordHeader.byteCount
            return bytes.array(start..<(start + header.keyLength))
        }
    }
}

extension Session {
    /// Where to go on behind damage: once.
    func advise(on error: CommandError) {
        guard error.isDamage, !hasAdvised else { return }
        hasAdvised = true
        let goesOn = settings.keepGoing || place == .prompt
        let others = goesOn ? "" : "the other keys: --keep-going; "
        note(others + "a clean copy: stave repair \(StaveCommand.shellPath(store.path)) NEWDIR")
    }

    /// An error of a command, at the prompt.
    func report(_ error: CommandError) {
        output.flush()
        // Ctrl-C is no fault.
        if error.isStop { return note("(stopped)") }
        let isColored = settings.colorsPrompt && isatty(STDERR_FILENO) == 1
        note(error.message, label: "error: ", color: isColored ? Palette.error : nil)
        advise(on: error)
    }
}
