import Foundation
import StaveDisk
import TestSupport
import Testing

@testable import Stave

/// Names that are taken before the store makes a file of that name, and a MANIFEST that
/// was written by hand.
@Suite("A hostile directory's names and numbers")
struct HostileNamesTests {
    private let folder: TemporaryFolder
    private let path: String
    private let victim: String

    init() throws {
        folder = try TemporaryFolder(isInMemory: true)
        path = folder.path("store")
        victim = folder.path("victim")
        folder.write(Array("not yours".utf8), to: "victim")
        let store = try Store(path: path, options: .small())
        for number in 0..<30 {
            try store.set(String(repeating: "v", count: 300), forKey: "key \(number)")
        }
        try store.close()
    }

    private var options: StoreOptions {
        var options = StoreOptions.small()
        options.checkpointEntries = 0
        return options
    }

    /// Everything that makes files.
    private func use() throws {
        let store = try Store(path: path, options: options)
        #expect(try store.dictionary().count >= 30)
        for number in 0..<30 { try store.set("\(number)", forKey: "key \(number)") }
        try store.sync()
        try store.sealActive()
        _ = try store.compact()
        try store.close()
    }

    @Test("Links in place of hints, of the saved keydir and of new files lead nowhere")
    func links() throws {
        for target in [victim, "/nowhere/at/all"] {
            let next = try StoreFolder.manifest(path).nextSegment
            let hints = try StoreFolder.hints(path)
            #expect(!hints.isEmpty)
            var names = hints + ["keydir.checkpoint", "MANIFEST.tmp", "keydir.checkpoint.tmp"]
            names += hints.map { $0 + ".tmp" }
            for number in next..<(next + 8) {
                names += [FileName.segment(number).name, FileName.hint(number).name]
                names += [FileName.hint(number).temporaryName]
            }
            for name in names {
                folder.remove("store/" + name)
                folder.makeLink("store/" + name, to: target)
            }
            try use()
            for name in try StoreFolder.names(path) {
                let attributes = try FileManager.default.attributesOfItem(atPath: path + "/" + name)
                #expect(attributes[.type] as? FileAttributeType == .typeRegular, "\(name)")
            }
        }
        #expect(folder.read("victim") == Array("not yours".utf8))
    }

    @Test("A name that is taken while the store is open is an error, and nothing is lost")
    func takenWhileOpen() throws {
        let store = try Store(path: path, options: options)
        try store.set("first", forKey: "write")
        let name = FileName.segment(store.log.manifest.current.nextSegment).name
        #expect(unsafe symlink(victim, path + "/" + name) == 0)
        let value = [UInt8](repeating: 1, count: 3000)
        var errors = 0
        for number in 0..<8 {
            let error = storeError { try store.set(value, forKey: [UInt8(number)]) }
            guard let error else { continue }
            errors += 1
            #expect(error.description.contains(path + "/" + name), "\(error)")
            #expect(try store.value(forKey: [UInt8(number)]) == nil)
            try store.set(value, forKey: [UInt8(number)])
        }
        #expect(errors == 1)
        try store.close()
        #expect(folder.read("victim") == Array("not yours".utf8))
        #expect(try Store(path: path).count == 39)
    }

    @Test("A FIFO in place of a hint or of the saved keydir is not waited for")
    func fifos() throws {
        for name in try StoreFolder.hints(path) + ["keydir.checkpoint"] {
            folder.remove("store/" + name)
            folder.makeFIFO("store/" + name)
        }
        try use()
        #expect(try Store(path: path).count == 30)
    }

    /// The largest number of each kind, and what comes near it.
    @Test("A MANIFEST with numbers at their ends is refused, or used as far as they go")
    func numbers() throws {
        let good = try StoreFolder.manifest(path)
        let largest = FileName.largestNumber
        let changes: [(inout Manifest) -> Void] = [
            { $0.revision = .max }, { $0.revision = .max - 2 },
            { $0.nextSegment = .max }, { $0.nextSegment = largest + 1 },
            { $0.nextSegment = largest }, { $0.nextSegment = largest - 2 },
            { $0.nextSequence = .max }, { $0.nextSequence = .max - 3 },
        ]
        for (index, change) in changes.enumerated() {
            let copy = folder.path("copy")
            try StoreFolder.copy(path, to: copy)
            var manifest = good
            change(&manifest)
            try StoreFolder.write(manifest, copy)
            guard let store = try? Store(path: copy, options: options) else { continue }
            var model = try store.dictionary()
            #expect(model.count == 30)
            for number in 0..<24 {
                let value = [UInt8](repeating: UInt8(number), count: 1500)
                if storeError({ try store.set(value, forKey: [UInt8(number % 5)]) }) == nil {
                    model[[UInt8(number % 5)]] = value
                }
            }
            _ = storeError { try store.compact() }
            #expect(try store.dictionary() == model, "change \(index)")
            _ = storeError { try store.close() }
            #expect(try Store(path: copy).dictionary() == model, "change \(index)")
        }
    }
}
