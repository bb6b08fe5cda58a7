package import Foundation
package import Stave
package import StaveDisk

/// What the tests do to the files of a store from outside.
package enum StoreFolder {
    package struct Item: Equatable, Sendable {
        package var bytes: [UInt8]
        package var modified: Date
        package var mode: Int
    }

    /// Every file of the directory: name, contents, time of change, mode.
    package static func items(_ path: String) throws -> [String: Item] {
        var items: [String: Item] = [:]
        for name in try names(path) {
            let attributes = try FileManager.default.attributesOfItem(atPath: path + "/" + name)
            items[name] = Item(
                bytes: try bytes(path, name),
                modified: attributes[.modificationDate] as? Date ?? .distantPast,
                mode: (attributes[.posixPermissions] as? NSNumber)?.intValue ?? 0)
        }
        return items
    }

    package static func names(_ path: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    }

    package static func segments(_ path: String) throws -> [String] {
        try names(path).filter { $0.hasSuffix(".segment") }
    }

    package static func hints(_ path: String) throws -> [String] {
        try names(path).filter { $0.hasSuffix(".hint") }
    }

    package static func bytes(_ path: String, _ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: path + "/" + name)))
    }

    /// Puts `bytes` into the file, in place.
    package static func write(_ bytes: [UInt8], _ path: String, _ name: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: path + "/" + name))
    }

    /// Writes over the file without cutting it: a process that has it mapped sees the bytes.
    package static func overwrite(_ bytes: [UInt8], _ path: String, _ name: String) throws {
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path + "/" + name))
        defer { try? file.close() }
        try file.write(contentsOf: Data(bytes))
    }

    package static func remove(_ path: String, _ name: String) throws {
        try FileManager.default.removeItem(atPath: path + "/" + name)
    }

    /// Makes `target` a copy of the files in `source` as they are now; LOCK is left out.
    package static func copy(_ source: String, to target: String) throws {
        try? FileManager.default.removeItem(atPath: target)
        try FileManager.default.createDirectory(
            atPath: target, withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o700])
        for name in try names(source) where name != FileName.lockName {
            try FileManager.default.copyItem(
                atPath: source + "/" + name, toPath: target + "/" + name)
        }
    }

    package static func manifest(_ path: String) throws -> Manifest {
        try Manifest(decoding: try bytes(path, FileName.manifestName))
    }

    package static func write(_ manifest: Manifest, _ path: String) throws {
        try write(manifest.encoded(), path, FileName.manifestName)
    }

    /// The synced mark of a segment's bytes; nil where none checks out.
    package static func mark(_ bytes: [UInt8]) throws -> Int? {
        let header = unsafe try SegmentHeader(decoding: bytes.span.bytes)
        return unsafe SegmentHeader.mark(
            in: bytes.span.bytes, identity: header.identity, version: header.version
        ).length
    }

    /// Whole records of a segment file, from its bytes alone.
    package static func records(
        _ path: String, _ name: String
    ) throws -> [(offset: Int, header: RecordHeader, key: [UInt8])] {
        let bytes = try bytes(path, name)
        let header = unsafe try SegmentHeader(decoding: bytes.span.bytes)
        var records: [(offset: Int, header: RecordHeader, key: [UInt8])] = []
        var offset = SegmentHeader.byteCount
        while true {
            let step = unsafe SegmentScan.step(
                in: bytes.span.bytes, at: offset, identity: header.identity)
            switch step {
            case .record(let record):
                let start = offset + RecordHeader.byteCount
                records.append((offset, record, Array(bytes[start..<(start + record.keyLength)])))
                offset += record.recordLength
            case .unreadable(let until, _): offset = until
            case .zeros, .end: return records
            }
        }
    }
}

extension Store {
    /// All entries, by a cursor.
    package func allEntries(
        in range: KeyRange = .all, direction: KeyDirection = .ascending
    ) throws -> [(key: [UInt8], value: [UInt8])] {
        var cursor = try entries(in: range, direction: direction)
        var all: [(key: [UInt8], value: [UInt8])] = []
        while let entry = try cursor.next() { all.append(entry) }
        return all
    }

    /// The values of many keys, by the batched get.
    package func values(forKeys keys: [[UInt8]]) throws -> [[UInt8]?] {
        var answers: [[UInt8]?] = []
        try withValues(forKeys: keys) { index, value in
            precondition(index == answers.count, "answers come in order")
            guard let value else {
                answers.append(nil)
                return
            }
            unsafe answers.append(value.withUnsafeBytes { unsafe Array($0) })
        }
        return answers
    }

    package func dictionary() throws -> [[UInt8]: [UInt8]] {
        Dictionary(uniqueKeysWithValues: try allEntries().map { ($0.key, $0.value) })
    }
}

extension StoreOptions {
    /// Options of a test: small segments, made if missing.
    package static func small(
        _ segmentSize: Int = 4096, durability: Durability = .os, access: Access = .readWrite
    ) -> StoreOptions {
        var options = StoreOptions()
        options.createsIfMissing = true
        options.segmentSize = segmentSize
        options.durability = durability
        options.access = access
        return options
    }

    package static var reading: StoreOptions { .small(access: .readOnly) }
}
