import Foundation
import StaveDisk
import TestSupport
import Testing

@testable import Stave

@Suite("Recovery of the set of segments")
struct ManifestRecoveryTests {
    private let folder: TemporaryFolder
    private let history = History.random(200, keys: 30)
    private let source: String

    init() throws {
        folder = try TemporaryFolder(isInMemory: true)
        source = folder.path("source")
        let live = folder.path("live")
        let store = try Store(path: live, options: .small())
        try history.play(on: store)
        try store.log.sealFull()
        try store.copyAsKilled(to: source)
        try store.close()
    }

    /// Opens a changed copy to write and to read; both must fail and change nothing.
    private func expectRefusal(
        _ change: (String) throws -> Void, _ isExpected: (StoreError) -> Bool
    ) throws {
        let copy = folder.path("copy")
        try StoreFolder.copy(source, to: copy)
        try change(copy)
        let before = try itemsWithoutLock(copy)
        for options in [StoreOptions.small(), .reading] {
            let error = storeError { try Store(path: copy, options: options) }
            #expect(error.map(isExpected) == true, "\(String(describing: error))")
            #expect(try itemsWithoutLock(copy) == before)
        }
    }

    @Test("A store without its MANIFEST is refused and left as it is")
    func manifestMissing() throws {
        try expectRefusal({ try StoreFolder.remove($0, "MANIFEST") }) {
            if case .notAStore = $0 { true } else { false }
        }
    }

    @Test("A MANIFEST with any bit flipped is refused")
    func manifestFlipped() throws {
        let bytes = try StoreFolder.bytes(source, "MANIFEST")
        for offset in bytes.indices {
            for bit in [0, 1, 5, 7] {
                var changed = bytes
                changed[offset] ^= UInt8(1 << bit)
                try expectRefusal({ try StoreFolder.write(changed, $0, "MANIFEST") }) {
                    switch $0 {
                    case .damaged(let file, _, _, _): file.hasSuffix("MANIFEST")
                    // The version's own digit is the one thing that another version may change.
                    case .newerVersion: offset == "stave manifest ".utf8.count
                    default: false
                    }
                }
            }
        }
    }

    @Test("A MANIFEST cut at any byte is refused")
    func manifestCut() throws {
        let bytes = try StoreFolder.bytes(source, "MANIFEST")
        for count in bytes.indices {
            try expectRefusal({ try StoreFolder.write(Array(bytes[..<count]), $0, "MANIFEST") }) {
                if case .damaged(let file, _, _, _) = $0 {
                    file.hasSuffix("MANIFEST")
                } else {
                    false
                }
            }
        }
    }

    @Test("A MANIFEST of a newer version is called that, not damaged")
    func manifestNewer() throws {
        let text = String(decoding: try StoreFolder.bytes(source, "MANIFEST"), as: UTF8.self)
        let body = text.replacingOccurrences(of: "manifest 3\n", with: "manifest 4\nnew fact\n")
            .components(separatedBy: "checksum ")[0]
        let checksum = unsafe hex(Checksum.hash(Array(body.utf8).span.bytes))
        let newer = Array("\(body)checksum \(checksum)\n".utf8)
        try expectRefusal({ try StoreFolder.write(newer, $0, "MANIFEST") }) {
            if case .newerVersion = $0 { true } else { false }
        }
    }

    @Test("A missing segment is an error that names it")
    func segmentMissing() throws {
        for segment in try StoreFolder.segments(source) {
            try expectRefusal({ try StoreFolder.remove($0, segment) }) {
                if case .missingSegment(let file) = $0 { file.hasSuffix(segment) } else { false }
            }
        }
    }

    @Test("A directory, link or FIFO in place of a file is refused")
    func notAFile() throws {
        let segment = try StoreFolder.segments(source)[0]
        try expectRefusal({
            try StoreFolder.remove($0, segment)
            try FileManager.default.createSymbolicLink(
                atPath: $0 + "/" + segment, withDestinationPath: source + "/" + segment)
        }) { $0.description.contains(segment) }
        let copy = folder.path("fifo")
        try StoreFolder.copy(source, to: copy)
        try StoreFolder.remove(copy, segment)
        #expect(unsafe mkfifo(copy + "/" + segment, 0o600) == 0)
        #expect(storeError { try Store(path: copy) }?.description.contains(segment) == true)
    }

    @Test("Files that MANIFEST does not name are removed, and others left alone")
    func leftovers() throws {
        let segment = try StoreFolder.segments(source)[0]
        let leftovers = [
            "0000000900.segment", "0000000900.hint", "0000000901.hint", "MANIFEST.tmp",
            "0000000001.hint.tmp", "0000000902.segment.tmp",
        ]
        let strangers = ["notes.txt", "1.segment", "x.tmp"]
        let bytes = try StoreFolder.bytes(source, segment)
        for name in leftovers + strangers { try StoreFolder.write(bytes, source, name) }
        do {
            let reader = try Store(path: source, options: .reading)
            #expect(try reader.dictionary() == history.state())
            #expect(Set(try StoreFolder.names(source)).isSuperset(of: leftovers))
        }
        let store = try Store(path: source)
        #expect(try store.dictionary() == history.state())
        #expect(Set(try StoreFolder.names(source)).isSuperset(of: leftovers))
        try store.set("first", forKey: "write")
        #expect(Set(try StoreFolder.names(source)).isDisjoint(with: leftovers))
        #expect(Set(try StoreFolder.names(source)).isSuperset(of: strangers))
    }

    @Test("Reading needs no permission to write and changes nothing, clean or killed or damaged")
    func readOnlyDirectory() throws {
        let segments = try StoreFolder.segments(source)
        let changes: [(String) throws -> Void] = [
            { _ in },
            { try StoreFolder.remove($0, try StoreFolder.hints($0)[0]) },
            { try StoreFolder.write([1, 2, 3], $0, try StoreFolder.hints($0)[0]) },
            { try StoreFolder.write([1, 2, 3], $0, "MANIFEST.tmp") },
            { path in
                let records = try StoreFolder.records(path, segments.last!)
                let bytes = try StoreFolder.bytes(path, segments.last!)
                try StoreFolder.write(
                    Array(bytes[..<(records.last!.offset + 9)]), path, segments.last!)
            },
        ]
        for (index, change) in changes.enumerated() {
            let copy = folder.path("copy \(index)")
            try StoreFolder.copy(source, to: copy)
            try change(copy)
            let before = try StoreFolder.items(copy)
            try FileManager.default.setAttributes([.posixPermissions: 0o500], ofItemAtPath: copy)
            do {
                let store = try Store(path: copy, options: .reading)
                let last = history.writes.count - (index == 4 ? 1 : 0)
                #expect(try store.dictionary() == history.state(after: last))
                #expect(throws: StoreError.self) { try store.set("x", forKey: "x") }
                #expect(throws: StoreError.self) { try store.removeValue(forKey: "x") }
                #expect(throws: StoreError.self) { try store.compact() }
                #expect(throws: StoreError.self) { try store.sync() }
                try store.close()
            }
            #expect(try StoreFolder.items(copy) == before, "case \(index)")
            try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: copy)
        }
    }
}
