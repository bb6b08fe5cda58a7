import Foundation
import StaveDisk
import TestSupport
import Testing

@testable import Stave

/// How far damage reaches: what it costs, and that it is told.
@Suite("The reach of damage")
struct DamageReachTests {
    private let folder: TemporaryFolder
    private let path: String
    private let copy: String

    init() throws {
        folder = try TemporaryFolder(isInMemory: true)
        path = folder.path("store")
        copy = folder.path("copy")
    }

    @Test(
        "A sealed segment that was cut is told, also between two records and without its hint",
        arguments: [true, false])
    func cutSealed(withHint: Bool) throws {
        let store = try Store(path: path, options: .small())
        let keys = (0..<8).map { "key \($0)" }
        for key in keys { try store.set("old", forKey: key) }
        try store.sealActive()
        for key in keys { try store.set("new " + key, forKey: key) }
        try store.sealActive()
        try store.close()
        let name = try StoreFolder.segments(path)[1]
        let records = try StoreFolder.records(path, name)
        for cut in records.map(\.offset) + records.map({ $0.offset + 9 }) {
            try StoreFolder.copy(path, to: copy)
            let hints = withHint ? [] : try StoreFolder.hints(copy)
            for hint in hints { folder.remove("copy/" + hint) }
            #expect(unsafe truncate(copy + "/" + name, off_t(cut)) == 0)
            for options in [StoreOptions.reading, .small()] {
                let damaged = try Store(path: copy, options: options)
                #expect(damaged.notices.contains { $0.contains(name) }, "cut at \(cut)")
                for (key, record) in zip(keys, records) {
                    let isThere = record.offset + record.header.recordLength <= cut
                    let error = storeError {
                        let value = try damaged.value(forKey: key)
                        #expect(value == Array("new \(key)".utf8), "\(key), cut at \(cut)")
                    }
                    // Without a hint, nothing tells whether a lost record was a newer one of this
                    // key.
                    if isThere && (withHint || error == nil) {
                        #expect(error == nil, "\(key), cut at \(cut)")
                    } else {
                        #expect("\(error as Any)".contains(name), "\(key), cut at \(cut)")
                    }
                }
                try damaged.close()
            }
        }
    }

    @Test("A damaged record below the synced mark costs what is older, not what came after it")
    func belowMark() throws {
        let store = try Store(path: path, options: .small())
        for number in 0..<6 { try store.set("\(number)", forKey: "key \(number)") }
        try store.sync()
        try store.copyAsKilled(to: copy)
        let name = try StoreFolder.segments(copy)[0]
        let records = try StoreFolder.records(copy, name)
        var bytes = try StoreFolder.bytes(copy, name)
        bytes[records[2].offset + 9] ^= 1
        try StoreFolder.write(bytes, copy, name)
        let damaged = try Store(path: copy, options: .small())
        #expect(damaged.isReadOnly)
        #expect(damaged.notices.contains { $0.contains("\(name) is damaged at offset") })
        for number in 3..<6 {
            #expect(try damaged.value(forKey: "key \(number)") == Array("\(number)".utf8))
        }
        for key in ["key 0", "key 2", "never there"] {
            #expect(storeError { try damaged.value(forKey: key) } != nil, "\(key)")
        }
        try damaged.close()
        #expect(try StoreFolder.bytes(copy, name) == bytes)
    }
}
