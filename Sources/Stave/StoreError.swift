internal import StaveDisk

/// What can go wrong with a store. Each message names the file and says what to do.
public enum StoreError: Error, Equatable, Sendable {
    // MARK: When a store is opened

    /// There is nothing at this path.
    case noSuchDirectory(path: String)
    case notADirectory(path: String)
    /// The directory holds other things than a store; nothing was changed.
    case notAStore(path: String, reason: String)
    case newerVersion(file: String, reason: String)
    /// Another process is the writer; its process id where it is known.
    case locked(path: String, holder: Int?)
    /// `StoreOptions` has a value that means nothing; the option's name, and what it may be.
    case invalidOption(name: String, reason: String)
    /// The MANIFEST names this segment, and it is not there.
    case missingSegment(file: String)

    /// The directory for a backup holds something else; nothing was changed.
    case notABackup(path: String, reason: String)

    // MARK: When changes are followed

    /// The follower was away too long: deletions with numbers above `since` were dropped, the
    /// highest of them `completeSince`, so that some would be missing. It has to begin anew, from
    /// an empty copy and `ChangePosition.start`.
    case changesLost(since: UInt64, completeSince: UInt64)
    /// The position is not one of this store: another store's, or one that it reached before a
    /// backup was put back, or in a copy that has gone its own way. The follower has to begin anew,
    /// from an empty copy and `ChangePosition.start`.
    case foreignPosition(String, reason: String)

    // MARK: When a key or value is refused

    case emptyKey
    /// Bytes; at most 65,535.
    case keyTooLong(length: Int)
    /// Bytes; at most 1 GiB.
    case valueTooLong(length: Int)

    /// Bytes of a batch's records, more than one segment can hold; nothing was written.
    case batchTooLarge(length: Int)

    /// What is to be added to is no whole number of 64 bits, or the sum is none; nothing was
    /// written.
    case notANumber(key: [UInt8], reason: String)

    // MARK: When the store is used

    /// Bytes that were whole once no longer check out. Offset and length are bytes in `file`.
    case damaged(file: String, offset: Int, length: Int, reason: String)
    /// A damaged record whose key cannot be told may be a newer version of what was asked for, so
    /// that no answer would be certain.
    case uncertain(file: String, offset: Int)
    /// A write to a store that was opened read-only, or had to be.
    case readOnly(path: String, reason: String)
    /// The disk, a quota or a file size limit is full. Nothing was written; the store goes on.
    case noSpace(file: String)
    /// An earlier sync failed: what was written since the last good one may be lost.
    case syncFailed(file: String, reason: String)
    /// The store's directory, or a file that it writes to, was removed or replaced while it was
    /// open: what was written since the last sync may be found nowhere. No more writes are taken;
    /// reads go on.
    case directoryLost(path: String, reason: String)
    case tooManySegments
    /// A compaction was told to stop. The store is as it was before it.
    case cancelled
    case closed
    /// Any other error of the operating system.
    case system(operation: String, file: String, code: Int32, reason: String)
}

extension StoreError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .noSuchDirectory(let path):
            "no such directory: \(path)"
        case .notADirectory(let path): "not a directory: \(path)"
        case .notAStore(let path, let reason): "not a store: \(path): \(reason)"
        case .newerVersion(let file, let reason):
            "\(file): \(reason); open it with a newer version of stave"
        case .locked(let path, let holder):
            "\(path) is in use by another process\(holder.map { " (pid \($0))" } ?? "");"
                + " open it read-only to read beside it"
        case .invalidOption(let name, let reason): "the option \(name) is wrong: \(reason)"
        case .missingSegment(let file):
            "\(file) is missing, but MANIFEST names it; put it back from a backup"
        case .notABackup(let path, let reason): "no backup can be made in \(path): \(reason)"
        case .changesLost(let since, let complete):
            "changes since \(since) cannot be told any more: compaction has dropped deletions up to"
                + " number \(complete); begin anew, with an empty copy and without a number"
        case .foreignPosition(let position, let reason):
            "\(position) is no position of this store: \(reason); begin anew, with an empty copy"
                + " and without a number"
        case .emptyKey: "the empty key cannot be used; a key has 1 to 65,535 bytes"
        case .keyTooLong(let length): "key too long: \(length) bytes, at most 65,535"
        case .valueTooLong(let length): "value too long: \(length) bytes, at most 1,073,741,824"
        case .batchTooLarge(let length):
            "batch too large: \(length) bytes of records, at most \(Batch.maxLength); nothing was"
                + " written: make several of it"
        case .notANumber(let key, let reason):
            "\(String(decoding: key.prefix(200), as: UTF8.self).debugDescription): \(reason)"
        case .damaged(let file, let offset, let length, let reason):
            "\(file) is damaged at offset \(offset) (\(length) bytes): \(reason)"
        case .uncertain(let file, let offset):
            "no certain answer: a damaged record in \(file) at offset \(offset)"
                + " may be a newer version of this key"
        case .readOnly(let path, let reason): "\(path) is read-only: \(reason)"
        case .noSpace(let file): "no space left for \(file); free some and try again"
        case .syncFailed(let file, let reason):
            "a sync of \(file) failed (\(reason)); no more writes are taken, reopen the store"
        case .directoryLost(let path, let reason):
            "\(path) is lost: \(reason); no more writes are taken: save what can still be read here,"
                + " then reopen the store"
        case .tooManySegments:
            "too many segments; compact the store or open it with a larger segment size"
        case .cancelled: "cancelled"
        case .closed: "the store is closed"
        case .system(let operation, let file, _, let reason):
            "cannot \(operation) \(file): \(reason)"
        }
    }
}

extension StoreError {
    /// Whatever is written after it may be lost.
    var endsWriting: Bool {
        switch self {
        case .syncFailed, .directoryLost: true
        default: false
        }
    }

    /// From the ground floor's error; see `withFileErrors`.
    init(_ error: FileError) {
        self =
            error.isNoSpace
            ? .noSpace(file: error.path)
            : .system(
                operation: error.operation, file: error.path, code: error.code, reason: error.reason
            )
    }

    init(_ error: FormatError, file: String) {
        self =
            error.isNewerVersion
            ? .newerVersion(file: file, reason: error.reason)
            : .damaged(file: file, offset: error.offset, length: 0, reason: error.reason)
    }
}

/// Runs `body` and translates the ground floor's error. A closure with typed errors has to say so:
/// `{ () throws(FileError) in ... }`.
@inline(__always)
func withFileErrors<Result: ~Copyable>(
    _ body: () throws(FileError) -> Result
) throws(StoreError) -> Result {
    do throws(FileError) { return try body() } catch { throw StoreError(error) }
}
