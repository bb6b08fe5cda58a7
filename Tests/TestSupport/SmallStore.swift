package import StaveDisk

/// A store of two sealed segments, one with its hint file, and an active one with reserved space.
package struct SmallStore {
    package var first = SegmentMaker(number: 1, identity: 0x1111_1111_1111_1111)
    package var second: SegmentMaker
    package var active: SegmentMaker
    package var manifest: Manifest

    package init() {
        first.set("apple", "red")
        first.set("banana", "yellow")
        first.set("cherry", "dark red")
        first.set("empty", "")
        first.sync()
        second = SegmentMaker(
            number: 2, identity: 0x2222_2222_2222_2222, firstSequence: first.nextSequence)
        second.set("apple", "green")
        second.delete("banana")
        second.append(.value, [0, 0xff, 0x0a], Array("caf\u{e9} \u{1b}[31m".utf8))
        second.sync()
        active = SegmentMaker(
            number: 3, identity: 0x3333_3333_3333_3333, firstSequence: second.nextSequence)
        active.set("date", String(repeating: "0123456789", count: 10))
        active.sync()
        active.set("cherry", "black")
        manifest = Manifest.of([first.sealed, second.sealed, active.unsealed])
    }

    /// Bytes reserved behind the records of the active segment.
    package static let reserved = 64

    /// Every file of the store.
    package var files: [(name: String, bytes: [UInt8])] {
        [
            ("MANIFEST", manifest.encoded()),
            ("0000000001.segment", first.bytes), ("0000000001.hint", first.hint),
            ("0000000002.segment", second.bytes),
            (
                "0000000003.segment",
                active.bytes + [UInt8](repeating: 0, count: Self.reserved)
            ),
        ]
    }

    package func write(to folder: TemporaryFolder) {
        for (name, bytes) in files { folder.write(bytes, to: name) }
    }
}
