import Foundation
import StaveDisk
import TestSupport

@testable import Stave

/// A store of some hundred records as the engine writes it: sealed segments with hint files, what a
/// compaction wrote, dead records, tombstones, values of all lengths of padding; a keydir
/// checkpoint; the active segment has records below and above its synced mark and reserved space,
/// as a killed process leaves them.
struct WrittenStore: Sendable {
    static let shared = try! WrittenStore(hasCheckpoint: false)
    /// The same with a keydir checkpoint, which takes much longer to verify.
    static let withCheckpoint = try! WrittenStore(hasCheckpoint: true)

    let files: [(name: String, bytes: [UInt8])]
    let manifest: Manifest
    /// What was acknowledged: every version of each key, oldest first; nil is a deletion.
    let versions: [[UInt8]: [[UInt8]?]]

    // Of the active segment: its synced mark, where its records start and end, and their padding.
    private(set) var mark = 0
    private(set) var logEnd = 0
    private(set) var logStarts: Set<Int> = []
    private var logPadding: Set<Int> = []

    init(keys: Int = 84, hasCheckpoint: Bool) throws {
        let folder = try TemporaryFolder(isInMemory: true)
        let path = folder.path("store")
        var options = StoreOptions.small()
        options.compaction.isAutomatic = false
        if hasCheckpoint { options.checkpointEntries = 1 }
        var store = try Store(path: path, options: options)
        var versions: [[UInt8]: [[UInt8]?]] = [:]
        func set(_ number: Int, _ round: Int) throws {
            let key = Array("k\(number)".utf8)
            let value = [UInt8](repeating: UInt8(ascii: "a") + UInt8(round), count: number % 9)
            try store.set(value, forKey: key)
            versions[key, default: []].append(value)
        }
        func delete(_ number: Int) throws {
            let key = Array("k\(number)".utf8)
            if try store.removeValue(forKey: key) { versions[key, default: []].append(nil) }
        }
        for number in 0..<keys { try set(number, 0) }
        for number in stride(from: 0, to: keys, by: 7) { try delete(number) }
        _ = try store.compact()
        for number in stride(from: 0, to: keys, by: 2) { try set(number, 1) }
        for number in stride(from: 0, to: keys, by: 5) { try delete(number) }
        for number in stride(from: 0, to: keys, by: 3) { try set(number, 2) }
        for number in stride(from: 1, to: keys, by: 2) { try set(number, 3) }
        try store.sync()
        try store.log.sealFull()
        // Too many for the next segment to take them along.
        for number in 0..<40 { try set(number, 4) }
        try store.close()
        store = try Store(path: path, options: options)
        store.compactor.unlessRunning { store.log.writeMissingHints() }
        for number in 0..<9 { try set(number, 5) }
        try store.sync()
        for number in 9..<15 { try set(number, 5) }
        // A killed process: the files as they are now.
        let copy = folder.path("copy")
        try StoreFolder.copy(path, to: copy)
        files =
            try StoreFolder.names(copy).map { ($0, try StoreFolder.bytes(copy, $0)) }
            + [("LOCK", Array("4711\n".utf8))]
        manifest = try StoreFolder.manifest(copy)
        self.versions = versions
        try store.close()
        try readLog()
    }

    var names: [String] { files.map(\.name) }

    func write(to folder: TemporaryFolder) {
        for (name, bytes) in files { folder.write(bytes, to: name) }
    }

    /// What may stand in a file's place.
    static let others = ["removed", "directory", "FIFO", "link", "zeros", "empty"]

    /// Puts one of `others` into the place of a file in `folder`, where the store was written.
    func put(_ other: String, _ name: String, in folder: TemporaryFolder) throws {
        folder.remove(name)
        switch other {
        case "directory": folder.makeFolder(name)
        case "FIFO": folder.makeFIFO(name)
        case "link":
            // To a file that is right in everything else.
            folder.write(files.first { $0.name == name }!.bytes, to: "elsewhere")
            folder.makeLink(name, to: folder.path("elsewhere"))
        case "zeros":
            folder.write([], to: name)
            let handle = try FileHandle(forUpdating: URL(fileURLWithPath: folder.path(name)))
            try handle.truncate(atOffset: 4 << 30)
        case "empty": folder.write([], to: name)
        default: break
        }
    }

    /// The newest value of each key that has one.
    var contents: [[UInt8]: [UInt8]] {
        versions.compactMapValues { $0.last ?? nil }
    }

    // MARK: Where things lie

    /// What a byte of a file is, and so what becomes of it when it is changed.
    enum Place {
        case manifest, lock, hint, checkpoint
        case header
        case mark
        /// In a record of a sealed segment, or below the synced mark of the active one.
        case synced
        /// In a record above the mark; but its padding is no part of a torn write.
        case unsynced, unsyncedPadding
        /// Zeros for records to come.
        case reserved
    }

    func place(_ name: String, _ offset: Int) -> Place {
        switch FileName(name) {
        case .manifest: return .manifest
        case .lock: return .lock
        case .hint: return .hint
        case .checkpoint: return .checkpoint
        default: break
        }
        let isSealed = manifest.segments.contains {
            FileName.segment($0.number).name == name && $0.isSealed
        }
        if offset < SegmentHeader.markOffset { return .header }
        if offset < SegmentHeader.byteCount { return .mark }
        if isSealed || offset < mark { return .synced }
        if offset >= logEnd { return .reserved }
        return logPadding.contains(offset) ? .unsyncedPadding : .unsynced
    }

    /// Reads the active segment: its mark, where its records start and end, and their padding.
    private mutating func readLog() throws {
        let log = files.last { $0.name.hasSuffix(".segment") }!
        let header = unsafe try SegmentHeader(decoding: log.bytes.span.bytes)
        mark = try StoreFolder.mark(log.bytes) ?? 0
        logEnd = SegmentHeader.byteCount
        while case .record(let record) = unsafe SegmentScan.step(
            in: log.bytes.span.bytes, at: logEnd, identity: header.identity)
        {
            logStarts.insert(logEnd)
            let used =
                logEnd + RecordHeader.byteCount + record.keyLength + record.valueLength
            logEnd += record.recordLength
            logPadding.formUnion(used..<logEnd)
        }
        logStarts.insert(logEnd)
    }
}

/// Puts one byte into a file where it is, which is much faster than writing the file anew.
final class PatchedFile {
    private let handle: FileHandle

    init(_ path: String) throws {
        handle = try FileHandle(forUpdating: URL(fileURLWithPath: path))
    }

    func put(_ byte: UInt8, at offset: Int) throws {
        try handle.seek(toOffset: UInt64(offset))
        try handle.write(contentsOf: [byte])
    }
}
