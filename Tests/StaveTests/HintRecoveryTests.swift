import StaveDisk
import TestSupport
import Testing

@testable import Stave

@Suite("Recovery of hint files")
struct HintRecoveryTests {
    private let folder: TemporaryFolder
    private let history = History.random(300, keys: 30)
    private let source: String
    private let hints: [String]

    init() throws {
        folder = try TemporaryFolder(isInMemory: true)
        source = folder.path("source")
        let store = try Store(path: source, options: .small())
        try history.play(on: store)
        try store.close()
        hints = try StoreFolder.hints(source)
    }

    /// Opens a copy in which `change` has been at one hint; everything must be there, the notice
    /// must name the file, and the hint must be made again.
    private func check(_ hint: String, isNoticed: Bool = true, _ change: (String) throws -> Void)
        throws
    {
        let copy = folder.path("copy")
        try StoreFolder.copy(source, to: copy)
        try change(copy)
        let changed = try StoreFolder.items(copy)
        do {
            let reader = try Store(path: copy, options: .reading)
            #expect(try reader.dictionary() == history.state())
        }
        #expect(try StoreFolder.items(copy) == changed, "a reader writes nothing")
        let store = try Store(path: copy)
        store.compactor.unlessRunning { store.log.writeMissingHints() }
        #expect(store.notices.count == (isNoticed ? 1 : 0))
        if isNoticed { #expect(store.notices.first?.contains(hint) == true) }
        #expect(try store.dictionary() == history.state())
        #expect(try store.gets(history.keys) == history.state())
        #expect(try StoreFolder.bytes(copy, hint) == StoreFolder.bytes(source, hint))
    }

    @Test("There are some")
    func some() { #expect(hints.count > 2) }

    @Test("A missing hint is made again")
    func missing() throws {
        for hint in hints {
            try check(hint, isNoticed: false) { try StoreFolder.remove($0, hint) }
        }
    }

    @Test("A hint with any byte flipped is not used")
    func flipped() throws {
        let hint = hints[1]
        let bytes = try StoreFolder.bytes(source, hint)
        for offset in bytes.indices
        where offset < 200 || offset % 7 == 0 || offset > bytes.count - 20 {
            var changed = bytes
            changed[offset] ^= UInt8(1 << (offset % 8))
            try check(hint) { try StoreFolder.write(changed, $0, hint) }
        }
    }

    @Test("A hint cut short, emptied or grown is not used")
    func resized() throws {
        let hint = hints[0]
        let bytes = try StoreFolder.bytes(source, hint)
        for count in [0, 1, 63, 64, 71, 72, bytes.count / 2, bytes.count - 1] {
            try check(hint) { try StoreFolder.write(Array(bytes.prefix(count)), $0, hint) }
        }
        try check(hint) { try StoreFolder.write(bytes + [0], $0, hint) }
    }

    @Test("A hint of another segment is not used")
    func swapped() throws {
        let (hint, other) = (hints[0], hints[1])
        try check(hint) { try StoreFolder.write(StoreFolder.bytes(source, other), $0, hint) }
    }

    @Test("A hint made when the segment was shorter is not used")
    func stale() throws {
        let hint = hints[0]
        let segment = String(hint.dropLast(5)) + ".segment"
        let bytes = try StoreFolder.bytes(source, segment)
        let records = try StoreFolder.records(source, segment)
        let header = unsafe try SegmentHeader(decoding: bytes.span.bytes)
        let some = records.dropLast(3).map { (offset: $0.offset, header: $0.header) }
        let stale = unsafe bytes.withUnsafeBytes { buffer in
            let image = unsafe RecordList(some).image(
                of: buffer, identity: header.identity,
                segmentLength: records[records.count - 3].offset)
            return unsafe Array(image.bytes)
        }
        try check(hint) { try StoreFolder.write(stale, $0, hint) }
    }
}
