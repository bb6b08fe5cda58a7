import Stave
import TestSupport
import Testing

@Suite("The store, used plainly")
struct BasicTests {
    @Test("What was set is read back, also after reopening")
    func setAndGet() throws {
        let folder = try TemporaryFolder()
        var options = StoreOptions()
        options.createsIfMissing = true
        let store = try Store(path: folder.path("s"), options: options)
        for number in 0..<5000 { try store.set("value \(number)", forKey: "key \(number)") }
        for number in stride(from: 0, to: 5000, by: 3) {
            #expect(try store.removeValue(forKey: "key \(number)"))
        }
        func check(_ store: Store) throws {
            for number in 0..<5000 {
                let wanted = number % 3 == 0 ? nil : Array("value \(number)".utf8)
                #expect(try store.value(forKey: "key \(number)") == wanted)
            }
            #expect(store.count == 3333)
            var cursor = try store.entries()
            var last: [UInt8] = []
            var seen = 0
            while let (key, value) = try cursor.next() {
                #expect(last.lexicographicallyPrecedes(key))
                #expect(
                    value
                        == Array("value \(String(decoding: key.dropFirst(4), as: UTF8.self))".utf8))
                last = key
                seen += 1
            }
            #expect(seen == 3333)
        }
        try check(store)
        try store.close()
        let again = try Store(path: folder.path("s"))
        #expect(again.notices == [])
        try check(again)
        let plan = try again.compactionPlan()
        let report = try again.compact()
        #expect(report.copiedRecords == 3333 && report.copiedRecords == plan.copiedRecords)
        #expect(report.copiedBytes == plan.copiedBytes && report.freedBytes == plan.freedBytes)
        try check(again)
        try again.close()
        let third = try Store(path: folder.path("s"))
        #expect(third.notices == [])
        try check(third)
    }
}
