internal import Glibc
internal import Stave
internal import StaveDisk

/// Where imported records go.
///
/// A new store is built from records in the order of their keys, without an index in memory. With
/// the first key that is out of order it becomes a store that is written to as any other.
final class ImportTarget {
    private enum Place {
        /// Nothing is written; what is there already is only looked at.
        case dry(Store?)
        /// A directory that is missing or empty, until the first record comes.
        case new
        case building(StoreBuilder)
        case store(Store)
        /// All of it is written at the end.
        case batch(Store)
    }

    private var place: Place
    /// Of a new store.
    private let path: String
    /// Opens the store that was built so far.
    private let open: () throws(StoreError) -> Store
    /// Whether the store was opened here, and is to be closed here.
    private var isOwn = false
    private var lastKey: [UInt8] = []
    private let time = Clock.seconds()
    /// Keys with a value before the first record.
    private let countBefore: Int
    private var deletedCount = 0
    /// Keys that would be new, of a dry run; or that are, of a batch.
    private var preparedNewCount = 0
    private var batch: Batch?

    /// A store that is open; its owner closes it.
    ///
    /// - Parameters:
    ///   - isDry: only look.
    ///   - isBatch: write nothing before `commitBatch`, and then all.
    init(_ store: Store?, isDry: Bool, isBatch: Bool = false) {
        if let store, isBatch {
            place = .batch(store)
            batch = store.makeBatch()
        } else {
            place = isDry ? .dry(store) : store.map { .store($0) } ?? .new
        }
        path = store?.path ?? ""
        countBefore = store?.count ?? 0
        open = { () throws(StoreError) in throw .closed }
    }

    /// A new store in the directory `path`, which is missing or empty.
    init(newAt path: String, open: @escaping () throws(StoreError) -> Store) {
        place = .new
        self.path = path
        self.open = open
        countBefore = 0
    }

    /// Whether files of a new store were made.
    var isBegun: Bool {
        if case .new = place { return false }
        return true
    }

    func contains(_ key: [UInt8]) throws(StoreError) -> Bool {
        switch place {
        case .dry(let store): try store?.contains(key: key) ?? false
        case .new: false
        case .building:
            lastKey.lexicographicallyPrecedes(key) ? false : try opened().contains(key: key)
        case .store(let store): try store.contains(key: key)
        case .batch: unsafe try batch?.contains(key: key.span.bytes) ?? false
        }
    }

    func set(_ record: borrowing TransferRecord) throws(StoreError) {
        switch place {
        case .dry(let store):
            if try store?.contains(key: record.key) != true { preparedNewCount += 1 }
        case .new:
            let builder = try StoreBuilder(path: path)
            place = .building(builder)
            try append(record, to: builder)
        case .building(let builder):
            if lastKey.lexicographicallyPrecedes(record.key) {
                return try append(record, to: builder)
            }
            try write(record, to: opened())
        case .store(let store): try write(record, to: store)
        case .batch:
            if try !contains(record.key) { preparedNewCount += 1 }
            // SAFETY: the arrays outlive the call.
            unsafe try batch?.set(record.value.span.bytes, forKey: record.key.span.bytes)
        }
    }

    private func write(_ record: borrowing TransferRecord, to store: Store) throws(StoreError) {
        // SAFETY: the arrays outlive the call.
        unsafe try store.set(
            record.value.span.bytes, forKey: record.key.span.bytes, deferringSync: true)
    }

    private func append(_ record: borrowing TransferRecord, to builder: StoreBuilder)
        throws(StoreError)
    {
        let header = RecordHeader(
            kind: .value, sequence: UInt64(builder.recordCount) + 1, time: time,
            keyLength: record.key.count, valueLength: record.value.count)
        let value = record.value
        var problem: StoreError?
        // SAFETY: the arrays outlive the calls.
        unsafe record.key.withUnsafeBytes { key in
            do throws(StoreError) {
                let bytes = unsafe value.span.bytes
                unsafe try builder.append(
                    header, key: key, value: bytes,
                    unboundValueChecksum: UInt32(truncatingIfNeeded: Checksum.hash(bytes)))
            } catch {
                problem = error
            }
        }
        if let problem { throw problem }
        lastKey = record.key
    }

    /// Whether the key was there.
    func removeValue(forKey key: [UInt8]) throws(StoreError) -> Bool {
        let wasThere: Bool
        switch place {
        case .dry(let store): wasThere = try store?.contains(key: key) ?? false
        case .new: wasThere = false
        case .building(let builder):
            // Behind the last key there is nothing.
            if builder.recordCount == 0 || lastKey.lexicographicallyPrecedes(key) { return false }
            wasThere = try opened().removeValue(forKey: key, deferringSync: true)
        case .store(let store):
            wasThere = try store.removeValue(forKey: key, deferringSync: true)
        case .batch: wasThere = try batch?.removeValue(forKey: key) ?? false
        }
        if wasThere { deletedCount += 1 }
        return wasThere
    }

    /// Makes a store of what was built, and opens it.
    private func opened() throws(StoreError) -> Store {
        switch place {
        case .store(let store): return store
        case .building(let builder): try finish(builder)
        case .new, .dry, .batch: break
        }
        let store = try open()
        isOwn = true
        place = .store(store)
        return store
    }

    /// What cannot become a store is removed: the directory was missing, or empty.
    private func finish(_ builder: StoreBuilder) throws(StoreError) {
        do throws(StoreError) {
            try builder.finish(nextSequence: UInt64(builder.recordCount) + 1)
        } catch {
            StagedStore.empty(path)
            throw error
        }
    }

    /// Keys that were not there before; to be asked for before `finish`.
    var newCount: Int {
        switch place {
        case .dry, .batch: preparedNewCount
        case .new: 0
        case .building(let builder): builder.recordCount
        case .store(let store): store.count - countBefore + deletedCount
        }
    }

    /// Makes everything durable. Without a record a new store is an empty one.
    ///
    /// - Parameter createsEmpty: make the store even where there was no record.
    func finish(createsEmpty: Bool) throws(StoreError) {
        switch place {
        case .dry, .batch: break
        case .new:
            if createsEmpty, !path.isEmpty { try finish(try StoreBuilder(path: path)) }
        case .building(let builder): try finish(builder)
        case .store(let store):
            if store.durability == .always { try store.sync() }
            if isOwn { try store.close() }
        }
    }
}

extension ImportTarget {
    /// Writes all that was prepared, durably.
    func commitBatch() throws(StoreError) {
        guard case .batch(let store) = place, let batch else { return }
        // What the import has read cannot have changed: this process alone writes.
        guard try store.commit(batch) else { throw .cancelled }
        try store.sync()
    }
}

/// A new store that appears whole or not at all: it is made beside its place and renamed.
enum StagedStore {
    /// Where it is made.
    static func temporaryPath(for path: String) -> String {
        var path = path
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        return path + ".importing"
    }

    /// Gives the store its name.
    static func commit(_ temporary: String, as path: String) throws(StoreError) {
        // An empty directory may be there already.
        guard unsafe rename(temporary, path) == 0 else {
            let code = errno
            // SAFETY: strerror returns a C string; one thread uses it.
            let reason = unsafe String(cString: strerror(code))
            throw .system(operation: "rename", file: temporary, code: code, reason: reason)
        }
        do throws(FileError) {
            try Directory.syncName(of: path)
        } catch {
            throw .system(
                operation: error.operation, file: error.path, code: error.code,
                reason: error.reason)
        }
    }

    /// Removes what was made so far, and the directory.
    static func remove(_ path: String) {
        empty(path)
        unsafe _ = rmdir(path)
    }

    /// Removes the files of a directory.
    static func empty(_ path: String) {
        guard let directory = try? Directory(path: path), let names = try? directory.names() else {
            return
        }
        for name in names { try? directory.remove(name) }
    }
}
