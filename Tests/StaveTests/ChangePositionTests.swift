import Foundation
import StaveDisk
import TestSupport
import Testing

@testable import Stave

@Suite("A position among changes")
struct ChangePositionTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder(isInMemory: true) }

    private func store(_ name: String, _ writes: Int) throws -> Store {
        let store = try Store(path: folder.path(name), options: .small())
        for number in 0..<writes { try store.set("\(number)", forKey: "key \(number)") }
        return store
    }

    @Test("Reads back from its text, and nothing else does")
    func text() {
        for text in ["0", "17", "18446744073709551615", "4711@1f2e3d4c5b6a7988"] {
            #expect(ChangePosition(text)?.description == text)
        }
        for text in [
            "", "@", "-1", "+1", "1 ", "1@", "@0123456789abcdef", "1@123", "1@0123456789abcdeg",
            "1@0123456789abcdef@", "1@+123456789abcdef", "18446744073709551616", "0x1", "١",
        ] {
            #expect(ChangePosition(text) == nil, "\(text)")
        }
    }

    private func isForeign(_ store: Store, _ position: ChangePosition) -> Bool {
        let errors = [
            storeError { try store.changeCursor(since: position) },
            storeError { try StoreFollower(path: store.path, since: position).next() },
        ]
        let isForeign = errors.map { if case .foreignPosition? = $0 { true } else { false } }
        #expect(isForeign[0] == isForeign[1])
        return isForeign[0]
    }

    @Test("Is refused by another store, and where it is ahead")
    func foreign() throws {
        let (one, two) = (try store("one", 10), try store("two", 20))
        try one.sync()
        try two.sync()
        let position = try one.changeCursor().end
        #expect(!isForeign(one, position))
        #expect(isForeign(two, position))
        #expect(!isForeign(two, ChangePosition(sequence: position.sequence)))
        #expect(isForeign(one, ChangePosition(sequence: 11)))
        #expect(!isForeign(two, .start))
        try one.close()
        try two.close()
    }

    @Test("Is good in a store and its backup up to where they parted, and no further")
    func backup() throws {
        let store = try store("store", 10)
        let before = try store.changeCursor().end
        _ = try store.backup(to: folder.path("backup"))
        let copy = try Store(path: folder.path("backup"), options: .small())
        for number in 0..<20 {
            try store.set("store \(number)", forKey: "store \(number)")
            try copy.set("copy \(number)", forKey: "copy \(number)")
        }
        let (behind, ofCopy) = (try store.changeCursor().end, try copy.changeCursor().end)
        #expect(behind.sequence == ofCopy.sequence)
        for known in [store, copy] { #expect(!isForeign(known, before)) }
        #expect(!isForeign(store, behind) && !isForeign(copy, ofCopy))
        #expect(isForeign(store, ofCopy) && isForeign(copy, behind))
        try store.close()
        try copy.close()
    }

    @Test("Of a store that an older program wrote: only what comes after")
    func versionTwo() throws {
        let store = try store("store", 10)
        try store.close()
        var text = String(decoding: try StoreFolder.bytes(store.path, "MANIFEST"), as: UTF8.self)
        text = text.replacing("stave manifest 3", with: "stave manifest 2")
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).filter {
            !$0.hasPrefix("complete-since") && !$0.hasPrefix("history")
                && !$0.hasPrefix("checksum")
        }
        text = lines.joined(separator: "\n")
        let sum = unsafe hex(Checksum.hash(Array(text.utf8).span.bytes))
        try StoreFolder.write(Array("\(text)checksum \(sum)\n".utf8), store.path, "MANIFEST")
        let again = try Store(path: store.path, options: .small())
        #expect(
            storeError { try again.changeCursor(since: ChangePosition(sequence: 9)) }
                == .changesLost(since: 9, completeSince: 10))
        let end = try again.changeCursor().end
        #expect(end.sequence == 10)
        try again.set("new", forKey: "new")
        try again.removeValue(forKey: "key 1")
        try again.sync()
        var cursor = try again.changeCursor(since: end)
        #expect(try cursor.next()?.version == 11)
        #expect(try cursor.next()?.value == nil)
        try again.close()
        #expect(try StoreFolder.manifest(store.path).completeSince == 10)
    }

    @Test("Is no answer where damage may hide a change")
    func damage() throws {
        let store = try store("store", 10)
        try store.sync()
        let path = folder.path("copy")
        let name = try StoreFolder.segments(store.path)[0]
        let records = try StoreFolder.records(store.path, name)
        try store.copyAsKilled(to: path)
        try store.close()
        let bytes = try StoreFolder.bytes(path, name)
        // A key that cannot be told, then a value that is not whole.
        for place in [records[6].offset + 30, records[6].offset + 33] {
            var damaged = bytes
            damaged[place] ^= 1
            try StoreFolder.write(damaged, path, name)
            let error = storeError {
                let follower = try StoreFollower(path: path)
                var cursor = try #require(try follower.next())
                while try cursor.next() != nil {}
            }
            guard case .damaged? = error else {
                Issue.record("\(place): \(String(describing: error))")
                continue
            }
        }
    }
}
